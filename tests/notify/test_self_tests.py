"""Tests that Casebell sends by itself; on both backends, over real channels."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from casebell.alerts import AlertKind
from casebell.clock import DAY, HOUR, MINUTE, SECOND
from casebell.events import Micros
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.load import load_channels
from casebell.notify.self_tests import SelfTests
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import ChannelSettings, Settings
from casebell.settings.calendars import CalendarSettings
from casebell.settings.models import Alerts, Ops
from casebell.store.engine import Store
from casebell.store.schema import alerts
from casebell.telemetry import Metrics
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from waiting import until

PERIOD: Micros = 30 * DAY
#: Tuesday, 14 October 2025, 12:00 in New York.
NOON = 1_760_457_600_000_000
TITLE = "TEST: Casebell can reach you"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store on each backend."""
    async with Store(store_url) as opened:
        yield opened


class Server:
    """The self-tests of a server that sends, over two channels."""

    def __init__(
        self, store: Store, clock: ManualClock, sink: HttpSink, other: HttpSink, **given: object
    ) -> None:
        self.store, self.clock = store, clock
        self.settings = Settings(
            channels={
                "room": ChannelSettings(
                    name="room",
                    url=SecretStr(f"json://127.0.0.1:{sink.port}/"),
                    pace=0.0,
                    max_age=60.0,
                    self_test=PERIOD / SECOND,
                    **given,  # type: ignore[arg-type]
                ),
                "it": ChannelSettings(
                    name="it", url=SecretStr(f"json://127.0.0.1:{other.port}/"), pace=0.0
                ),
            },
            calendars={
                "office": CalendarSettings.model_validate(
                    {"name": "office", "open": ["mon-fri 09:00-17:00"]}
                )
            },
            ops=Ops(notify=("it",)),
            path=Path("/config.toml"),
            base_dir=Path("/"),
            sha256="",
        )
        channels = load_channels(self.settings, clock=clock)
        log = RecordingLog().log
        self.dispatcher = Dispatcher(
            store=store,
            channels=lambda: channels,
            owner="this-process",
            clock=clock,
            metrics=Metrics(),
            log=log,
            chance=lambda: 1.0,
        )
        self.tests = SelfTests(
            store=store,
            settings=lambda: self.settings,
            channels=lambda: channels,
            clock=clock,
            metrics=Metrics(),
            log=log,
            added=self.dispatcher.wake,
        )

    async def after(self, span: Micros) -> int:
        """How many tests there are in all, once so much time has passed."""
        self.clock.advance(span / SECOND)
        await self.tests.check()
        return len([row for row in await read_table(self.store, alerts) if row.kind == "test"])

    async def settle(self) -> None:
        """Send what waits."""

        async def done() -> bool:
            rows = await read_table(self.store, alerts)
            return all(row.state in ("sent", "failed") for row in rows)

        async with self.dispatcher:
            await until(done, "everything to be sent")


async def test_once_in_each_period(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """Counted from when the target was known, then from the last message over it."""
    clock = ManualClock(NOON)
    server = Server(store, clock, sink, other)
    assert await server.after(0) == 0
    assert await server.after(PERIOD - MINUTE) == 0
    assert await server.after(MINUTE) == 1
    assert await Server(store, clock, sink, other).after(MINUTE) == 1
    await server.settle()
    (sent,) = sink.requests
    assert TITLE.encode() in sent.body
    assert b"by itself" in sent.body
    assert b"Nothing was sent here for 30 days" in sent.body
    assert not other.requests
    assert await server.after(PERIOD - HOUR) == 1
    assert await server.after(HOUR) == 2


async def test_what_is_sent_counts(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """Where alerts go, or somebody tests by hand, none is needed."""
    server = Server(store, ManualClock(NOON), sink, other)
    assert await server.after(0) == 0
    server.clock.advance(20 * DAY / SECOND)
    await server.dispatcher.test("room", test_id="by-hand")
    assert await server.after(20 * DAY) == 1
    assert await server.after(10 * DAY) == 2


async def test_one_that_fails(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """It is tried again as alerts are, then operations hear of it; the next is a period later."""
    clock = ManualClock(NOON)
    server = Server(store, clock, sink, other)
    await server.after(0)
    await server.after(PERIOD)
    sink.answer(HttpAnswer(status=500))
    async with server.dispatcher:
        await sink.received(1)

        async def retrying() -> bool:
            (row,) = await read_table(store, alerts)
            return bool(row.state == "retrying")

        await until(retrying, "the test to wait")
        assert not other.requests
        clock.advance(60)
        server.dispatcher.wake()
        (told,) = await other.received(1)
    assert b"A self-test of channel room failed" in told.body
    assert b"HTTP 500" in told.body
    assert await server.after(HOUR) == 1
    assert await server.after(PERIOD) == 2


async def test_a_test_by_hand_tells_nobody(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """Whoever asked for it has its result at once."""
    server = Server(store, ManualClock(NOON), sink, other)
    sink.answer(HttpAnswer(status=500))
    ((_, result),) = await server.dispatcher.test("room", test_id="by-hand")
    assert not result.delivered
    (row,) = await read_table(store, alerts)
    assert (row.kind, row.state) == (AlertKind.TEST, "failed")


async def test_in_office_hours(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """Where ordinary alerts wait for a calendar, a test does too."""
    server = Server(store, ManualClock(NOON), sink, other, quiet_outside="office")
    await server.after(0)
    # Thursday 13 November, noon; then Saturday.
    assert await server.after(PERIOD - MINUTE) == 0
    server.clock.advance(2 * DAY / SECOND)
    assert await server.after(0) == 0
    # Monday 8:59, and 9:00. New York has left summer time: it was 11 o'clock.
    assert await server.after(2 * DAY - 2 * HOUR) == 0
    assert await server.after(MINUTE) == 1


async def test_nobody_in_pilot_mode(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """What would reach the pilot alone says nothing of a target."""
    server = Server(store, ManualClock(NOON), sink, other)
    server.settings = server.settings.model_copy(update={"alerts": Alerts(pilot="it")})
    await server.after(0)
    assert await server.after(2 * PERIOD) == 0
