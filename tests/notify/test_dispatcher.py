"""The loop that sends: real store, real channels to loopback servers, a clock turned by hand."""

import asyncio
import dataclasses
import json

import pytest
from sqlalchemy import text

from casebell.alerts import AlertKind, FailureReason, NewAlert, Outcome
from casebell.clock import SECOND
from casebell.notify.channel import ROLL_OUT
from casebell.notify.dispatcher import GONE_EVERY, POLL
from casebell.ops_messages import EventUndecided
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.store import leases, outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts, journal
from contracts.channel_contract import load
from contracts.stores import read_table, recorded_transactions
from contracts.writing import writing
from notify.harness import (
    RETRY_AFTER,
    TARGET,
    DefectiveChannel,
    DispatcherHarness,
    bodies,
    channel_to,
    running,
    titles,
)
from waiting import TIMEOUT, until

SUBJECTS = ("change:1", "change:2", "change:3")


class TestSending:
    """The ordinary course."""

    async def test_an_alert_is_sent_and_recorded(self, store: Store, sink: HttpSink) -> None:
        """The message arrives; the attempt, what was said and the journal entry are on record."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1", urgent=True)
            await harness.until(**{"change:1": "sent"})
        title = "URGENT: RFE issued · IOE…5678"
        assert titles(sink) == [title]
        assert await harness.attempted() == [(1, "sent", None, title)]
        (alert,) = await read_table(store, alerts)
        assert (alert.attempts, alert.lease_owner, alert.may_repeat) == (1, None, False)
        assert alert.sent_at == alert.finished_at == harness.clock.now()
        (entry,) = [
            row for row in await read_table(store, journal) if row.kind == "alert.attempted"
        ]
        assert (entry.actor, entry.subject) == ("channel:slack", f"alert:{alert.id}")
        data = json.loads(entry.data)
        assert data["outcome"] == data["state"] == "sent"
        (line,) = harness.recording.named("alert.attempted")
        assert (line["state"], line["number"], line["channel"]) == ("sent", 1, "slack")
        assert "IOE0912345678" not in str(harness.recording.lines)

    async def test_urgent_alerts_go_first(self, store: Store, sink: HttpSink) -> None:
        """Of what waits, the urgent goes out before what was there earlier."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        await harness.put("change:1", "change:2")
        await harness.put("change:3", urgent=True)
        async with running(harness):
            await harness.until(**{f"change:{number}": "sent" for number in (1, 2, 3)})
        assert [title.startswith("URGENT") for title in titles(sink)] == [True, False, False]

    async def test_urgent_alerts_pass_what_waits_for_its_turn(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """A channel's pace holds nothing in hand: what becomes urgent meanwhile goes first."""
        harness = DispatcherHarness(
            store, {"slack": channel_to(sink), "email": channel_to(other)}, pace=10.0
        )
        async with running(harness):
            await harness.put("change:1", "change:2")
            await harness.until(**{"change:1": "sent"})
            await harness.put("change:3", urgent=True)
            await harness.pauses(10.0)
            assert harness.dispatcher.paused_until("slack") is None
            # What comes later goes all its way over another channel meanwhile.
            await harness.put("change:4", channel="email")
            await other.received(1)
            states = await harness.states()
            assert {subject: states[subject, "slack"] for subject in SUBJECTS} == {
                "change:1": "sent",
                "change:2": "pending",
                "change:3": "pending",
            }
            harness.later(10.0)
            await harness.until(**{"change:3": "sent"})
            assert len(sink.requests) == 2
            harness.later(10.0)
            await harness.until(**{"change:2": "sent"})

    async def test_a_hanging_channel_delays_nobody_else(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """While one service does not answer, another channel's alerts go out."""
        sink.answer(HttpAnswer(delay=30.0))
        harness = DispatcherHarness(
            store, {"slack": channel_to(sink, timeout=30.0), "email": channel_to(other)}
        )
        async with running(harness):
            await harness.put("change:1")
            await sink.received(1)
            await harness.put("change:1", "change:2", channel="email")
            await other.received(2)
            assert (await harness.states())["change:1", "slack"] == "sending"

    async def test_looking_costs_no_writing(self, store: Store, sink: HttpSink) -> None:
        """A dispatcher with nothing to do reads, and begins no writing transaction."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "sent"})
            with recorded_transactions(store) as begun:
                for _ in range(5):
                    harness.later(POLL)
                    await harness.go_round()
            assert begun == []

    async def test_what_others_put_in_is_found(self, store: Store, sink: HttpSink) -> None:
        """Without a wake-up the outbox is looked at again after a second."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.go_round()
            async with writing(store) as connection:
                new = NewAlert(
                    kind=AlertKind.OPS,
                    subject="held:1",
                    channel="slack",
                    target=TARGET,
                    urgent=False,
                    note=EventUndecided(event=9),
                )
                await outbox.add(connection, [new], now=harness.clock.now())
            await harness.pauses(POLL)
            harness.clock.advance(POLL)
            await sink.received(1)
        assert titles(sink) == ["Casebell operations: An event could not be decided about"]


class TestTryingAgain:
    """What did not arrive, or may have."""

    async def test_a_failure_is_retried_when_its_wait_is_over(
        self, store: Store, sink: HttpSink
    ) -> None:
        """A service in trouble gets the message again after the wait, and not before."""
        sink.answer(HttpAnswer(status=503), HttpAnswer())
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "retrying"})
            harness.later(4.9)
            await harness.go_round()
            assert len(sink.requests) == 1
            harness.later(0.2)
            await harness.until(**{"change:1": "sent"})
        title = "RFE issued · IOE…5678"
        assert await harness.attempted() == [
            (1, "retryable", "server_error", title),
            (2, "sent", None, title),
        ]
        assert "May repeat" not in "".join(bodies(sink))

    async def test_doubt_is_told(self, store: Store, sink: HttpSink) -> None:
        """After a connection that was cut off behind the message, the next one says so."""
        sink.answer(HttpAnswer(ending=Ending.RESET), HttpAnswer())
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "retrying"})
            harness.later(5.0)
            await harness.until(**{"change:1": "sent"})
        assert [("May repeat" in body) for body in bodies(sink)] == [False, True]

    async def test_a_pause_holds_the_whole_channel(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """Asked to wait, the channel sends nothing to anybody, urgent or not, and then goes on."""
        sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER), HttpAnswer())
        harness = DispatcherHarness(store, {"slack": channel_to(sink), "email": channel_to(other)})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "deferred"})
            await harness.pauses(30.0)
            ends = harness.clock.now() + 30 * SECOND
            assert harness.dispatcher.paused_until("slack") == ends
            assert harness.dispatcher.paused_until("email") is None
            assert harness.dispatcher.paused_until("gone") is None
            await harness.put("change:2", urgent=True)
            harness.later(29.0)
            assert harness.dispatcher.paused_until("slack") == ends
            # What comes later goes all its way over another channel meanwhile.
            await harness.put("change:3", channel="email")
            await other.received(1)
            assert len(sink.requests) == 1
            harness.later(1.0)
            await harness.until(**{"change:1": "sent", "change:2": "sent"})
            assert harness.dispatcher.paused_until("slack") is None
        assert [title.startswith("URGENT") for title in titles(sink)] == [False, True, False]

    async def test_it_is_given_up_when_it_is_too_old(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """Beyond `max_age` an alert fails as given up, and operations hear why."""
        sink.answer(HttpAnswer(status=503))
        channels = {"slack": channel_to(sink), "ops": channel_to(other)}
        harness = DispatcherHarness(store, channels, ops=("ops",), max_age=8.0)
        async with running(harness):
            await harness.put("change:1", urgent=True)
            for _ in range(2):
                await harness.until(**{"change:1": "retrying"})
                count = len(sink.requests)
                harness.later(5.0)
                await sink.received(count + 1)
            await harness.until(**{"change:1": "failed"})
            await other.received(1)
        (row, _) = await read_table(store, alerts)
        assert row.reason == "gave_up"
        assert titles(other) == ["Casebell operations: URGENT: an alert was not delivered"]
        assert "gave_up" in bodies(other)[0]

    async def test_what_a_dead_process_left_says_that_it_may_repeat(
        self, store: Store, sink: HttpSink
    ) -> None:
        """An alert that was being sent at the end is sent after the next start, with a warning."""
        sink.answer(HttpAnswer(delay=30.0), HttpAnswer())
        first = DispatcherHarness(store, {"slack": channel_to(sink, timeout=30.0)}, owner="first")
        async with running(first):
            await first.put("change:1")
            await sink.received(1)
        async with writing(store) as connection:
            assert await leases.release(connection, now=first.clock.now()) == 1
        second = DispatcherHarness(store, {"slack": channel_to(sink)}, owner="second")
        async with running(second):
            await second.until(**{"change:1": "sent"})
        assert bodies(sink)[1].split("\n")[2].startswith("May repeat")
        assert [attempt[:3] for attempt in await second.attempted()] == [
            (1, "ambiguous", "interrupted"),
            (2, "sent", None),
        ]


class TestFailure:
    """Nothing fails in silence."""

    async def test_a_fallback_takes_over_and_operations_hear(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """Refused credentials fail at once; the fallback says whose place it takes."""
        sink.answer(HttpAnswer(status=401))
        async with HttpSink() as third:
            harness = DispatcherHarness(
                store,
                {"slack": channel_to(sink), "email": channel_to(other), "ops": channel_to(third)},
                fallbacks={"slack": "email"},
                ops=("ops",),
            )
            async with running(harness):
                await harness.put("change:1", urgent=True)
                await other.received(1)
                await third.received(1)
                await harness.until(**{"change:1": "failed"})
            assert titles(third) == ["Casebell operations: Channel slack fails"]
        assert titles(other) == ["URGENT: RFE issued · IOE…5678"]
        assert "Sent here because channel slack failed." in bodies(other)[0]
        assert len(sink.requests) == 1

    async def test_who_was_told_is_not_told_again(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """A fallback's target that has heard of the change already gets no second message."""
        sink.answer(HttpAnswer(status=404))
        harness = DispatcherHarness(
            store,
            {"slack": channel_to(sink), "email": channel_to(other)},
            fallbacks={"slack": "email"},
        )
        async with running(harness):
            await harness.put("change:1", channel="email")
            await other.received(1)
            await harness.put("change:1")
            await harness.until(**{"change:1": "failed"})
            await harness.go_round()
        assert len(other.requests) == 1
        assert (await harness.states())["change:1", "email"] == "sent"

    async def test_a_target_that_is_gone(self, store: Store, sink: HttpSink) -> None:
        """An alert for a target that the channel no longer has fails, unsent and on record."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1", target="random")
            await harness.until(**{"change:1": "failed"})
        assert (await harness.attempted())[0][:3] == (1, "permanent", "target_gone")
        assert sink.requests == []

    async def test_a_target_that_another_server_may_have(
        self, store: Store, sink: HttpSink
    ) -> None:
        """Its alert waits for a while, as for a person who is not in every configuration yet."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        harness.differs = True
        async with running(harness):
            await harness.put("change:1", target="random")
            await harness.until(**{"change:1": "retrying"})
            harness.later(ROLL_OUT / 1_000_000)
            await harness.until(**{"change:1": "failed"})
        assert [one[1:3] for one in await harness.attempted()] == [
            ("retryable", "target_gone"),
            ("permanent", "target_gone"),
        ]

    async def test_a_channel_that_is_gone(self, store: Store, sink: HttpSink) -> None:
        """Alerts for a channel outside the configuration are given up; operations hear of it."""
        harness = DispatcherHarness(store, {"ops": channel_to(sink)}, ops=("ops",))
        await harness.put("change:1")
        await harness.put("change:2", urgent=True)
        async with running(harness):
            await harness.until(**{"change:1": "failed", "change:2": "failed"})
            await sink.received(2)
        assert sorted(titles(sink)) == [
            "Casebell operations: Channel slack is gone",
            "Casebell operations: URGENT: an alert was not delivered",
        ]
        urgent = next(body for body in bodies(sink) if "urgent" in body)
        assert "It spoke of event 1: Request for Evidence issued." in urgent
        # Nothing was sent, so no words are on record as sent.
        gone = [row for row in await read_table(store, attempts) if row.reason == "target_gone"]
        assert [(row.title, row.body) for row in gone] == [("", "")] * 2

    async def test_a_channel_that_another_server_may_have(
        self, store: Store, sink: HttpSink
    ) -> None:
        """Its alerts are left to that server, until no server has the channel."""
        harness = DispatcherHarness(store, {"ops": channel_to(sink)}, ops=("ops",))
        harness.elsewhere = None
        await harness.put("change:1")
        async with running(harness):
            await harness.pauses(GONE_EVERY)
            harness.elsewhere = {"slack"}
            harness.dispatcher.servers_changed()
            await harness.go_round()
            await harness.pauses(GONE_EVERY)
            assert await harness.states() == {("change:1", "slack"): "pending"}
            harness.elsewhere = ()
            harness.dispatcher.servers_changed()
            await harness.until(**{"change:1": "failed"})

    async def test_an_alert_that_comes_when_its_channel_is_gone(
        self, store: Store, sink: HttpSink
    ) -> None:
        """Decided before a reload and stored after it, it is given up at once, too."""
        harness = DispatcherHarness(store, {"ops": channel_to(sink)}, ops=("ops",))
        async with running(harness):
            # Nothing was found, and the next look comes later.
            await harness.pauses(GONE_EVERY)
            await harness.put("change:1", urgent=True)
            harness.dispatcher.wake({"slack"})
            await sink.received(1)
        assert titles(sink) == ["Casebell operations: URGENT: an alert was not delivered"]


class TestEnding:
    """How it stops."""

    async def test_a_send_under_way_may_end(self, store: Store, sink: HttpSink) -> None:
        """Closing waits for what is being sent, records it, and claims nothing more."""
        answered = asyncio.Event()
        sink.answer(HttpAnswer(after=answered))
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1", "change:2")
            await sink.received(1)
            closing = asyncio.create_task(harness.dispatcher.close(grace=TIMEOUT))
            await until(harness.dispatcher._closing.is_set, "the end to begin")
            answered.set()
            await closing
            assert await harness.states() == {
                ("change:1", "slack"): "sent",
                ("change:2", "slack"): "pending",
            }
        assert len(sink.requests) == 1

    async def test_it_is_bounded(self, store: Store, sink: HttpSink) -> None:
        """A service that does not answer holds the end up for the time allowed and no longer."""
        sink.answer(HttpAnswer(delay=3 * TIMEOUT))
        harness = DispatcherHarness(store, {"slack": channel_to(sink, timeout=3 * TIMEOUT)})
        loop = asyncio.get_running_loop()
        async with running(harness):
            await harness.put("change:1")
            await sink.received(1)
            began = loop.time()
            await harness.dispatcher.close(grace=0.1)
        assert 0.1 <= loop.time() - began < TIMEOUT
        assert (await harness.states())["change:1", "slack"] == "sending"

    async def test_a_pause_does_not_hold_it_up(self, store: Store, sink: HttpSink) -> None:
        """A channel that was asked to wait ends at once."""
        sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER))
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "deferred"})
            async with asyncio.timeout(TIMEOUT):
                await harness.dispatcher.close(grace=3 * TIMEOUT)

    async def test_alive(self, store: Store, sink: HttpSink) -> None:
        """It says whether every channel's loop runs: not before the start, not after the end."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        told = [harness.dispatcher.turns]
        async with running(harness):
            told.append(harness.dispatcher.turns)
        told.append(harness.dispatcher.turns)
        assert told == [False, True, False]


class TestTestMessages:
    """`casebell channels test`."""

    async def test_each_target_answers(self, store: Store, sink: HttpSink) -> None:
        """A marked message goes to each target by the real path; no loop need run."""
        urls = [f"json://127.0.0.1:{sink.port}/one", f"json://127.0.0.1:{sink.port}/two"]
        channel = load(*urls)
        harness = DispatcherHarness(store, {"slack": channel})
        results = await harness.dispatcher.test("slack", test_id="1")
        assert [target for target, _ in results] == list(channel.targets)
        assert {result.outcome for _, result in results} == {Outcome.SENT}
        assert titles(sink) == ["TEST: Casebell can reach you"] * 2
        assert set((await harness.states()).values()) == {"sent"}

    @pytest.mark.parametrize(
        ("answer", "outcome", "reason"),
        [
            (HttpAnswer(status=401), Outcome.AUTH, FailureReason.AUTH_FAILED),
            (HttpAnswer(status=503), Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
            (
                HttpAnswer(status=429, headers=RETRY_AFTER),
                Outcome.RATE_LIMITED,
                FailureReason.RATE_LIMITED,
            ),
            (HttpAnswer(ending=Ending.RESET), Outcome.AMBIGUOUS, FailureReason.CONNECTION_LOST),
        ],
    )
    async def test_a_failure_is_the_answer(
        self,
        store: Store,
        sink: HttpSink,
        answer: HttpAnswer,
        outcome: Outcome,
        reason: FailureReason,
    ) -> None:
        """A failed test is told once to who asked: no retry, no stand-in, no operations message."""
        answered = asyncio.Event()
        sink.answer(dataclasses.replace(answer, after=answered))
        harness = DispatcherHarness(
            store, {"slack": channel_to(sink)}, fallbacks={"slack": "slack"}, ops=("slack",)
        )
        testing = asyncio.create_task(harness.dispatcher.test("slack", test_id="1"))
        await sink.received(1)
        # Not even where the clock is set back while it runs.
        harness.clock.set_back(3_600)
        answered.set()
        ((_, result),) = await testing
        assert (result.outcome, result.reason) == (outcome, reason)
        (row,) = await read_table(store, alerts)
        assert (row.kind, row.state, row.reason) == ("test", "failed", reason)

    async def test_no_loop_sends_it_as_well(self, store: Store, sink: HttpSink) -> None:
        """A test that takes its time is not taken up by the channel's own loop."""
        answered = asyncio.Event()
        sink.answer(HttpAnswer(after=answered))
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            testing = asyncio.create_task(harness.dispatcher.test("slack", test_id="1"))
            await sink.received(1)
            harness.later(1.0)
            await harness.go_round()
            answered.set()
            ((_, result),) = await testing
            harness.later(600.0)
            await harness.go_round()
        assert result.delivered
        assert len(sink.requests) == 1

    async def test_a_defect_of_the_channel_is_an_answer_too(self, store: Store) -> None:
        """A channel that raises leaves no alert behind that a later start would send."""
        harness = DispatcherHarness(store, {"slack": DefectiveChannel(defects=1)})
        ((_, result),) = await harness.dispatcher.test("slack", test_id="1")
        assert (result.outcome, result.reason) == (Outcome.AMBIGUOUS, FailureReason.UNKNOWN)
        (row,) = await read_table(store, alerts)
        assert row.state == "failed"


async def test_a_late_alert_names_the_present_status(store: Store, sink: HttpSink) -> None:
    """An event that came late is told with the status the case has now, and its case's name."""
    async with writing(store) as connection:
        await connection.execute(text("UPDATE events SET flags = ' late '"))
        await connection.execute(
            text(
                "INSERT INTO cases (receipt, status, updated_at, confidential) "
                "VALUES ('IOE0912345678', 'approved', 1, 0)"
            )
        )
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put("change:1")
        await sink.received(1)
    assert "Arrived late: a later status (approved) is already known." in bodies(sink)[0]
