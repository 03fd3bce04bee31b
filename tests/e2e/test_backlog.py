"""A server that finds a backlog at its start catches up, and goes on acknowledging meanwhile."""

import asyncio
import json
import statistics
import time

import pytest

from casebell.sandbox.http_sink import HttpSink
from casebell.store.engine import Store
from contracts.case_events import case_event
from contracts.decisions import append_undecided
from contracts.writing import writing
from e2e.answers import memory
from e2e.consistency import configuration
from e2e.databases import SqliteFile
from e2e.kill_run import KillRun
from e2e.sender import Wire, document, encoded, request
from e2e.server import SOURCES, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Of so many events one is an RFE, of which both channels hear.
RFE_EVERY = 500


async def leave_unrouted(url: str, count: int) -> None:
    """What a server leaves that is killed before it decides anything."""
    async with Store(url) as store:
        for first in range(0, count, 256):
            batch = [
                case_event(
                    f"evt_left_{number}",
                    receipt=f"LIN{number:010d}",
                    delivered_status="other" if number % RFE_EVERY else "rfe_issued",
                    text="Case Transferred" if number % RFE_EVERY else "",
                )
                for number in range(first, min(first + 256, count))
            ]
            async with writing(store) as connection:
                await append_undecided(connection, batch)


async def acknowledged(server: Server, done: asyncio.Event) -> list[float]:
    """Deliver now and then; the seconds that each answer took."""
    took = []
    async with Wire(server) as wire:
        while not done.is_set():
            body = encoded(document(normalized_status="received", raw_status_text="Received"))
            began = time.monotonic()
            await wire.say(request(body))
            answer = await wire.hear()
            took.append(time.monotonic() - began)
            assert (answer.status, answer.json()["status"]) == (200, "stored")
            # The pace of this sender.
            await asyncio.sleep(0.02)
    return took


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(5_000, marks=pytest.mark.slow),
        pytest.param(50_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
async def test_a_backlog_without_decisions(make_server: MakeServer, count: int) -> None:
    """Every event left over gets its decision; memory stays flat, senders need not wait."""
    async with HttpSink() as first, HttpSink() as second:
        server = make_server(SOURCES + configuration(first, second))
        database = SqliteFile(server.database)
        await leave_unrouted(database.url, count)
        began = time.monotonic()
        await server.start()
        assert (await server.logged("server.took_up"))[0]["unrouted"] == count
        started = time.monotonic() - began
        at_first = peak = memory(server)
        done = asyncio.Event()
        delivering = asyncio.create_task(acknowledged(server, done))
        left = "SELECT count(*) FROM events WHERE routed_at IS NULL AND key LIKE 'evt_left_%'"

        async def caught_up_with() -> bool:
            nonlocal peak
            peak = max(peak, memory(server))
            return await database.rows(left) == [(0,)]

        await until(caught_up_with, "every decision", within=10 + count / 50)
        caught_up = time.monotonic() - began - started
        done.set()
        took = sorted(await delivering)
        await KillRun(server, database, first, second).settled(seconds=60)
        figures = {
            "started after s": round(started, 1),
            "caught up after s": round(caught_up, 1),
            "memory MB": (at_first >> 20, peak >> 20),
            "answered": len(took),
            "p50 ms": round(statistics.median(took) * 1000),
            "worst ms": round(took[-1] * 1000),
        }
        print(count, figures)  # noqa: T201 - figures
        assert await database.rows("SELECT count(*) FROM changes") == [(count + len(took),)]
        assert [len(hook.requests) for hook in (first, second)] == [count // RFE_EVERY] * 2
        assert peak - at_first < 64 << 20
        assert took[-1] < 5


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(500, marks=pytest.mark.slow),
        pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)]),
    ],
)
async def test_a_backlog_of_alerts(make_server: MakeServer, count: int) -> None:
    """Alerts that wait go out one after the other, an urgent one before them; memory stays flat."""
    async with HttpSink() as hook:
        # With this `max_age` none waits to go in one message with others.
        channel = (
            f'[channels.room]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
            'max_age = "15m"\n'
        )
        rule = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["room"]\n'
        server = make_server(SOURCES + channel + rule)
        database = SqliteFile(server.database)
        await leave_unrouted(database.url, count)
        await server.start()
        at_first = peak = memory(server)
        began = time.monotonic()
        unrouted = "SELECT count(*) FROM events WHERE routed_at IS NULL"
        await until(
            lambda: server.rows(unrouted) == [(0,)], "every decision", within=10 + count / 50
        )
        told_before, posted_at = len(hook.requests), time.monotonic()
        urgent = encoded(document(receipt_number="URG0000000001", normalized_status="rfe_issued"))
        async with Wire(server) as wire:
            await wire.say(request(urgent))
            assert (await wire.hear()).status == 200

        def places_of_it() -> list[int]:
            told = [json.loads(one.body)["title"] for one in hook.requests[told_before:]]
            return [place for place, title in enumerate(told) if "URG…0001" in title]

        places = await until(places_of_it, "the urgent alert", within=60)
        told_after = time.monotonic() - posted_at

        def all_told() -> bool:
            nonlocal peak
            peak = max(peak, memory(server))
            return len(hook.requests) >= count + 1

        await until(all_told, "every alert", within=60 + count / 20)
        took = time.monotonic() - began
        await server.settled()
        figures = {
            "waiting when it came": count - told_before,
            "told before it": places[0],
            "after s": round(told_after, 2),
            "alerts a second": round(count / took),
            "memory MB": (at_first >> 20, peak >> 20),
        }
        print(count, figures)  # noqa: T201 - figures
        # Those of the backlog that are urgent themselves, and what was on its way.
        assert places[0] <= count // RFE_EVERY + 5
        assert len(hook.requests) == count + 1
        assert peak - at_first < 64 << 20
