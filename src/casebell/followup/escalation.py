"""One turn of an escalation, in one transaction: people are reminded, or it ends.

The row is updated as it was read, so that of several servers one takes the turn. What else follows
is written with it: a crash leaves all of it or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict
from zoneinfo import ZoneInfo

from casebell.alerts import NewAlert
from casebell.events import Micros
from casebell.followup.telling import alerts_for, subject_of
from casebell.notify.channel import ROLL_OUT, Channels
from casebell.notify.composer import headline_in
from casebell.notify.render import for_people
from casebell.ops_messages import EscalationRemoved, OpsMessage, Unacknowledged, Unseen
from casebell.people.hearing import reached
from casebell.route.plans import EscalationPlan, Position, Turn
from casebell.store import escalations, journal, outbox
from casebell.store.engine import Connection
from casebell.store.escalations import End, Running


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What of the configuration in force a turn goes by."""

    channels: Channels
    #: By name.
    plans: Mapping[str, EscalationPlan]
    #: The server's.
    zone: ZoneInfo
    #: Whether another server on this database may work by other settings.
    differs: bool


class _About(TypedDict):
    """The fields that its messages to operations share."""

    event: int
    change: int
    escalation: str
    about: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What came of a turn."""

    #: Added to the outbox.
    alerts: tuple[NewAlert, ...] = ()
    #: Why it ended; None where it goes on.
    ended: End | None = None


async def take(connection: Connection, *, one: Running, means: Means, now: Micros) -> Taken | None:
    """Take the turn of an escalation that is due; None where it is not ours to take, or not yet.

    Raises:
        LookupError: what it is about is not stored.
    """
    settled = await escalations.settled(connection, one.change_id)
    if settled is not None:
        return await _end(connection, one, settled, None, means=means, now=now)
    plan = means.plans.get(one.name)
    at = Position(step=one.step, repetition=one.repetition, due_at=one.due_at)
    turn = Turn.REMOVED if plan is None else plan.turn(at, began_at=one.began_at)
    if plan is None or turn is Turn.REMOVED:
        if means.differs and now - one.due_at < ROLL_OUT:
            return None
        removed = EscalationRemoved(**await _about(connection, one), change_is_urgent=one.urgent)
        return await _end(connection, one, "removed", removed, means=means, now=now)
    if turn is Turn.STOP:
        stopped = Unacknowledged(
            **await _about(connection, one),
            since=for_people(one.began_at, means.zone),
            reminders=one.step + one.repetition,
        )
        return await _end(connection, one, "stopped", stopped, means=means, now=now)
    following = plan.next(at, began_at=one.began_at, now=now)
    reminds = turn is Turn.REMIND
    if not await escalations.move(
        connection,
        one,
        step=following.step,
        repetition=following.repetition,
        due_at=following.due_at,
        reminded_at=now if reminds else None,
    ):
        return None
    if not reminds:
        return Taken()
    return await _remind(connection, one, plan, following, means=means, now=now)


async def _remind(
    connection: Connection,
    one: Running,
    plan: EscalationPlan,
    following: Position,
    *,
    means: Means,
    now: Micros,
) -> Taken:
    """Put the reminders of a step into the outbox."""
    subject = await subject_of(
        connection, change_id=one.change_id, event_id=one.event_id, urgent=one.urgent, now=now
    )
    step, channels = plan.steps[one.step], means.channels
    note = Unseen(
        change=one.change_id,
        escalation=one.name,
        step=one.step + 1,
        repetition=one.repetition,
        number=one.step + one.repetition + 1,
        of=0 if plan.repeat else len(plan.steps),
        began_at=one.began_at,
        stops_at=one.began_at + plan.stop,
        then=_next_in_words(plan, following, one, zone=means.zone, now=now),
    )
    new = alerts_for(
        subject,
        note,
        found=reached(step.notify, subject.case, roster=channels.roster, away=subject.away),
        over=step.notify,
        rules=(one.name,),
        channels=channels,
    )
    await outbox.add(connection, new, now=now)
    data = {
        "step": note.step,
        "repetition": note.repetition,
        "notify": [{"channel": to.channel, "target": to.target} for to in new],
    }
    await _journal(connection, one, kind="escalation.reminded", data=data, now=now)
    return Taken(alerts=tuple(new))


async def _end(
    connection: Connection,
    one: Running,
    why: End,
    message: OpsMessage | None,
    *,
    means: Means,
    now: Micros,
) -> Taken | None:
    """End an escalation; operations are told where nobody else will be.

    Returns:
        None where another has taken it.
    """
    if not await escalations.end(connection, one, why):
        return None
    ops = means.channels.ops
    new = [] if message is None else ops.alerts_for(message, now=now)
    await outbox.add(connection, new, now=now)
    await _journal(connection, one, kind="escalation.ended", data={"why": why}, now=now)
    return Taken(alerts=tuple(new), ended=why)


async def _about(connection: Connection, one: Running) -> _About:
    """What messages to operations have of an escalation."""
    headline = await headline_in(connection, one.event_id)
    return {
        "event": one.event_id,
        "change": one.change_id,
        "escalation": one.name,
        "about": headline.title,
    }


async def _journal(
    connection: Connection, one: Running, *, kind: str, data: Mapping[str, object], now: Micros
) -> None:
    entry = journal.Entry(
        at=now,
        kind=kind,
        actor="server",
        subject=f"change:{one.change_id}",
        data={"escalation": one.name, **data},
    )
    await journal.append(connection, [entry])


def _next_in_words(
    plan: EscalationPlan, following: Position, one: Running, *, zone: ZoneInfo, now: Micros
) -> str:
    """Who hears next, and when, if still nobody acknowledges the change."""
    step = plan.steps[following.step]
    stops = plan.turn(following, began_at=one.began_at) is Turn.STOP
    whom = "operations" if stops else ", ".join(step.notify)
    if step.calendar is None or stops:
        return f"{whom}, {for_people(following.due_at, zone)}"
    return f"{whom}, {step.calendar.in_words(following.due_at, now=now)}"
