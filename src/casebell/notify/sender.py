"""Sends an alert: claim → render → send → record.

Every claimed send is recorded. After the last attempt, the alerts that follow from the failure are
added in the same transaction.
"""

from collections.abc import Callable
from dataclasses import replace

from casebell.alerts import (
    OPERATIONS,
    UNASSIGNED,
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    Message,
    NewAlert,
    NextState,
    Outcome,
    Payload,
    SendResult,
)
from casebell.clock import SECOND, Clock
from casebell.errors import StorageUnavailable
from casebell.events import Case, Micros
from casebell.notify.channel import Channel, Channels, Policy, is_gone
from casebell.notify.escalate import NO_CASE, escalate
from casebell.notify.headlines import ANY_CHANGE, CONFIDENTIAL, Headline, headline_of
from casebell.notify.ids import message_id, thread_id
from casebell.notify.payload import payload_of
from casebell.notify.render import CaseFacts, Style, render_case, render_plain
from casebell.notify.render_ops import render_ops
from casebell.notify.retry import next_state
from casebell.people.roster import Addressee, absences_at
from casebell.store import absences, leases, outbox
from casebell.store.engine import Connection, Store
from casebell.store.own_keys import MESSAGES, existing_key, own_key
from casebell.telemetry import Log, Metrics

#: Seconds between attempts to write to a failing storage.
STORAGE_WAIT = 1.0


class Sender:
    """Claims alerts and carries them out.

    Args:
        channels: returns the channels in force.
        owner: the owner of this process's leases.
        chance: returns a number in [0, 1) that spreads retries.
        followed: called after the failure of an alert added others to the outbox.
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
        chance: Callable[[], float],
        followed: Callable[[], None],
    ) -> None:
        self._channels = channels
        self._store = store
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._chance = chance
        self._followed = followed
        #: By channel, a claim that failed, perhaps after its commit: then it is ours to send.
        self._uncertain_claims: dict[str, Alert] = {}
        #: Of this database, for the ids of messages; None until one is needed.
        self._key: bytes | None = None

    async def claim_due(self, channel: str, *, lease: Micros) -> Alert | None:
        """Claim the channel's next alert, if one is due; otherwise write nothing."""
        if channel not in self._uncertain_claims:
            async with self._store.read() as connection:
                due = await outbox.next_due(connection, channel=channel)
            if due is None or due > self._clock.now():
                return None
        return await self.claim(channel, lease=lease)

    async def claim(self, channel: str, *, lease: Micros) -> Alert | None:
        """Claim the next alert that is due, or keep one whose claim failed after its commit."""
        now = self._clock.now()
        alert = self._uncertain_claims.pop(channel, None)
        claimed: Alert | None = alert

        async def claim(connection: Connection) -> None:
            nonlocal claimed
            if alert is None or not await leases.renew(
                connection, alert, owner=self._owner, now=now, lease=lease
            ):
                claimed = await outbox.claim(
                    connection, channel=channel, owner=self._owner, now=now, lease=lease
                )

        try:
            await self._store.transact(claim)
        except StorageUnavailable:
            if claimed is not None:
                self._uncertain_claims[channel] = claimed
            raise
        return claimed

    async def claim_new(self, new: NewAlert, *, lease: Micros) -> Alert:
        """Put an alert into the outbox and claim it at once."""
        return await self._store.transact(
            outbox.add_claimed, new=new, owner=self._owner, now=self._clock.now(), lease=lease
        )

    async def carry_out(
        self, alert: Alert, *, over: Channel, policy: Policy
    ) -> tuple[SendResult, float]:
        """Make one attempt and record it.

        Returns:
            The result, and the seconds for which the channel asks for a pause.
        """
        started_at = self._clock.now()
        try:
            if not await self._may_hear(alert):
                return _KEPT_BACK, await self._record(
                    alert,
                    message=_NO_MESSAGE,
                    result=_KEPT_BACK,
                    started_at=started_at,
                    max_age=policy.max_age,
                )
            message, flaw = await self._render(alert, policy.style)
            message = replace(message, id=message_id(alert, key=await self._own_key()))
            if policy.payload:
                message = replace(message, payload=await self._payload(alert))
            result = await self._send(over, alert, message)
            if flaw:
                result = replace(result, detail=f"{flaw}; {result.detail}".rstrip("; "))
        except StorageUnavailable:
            # Nothing was sent, so the next attempt cannot repeat a message.
            self._metrics.storage_errors.labels("notify").inc()
            message, result = _NO_MESSAGE, _STORAGE_FAILED
        pause = await self._record(
            alert, message=message, result=result, started_at=started_at, max_age=policy.max_age
        )
        return result, pause

    async def give_up(self, alert: Alert) -> None:
        """Fail a claimed alert whose channel is not in the configuration."""
        now = self._clock.now()
        await self._record(alert, message=_NO_MESSAGE, result=_GONE, started_at=now, max_age=0.0)

    async def _may_hear(self, alert: Alert) -> bool:
        """Whether its case may be told to its target: a confidential one only to single persons.

        The case may have become confidential since the decision.
        """
        if alert.kind is not AlertKind.CASE or alert.addressed_as in (UNASSIGNED, OPERATIONS):
            return True
        case = await self._case(alert)
        to = Addressee(target=alert.target, addressed_as=alert.addressed_as)
        return not case.confidential or self._channels().roster.is_one_person(alert.channel, to)

    async def _case(self, alert: Alert) -> Case:
        """The case of which an alert tells."""
        if alert.kind is not AlertKind.CASE:
            return NO_CASE
        async with self._store.read() as connection:
            return await outbox.case_of(connection, alert.event_id or 0) or NO_CASE

    async def _render(self, alert: Alert, style: Style) -> tuple[Message, str]:
        """The message; and if it is the plain one, the error for the record."""
        try:
            if alert.kind is not AlertKind.CASE:
                return render_ops(alert.note, may_repeat=alert.may_repeat), ""
            facts = await self._facts(alert)
            thread = thread_id(facts.event.receipt, key=await self._own_key())
            return replace(render_case(alert, facts, style), thread=thread), ""
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: the alert must be sent
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            flaw = f"a plain message, for making it failed: {type(error).__name__}"
            return render_plain(alert, await self._headline(alert), style), flaw

    async def _payload(self, alert: Alert) -> Payload | None:
        """The alert for a program; None if it cannot be made, which the channel reports."""
        try:
            key = await self._own_key()
            async with self._store.read() as connection:
                return await payload_of(connection, alert, key=key)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: the attempt must have a result
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            return None

    async def _own_key(self) -> bytes:
        if self._key is None:
            async with self._store.read() as connection:
                self._key = await existing_key(connection, MESSAGES)
        if self._key is None:
            self._key = await self._store.transact(own_key, name=MESSAGES)
        return self._key

    async def _send(self, channel: Channel, alert: Alert, message: Message) -> SendResult:
        if is_gone(alert, channel):
            return _GONE
        try:
            return await channel.send(target=alert.target, message=message)
        except Exception as error:  # noqa: BLE001 - of any kind: the message may have arrived
            self._log.error("alert.defect", alert=alert.id, channel=alert.channel, error=error)
            return SendResult(
                outcome=Outcome.AMBIGUOUS,
                reason=FailureReason.UNKNOWN,
                detail=f"defect: {type(error).__name__}",
            )

    async def _record(
        self,
        alert: Alert,
        *,
        message: Message,
        result: SendResult,
        started_at: Micros,
        max_age: float,
    ) -> float:
        """Record an attempt; try until it works, because the attempt has happened."""
        finished_at = self._clock.now()
        reached = next_state(alert, result, max_age=max_age, now=finished_at, random=self._chance())
        wait = reached.not_before - finished_at
        follow: list[NewAlert] = []
        again = False
        while True:
            # The clock may have been set back while the storage failed.
            not_before = min(reached.not_before, self._clock.now() + wait)
            try:
                if reached.state is AlertState.FAILED:
                    follow = await self._escalate(alert, result, reached, finished_at)
                await self._store.transact(
                    outbox.record,
                    alert=alert,
                    message=message,
                    result=result,
                    reached=replace(reached, not_before=not_before),
                    started_at=started_at,
                    finished_at=finished_at,
                    again=again,
                    follow=follow,
                )
                break
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
                again = True
                # The end does not cut this short: this may be the only record of the attempt.
                await self._clock.sleep(STORAGE_WAIT)
            except Exception as error:
                if message is _NO_MESSAGE:
                    raise
                # Perhaps it is a text that the database does not take. The alert goes on without.
                self._log.error("alert.defect", alert=alert.id, channel=alert.channel, error=error)
                flaw = f"the texts of the attempt could not be kept: {type(error).__name__}"
                message, result = _NO_MESSAGE, replace(result, detail=flaw)
        if follow:
            self._followed()
        self._log_attempt(alert, result, reached, started_at, finished_at)
        return reached.channel_pause

    async def _escalate(
        self, alert: Alert, result: SendResult, reached: NextState, now: Micros
    ) -> list[NewAlert]:
        about = "a message to operations"
        if alert.kind is AlertKind.CASE:
            about = (await self._headline(alert)).title
        reason = str(reached.reason or FailureReason.UNKNOWN)
        case = await self._case(alert)
        async with self._store.read() as connection:
            away = absences_at(await absences.known(connection), now)
        # The policy in force now, not at the start of the attempt.
        policy = self._channels().escalation
        return escalate(
            policy,
            alert,
            result=result,
            reason=reason,
            about=about,
            now=now,
            case=case,
            away=away,
        )

    async def _facts(self, alert: Alert) -> CaseFacts:
        event_id = alert.event_id or 0
        async with self._store.read() as connection:
            event, case, current = await outbox.event_with_case(connection, event_id)
        return CaseFacts(event_id=event_id, event=event, case=case, current_status=current)

    async def _headline(self, alert: Alert) -> Headline:
        """The headline of a case alert; of any change if its event cannot be read."""
        async with self._store.read() as connection:
            known = await outbox.known_state_of(connection, alert.event_id or 0)
        if (await self._case(alert)).confidential:
            return CONFIDENTIAL
        if known is None:
            return ANY_CHANGE
        return headline_of(known.status, known.tags, known.flags, known.text)

    def _log_attempt(
        self,
        alert: Alert,
        result: SendResult,
        reached: NextState,
        started_at: Micros,
        finished_at: Micros,
    ) -> None:
        reason = str(result.reason or "")
        self._metrics.attempts.labels(alert.channel, str(result.outcome), reason).inc()
        if reached.state is AlertState.SENT:
            # Not negative, if the clock was set back meanwhile.
            taken = max(0, finished_at - alert.created_at)
            self._metrics.alert_seconds.observe(taken / SECOND)
        self._log.info(
            "alert.attempted",
            alert=alert.id,
            kind=str(alert.kind),
            channel=alert.channel,
            number=alert.attempts,
            outcome=str(result.outcome),
            reason=reason or None,
            detail=result.detail or None,
            state=str(reached.state),
            urgent=alert.urgent,
            ms=round((finished_at - started_at) / 1000, 1),
        )


_KEPT_BACK = SendResult(
    outcome=Outcome.PERMANENT,
    reason=FailureReason.CONFIDENTIAL,
    detail="the case is confidential, and this target is not one person; nothing was sent",
)
_GONE = SendResult(
    outcome=Outcome.PERMANENT,
    reason=FailureReason.TARGET_GONE,
    detail="the configuration no longer has this target",
)
_STORAGE_FAILED = SendResult(
    outcome=Outcome.RETRYABLE,
    reason=FailureReason.UNKNOWN,
    detail="the storage could not be read; nothing was sent",
)
#: The recorded message of an attempt that sent none.
_NO_MESSAGE = Message(title="", body="")
