"""A wall clock that is set back holds nothing up, whether the server runs meanwhile or not."""

import json

import pytest

from casebell.notify.clock_watch import CHECK_EVERY, follow_journal
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.engine import Store
from casebell.store.schema import alerts, journal
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import disk_failure, failing_statements, read_table
from contracts.writing import writing
from notify.harness import DispatcherHarness, channel_to, running, titles
from waiting import until

HOUR = 3_600
SECOND = 1_000_000


async def kinds(store: Store) -> list[str]:
    """What the journal tells of."""
    return [entry.kind for entry in await read_table(store, journal)]


@pytest.fixture
async def harness(store: Store, sink: HttpSink) -> DispatcherHarness:
    """A channel whose service is down for one message."""
    sink.answer(HttpAnswer(status=503), HttpAnswer())
    return DispatcherHarness(store, {"slack": channel_to(sink)})


async def test_a_wait_keeps_its_length(
    store: Store, sink: HttpSink, harness: DispatcherHarness
) -> None:
    """What would have been sent in five seconds is, though the clock says an hour less."""
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "retrying"})
        harness.clock.set_back(HOUR)
        harness.clock.advance(CHECK_EVERY)
        await until(lambda: harness.recording.named("clock.set_back"), "the clock watch to notice")
        assert len(titles(sink)) == 1
        harness.later(5.0)
        await harness.until(**{"change:1": "sent"})
    (line,) = harness.recording.named("clock.set_back")
    assert (line["seconds"], line["alerts"]) == (HOUR, 1)
    (entry,) = [
        entry for entry in await read_table(store, journal) if entry.kind == "clock.set_back"
    ]
    assert json.loads(entry.data) == {"alerts": 1, "escalations": 0, "micros": HOUR * SECOND}
    assert len(titles(sink)) == 2


@pytest.mark.parametrize("step", [-HOUR, 1.5])
async def test_other_steps_are_left_alone(
    store: Store, harness: DispatcherHarness, step: float
) -> None:
    """A clock set forward, or back by a moment, moves nothing."""
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "retrying"})
        (before,) = await read_table(store, alerts)
        harness.clock.set_back(step)
        for _ in range(3):
            harness.clock.advance(CHECK_EVERY / 3)
        # It has looked, and waits to look again.
        await until(
            lambda: harness.clock.has_sleeper(CHECK_EVERY, fits=lambda task: task == "clock-watch"),
            "the clock watch to look",
        )
    assert harness.recording.named("clock.set_back") == []
    assert "clock.set_back" not in await kinds(store)
    if step > 0:
        assert await read_table(store, alerts) == [before]


async def test_a_step_while_nothing_can_be_stored(store: Store, harness: DispatcherHarness) -> None:
    """It is followed once the storage is back."""
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "retrying"})
        with failing_statements(store, lambda sql: disk_failure() if "UPDATE" in sql else None):
            failures = store.failures
            harness.clock.set_back(HOUR)
            harness.clock.advance(CHECK_EVERY)
            await until(lambda: store.failures > failures, "another failure of the storage")
        assert harness.recording.named("clock.set_back") == []

        def followed() -> bool:
            harness.clock.advance(CHECK_EVERY)
            return bool(harness.recording.named("clock.set_back"))

        await until(followed, "the alerts to follow the clock")
        harness.later(5.0)
        await harness.until(**{"change:1": "sent"})


@pytest.mark.parametrize(("step", "moved"), [(HOUR, True), (1, False), (-HOUR, False)])
async def test_a_step_while_no_server_ran(store: Store, step: int, moved: bool) -> None:
    """A journal that ends an hour from now tells of it."""
    last = (await read_table(store, journal))[-1]
    clock, book = ManualClock(last.at - step * SECOND), RecordingLog()
    await DispatcherHarness(store, {}).put("change:1")
    (before,) = await read_table(store, alerts)
    async with writing(store) as connection:
        await follow_journal(connection, owner=None, now=clock.now(), log=book.log)
    (after,) = await read_table(store, alerts)
    assert after.not_before == before.not_before - (step * SECOND if moved else 0)
    assert bool(book.named("clock.set_back")) is moved
    assert ("clock.set_back" in await kinds(store)) is moved
