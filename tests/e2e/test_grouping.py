"""Ordinary alerts in one message: a real server that is killed while it sends one."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.grouping import MOST_SINGLY
from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer, Server
from e2e.wallclock import WallClock
from waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

TOGETHER = 3
STATES = "SELECT state, count(*) FROM alerts GROUP BY state ORDER BY state"


@pytest_asyncio.fixture(loop_scope="module")
async def hook() -> AsyncIterator[HttpSink]:
    """Where the messages go."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(HttpSink())


async def stands(server: Server, **counts: int) -> None:
    """Wait until so many alerts are in each state."""
    wanted = sorted(counts.items())
    await until(lambda: server.rows(STATES) == wanted, f"these states: {wanted}")


async def test_killed_while_it_sends_one_message(
    make_server: MakeServer, tmp_path: Path, hook: HttpSink
) -> None:
    """The three go together once more and say that they may repeat; none is lost or doubled."""
    channel = f'[channels.room]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
    rule = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["room"]\n'
    clock = WallClock(tmp_path)
    server = await clock.of(make_server(SOURCES + channel + rule)).start()
    for number in range(MOST_SINGLY + TOGETHER):
        fields = {"normalized_status": "approved", "raw_status_text": "Case Was Approved"}
        sent = await deliver(server, receipt_number=f"IOE09000000{number:02}", **fields)
    await stands(server, deferred=TOGETHER, sent=MOST_SINGLY)
    assert len(hook.requests) == MOST_SINGLY
    why = await server.run("why", str(sent["row"]))
    assert "waits until" in why.out
    assert "to go in one message with others" in why.out
    # Not before its time, after a restart either.
    await server.kill()
    await server.start()
    await stands(server, deferred=TOGETHER, sent=MOST_SINGLY)
    hook.answer(HttpAnswer(delay=60), HttpAnswer())
    clock.set(1)
    await hook.received(MOST_SINGLY + 1)
    await server.kill()
    await server.start()
    await stands(server, sent=MOST_SINGLY + TOGETHER)
    first, second = (json.loads(one.body) for one in hook.requests[MOST_SINGLY:])
    assert first["title"] == second["title"] == f"{TOGETHER} changes in one message"
    for number in range(MOST_SINGLY, MOST_SINGLY + TOGETHER):
        assert f"IOE…00{number}" in first["message"]
        assert f"IOE…00{number}" in second["message"]
    assert ["May repeat" in one["message"] for one in (first, second)] == [False, True]
    outcomes = (
        "SELECT outcome, count(*) FROM attempts WHERE alert_id IN "
        "(SELECT id FROM alerts WHERE together IS NOT NULL) GROUP BY outcome ORDER BY outcome"
    )
    assert server.rows(outcomes) == [("ambiguous", TOGETHER), ("sent", TOGETHER)]
