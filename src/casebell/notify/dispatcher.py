"""Sends the outbox: one worker for each channel claims alerts that are due and sends them.

A channel that hangs delays only its own worker. Urgent alerts are claimed before others. An alert
that was claimed when the process died is claimed again, and its message says that it may repeat.
"""

import asyncio
import random
from collections.abc import Callable, Collection

from casebell.alerts import Alert, AlertKind, NewAlert, SendResult
from casebell.clock import SECOND, Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.notify.channel import Channel, Channels, Policy
from casebell.notify.clock_watch import ClockWatch
from casebell.notify.sender import Sender
from casebell.notify.waiting_plan import WaitingPlan
from casebell.ops_messages import ChannelTest
from casebell.ops_targets import subject_of
from casebell.store import outbox
from casebell.store.engine import Store
from casebell.telemetry import Log, Metrics

#: Seconds between two checks of the outbox if nothing wakes it: another server may add alerts, and
#: the storage may have failed.
POLL = 1.0
#: Seconds by which a lease exceeds the longest possible send: time to write the record.
LEASE_MARGIN = 60.0
#: Seconds between two checks for alerts whose channel was removed.
GONE_EVERY = 60.0


class ChannelWorker(Loop):
    """Sends the due alerts of one channel, until a new configuration replaces or removes it.

    Args:
        replacement: returns the worker of the channel of this name in force.
        outdated: called where a claim may have let alerts wait for hours of before.
    """

    def __init__(
        self,
        name: str,
        *,
        channel: Channel,
        policy: Policy,
        sender: Sender,
        replacement: Callable[["ChannelWorker"], "ChannelWorker"],
        outdated: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        super().__init__(
            self._send_due,
            name=f"channel-{name}",
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self.name = name
        self.channel = channel
        self.policy = policy
        #: Held during an attempt, which the worker before this one may make.
        self.sending = asyncio.Lock()
        self._sender = sender
        self._replacement = replacement
        self._outdated = outdated
        #: Monotonic seconds until which nothing is claimed: a pause that the channel asked for, or
        #: its pace. Urgent alerts can overtake an alert that waits unclaimed.
        self._paused_until = 0.0
        #: The same of a pause that the channel asked for.
        self._asked_until = 0.0

    @property
    def pause(self) -> float:
        """Seconds for which the channel still asks for a pause; its pace is none."""
        return max(0.0, self._asked_until - self._clock.monotonic())

    @property
    def lease(self) -> Micros:
        """How long a claim lasts."""
        seconds = 2 * self.policy.timeout + self.policy.pace + LEASE_MARGIN
        return round(seconds * SECOND)

    @property
    def stuck_after(self) -> float:
        """Seconds without progress after which a send counts as stuck: as long as a claim lasts."""
        return self.lease / SECOND

    async def _send_due(self) -> None:
        """Send until no alert is due, or the channel is paused."""
        while not self.finishing and self._clock.monotonic() >= self._paused_until:
            # A backlog of hours is sent in one step.
            self.progress()
            policy = self.policy
            alert = await self._sender.claim_due(self.name, lease=self.lease, policy=policy)
            # The configuration may have changed during the claim.
            worker = self._replacement(self)
            if worker.policy is not policy:
                self._outdated()
            if alert is None:
                return
            await worker.carry_out(alert)

    def _rest(self) -> float:
        pause = self._paused_until - self._clock.monotonic()
        return pause if pause > 0 else POLL

    async def carry_out(self, alert: Alert) -> SendResult:
        """Make one attempt; the next waits for the pace, or a pause that the channel asks for."""
        async with self.sending:
            began = self._clock.monotonic()
            result, pause = await self._sender.carry_out(
                alert, over=self.channel, policy=self.policy
            )
            if pause:
                self._asked_until = max(self._asked_until, self._clock.monotonic() + pause)
            free_at = max(began + self.policy.pace, self._asked_until)
            self._paused_until = max(self._paused_until, free_at)
            return result


class Dispatcher:
    """Sends the outbox; start it with `async with`.

    Args:
        channels: returns the channels in force.
        owner: the owner of this process's leases.
        elsewhere: returns the names of the channels that other servers on this database have; None
            while that is not known.
        differs: returns whether one of them may work by other settings.
        chance: returns a number in [0, 1) that spreads retries.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Callable[[], Channels],
        owner: str,
        clock: Clock,
        metrics: Metrics,
        log: Log,
        elsewhere: Callable[[], Collection[str] | None] = tuple,
        differs: Callable[[], bool] = lambda: False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._sender = Sender(
            store=store,
            channels=channels,
            owner=owner,
            clock=clock,
            metrics=metrics,
            log=log,
            chance=chance,
            followed=self.wake,
            differs=differs,
        )
        self._plan = WaitingPlan(
            store=store,
            channels=channels,
            is_gone=self._is_gone,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=self._take_up,
        )
        self._clock_watch = ClockWatch(
            store=store, owner=owner, clock=clock, log=log, followed=self._clock_was_set
        )
        self._channels = channels
        self._elsewhere = elsewhere
        self._workers = {name: self._worker(name) for name in channels().by_name}
        #: Tasks of replaced or removed channels that still send.
        self._retired: set[asyncio.Task[None]] = set()
        self._gone = Loop(
            self._fail_gone,
            name="channels-gone",
            every=GONE_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._closing = asyncio.Event()

    async def __aenter__(self) -> "Dispatcher":
        for loop in self._loops():
            loop.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End at once; call `close` first to let sends under way finish."""
        for task in self._retired:
            task.cancel()
        ends = (loop.__aexit__() for loop in self._loops())
        await asyncio.gather(*ends, *self._retired, return_exceptions=True)

    async def close(self, *, grace: float) -> None:
        """Claim nothing more; wait up to `grace` seconds until sends under way are recorded."""
        self._closing.set()
        ends = {asyncio.ensure_future(loop.finish()) for loop in self._loops()}
        await asyncio.wait(ends | self._retired, timeout=grace)

    @property
    def turns(self) -> bool:
        """Whether every loop runs, and none is stuck."""
        return all(loop.turns for loop in self._loops())

    @property
    def channels(self) -> Channels:
        """The channels in force."""
        return self._channels()

    def paused_until(self, name: str) -> Micros | None:
        """Until when a channel is paused, as its service asked for; None where it is not."""
        worker = self._workers.get(name)
        if worker is None or not worker.pause:
            return None
        return self._clock.now() + round(worker.pause * SECOND)

    def channels_changed(self) -> None:
        """Send over the channels that are in force now.

        A channel that is the same object keeps its worker, with its pace and its pause. A replaced
        or removed one finishes and records its current send, and is closed. Alerts that wait for a
        removed one fail, and operations are told.
        """
        before, self._workers = self._workers, {}
        channels = self.channels
        for name, channel in channels.by_name.items():
            worker = before.get(name)
            if worker is None or worker.channel is not channel:
                worker = self._worker(name)
            worker.policy = channels.policies[name]
            self._workers[name] = worker
        for name, worker in before.items():
            if self._workers.get(name) is not worker:
                self._retire(worker)
        for worker in self._workers.values():
            if self._gone.alive and not worker.alive and not self._closing.is_set():
                worker.start()
        self._plan.wake()
        self._take_up()

    def servers_changed(self) -> None:
        """Take up what another server left over; its channels may be gone with it."""
        self._plan.wake()
        self._take_up()

    def wake(self, channels: Collection[str] | None = None) -> None:
        """Check the outbox soon, for these channels or for all."""
        for name, worker in self._workers.items():
            if channels is None or name in channels:
                worker.wake()
        if channels is not None and not self._workers.keys() >= set(channels):
            # Decided before a reload that removed the channel, and stored after it.
            self._gone.wake()

    async def test(self, name: str, *, test_id: str) -> list[tuple[str, SendResult]]:
        """Send a marked test message to each target of a channel, by the real path, and wait.

        Args:
            test_id: unique to this test.
        """
        results = []
        worker = self._workers[name]
        message = ChannelTest(channel=name, id=test_id)
        for target in worker.channel.targets:
            new = NewAlert(
                kind=AlertKind.TEST,
                subject=subject_of(message, now=self._clock.now()),
                channel=name,
                target=target,
                urgent=message.urgent,
                note=message,
            )
            alert = await self._sender.claim_new(new, lease=worker.lease)
            results.append((target, await worker.carry_out(alert)))
        return results

    def _take_up(self) -> None:
        self._gone.wake()
        self.wake()

    def _clock_was_set(self) -> None:
        self._plan.wake()
        self.wake()

    def _loops(self) -> list[Loop]:
        return [self._gone, self._plan, *self._workers.values(), self._clock_watch]

    def _worker(self, name: str) -> ChannelWorker:
        channels = self.channels
        return ChannelWorker(
            name,
            channel=channels.by_name[name],
            policy=channels.policies[name],
            sender=self._sender,
            replacement=lambda worker: self._workers.get(worker.name, worker),
            outdated=self._plan.wake,
            clock=self._clock,
            metrics=self._metrics,
            log=self._log,
        )

    def _retire(self, worker: ChannelWorker) -> None:
        task = asyncio.create_task(self._finish(worker), name=f"channel-{worker.name}-ends")
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _finish(self, worker: ChannelWorker) -> None:
        try:
            await worker.finish()
        finally:
            await worker.__aexit__()
        async with worker.sending:
            await worker.channel.close()
        # If its last alert must be sent again and the channel was removed, no worker will.
        self._gone.wake()

    async def _fail_gone(self) -> None:
        """Fail the alerts of channels that no server has in its configuration."""
        async with self._store.read() as connection:
            gone = await outbox.channels_waiting(connection, self._workers)
        for name in gone:
            # A new configuration may bring the channel back at any time, here or elsewhere.
            while self._is_gone(name) and not self._closing.is_set():
                self._gone.progress()
                alert = await self._sender.claim(name, lease=60 * SECOND)
                if alert is None:
                    break
                await self._sender.give_up(alert)

    def _is_gone(self, name: str) -> bool:
        elsewhere = self._elsewhere()
        return name not in self._workers and elsewhere is not None and name not in elsewhere
