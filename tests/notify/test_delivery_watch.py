"""What operations hear of deliveries that were held or refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell import ops_messages
from casebell.alerts import AlertKind
from casebell.events import HeldReason, HeldState, VerifiedDelivery
from casebell.notify.delivery_watch import DeliveryWatch
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import DeliveriesHeld
from casebell.ops_targets import OpsTargets
from casebell.store import held, refused
from casebell.store.engine import Store
from casebell.store.ops import notify
from casebell.store.schema import alerts
from casebell.store.schema import held as held_table
from casebell.telemetry import Metrics
from contracts.case_events import RECEIVED_AT
from contracts.clock_and_log import ManualClock, RecordingLog
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
from receive.builders import make_delivery
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
        self.targets = OpsTargets(targets=tuple(("ops", target) for target in ops))
        self.watch = DeliveryWatch(
            store=store,
            ops=lambda: self.targets,
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


async def refuse(store: Store, count: int, *, source: str = "parley") -> None:
    """Refusals that can be checked again."""
    batch = [refusal(source=source, body=b"{}", signature="t=1,v1=00")] * count
    async with writing(store) as connection:
        await refused.refuse(connection, batch, now=RECEIVED_AT)


async def unnotified(store: Store) -> int:
    """How many held deliveries operations have not heard of."""
    return sum(row.notified_at is None for row in await read_table(store, held_table))


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
                "Look at them: casebell held list\n"
                "After a fix in the configuration: casebell held release 1"
            )
        ]
        assert await unnotified(store) == 0
        assert harness.wakeups == 1

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
                connection, 1, state=HeldState.DISCARDED, now=RECEIVED_AT, actor="cli"
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
    """Sources whose deliveries fail to authenticate are told, at most hourly."""

    async def test_a_rise(self, store: Store) -> None:
        """From the fifth on operations hear which source, how many, and what to do."""
        harness = WatchHarness(store)
        await refuse(store, 4)
        with recorded_transactions(store) as begun:
            await harness.watch.check()
        assert begun == []
        await refuse(store, 1)
        await harness.watch.check()
        (message,) = await harness.messages()
        assert "source parley" in message
        assert "New ones: 5." in message
        assert "casebell refused list --source parley" in message
        assert "casebell refused readmit --all --source parley" in message
        (alert,) = await read_table(store, alerts)
        assert (alert.channel, alert.target, alert.priority) == ("ops", "it@example-firm.com", 1)
        assert harness.wakeups == 1

    async def test_once_an_hour_over_restarts(self, store: Store) -> None:
        """However many come and however often it restarts: one in an hour, and none forgotten."""
        harness = WatchHarness(store)
        for _ in range(3):
            await refuse(store, 6)
            await WatchHarness(store).watch.check()
            await harness.watch.check()
        assert len(await harness.messages()) == 1
        await refuse(store, 5, source="torch")
        await harness.watch.check()
        assert len(await harness.messages()) == 2
        harness.clock.advance(HOUR)
        for _ in range(2):
            await harness.watch.check()
        messages = await harness.messages()
        assert len(messages) == 3
        assert "New ones: 12." in messages[2]


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
