"""Quiet hours and digests: a real server that is killed while it sends a digest, and reloaded."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer, Server
from e2e.wallclock import WallClock
from waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

RULE = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["room"]\n'
OFFICE = '[calendars.office]\ntimezone = "UTC"\nopen = "00:00-24:00"\n'
OF_CASES = "SELECT state, count(*) FROM alerts WHERE kind = 'case' GROUP BY state ORDER BY state"


@pytest_asyncio.fixture(loop_scope="module")
async def hook() -> AsyncIterator[HttpSink]:
    """Where the messages go."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(HttpSink())


def room(hook: HttpSink, *keys: str) -> str:
    """A channel to it."""
    return "\n".join(
        ["[channels.room]", f'url = "json://127.0.0.1:{hook.port}/"', 'pace = "0s"', *keys, ""]
    )


async def stand(server: Server, **counts: int) -> None:
    """Wait until so many alerts of cases are in each state."""
    wanted = sorted(counts.items())
    await until(lambda: server.rows(OF_CASES) == wanted, f"these states: {wanted}")


async def test_killed_while_it_sends_a_digest(
    make_server: MakeServer, tmp_path: Path, hook: HttpSink
) -> None:
    """What was in flight comes once more and says so; what came meanwhile waits for tomorrow's."""
    due = datetime.now(UTC) + timedelta(hours=2)
    digest = f'digest = {{ at = "{due:%H:%M}", calendar = "office" }}'
    clock = WallClock(tmp_path)
    server = await clock.of(make_server(SOURCES + OFFICE + room(hook, digest) + RULE)).start()
    for number in range(12):
        fields = {"normalized_status": "approved", "raw_status_text": "Case Was Approved"}
        sent = await deliver(server, receipt_number=f"IOE09000000{number:02}", **fields)
    await stand(server, deferred=12)
    said = f"waits until {due:%a} {due.hour % 12 or 12}:{due:%M %p} UTC, the digest of room"
    assert said in (await server.run("why", str(sent["row"]))).out
    assert said in (await server.run("alerts", "list")).out
    # Not before its time, after a restart either.
    await server.kill()
    await server.start()
    await stand(server, deferred=12)
    assert hook.requests == []
    hook.answer(HttpAnswer(delay=60), HttpAnswer())
    clock.set(3)
    await hook.received(1)
    late = {"normalized_status": "denied", "raw_status_text": "Case Was Denied"}
    await deliver(server, receipt_number="IOE0900000099", **late)
    await server.kill()
    await server.start()
    await stand(server, deferred=1, sent=12)
    first, second = (json.loads(one.body) for one in hook.requests)
    assert first["title"] == second["title"] == "Digest: 12 messages about 12 cases"
    for number in range(12):
        assert f"IOE…00{number:02}" in first["message"]
        assert f"IOE…00{number:02}" in second["message"]
    assert ["May repeat" in one["message"] for one in (first, second)] == [False, True]
    outcomes = "SELECT outcome, count(*) FROM attempts GROUP BY outcome ORDER BY outcome"
    assert server.rows(outcomes) == [("ambiguous", 13), ("sent", 13)]


async def test_reloaded_while_alerts_wait(make_server: MakeServer, hook: HttpSink) -> None:
    """Without the key they go at once, and none is dropped."""
    today = datetime.now(UTC).date()
    closed = f'closed = "{today - timedelta(days=1)}..{today + timedelta(days=9)}"\n'
    quiet = OFFICE + closed + room(hook, 'quiet_outside = "office"') + RULE
    server = await make_server(SOURCES + quiet).start()
    fields = {"normalized_status": "approved", "raw_status_text": "Case Was Approved"}
    for number in range(3):
        await deliver(server, receipt_number=f"IOE09000000{number:02}", **fields)
    await stand(server, deferred=3)
    server.configure(SOURCES + room(hook) + RULE)
    assert (await server.run("reload")).code == 0
    await stand(server, sent=3)
    assert len(hook.requests) == 3
