"""The wall clock set back or forward by an hour: nothing waits for it, is lost, or comes twice."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer
from e2e.answers import checked
from e2e.recipients import RecordingSink
from e2e.sender import deliver, document, encoded, post
from e2e.server import SOURCES, MakeServer, Server
from e2e.wallclock import WallClock
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Seconds: the wait before a second attempt is five at most; an hour is far away.
SOON = 30.0
DOWN = HttpAnswer(status=503)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A server on a machine of which the clock can be set, and its three channels."""

    server: Server
    clock: WallClock
    #: Down for its first message.
    down: RecordingSink
    #: Hangs for three seconds over its first message.
    slow: RecordingSink
    ops: RecordingSink


@pytest_asyncio.fixture(loop_scope="module")
async def machine(make_server: MakeServer, tmp_path: Path) -> AsyncIterator[Machine]:
    """Running, the clock right."""
    async with contextlib.AsyncExitStack() as stack:
        hooks = {
            name: await stack.enter_async_context(RecordingSink())
            for name in ("down", "slow", "ops")
        }
        hooks["down"].answer(DOWN, HttpAnswer())
        hooks["slow"].answer(HttpAnswer(delay=3), HttpAnswer())
        channels = "".join(
            f'[channels.{name}]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
            for name, hook in hooks.items()
        )
        rules = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["down", "slow"]\nurgent = true\n'
        config = f'{SOURCES}{channels}{rules}[ops]\nnotify = ["ops"]\n'
        clock = WallClock(tmp_path)
        server = await clock.of(make_server(config)).start()
        yield Machine(server=server, clock=clock, **hooks)


def texts(hook: RecordingSink) -> list[str]:
    """What a hook was told."""
    return [json.loads(one.body)["message"] for one in hook.requests]


async def soon_settled(server: Server) -> float:
    """Wait until every alert has ended; returns the seconds."""
    began = time.monotonic()
    async with asyncio.timeout(SOON):
        await server.settled()
    return time.monotonic() - began


def in_order(server: Server) -> None:
    """Check that order is by sequence: of events, of their decisions, and of the journal."""
    (stored,) = zip(*server.rows("SELECT id FROM events ORDER BY id"), strict=True)
    assert list(stored) == list(range(1, len(stored) + 1))
    entries = "SELECT subject FROM journal WHERE kind = 'delivery.stored' ORDER BY seq"
    assert [subject for (subject,) in server.rows(entries)] == [f"event:{row}" for row in stored]
    assert server.rows("SELECT count(*) - max(seq) FROM journal") == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, pytest.param(1, marks=pytest.mark.soak)])
async def test_what_waits_and_what_is_on_its_way(machine: Machine, hours: int) -> None:
    """An alert in its retry wait is sent when it would have been, one in flight only once."""
    server = machine.server
    await deliver(server)
    await machine.down.received(1)
    await machine.slow.received(1)
    await until(
        lambda: server.rows("SELECT 1 FROM alerts WHERE state = 'retrying'"),
        "an alert to be retried",
    )
    machine.clock.set(hours)
    took = await soon_settled(server)
    print(f"clock set by {hours:+d} h: all alerts ended {took:.1f} s later")  # noqa: T201 - a figure
    assert ["May repeat" in text for text in texts(machine.down)] == [False, False]
    assert ["May repeat" in text for text in texts(machine.slow)] == [False]
    in_order(server)


@pytest.mark.slow
async def test_a_clock_set_back_while_the_server_is_down(machine: Machine) -> None:
    """What was in its retry wait, or in flight when the server died, is taken up at once."""
    server = machine.server
    await deliver(server)
    await machine.down.received(1)
    await machine.slow.received(1)
    await until(
        lambda: server.rows("SELECT 1 FROM alerts WHERE state = 'retrying'"),
        "an alert to be retried",
    )
    await server.kill()
    machine.clock.set(-1)
    await server.start()
    await soon_settled(server)
    assert ["May repeat" in text for text in texts(machine.down)] == [False, False]
    assert ["May repeat" in text for text in texts(machine.slow)] == [False, True]
    assert server.rows("SELECT count(*) FROM attempts WHERE reason = 'interrupted'") == [(1,)]
    in_order(server)


@pytest.mark.soak
async def test_deliveries_beside_a_wrong_clock(machine: Machine) -> None:
    """Signed an hour from now they are held, an hour ago flagged: nothing is refused or doubled.

    One change told before and after is one change, and operations hear of what is held.
    """
    server = machine.server
    machine.down.answer(HttpAnswer())
    machine.slow.answer(HttpAnswer())
    receipt = "IOE9912345678"
    first = await deliver(server, receipt_number=receipt)

    machine.clock.set(1)
    late = document(receipt_number=receipt, type="case.rfe.issued")
    assert checked(await post(server, encoded(late)), 200)["status"] == "stored"
    kept = "SELECT flags, change_id FROM events WHERE key = ?"
    await soon_settled(server)
    ((flags, change),) = server.rows(kept, late["id"])
    assert flags.split() == ["stale_signature"]
    assert server.rows("SELECT change_id FROM events WHERE id = ?", first["row"]) == [(change,)]

    machine.clock.set(-1)
    early = document(receipt_number=receipt, normalized_status="approved")
    answer = checked(await post(server, encoded(early)), 202)
    assert answer["reason"] == "signature_in_future"
    held = await until(
        lambda: machine.ops.messages_with(lambda text: "signature_in_future" in text),
        "the message to operations",
    )
    assert len(held) == 1

    machine.clock.set(0)
    ((number,),) = server.rows("SELECT id FROM held WHERE state = 'held'")
    released = await server.run("held", "release", str(number))
    assert released.code == 0, released.err
    await soon_settled(server)
    ((_, approved),) = server.rows(kept, early["id"])
    assert approved != change
    assert [len(machine.down.messages_of(receipt)), len(machine.slow.messages_of(receipt))] == [
        2,
        2,
    ]
    assert len(machine.ops.messages_with(lambda text: "signature_in_future" in text)) == 1
    in_order(server)
