"""The loop that sends: claim → render → send → record, one worker for each channel.

A channel that hangs holds only its own worker. Urgent alerts are claimed before others. What was
claimed when the process died is claimed again and says that it may repeat.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.events import (
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    Flag,
    Message,
    Micros,
    Outcome,
    SendResult,
)
from casebell.notify.channel import Channel
from casebell.notify.escalate import Ladder, escalate
from casebell.notify.render import Style, Told, render_case, render_note, render_plain
from casebell.notify.verdicts import reach
from casebell.notify.words import say
from casebell.store import cases, outbox, queries
from casebell.store.engine import Store
from casebell.store.outbox import NewAlert, Verdict
from casebell.store.rows import event_from_row
from casebell.telemetry import Log, Metrics

#: Seconds between looks at the outbox when nobody rang: another server may have put alerts in.
POLL = 1.0
#: Seconds a lease outlasts the longest possible send: time for the record to be written.
LEASE_MARGIN = 60.0
#: Seconds between attempts to write to a storage in trouble.
STORAGE_WAIT = 1.0
#: Seconds between looks for alerts whose channel is gone.
GONE_EVERY = 60.0
_SECOND = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How one channel is treated."""

    style: Style
    #: Seconds for one send.
    timeout: float
    #: Seconds after which an alert is given up.
    max_age: float
    #: Least seconds between the starts of two sends.
    pace: float = 0.0


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
        self._channels = channels
        self._policies = policies
        self._ladder = ladder
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._chance = chance
        self._bells = {name: asyncio.Event() for name in channels}
        #: Monotonic seconds until which nothing is claimed: a pause that a channel asked for, or
        #: its pace. An alert that waits unclaimed lets urgent ones pass, and is in no doubt.
        self._free_at: dict[str, float] = {}
        self._closing = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Dispatcher":
        self._workers = [
            asyncio.create_task(self._work(name), name=f"channel-{name}") for name in self._channels
        ]
        self._workers.append(asyncio.create_task(self._clear_gone(), name="channels-gone"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End at once; `close` first to let sends under way finish."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def close(self, *, grace: float) -> None:
        """Claim nothing more; give sends under way `grace` seconds to end and be recorded."""
        self._closing.set()
        self.wake()
        if self._workers:
            await asyncio.wait(self._workers, timeout=grace)

    @property
    def alive(self) -> bool:
        """Whether every channel's loop runs."""
        return bool(self._workers) and not any(worker.done() for worker in self._workers)

    def wake(self) -> None:
        """Say that there may be something to send."""
        for bell in self._bells.values():
            bell.set()

    async def test(self, name: str, *, subject: str) -> list[tuple[str, SendResult]]:
        """Send a marked test message to each target of a channel, by the real path, and wait.

        Args:
            subject: what makes this test one of its own.
        """
        results = []
        channel = self._channels[name]
        for target in channel.targets:
            new = NewAlert(
                kind=AlertKind.TEST,
                subject=subject,
                channel=name,
                target=target,
                urgent=False,
                note=("test", name),
            )
            async with self._store.write() as connection:
                alert = await outbox.add_claimed(
                    connection,
                    new,
                    owner=self._owner,
                    now=self._clock.now(),
                    lease=self._lease(name),
                )
            results.append((target, await self._deliver(channel, alert)))
        return results

    async def _work(self, name: str) -> None:
        """One channel's loop."""
        bell = self._bells[name]
        while not self._closing.is_set():
            bell.clear()
            try:
                alert = await self._claim(name)
                if alert is None:
                    await self._rest(name, bell)
                    continue
                began = self._clock.monotonic()
                await self._deliver(self._channels[name], alert)
                self._leave_alone(name, until=began + self._policies[name].pace)
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
                await self._sleep(STORAGE_WAIT)
            except Exception as error:  # noqa: BLE001 - a defect must not end the channel's loop
                self._log.error("alert.defect", channel=name, error=error)
                await self._sleep(STORAGE_WAIT)

    async def _claim(self, name: str) -> Alert | None:
        if self._clock.monotonic() < self._free_at.get(name, 0.0):
            return None
        now = self._clock.now()
        async with self._store.read() as connection:
            due = await outbox.next_due(connection, channel=name)
        if due is None or due > now:
            return None
        async with self._store.write() as connection:
            return await outbox.claim(
                connection, channel=name, owner=self._owner, now=now, lease=self._lease(name)
            )

    def _lease(self, name: str) -> Micros:
        policy = self._policies[name]
        return round((2 * policy.timeout + policy.pace + LEASE_MARGIN) * _SECOND)

    async def _rest(self, name: str, bell: asyncio.Event) -> None:
        """Wait until somebody rings, the channel is free again, or it is time to look again."""
        pause = self._free_at.get(name, 0.0) - self._clock.monotonic()
        if pause > 0:
            # A bell does not shorten what the service asked for, but an ending does.
            await self._sleep(pause)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), POLL)

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the beginning of the end."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _leave_alone(self, name: str, *, until: float) -> None:
        self._free_at[name] = max(self._free_at.get(name, 0.0), until)

    async def _deliver(self, channel: Channel, alert: Alert) -> SendResult:
        """One attempt, from the claimed alert to its record."""
        started_at = self._clock.now()
        try:
            message = await self._render(alert)
            result = await self._send(channel, alert, message)
        except StorageUnavailable:
            # Nothing was sent, so the next attempt is no repeat.
            self._metrics.storage_errors.labels("notify").inc()
            message, result = _NOTHING, _UNREAD
        await self._settle(alert, message=message, result=result, started_at=started_at)
        return result

    async def _send(self, channel: Channel, alert: Alert, message: Message) -> SendResult:
        if alert.target not in channel.targets:
            return _GONE
        try:
            return await channel.send(target=alert.target, message=message)
        except Exception as error:  # noqa: BLE001 - it may have arrived all the same
            self._log.error("alert.defect", alert=alert.id, channel=alert.channel, error=error)
            return SendResult(
                outcome=Outcome.AMBIGUOUS,
                reason=FailureReason.UNKNOWN,
                detail=f"defect: {type(error).__name__}",
            )

    async def _render(self, alert: Alert) -> Message:
        try:
            if alert.kind is not AlertKind.CASE:
                return render_note(alert)
            told = await self._told(alert)
            return render_case(alert, told, self._policies[alert.channel].style)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the alert must go out whatever rendering does
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            return render_plain(alert, alert.event_id)

    async def _told(self, alert: Alert) -> Told:
        async with self._store.read() as connection:
            row = await queries.event_row(connection, alert.event_id or 0)
            if row is None:
                raise LookupError
            event = event_from_row(row)
            later = None
            if Flag.LATE in event.flags:
                later = await cases.current_status(connection, event.receipt)
            case = await cases.case_of(connection, event.receipt)
        return Told(event_id=row.id, event=event, case=case, later_status=later)

    async def _settle(
        self, alert: Alert, *, message: Message, result: SendResult, started_at: Micros
    ) -> None:
        """Record what an attempt came to; insist, because it has happened."""
        finished_at = self._clock.now()
        verdict = self._judge(alert, result, finished_at)
        follow: list[NewAlert] = []
        while True:
            try:
                if verdict.state is AlertState.FAILED:
                    follow = await self._escalate(alert, result, verdict, finished_at)
                async with self._store.write() as connection:
                    await outbox.record(
                        connection,
                        alert=alert,
                        message=message,
                        result=result,
                        verdict=verdict,
                        started_at=started_at,
                        finished_at=finished_at,
                    )
                    await outbox.add(connection, follow, now=finished_at)
                break
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
                # Not cut short by an ending: until then it may be the only record there is.
                await self._clock.sleep(STORAGE_WAIT)
        if follow:
            self.wake()
        self._tell(alert, result, verdict, started_at, finished_at)

    def _judge(self, alert: Alert, result: SendResult, now: Micros) -> Verdict:
        policy = self._policies.get(alert.channel)
        verdict, pause = reach(
            alert,
            result,
            max_age=policy.max_age if policy else 0.0,
            now=now,
            random=self._chance(),
        )
        if pause:
            self._leave_alone(alert.channel, until=self._clock.monotonic() + pause)
        return verdict

    async def _escalate(
        self, alert: Alert, result: SendResult, verdict: Verdict, now: Micros
    ) -> list[NewAlert]:
        what = "a message to operations"
        if alert.kind is AlertKind.CASE:
            what = await self._what(alert)
        reason = str(verdict.reason or FailureReason.UNKNOWN)
        return escalate(self._ladder, alert, result=result, reason=reason, what=what, now=now)

    async def _what(self, alert: Alert) -> str:
        """What a case alert was about, in our own words."""
        try:
            event = (await self._told(alert)).event
            return say(event.status, event.tags).title
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the failure must be told whatever this does
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            return "a change of a case"

    async def _clear_gone(self) -> None:
        """Fail what waits for channels that a new configuration no longer has."""
        while not self._closing.is_set():
            try:
                async with self._store.read() as connection:
                    gone = await outbox.channels_waiting(connection, self._channels)
                for name in gone:
                    await self._fail_all(name)
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
            except Exception as error:  # noqa: BLE001 - a defect must not end the loop
                self._log.error("alert.defect", error=error)
            await self._sleep(GONE_EVERY)

    async def _fail_all(self, name: str) -> None:
        while not self._closing.is_set():
            now = self._clock.now()
            async with self._store.write() as connection:
                alert = await outbox.claim(
                    connection, channel=name, owner=self._owner, now=now, lease=60 * _SECOND
                )
            if alert is None:
                return
            await self._settle(alert, message=_NOTHING, result=_GONE, started_at=now)

    def _tell(
        self,
        alert: Alert,
        result: SendResult,
        verdict: Verdict,
        started_at: Micros,
        finished_at: Micros,
    ) -> None:
        reason = str(result.reason or "")
        self._metrics.attempts.labels(alert.channel, str(result.outcome), reason).inc()
        if verdict.state is AlertState.SENT:
            self._metrics.alert_seconds.observe((finished_at - alert.created_at) / _SECOND)
        self._log.info(
            "alert.attempted",
            alert=alert.id,
            kind=str(alert.kind),
            channel=alert.channel,
            number=alert.attempts,
            outcome=str(result.outcome),
            reason=reason or None,
            detail=result.detail or None,
            state=str(verdict.state),
            urgent=alert.urgent,
            ms=round((finished_at - started_at) / 1000, 1),
        )


_GONE = SendResult(
    outcome=Outcome.PERMANENT,
    reason=FailureReason.TARGET_GONE,
    detail="the configuration no longer has this target",
)
_UNREAD = SendResult(
    outcome=Outcome.RETRYABLE,
    reason=FailureReason.UNKNOWN,
    detail="the storage could not be read; nothing was sent",
)
#: What is on record where no message went out.
_NOTHING = Message(title="", body="")
