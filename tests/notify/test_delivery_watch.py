"""What operations hear of deliveries that were held, refused or in conflict."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from casebell import ops_messages
from casebell.alerts import AlertKind
from casebell.events import HeldReason, HeldState, Micros, VerifiedDelivery
from casebell.notify.delivery_watch import DeliveryWatch
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import DeliveriesHeld
from casebell.ops_targets import OpsTargets
from casebell.receive.explaining import message_on
from casebell.store import held, pushed_out, refused, schema, streaks
from casebell.store.engine import Connection, Store
from casebell.store.ops import notify
from casebell.store.schema import alerts, events
from casebell.store.schema import held as held_table
from casebell.telemetry import Metrics
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, body_of, case_event
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import append_undecided
from contracts.store_contract import refusal
from contracts.stores import (
    disk_failure,
    failing_statements,
    is_idle,
    read_table,
    recorded_transactions,
    store_in,
)
from contracts.writing import writing
from receive.builders import make_delivery, make_source, make_torch
from waiting import until

HOUR = 3_600


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


class WatchHarness:
    """A watch, and what operations heard of it."""

    def __init__(self, store: Store, *, ops: tuple[str, ...] = ("it@example-firm.com",)) -> None:
        self.store = store
        self.clock = ManualClock()
        self.recording = RecordingLog()
        self.metrics = Metrics()
        self.wakeups = 0
        self.sources = {"parley": make_source(), "torch": make_torch()}
        self.targets = OpsTargets(targets=tuple(("ops", target) for target in ops))
        self.watch = DeliveryWatch(
            store=store,
            ops=lambda: self.targets,
            sources=lambda: self.sources,
            explain=partial(message_on, sources=self.sources, timezone="America/New_York"),
            clock=self.clock,
            metrics=self.metrics,
            log=self.recording.log,
            followed=self._wake,
        )

    def _wake(self) -> None:
        self.wakeups += 1

    async def messages(self) -> list[str]:
        """The messages to operations, as they will read."""
        return [
            render_ops(ops_messages.from_json(row.note)).body
            for row in await read_table(self.store, alerts)
            if row.kind == AlertKind.OPS
        ]


async def hold(store: Store, *bodies: bytes, reason: HeldReason = HeldReason.INVALID_JSON) -> None:
    """Hold deliveries that cannot be understood."""
    for body in bodies:
        async with writing(store) as connection:
            await held.hold(
                connection,
                VerifiedDelivery(delivery=make_delivery(body), secret_label="1"),
                reason=reason,
                detail="The body is not JSON.",
                body_sha256=str(hash(body)),
                idempotency_key=None,
            )


async def refuse(
    store: Store,
    count: int,
    *,
    source: str = "parley",
    error: str = "signature_mismatch",
    proof: bool = True,
    address: str = "9.9.9.9",
    at: Micros = RECEIVED_AT,
) -> None:
    """Refusals as a server writes them, by default such as can be checked again."""
    given = {"body": b"{}", "signature": "t=1,v1=" + "ab" * 32} if proof else {"body": b"{}"}
    one = refusal(source=source, error=error, address=address, at=at, **given)
    noted = streaks.Noted()
    for _ in range(count):
        noted.refuse(error, at=at)
    async with writing(store) as connection:
        await refused.refuse(connection, [one] * count, now=at)
        await streaks.record(connection, {source: noted})


async def authenticate(store: Store, source: str = "parley") -> None:
    """An authentic delivery, as a server notes it."""
    async with writing(store) as connection:
        await streaks.record(connection, {source: streaks.Noted(authentic=True)})


async def contradict(store: Store, *fields: str, source: str = "parley") -> None:
    """Another key of a source, with a conflict in each of these fields."""
    key = f"evt_{len(await read_table(store, events))}"
    bodies = [body_of(key), *(body_of(key, **{field: 1}) for field in fields)]
    async with writing(store) as connection:
        batch = [case_event(key, source=source, body=body) for body in bodies]
        await append_undecided(connection, batch)


async def unnotified(store: Store) -> int:
    """How many held deliveries operations have not heard of."""
    return sum(row.notified_at is None for row in await read_table(store, held_table))


class TestConflicts:
    """Conflicts are told: at once, then hourly for each source, however many there are."""

    async def test_at_once_and_then_hourly(self, store: Store) -> None:
        """The first is told at once; the others of the hour together, with their number."""
        await contradict(store, "attempts")
        harness = WatchHarness(store)
        await harness.watch.check()
        assert await harness.messages() == [
            (
                "Source parley sent other content under a key it had used before.\n"
                "New ones: 1. The fields that differ: attempts.\n"
                "The latest is event 2, routed as well; the first stays as event 1.\n"
                "Compare them: casebell why 1\n"
                "Fields that say nothing of the case, as counters, belong in `volatile` of the "
                "source."
            )
        ]
        for _ in range(5):
            await contradict(store, "attempts", "createdAt")
            await harness.watch.check()
        assert len(await harness.messages()) == 1
        # Another server, or this one after a restart.
        later = WatchHarness(store)
        await later.watch.check()
        assert len(await later.messages()) == 1
        later.clock.advance(HOUR)
        await later.watch.check()
        (_, second) = await later.messages()
        assert "New ones: 10. The fields that differ: attempts, createdAt.\n" in second
        later.clock.advance(HOUR)
        await later.watch.check()
        assert len(await later.messages()) == 2

    async def test_each_source_by_itself(self, store: Store) -> None:
        """Another source's conflicts are told at once, too."""
        await contradict(store, "attempts")
        await contradict(store, "attempts", source="torch")
        harness = WatchHarness(store)
        await harness.watch.check()
        assert len(await harness.messages()) == 2


async def test_what_was_pushed_out_is_told_once(store: Store) -> None:
    """How many could have been readmitted and are gone; a flood that goes on is told once."""
    harness = WatchHarness(store)
    for _ in range(3):
        async with writing(store) as connection:
            await pushed_out.record(connection, {"parley": 7}, now=harness.clock.now())
        await harness.watch.check()
        harness.clock.advance(2 * HOUR)
    [message] = await harness.messages()
    assert message.startswith(
        "So many deliveries to source parley are refused that the oldest are forgotten.\n"
        "7 are gone already"
    )


class TestHeld:
    """Held deliveries are told: at once, then hourly for each source and reason."""

    async def test_at_once(self, store: Store) -> None:
        """The first are told together, with how many, why, and what to do."""
        await hold(store, b"one", b"two")
        harness = WatchHarness(store)
        await harness.watch.check()
        assert await harness.messages() == [
            (
                "Source parley sent deliveries that are authentic but could not be understood.\n"
                "New ones: 2. Reason of the first: invalid_json. The body is not JSON.\n"
                "They are kept, and nobody was alerted of what they say.\n"
                "Look at them: casebell held list. The first is 1.\n"
                "After a fix in the configuration: "
                "casebell held release --all --reason invalid_json"
            )
        ]
        assert await unnotified(store) == 0
        assert harness.wakeups == 1

    async def test_a_providers_test_is_told_once(self, store: Store) -> None:
        """The first says that the secret is right; later ones neither repeat it nor wait."""
        harness = WatchHarness(store)
        for body in (b"one", b"two"):
            await hold(store, body, reason=HeldReason.PROVIDER_TEST)
            await harness.watch.check()
            assert await unnotified(store) == 0
            harness.clock.advance(HOUR)
        (message,) = await harness.messages()
        assert "It is authentic, so the secret is right." in message
        assert "It is held delivery 1, and closed." in message

    async def test_each_target_of_operations_hears(self, store: Store) -> None:
        """A second target gets the same message."""
        await hold(store, b"one")
        harness = WatchHarness(store, ops=("it@example-firm.com", "duty@example-firm.com"))
        await harness.watch.check()
        assert len(await harness.messages()) == 2

    async def test_each_reason_by_itself(self, store: Store) -> None:
        """Another reason is told at once, too."""
        await hold(store, b"one")
        await hold(store, b"two", reason=HeldReason.MISSING_RECEIPT)
        harness = WatchHarness(store)
        await harness.watch.check()
        assert len(await harness.messages()) == 2

    async def test_what_comes_within_the_hour_waits_and_is_not_passed_over(
        self, store: Store
    ) -> None:
        """More of the same are told when the hour is over: once, all of them, none forgotten."""
        harness = WatchHarness(store)
        await hold(store, b"one")
        await harness.watch.check()
        for body in (b"two", b"three"):
            await hold(store, body)
            with recorded_transactions(store) as begun:
                await harness.watch.check()
            # Waiting costs no transaction either.
            assert begun == []
        assert await unnotified(store) == 2
        harness.clock.advance(HOUR)
        await harness.watch.check()
        assert await unnotified(store) == 0
        messages = await harness.messages()
        assert len(messages) == 2
        assert "New ones: 2." in messages[1]

    async def test_a_restart_neither_repeats_nor_mutes(self, store: Store) -> None:
        """After a restart within the hour the others wait for the next one, not marked as told."""
        await hold(store, b"one")
        await WatchHarness(store).watch.check()
        await hold(store, b"two")
        harness = WatchHarness(store)
        await harness.watch.check()
        assert len(await harness.messages()) == 1
        assert await unnotified(store) == 1
        harness.clock.advance(HOUR)
        await harness.watch.check()
        assert len(await harness.messages()) == 2
        assert await unnotified(store) == 0

    async def test_held_again_within_the_hour_of_its_message(self, store: Store) -> None:
        """A discarded delivery that comes again is new, and is told in the next hour."""
        await hold(store, b"one")
        await WatchHarness(store).watch.check()
        async with writing(store) as connection:
            await held.resolve(
                connection, 1, state=HeldState.DISCARDED, now=RECEIVED_AT, actor=ADMIN
            )
        await hold(store, b"one")
        harness = WatchHarness(store)
        await harness.watch.check()
        assert (len(await harness.messages()), await unnotified(store)) == (1, 1)
        harness.clock.advance(HOUR)
        await harness.watch.check()
        assert (len(await harness.messages()), await unnotified(store)) == (2, 0)

    async def test_two_servers_tell_once(self, store: Store) -> None:
        """Two watches that see the same deliveries send one message."""
        await hold(store, b"one")
        first, second = WatchHarness(store), WatchHarness(store)
        await asyncio.gather(first.watch.check(), second.watch.check())
        assert len(await first.messages()) == 1
        assert await unnotified(store) == 0

    async def test_what_another_server_did_not_count_is_not_marked(self, store: Store) -> None:
        """Where another server told fewer between our look and our write, the rest stays so."""
        await hold(store, b"one", b"two")
        harness = WatchHarness(store)
        looked = asyncio.Event()
        ops = harness.targets

        def targets() -> OpsTargets:
            looked.set()
            return ops

        harness.watch._ops = targets
        now = harness.clock.now()
        async with writing(store) as connection:
            check = asyncio.create_task(harness.watch.check())
            await looked.wait()
            message = DeliveriesHeld(
                source="parley", reason="invalid_json", detail="", count=1, first_held=1
            )
            assert await notify(connection, message, to=ops, now=now)
            await held.mark_told(
                connection, source="parley", reason="invalid_json", last=1, now=now
            )
        await check
        assert (len(await harness.messages()), await unnotified(store)) == (1, 1)

    async def test_nothing_to_tell_costs_no_writing(self, store: Store) -> None:
        """Looking for held deliveries begins no writing transaction."""
        with recorded_transactions(store) as begun:
            await WatchHarness(store).watch.check()
        assert begun == []

    async def test_without_operations_they_are_not_looked_at_again(self, store: Store) -> None:
        """Where no channel is for operations, nothing waits for one."""
        await hold(store, b"one")
        await WatchHarness(store, ops=()).watch.check()
        assert await unnotified(store) == 0


class TestRefused:
    """Refusals in a row are told from the fifth on, at growing pauses; and their end."""

    async def test_the_fifth_in_a_row(self, store: Store) -> None:
        """Source, number, errors, addresses, likely cause, and what to do."""
        harness = WatchHarness(store)
        await refuse(store, 4, error="signature_missing", proof=False)
        with recorded_transactions(store) as begun:
            await harness.watch.check()
        assert begun == []
        await refuse(store, 1, error="signature_missing", proof=False)
        await harness.watch.check()
        (message,) = await harness.messages()
        assert message == (
            "5 deliveries to source parley were refused in a row since 2025-10-14 15:23:33 EDT, "
            "and none was authentic.\n"
            "Errors: signature_missing 5. They came from 1 address, of which the latest authentic "
            "ones came from none.\n"
            "Likely cause: The header Authorization did not arrive. A proxy takes it away, or the "
            "provider does not send it.\n"
            "What to do: Have the proxy pass Authorization on (README has it for nginx). If it "
            "cannot, ask the provider to use another header, and set signature_header under "
            "[sources.parley].\n"
            "Nobody was alerted of what they say. What carried a proof is kept for a week.\n"
            "Look at one: casebell refused why 5\n"
            "After a fix: casebell reload, then casebell refused readmit --all --source parley\n"
            "What carried no proof, the provider must send again."
        )
        (alert,) = await read_table(store, alerts)
        assert (alert.channel, alert.target, alert.priority) == ("ops", "it@example-firm.com", 1)
        assert harness.wakeups == 1

    async def test_whatever_the_error(self, store: Store) -> None:
        """Five of different kinds are five in a row as well."""
        harness = WatchHarness(store)
        for error in ("encoded_body", "body_too_large", "signature_missing", "unknown_source"):
            await refuse(store, 1, error=error, proof=False)
        await harness.watch.check()
        assert await harness.messages() == []
        await refuse(store, 1, error="method_not_allowed", proof=False)
        await harness.watch.check()
        (message,) = await harness.messages()
        assert "Errors: body_too_large 1, encoded_body 1, method_not_allowed 1," in message

    async def test_beyond_the_limit_of_an_address(self, store: Store) -> None:
        """None of these is kept: nothing is said of their addresses, nor of their own cause."""
        harness = WatchHarness(store)
        await refuse(store, 3, error="signature_missing", proof=False)
        later = streaks.Noted(authentic=True)
        for _ in range(5):
            later.refuse("too_many_refusals", at=RECEIVED_AT + 1)
        async with writing(store) as connection:
            await streaks.record(connection, {"parley": later})
        await harness.watch.check()
        (message,) = await harness.messages()
        assert "Errors: too_many_refusals 5. Their addresses are not kept.\n" in message
        assert (
            "Likely cause: none of them is kept. Of the latest one before them: The header "
            "Authorization did not arrive." in message
        )

    async def test_an_authentic_one_in_between(self, store: Store) -> None:
        """What came before it does not count unless it had a proof: one of two may be wrong."""
        harness = WatchHarness(store)
        for _ in range(2):
            await refuse(store, 4, proof=False)
            await authenticate(store)
            await harness.watch.check()
        assert await harness.messages() == []
        for _ in range(5):
            await refuse(store, 1)
            await authenticate(store)
        await harness.watch.check()
        (message,) = await harness.messages()
        assert "5 deliveries to source parley were refused while others were authentic." in message

    async def test_it_goes_on(self, store: Store) -> None:
        """Again after an hour, then after twice as long each time, and after six at most."""
        harness = WatchHarness(store)
        told = []
        for minute in range(0, 20 * 60, 20):
            await refuse(store, 5)
            before = len(await harness.messages())
            await harness.watch.check()
            if len(await harness.messages()) > before:
                told.append(minute // 60)
            harness.clock.advance(1_200)
        assert told == [0, 1, 3, 7, 13, 19]
        assert "\n290 deliveries" in "\n" + (await harness.messages())[-1]

    async def test_the_sources_own_fault_does_not_wait_behind_a_forgers(self, store: Store) -> None:
        """Once refusals come from its address, too, the pause is an hour again, one time."""
        harness = WatchHarness(store)
        async with writing(store) as connection:
            await append_undecided(connection, [case_event(address="203.0.113.7")])
        told = []
        for hour in range(24):
            await refuse(store, 5, at=harness.clock.now())
            if hour >= 9:
                await refuse(store, 5, address="203.0.113.7", at=harness.clock.now())
            before = len(await harness.messages())
            await harness.watch.check()
            if len(await harness.messages()) > before:
                told.append(hour)
            harness.clock.advance(HOUR)
        assert told == [0, 1, 3, 7, 9, 15, 21]

    async def test_nothing_new_is_nothing_to_tell(self, store: Store) -> None:
        """What operations know of is not repeated."""
        harness = WatchHarness(store)
        await refuse(store, 5)
        for _ in range(3):
            await harness.watch.check()
            harness.clock.advance(7 * HOUR)
        assert len(await harness.messages()) == 1

    async def test_its_end_is_told_once(self, store: Store) -> None:
        """With how many there were; a streak that was not told ends in silence."""
        harness = WatchHarness(store)
        await refuse(store, 3)
        await authenticate(store)
        await harness.watch.check()
        assert await harness.messages() == []
        await refuse(store, 7)
        await harness.watch.check()
        await authenticate(store)
        for _ in range(2):
            await harness.watch.check()
        _, message = await harness.messages()
        assert message.splitlines()[:2] == [
            "An authentic delivery of source parley came.",
            "Before it 7 were refused in a row, of which you were told.",
        ]

    async def test_who_forges_between_authentic_deliveries_is_no_news_each_time(
        self, store: Store
    ) -> None:
        """In a day of it operations hear of as many beginnings as of one fault, and their ends."""
        harness = WatchHarness(store)
        for _ in range(24 * 2):
            await refuse(store, 5, proof=False)
            await harness.watch.check()
            await authenticate(store)
            await harness.watch.check()
            harness.clock.advance(1_800)
        assert len(await harness.messages()) == 12

    async def test_a_fault_among_forgeries_is_told_within_the_hour(self, store: Store) -> None:
        """What comes from where authentic deliveries come from does not wait for long."""
        async with writing(store) as connection:
            await append_undecided(connection, [case_event(address="203.0.113.7")])
        harness = WatchHarness(store)
        for _ in range(24 * 2):
            await refuse(store, 5, proof=False)
            await harness.watch.check()
            await authenticate(store)
            await harness.watch.check()
            harness.clock.advance(1_800)
        before = len(await harness.messages())
        harness.clock.advance(HOUR)
        await refuse(store, 5, proof=False, address="203.0.113.7")
        await harness.watch.check()
        messages = await harness.messages()
        assert len(messages) == before + 1
        assert "authentic ones of late came from there, too" in messages[-1]

    async def test_each_source_by_itself(self, store: Store) -> None:
        """Another source is told at once; over restarts nothing is repeated."""
        harness = WatchHarness(store)
        for _ in range(3):
            await refuse(store, 6)
            await WatchHarness(store).watch.check()
            await harness.watch.check()
        assert len(await harness.messages()) == 1
        await refuse(store, 5, source="torch", error="secret_missing", proof=False)
        await harness.watch.check()
        messages = await harness.messages()
        assert len(messages) == 2
        assert "The header X-Torch-Secret did not arrive." in messages[1]

    async def test_two_servers_tell_a_streak_once(self, store: Store) -> None:
        """Two watches that see the same streak send one message, and one on its end."""
        await refuse(store, 5)
        first, second = WatchHarness(store), WatchHarness(store)
        await asyncio.gather(first.watch.check(), second.watch.check())
        assert len(await first.messages()) == 1
        await authenticate(store)
        await asyncio.gather(first.watch.check(), second.watch.check())
        assert len(await first.messages()) == 2

    async def test_requests_to_no_source(self, store: Store) -> None:
        """They are told as what they are, and forgotten a day after the last."""
        harness = WatchHarness(store)
        await refuse(store, 5, source=streaks.UNKNOWN, error="not_found", proof=False)
        await harness.watch.check()
        (message,) = await harness.messages()
        assert message.startswith("5 requests that may have been deliveries were refused since ")
        assert "a stranger is trying" in message
        # Another error is told at once, however many of the first there were.
        await refuse(store, 5, source=streaks.UNKNOWN, error="bad_request", proof=False)
        await harness.watch.check()
        (_, another) = await harness.messages()
        assert "Errors: bad_request 5, not_found 5." in another
        assert "Likely cause of the latest: It was no HTTP request" in another
        harness.clock.advance(25 * HOUR)
        await harness.watch.check()
        (forgotten,) = await read_table(store, schema.streaks)
        assert forgotten.errors == "{}"
        with recorded_transactions(store) as begun:
            await harness.watch.check()
        assert begun == []
        assert len(await harness.messages()) == 2

    async def test_what_scanners_ask_is_not_told(self, store: Store) -> None:
        """Whatever its number: an open port has it every day."""
        harness = WatchHarness(store)
        await refuse(store, 500, source=streaks.NOISE, error="bad_request", proof=False)
        await harness.watch.check()
        assert await harness.messages() == []
        harness.clock.advance(25 * HOUR)
        await harness.watch.check()
        (forgotten,) = await read_table(store, schema.streaks)
        assert forgotten.errors == "{}"

    async def test_what_was_forgotten_is_told_when_it_begins_again(self, store: Store) -> None:
        """Each message needs a name that none before it had, or it counts as sent."""
        harness = WatchHarness(store)
        for number in (1, 2, 3):
            await refuse(store, 5, source=streaks.UNKNOWN, proof=False, at=harness.clock.now())
            await harness.watch.check()
            assert len(await harness.messages()) == number
            harness.clock.advance(25 * HOUR)
            await harness.watch.check()


class TestDefects:
    """What cannot be told of one thing must not keep operations from hearing of the others."""

    async def test_a_cause_that_cannot_be_looked_for(self, store: Store) -> None:
        """Its message says that it is unknown; other sources have theirs."""
        harness = WatchHarness(store)
        await refuse(store, 5, source="torch", error="secret_missing", proof=False)
        await refuse(store, 5)
        async with writing(store) as connection:
            damaged = schema.refused.update().where(schema.refused.c.source == "parley")
            await connection.execute(damaged.values(seen="{"))
        with capture_logs() as lines:
            await harness.watch.check()
        first, second = await harness.messages()
        assert "Likely cause: Its cause is unknown: looking for it failed.\n" in first
        assert "5 deliveries to source parley" in first
        assert "The header X-Torch-Secret did not arrive." in second
        assert {line["event"] for line in lines} == {"refusal.defect"}

    async def test_a_source_of_which_nothing_can_be_told(self, store: Store) -> None:
        """It is logged, and told once that is mended."""
        harness = WatchHarness(store)
        explain = harness.watch._explain

        async def fails(connection: Connection, streak: streaks.Streak, **more: Any) -> Any:
            if streak.source == "parley":
                raise LookupError
            return await explain(connection, streak, **more)

        harness.watch._explain = fails
        await refuse(store, 5)
        await refuse(store, 5, source="torch", error="secret_missing", proof=False)
        await hold(store, b"one")
        await harness.watch.check()
        assert len(await harness.messages()) == 2
        (line,) = harness.recording.named("watch.defect")
        assert line["what"] == "refused of parley"
        harness.watch._explain = explain
        await harness.watch.check()
        assert len(await harness.messages()) == 3

    async def test_conflicts_of_which_nothing_can_be_told(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is held and refused is told nevertheless."""

        async def fails(*_: Any, **__: Any) -> list[str]:
            raise LookupError

        monkeypatch.setattr("casebell.store.conflicts.fields_of", fails)
        harness = WatchHarness(store)
        await contradict(store, "status")
        await refuse(store, 5)
        await hold(store, b"one")
        await harness.watch.check()
        assert len(await harness.messages()) == 2
        (line,) = harness.recording.named("watch.defect")
        assert line["what"] == "conflicts"


class TestLoop:
    """Waking, failing, ending."""

    async def test_what_is_left_over_is_told_at_the_start(self, store: Store) -> None:
        """A running watch tells what an earlier process did not."""
        await refuse(store, 5)
        harness = WatchHarness(store)
        async with harness.watch:
            await until(harness.messages, "the message to operations")

    async def test_woken_it_tells_at_once(self, store: Store) -> None:
        """What is held while it runs is told as soon as it is woken."""
        harness = WatchHarness(store)
        async with harness.watch:
            await until(lambda: is_idle(harness.watch._wakeup), "the loop to rest")
            assert harness.watch.alive
            await hold(store, b"one")
            harness.watch.wake()
            await until(harness.messages, "the message to operations")
        assert not harness.watch.alive

    async def test_a_storage_in_trouble_does_not_end_it(self, store: Store) -> None:
        """What could not be told while the disk failed is told afterwards."""
        await hold(store, b"one")
        harness = WatchHarness(store)

        def broken(statement: str) -> Exception | None:
            return disk_failure() if "INTO alerts" in statement else None

        with failing_statements(store, broken):
            async with harness.watch:
                await until(lambda: is_idle(harness.watch._wakeup), "the loop to rest")
                assert harness.watch.alive
        assert await harness.messages() == []
        async with harness.watch:
            await until(harness.messages, "the message to operations")
        assert await unnotified(store) == 0
