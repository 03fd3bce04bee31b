"""Sends an alert: claim → render → send → record.

Every claimed send is recorded. After the last attempt, the alerts that follow from the failure are
added in the same transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from casebell.alerts import (
    OF_CASES,
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
    SendResult,
    Waits,
)
from casebell.clock import SECOND, Clock
from casebell.errors import StorageUnavailable
from casebell.events import Micros
from casebell.notify.channel import ROLL_OUT, Channel, Channels, Policy, is_gone
from casebell.notify.composer import Composer
from casebell.notify.fallback import fall_back
from casebell.notify.links import Links
from casebell.notify.retry import next_states
from casebell.people.roster import Addressee, absences_at
from casebell.store import absences, leases, outbox, reminders
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log, Metrics

#: Seconds between attempts to write to a failing storage.
STORAGE_WAIT = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Composed:
    """A message that is ready to be sent."""

    alerts: tuple[Alert, ...]
    message: Message
    #: What it tells of each of them.
    on_record: tuple[Message, ...]
    #: For the record of the attempt; "" where nothing is to be said.
    remark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """An attempt that was made, before it is on record."""

    #: Of one message.
    alerts: tuple[Alert, ...]
    result: SendResult
    #: What each of them was told; () where nothing was sent, or can be kept.
    messages: tuple[Message, ...] = ()

    @property
    def messages_on_record(self) -> tuple[Message, ...]:
        return self.messages or (_NO_MESSAGE,) * len(self.alerts)


class Sender:
    """Claims alerts and carries them out.

    Args:
        channels: returns the channels in force.
        owner: the owner of this process's leases.
        chance: returns a number in [0, 1) that spreads retries.
        followed: called after the failure of an alert added others to the outbox.
        differs: returns whether another server on this database may work by other settings.
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
        differs: Callable[[], bool],
    ) -> None:
        self._channels = channels
        self._store = store
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._chance = chance
        self._followed = followed
        self._differs = differs
        #: By channel, a claim that failed, perhaps after its commit: then it is ours to send.
        self._uncertain_claims: dict[str, Alert] = {}
        self._composer = Composer(store=store, clock=clock, log=log)
        self._links = Links(store=store, roster=lambda: channels().roster, clock=clock)

    async def claim_due(self, channel: str, *, lease: Micros, policy: Policy) -> Alert | None:
        """Claim the channel's next alert, if one is due; otherwise write nothing."""
        if channel not in self._uncertain_claims:
            async with self._store.read() as connection:
                due = await outbox.next_due(connection, channel=channel)
            if due is None or due > self._clock.now():
                return None
        return await self.claim(channel, lease=lease, policy=policy)

    async def claim(
        self, channel: str, *, lease: Micros, policy: Policy | None = None
    ) -> Alert | None:
        """Claim the next alert that is due, or keep one whose claim failed after its commit.

        Args:
            policy: None of a channel that is gone: then nothing waits, and each goes alone.
        """
        now = self._clock.now()
        alert = self._uncertain_claims.pop(channel, None)
        claimed: Alert | None = alert

        async def claim(connection: Connection) -> None:
            nonlocal claimed
            if alert is None or not await leases.renew(
                connection, alert, owner=self._owner, now=now, lease=lease
            ):
                claimed = await outbox.claim(
                    connection,
                    channel=channel,
                    owner=self._owner,
                    now=now,
                    lease=lease,
                    shared=policy is not None and policy.shares,
                    grouped=policy is not None and policy.groups,
                    waits=Waits() if policy is None else policy.hours.waits(now),
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
        """Make one attempt, for its others as well, and record it.

        Returns:
            The result, and the seconds for which the channel asks for a pause.
        """
        started_at = self._clock.now()
        try:
            sent = await self._try(alert, over=over, policy=policy)
        except StorageUnavailable:
            # Nothing was sent, so the next attempt cannot repeat a message.
            self._metrics.storage_errors.labels("notify").inc()
            sent = [_Sent(alerts=_all_of(alert), result=_STORAGE_FAILED)]
        pauses = [
            await self._record(one, started_at=started_at, max_age=policy.max_age) for one in sent
        ]
        return sent[0].result, max(pauses)

    async def give_up(self, alert: Alert) -> None:
        """Fail a claimed alert whose channel is not in the configuration."""
        gone = _Sent(alerts=_all_of(alert), result=_GONE)
        await self._record(gone, started_at=self._clock.now(), max_age=0.0)

    async def _try(self, alert: Alert, *, over: Channel, policy: Policy) -> list[_Sent]:
        """Send what may be sent as one message; it comes first, to be on record before the rest."""
        given = _all_of(alert)
        gone = [one for one in given if is_gone(one, over)]
        told = tuple(one for one in given if one not in gone)
        kept_back: list[Alert] = []
        in_vain: dict[str, list[Alert]] = {}
        sent = []
        while told:
            composed = await self._compose(told, policy, over=over)
            # Asked last: a case may become confidential while the message is composed.
            late = []
            for one in told:
                if reason := await self._in_vain(one):
                    in_vain.setdefault(reason, []).append(one)
                elif await self._may_hear(one):
                    continue
                else:
                    kept_back.append(one)
                late.append(one)
            if not late:
                sent.append(await self._send(over, composed))
                break
            told = tuple(one for one in told if one not in late)
        of_others = [(kept_back, _KEPT_BACK), (gone, self._result_of_gone(gone))]
        of_others += [(some, replace(_IN_VAIN, detail=why)) for why, some in in_vain.items()]
        return sent + [
            _Sent(alerts=tuple(left), result=result) for left, result in of_others if left
        ]

    async def _compose(
        self, alerts: tuple[Alert, ...], policy: Policy, *, over: Channel
    ) -> _Composed:
        links = await self._links.of(alerts, over=over, style=policy.style)
        if any(one.kind is AlertKind.DIGEST for one in alerts):
            message, on_record = await self._composer.digest(alerts, policy, links=links)
        elif len(alerts) == 1:
            (alert,) = alerts
            message, kept, flaw = await self._composer.one(
                alert, policy.style, link=links.get(alert.id), payload=policy.payload
            )
            return _Composed(alerts=alerts, message=message, on_record=(kept,), remark=flaw)
        else:
            message, on_record = await self._composer.together(alerts, policy.style, links=links)
        remark = f"in one message with {len(alerts) - 1} others" if len(alerts) > 1 else ""
        return _Composed(alerts=alerts, message=message, on_record=on_record, remark=remark)

    def _result_of_gone(self, gone: Sequence[Alert]) -> SendResult:
        """Another server may have a target that is not here yet, as while a person is added."""
        began = max((one.due_since for one in gone), default=0)
        recent = self._clock.now() - began < ROLL_OUT
        return _NOT_HERE if recent and self._differs() else _GONE

    async def _in_vain(self, alert: Alert) -> str | None:
        """Why a reminder does not have to go any more; None where it has to."""
        if alert.kind is not AlertKind.REMINDER:
            return None
        async with self._store.read() as connection:
            return await reminders.in_vain(connection, alert)

    async def _may_hear(self, alert: Alert) -> bool:
        """Whether its case may be told to its target: a confidential one only to single persons.

        The case may have become confidential since the decision.
        """
        if alert.kind not in OF_CASES or alert.addressed_as in (UNASSIGNED, OPERATIONS):
            return True
        case = await self._composer.case(alert)
        to = Addressee(target=alert.target, addressed_as=alert.addressed_as)
        return not case.confidential or self._channels().roster.is_one_person(alert.channel, to)

    async def _send(self, channel: Channel, composed: _Composed) -> _Sent:
        first = composed.alerts[0]
        try:
            result = await channel.send(target=first.target, message=composed.message)
        except Exception as error:  # noqa: BLE001 - of any kind: the message may have arrived
            self._log.error("alert.defect", alert=first.id, channel=first.channel, error=error)
            result = SendResult(
                outcome=Outcome.AMBIGUOUS,
                reason=FailureReason.UNKNOWN,
                detail=f"defect: {type(error).__name__}",
            )
        if composed.remark:
            result = replace(result, detail=f"{composed.remark}; {result.detail}".rstrip("; "))
        return _Sent(alerts=composed.alerts, result=result, messages=composed.on_record)

    async def _record(self, sent: _Sent, *, started_at: Micros, max_age: float) -> float:
        """Record an attempt; try until it works, because the attempt has happened.

        Returns:
            The seconds for which the channel asks for a pause.
        """
        finished_at = self._clock.now()
        random = self._chance()
        states = next_states(
            sent.alerts, sent.result, max_age=max_age, now=finished_at, random=random
        )
        wait = states[0].not_before - finished_at
        again = False
        while True:
            # The clock may have been set back while the storage failed.
            not_before = min(states[0].not_before, self._clock.now() + wait)
            try:
                tried = [
                    outbox.Tried(
                        alert=alert,
                        message=message,
                        result=sent.result,
                        reached=replace(reached, not_before=not_before),
                        follow=await self._fall_back(alert, sent.result, reached, finished_at),
                    )
                    for alert, message, reached in zip(
                        sent.alerts, sent.messages_on_record, states, strict=True
                    )
                ]
                await self._store.transact(
                    outbox.record,
                    tried=tried,
                    started_at=started_at,
                    finished_at=finished_at,
                    again=again,
                )
                break
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
                again = True
                # The end does not cut this short: this may be the only record of the attempt.
                await self._clock.sleep(STORAGE_WAIT)
            except Exception as error:
                if not sent.messages:
                    raise
                # Perhaps it is a text that the database does not take. The alert goes on without.
                first = sent.alerts[0]
                self._log.error("alert.defect", alert=first.id, channel=first.channel, error=error)
                flaw = f"the texts of the attempt could not be kept: {type(error).__name__}"
                sent = replace(sent, messages=(), result=replace(sent.result, detail=flaw))
        if any(one.follow for one in tried):
            self._followed()
        for one in tried:
            self._log_attempt(one, started_at, finished_at)
        return states[0].channel_pause

    async def _fall_back(
        self, alert: Alert, result: SendResult, reached: NextState, now: Micros
    ) -> list[NewAlert]:
        if reached.state is not AlertState.FAILED:
            return []
        about = "a digest" if alert.kind is AlertKind.DIGEST else "a message to operations"
        if alert.kind in OF_CASES:
            about = (await self._composer.headline(alert)).title
        reason = str(reached.reason or FailureReason.UNKNOWN)
        case = await self._composer.case(alert)
        async with self._store.read() as connection:
            away = absences_at(await absences.known(connection), now)
        # The policy in force now, not at the start of the attempt.
        policy = self._channels().fallbacks
        return fall_back(
            policy,
            alert,
            result=result,
            reason=reason,
            about=about,
            now=now,
            case=case,
            away=away,
        )

    def _log_attempt(self, tried: outbox.Tried, started_at: Micros, finished_at: Micros) -> None:
        alert, result, reached = tried.alert, tried.result, tried.reached
        reason = str(result.reason or "")
        self._metrics.attempts.labels(alert.channel, str(result.outcome), reason).inc()
        if reached.state is AlertState.SENT:
            # Not negative, if the clock was set back meanwhile.
            taken = max(0, finished_at - (alert.due_at or alert.created_at))
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


def _all_of(alert: Alert) -> tuple[Alert, ...]:
    """The alert and those that go with it."""
    return (replace(alert, others=()), *alert.others)


_KEPT_BACK = SendResult(
    outcome=Outcome.PERMANENT,
    reason=FailureReason.CONFIDENTIAL,
    detail="the case is confidential, and this target is not one person; nothing was sent",
)
_IN_VAIN = SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.ACKNOWLEDGED)
_GONE = SendResult(
    outcome=Outcome.PERMANENT,
    reason=FailureReason.TARGET_GONE,
    detail="the configuration no longer has this target",
)
_NOT_HERE = replace(
    _GONE,
    outcome=Outcome.RETRYABLE,
    detail="the configuration here does not have this target; that of another server may",
)
_STORAGE_FAILED = SendResult(
    outcome=Outcome.RETRYABLE,
    reason=FailureReason.UNKNOWN,
    detail="the storage could not be read; nothing was sent",
)
#: The recorded message of an attempt that sent none.
_NO_MESSAGE = Message(title="", body="")
