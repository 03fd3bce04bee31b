"""The loops that send: one worker for each channel claims what is due and has it carried out.

A channel that hangs holds only its own worker. Urgent alerts are claimed before others. What was
claimed when the process died is claimed again and says that it may repeat.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.events import Alert, AlertKind, Micros, SendResult
from casebell.loops import Loop
from casebell.notify.attempt import STORAGE_WAIT, Attempts, Policy
from casebell.notify.channel import Channel
from casebell.notify.clock_watch import ClockWatch
from casebell.notify.escalate import Ladder
from casebell.ops_messages import ChannelTest
from casebell.store import leases, outbox
from casebell.store.engine import Store
from casebell.store.ops import OpsTargets, subject_of
from casebell.store.outbox import NewAlert
from casebell.telemetry import Log, Metrics

#: Seconds between looks at the outbox when nobody rang: another server may have put alerts in.
POLL = 1.0
#: Seconds a lease outlasts the longest possible send: time for the record to be written.
LEASE_MARGIN = 60.0
#: Seconds between looks for alerts whose channel is gone.
GONE_EVERY = 60.0
_SECOND = 1_000_000


class _Line:
    """One channel at work, from the configuration that brought it to the one that takes it away."""

    def __init__(self, name: str, channel: Channel, policy: Policy) -> None:
        self.name = name
        self.channel = channel
        self.policy = policy
        self.bell = asyncio.Event()
        #: It claims no more.
        self.ended = asyncio.Event()
        #: Monotonic seconds until which nothing is claimed: a pause that a channel asked for, or
        #: its pace. An alert that waits unclaimed lets urgent ones pass, and is in no doubt.
        self.free_at = 0.0
        self.worker: asyncio.Task[None] | None = None

    @property
    def lease(self) -> Micros:
        """How long a claim lasts at most."""
        seconds = 2 * self.policy.timeout + self.policy.pace + LEASE_MARGIN
        return round(seconds * _SECOND)

    def end(self) -> None:
        """Claim nothing more; what is in hand is carried out."""
        self.ended.set()
        self.bell.set()

    def leave_alone(self, *, until: float) -> None:
        """Claim nothing before that."""
        self.free_at = max(self.free_at, until)


class Dispatcher:
    """Sends the outbox; start it with `async with`.

    Args:
        channels: by name; `policies` has the same names.
        ladder: who stands in for whom.
        owner: names this process in leases.
        chance: numbers in [0, 1) that spread retries.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, Channel],
        policies: Mapping[str, Policy],
        ladder: Ladder,
        owner: str,
        clock: Clock,
        metrics: Metrics,
        log: Log,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._attempts = Attempts(
            store=store,
            ladder=ladder,
            clock=clock,
            metrics=metrics,
            log=log,
            chance=chance,
            followed=self.wake,
        )
        self._clock_watch = ClockWatch(store=store, clock=clock, log=log, followed=self.wake)
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._lines = {
            name: _Line(name, channel, policies[name]) for name, channel in channels.items()
        }
        #: Workers of channels that were replaced or removed, with a send in hand.
        self._retired: set[asyncio.Task[None]] = set()
        #: By channel, a claim that failed, perhaps after its commit: nobody else will carry it out.
        self._doubtful: dict[str, Alert] = {}
        self._gone = Loop(
            self._clear_gone,
            name="channels-gone",
            every=GONE_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._closing = asyncio.Event()

    async def __aenter__(self) -> "Dispatcher":
        await self._gone.__aenter__()
        for line in self._lines.values():
            self._start(line)
        await self._clock_watch.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End at once; `close` first to let sends under way finish."""
        await self._clock_watch.__aexit__()
        await self._gone.__aexit__()
        workers = self._workers()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def close(self, *, grace: float) -> None:
        """Claim nothing more; give sends under way `grace` seconds to end and be recorded."""
        self._closing.set()
        for line in self._lines.values():
            line.end()
        ending = {*self._workers(), asyncio.ensure_future(self._gone.finish())}
        await asyncio.wait(ending, timeout=grace)

    @property
    def alive(self) -> bool:
        """Whether every channel's loop runs."""
        workers = [line.worker for line in self._lines.values()]
        return self._gone.alive and all(worker and not worker.done() for worker in workers)

    @property
    def channels(self) -> Mapping[str, Channel]:
        """What it sends over, by name."""
        return {name: line.channel for name, line in self._lines.items()}

    @property
    def ops(self) -> OpsTargets:
        """Where operations read."""
        return self._attempts.ops

    def use(
        self, channels: Mapping[str, Channel], policies: Mapping[str, Policy], ladder: Ladder
    ) -> None:
        """Send over these from now on (decision E10).

        A channel that is the same object goes on, with its pace and its pause. One that was
        replaced or removed ends the send in hand, which is recorded as any other, and is closed;
        what waits for a removed one is failed and told of at once.
        """
        before, self._lines = self._lines, {}
        for name, channel in channels.items():
            line = before.get(name)
            if line is None or line.channel is not channel:
                line = _Line(name, channel, policies[name])
            line.policy = policies[name]
            self._lines[name] = line
        self._attempts.use(ladder)
        for name, line in before.items():
            if self._lines.get(name) is not line:
                self._retire(line)
        for line in self._lines.values():
            if line.worker is None and self._gone.alive:
                self._start(line)
        self._gone.wake()
        self.wake()

    def wake(self) -> None:
        """Say that there may be something to send."""
        for line in self._lines.values():
            line.bell.set()

    async def test(self, name: str, *, test_id: str) -> list[tuple[str, SendResult]]:
        """Send a marked test message to each target of a channel, by the real path, and wait.

        Args:
            test_id: what makes this test one of its own.
        """
        results = []
        line = self._lines[name]
        message = ChannelTest(channel=name, id=test_id)
        for target in line.channel.targets:
            new = NewAlert(
                kind=AlertKind.TEST,
                subject=subject_of(message, now=self._clock.now()),
                channel=name,
                target=target,
                urgent=message.urgent,
                note=message,
            )
            async with self._store.write() as connection:
                alert = await outbox.add_claimed(
                    connection, new, owner=self._owner, now=self._clock.now(), lease=line.lease
                )
            results.append((target, await self._carry_out(line, alert)))
        return results

    def _workers(self) -> set[asyncio.Task[None]]:
        """Every task there is."""
        return {line.worker for line in self._lines.values() if line.worker} | self._retired

    def _start(self, line: _Line) -> None:
        if not self._closing.is_set():
            line.worker = asyncio.create_task(self._work(line), name=f"channel-{line.name}")

    def _retire(self, line: _Line) -> None:
        line.end()
        if line.worker is not None:
            self._retired.add(line.worker)
            line.worker.add_done_callback(self._retired.discard)

    async def _work(self, line: _Line) -> None:
        """One channel's loop."""
        while not line.ended.is_set():
            line.bell.clear()
            try:
                alert = await self._claim(line)
                if alert is None:
                    await self._rest(line)
                    continue
                # A new configuration may have come while it was claimed.
                now_used = self._lines.get(line.name, line)
                began = self._clock.monotonic()
                await self._carry_out(now_used, alert)
                now_used.leave_alone(until=began + now_used.policy.pace)
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
                await self._sleep(STORAGE_WAIT, line.ended)
            except Exception as error:  # noqa: BLE001 - a defect must not end the channel's loop
                self._log.error("alert.defect", channel=line.name, error=error)
                await self._sleep(STORAGE_WAIT, line.ended)
        if self._lines.get(line.name) is not line:
            await line.channel.close()
            # What it had in hand may have to be sent again, and nobody else will.
            self._gone.wake()

    async def _claim(self, line: _Line) -> Alert | None:
        if self._clock.monotonic() < line.free_at:
            return None
        now = self._clock.now()
        if line.name not in self._doubtful:
            async with self._store.read() as connection:
                due = await outbox.next_due(connection, channel=line.name)
            if due is None or due > now:
                return None
        return await self._take(line.name, now=now, lease=line.lease)

    async def _take(self, channel: str, *, now: Micros, lease: Micros) -> Alert | None:
        """Claim what is due, or what may have been claimed when the storage broke down."""
        alert = self._doubtful.pop(channel, None)
        try:
            async with self._store.write() as connection:
                if alert is None or not await leases.renew(
                    connection, alert, owner=self._owner, now=now, lease=lease
                ):
                    alert = await outbox.claim(
                        connection, channel=channel, owner=self._owner, now=now, lease=lease
                    )
        except StorageUnavailable:
            if alert is not None:
                self._doubtful[channel] = alert
            raise
        return alert

    async def _carry_out(self, line: _Line, alert: Alert) -> SendResult:
        result, pause = await self._attempts.carry_out(alert, over=line.channel, policy=line.policy)
        if pause:
            line.leave_alone(until=self._clock.monotonic() + pause)
        return result

    async def _rest(self, line: _Line) -> None:
        """Wait until somebody rings, the channel is free again, or it is time to look again."""
        pause = line.free_at - self._clock.monotonic()
        if pause > 0:
            # A bell does not shorten what the service asked for, but an ending does.
            await self._sleep(pause, line.ended)
            return
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes with the bell.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await line.bell.wait()

    async def _sleep(self, seconds: float, until: asyncio.Event) -> None:
        """Wait, but not longer than until that."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(until.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _clear_gone(self) -> None:
        """Fail what waits for channels that a new configuration no longer has."""
        async with self._store.read() as connection:
            gone = await outbox.channels_waiting(connection, self._lines)
        for name in gone:
            await self._fail_all(name)

    async def _fail_all(self, name: str) -> None:
        # Until the channel is back, which a new configuration may bring at any time.
        while name not in self._lines and not self._closing.is_set():
            now = self._clock.now()
            alert = await self._take(name, now=now, lease=60 * _SECOND)
            if alert is None:
                return
            await self._attempts.give_up(alert)
