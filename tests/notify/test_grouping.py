"""Ordinary alerts in one message: a real store, real channels, a clock turned by hand."""

from typing import Any

import pytest
from sqlalchemy import text

from casebell.alerts import AlertState, FailureReason
from casebell.notify.composer import Composer
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.store.engine import Store
from casebell.store.grouping import MOST_SINGLY, WINDOW
from casebell.store.schema import alerts, attempts
from contracts.stores import read_table
from contracts.writing import writing
from notify.harness import (
    RETRY_AFTER,
    TARGET,
    DispatcherHarness,
    bodies,
    channel_to,
    running,
    titles,
)

SINGLY = [f"change:{number}" for number in range(MOST_SINGLY)]
TOGETHER = [f"change:{number}" for number in (10, 11, 12)]
MINUTES = WINDOW / 1_000_000
ONE_MESSAGE = "3 changes in one message"


async def ten_then_three(harness: DispatcherHarness, **fields: Any) -> None:
    """Ten are sent, and three wait; then their time comes."""
    await harness.put(*SINGLY, **fields)
    await harness.until(**dict.fromkeys(SINGLY, "sent"))
    await harness.put(*TOGETHER, **fields)
    await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
    await harness.go_round()
    harness.later(MINUTES)


async def last_attempts(store: Store) -> list[tuple[str, str, str]]:
    """Outcome, detail and title of the attempts of the last three alerts."""
    rows = (await read_table(store, attempts))[-3:]
    return [(row.outcome, row.detail, row.title) for row in rows]


async def test_three_go_in_one_message(store: Store, sink: HttpSink) -> None:
    """With a line for each; each alert has its attempt, and what was said of it, on record."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await ten_then_three(harness)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    assert titles(sink) == ["RFE issued · IOE…5678"] * MOST_SINGLY + [ONE_MESSAGE]
    item = "RFE issued · IOE…5678\nA response is owed within the time its notice sets."
    assert bodies(sink)[-1].startswith(
        "3 changes in one message, since more than ten came within ten minutes.\n\n"
        + "\n".join([item] * 3)
    )
    assert await last_attempts(store) == [("sent", "in one message with 2 others", ONE_MESSAGE)] * 3
    rows = (await read_table(store, attempts))[-3:]
    assert [row.body for row in rows] == [item] * 3


async def test_an_urgent_one_does_not_wait(store: Store, sink: HttpSink) -> None:
    """However many were told of; and it is in no message with others."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put(*SINGLY, *TOGETHER)
        await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
        await harness.put("change:20", urgent=True)
        await harness.until(**{"change:20": "sent"})
        harness.later(MINUTES)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    assert titles(sink)[-2:] == ["URGENT: RFE issued · IOE…5678", ONE_MESSAGE]


@pytest.mark.parametrize(
    ("answer", "says_so"),
    [(HttpAnswer(status=503), False), (HttpAnswer(ending=Ending.RESET), True)],
)
async def test_they_are_tried_again_together(
    store: Store, sink: HttpSink, answer: HttpAnswer, says_so: bool
) -> None:
    """After a failure, and after one that leaves it in doubt, which the next message says."""
    sink.answer(*[HttpAnswer()] * MOST_SINGLY, answer, HttpAnswer())
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await ten_then_three(harness)
        await harness.until(**dict.fromkeys(TOGETHER, "retrying"))
        harness.later(5.0)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    assert titles(sink)[-2:] == [ONE_MESSAGE] * 2
    assert ("May repeat" in bodies(sink)[-1]) is says_so
    assert len(await read_table(store, attempts)) == MOST_SINGLY + 2 * 3


async def test_a_pause_holds_all_of_them(store: Store, sink: HttpSink) -> None:
    """A service that takes no more is asked once more for all, when it said."""
    limited = HttpAnswer(status=429, headers=RETRY_AFTER)
    sink.answer(*[HttpAnswer()] * MOST_SINGLY, limited, HttpAnswer())
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await ten_then_three(harness)
        await harness.pauses(30.0)
        harness.later(30.0)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    assert titles(sink)[-2:] == [ONE_MESSAGE] * 2


async def test_they_fail_together_and_nothing_is_silent(
    store: Store, sink: HttpSink, other: HttpSink
) -> None:
    """Each goes to the fallback, and operations hear once of the channel."""
    sink.answer(*[HttpAnswer()] * MOST_SINGLY, HttpAnswer(status=401))
    async with HttpSink() as third:
        harness = DispatcherHarness(
            store,
            {"slack": channel_to(sink), "email": channel_to(other), "ops": channel_to(third)},
            fallbacks={"slack": "email"},
            ops=("ops",),
        )
        async with running(harness):
            await ten_then_three(harness)
            await harness.until(**dict.fromkeys(TOGETHER, "failed"))
            await other.received(3)
            await third.received(1)
            await harness.go_round()
        assert titles(third) == ["Casebell operations: Channel slack fails"]
    assert all("Sent here because channel slack failed." in body for body in bodies(other))
    assert (await harness.states())["change:12", "email"] == "sent"


async def test_a_confidential_one_says_no_more_than_alone(store: Store, sink: HttpSink) -> None:
    """Its target is one person, and reads the others in the same message."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put(*SINGLY, *TOGETHER, addressed_as="unassigned")
        await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
        async with writing(store) as connection:
            await connection.execute(
                text(
                    "INSERT INTO cases (receipt, label, updated_at, confidential) "
                    "VALUES ('IOE0912345678', 'Acme', 1, 1)"
                )
            )
        harness.later(MINUTES)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    told = bodies(sink)[-1]
    assert told.count("A confidential case has news · IOE…5678") == 3
    assert "RFE" not in told
    assert "owed" not in told


async def test_one_that_its_target_may_not_hear_any_more(store: Store, sink: HttpSink) -> None:
    """The case has become confidential, and a room is not one person: nothing is sent of it."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put(*SINGLY, *TOGETHER[:2])
        await harness.put(TOGETHER[2], addressed_as="unassigned")
        await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
        async with writing(store) as connection:
            await connection.execute(
                text(
                    "INSERT INTO cases (receipt, updated_at, confidential) "
                    "VALUES ('IOE0912345678', 1, 1)"
                )
            )
        harness.later(MINUTES)
        await harness.until(**dict.fromkeys(TOGETHER[:2], "failed"), **{TOGETHER[2]: "sent"})
    assert len(sink.requests) == MOST_SINGLY + 1
    assert titles(sink)[-1] == "A confidential case has news · IOE…5678"
    reasons = {row.reason for row in await read_table(store, alerts) if row.state == "failed"}
    assert reasons == {FailureReason.CONFIDENTIAL}


@pytest.mark.parametrize("number", [1, 3])
async def test_a_case_that_becomes_confidential_while_its_message_is_composed(
    store: Store, sink: HttpSink, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A room hears nothing of it, alone or among others, and not even that it has news."""
    compose = Composer.one if number == 1 else Composer.together

    async def and_then(*given: Any, **more: Any) -> Any:
        composed = await compose(*given, **more)
        async with writing(store) as connection:
            statement = (
                "INSERT INTO cases (receipt, updated_at, confidential) "
                "VALUES ('IOE0912345678', 1, 1)"
            )
            await connection.execute(text(statement))
        return composed

    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        if number > 1:
            await harness.put(*SINGLY)
            await harness.until(**dict.fromkeys(SINGLY, "sent"))
        before = len(sink.requests)
        monkeypatch.setattr(Composer, compose.__name__, and_then)
        await harness.put(*TOGETHER[:number])
        if number > 1:
            await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
            harness.later(MINUTES)
        await harness.until(**dict.fromkeys(TOGETHER[:number], "failed"))
    assert len(sink.requests) == before
    reasons = {row.reason for row in await read_table(store, alerts) if row.state == "failed"}
    assert reasons == {FailureReason.CONFIDENTIAL}


async def test_one_that_cannot_be_made_holds_up_no_other(store: Store, sink: HttpSink) -> None:
    """It is told in plain words, beside the others."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put(*SINGLY, *TOGETHER[:2])
        await harness.put(TOGETHER[2], event_id=99)
        await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
        harness.later(MINUTES)
        await harness.until(**dict.fromkeys(TOGETHER, "sent"))
    assert titles(sink)[-1] == ONE_MESSAGE
    assert "Case status changed · event 99" in bodies(sink)[-1]


async def test_a_program_reads_each_alone(store: Store, sink: HttpSink) -> None:
    """As does a channel whose alerts may not become ten minutes old."""
    to_a_program = DispatcherHarness(store, {"slack": channel_to(sink)}, payload=True)
    hasty = DispatcherHarness(store, {"slack": channel_to(sink)}, max_age=900.0)
    for number, harness in enumerate((to_a_program, hasty)):
        subjects = [f"change:{number}{one:02}" for one in range(MOST_SINGLY + 2)]
        async with running(harness):
            await harness.put(*subjects, target=TARGET)
            await harness.until(**dict.fromkeys(subjects, "sent"))
    assert {row.state for row in await read_table(store, alerts)} == {AlertState.SENT}
    assert len(sink.requests) == 2 * (MOST_SINGLY + 2)


async def test_a_channel_that_goes_while_they_wait(store: Store, sink: HttpSink) -> None:
    """They are given up when they are due, each of them, and operations hear."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put(*SINGLY, *TOGETHER)
        await harness.until(**dict.fromkeys(TOGETHER, "deferred"))
    later = DispatcherHarness(store, {"ops": channel_to(sink)}, ops=("ops",))
    later.clock.advance(MINUTES)
    async with running(later):
        await later.until(**dict.fromkeys(TOGETHER, "failed"))
        await sink.received(MOST_SINGLY + 1)
    assert titles(sink)[-1] == "Casebell operations: Channel slack is gone"
