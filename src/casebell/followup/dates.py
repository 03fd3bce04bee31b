"""One reminder of a date that a person typed, in one transaction."""

from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from casebell.alerts import OWNER, TEAM, NewAlert
from casebell.events import Absences, Case, Micros
from casebell.followup.due import DISTANCES, distance, next_reminder
from casebell.followup.telling import alerts_for, subject_of
from casebell.notify.channel import Channels
from casebell.ops_messages import DateNear
from casebell.people.hearing import Hearer, reached
from casebell.people.identity import People, called
from casebell.people.roster import Roster
from casebell.store import due_dates, journal, outbox
from casebell.store.due_dates import Near
from casebell.store.engine import Connection


async def remind(
    connection: Connection,
    *,
    one: Near,
    channels: Channels,
    people: People,
    zone: ZoneInfo,
    now: Micros,
) -> list[NewAlert] | None:
    """Remind people of a date; None where that is not ours to do any more.

    Args:
        people: of the configuration, who may have typed the date.
        zone: the server's.

    Raises:
        LookupError: what it is about is not stored.
    """
    due = date.fromisoformat(one.due)
    then = next_reminder(due, after=now, zone=zone)
    if not await due_dates.take(connection, one, then=then):
        return None
    days = distance(due, now=now, zone=zone)
    if days is None:
        # The server is in another time zone than when the date was typed.
        return []
    # What waits for Monday would come on the date itself.
    urgent = one.urgent or days == DISTANCES[-1]
    subject = await subject_of(
        connection, change_id=one.change_id, event_id=one.event_id, urgent=urgent, now=now
    )
    over, found = whom(one.channels, subject.case, roster=channels.roster, away=subject.away)
    note = DateNear(
        change=one.change_id,
        due=one.due,
        days=days,
        entered_by=called(one.due_by, people),
        confirmed=one.due_confirmed_by is not None,
    )
    new = alerts_for(subject, note, found=found, over=over, rules=(), channels=channels)
    await outbox.add(connection, new, now=now)
    entry = journal.Entry(
        at=now,
        kind="due.reminded",
        actor="server",
        subject=f"change:{one.change_id}",
        data={
            "due": one.due,
            "days": days,
            "notify": [{"channel": to.channel, "target": to.target} for to in new],
        },
    )
    await journal.append(connection, [entry])
    return new


def whom(
    named: Iterable[str], case: Case, *, roster: Roster, away: Absences
) -> tuple[Sequence[str], list[Hearer]]:
    """Whom a typed date concerns: owner and team of its case, or who hears in their place.

    Args:
        named: the channels that the decision about the change named.

    Returns:
        The channels that look for them, and whom they reach: those of the decision, else all; or
        whatever the channels of the decision reach, where none looks for anybody.
    """
    there = [channel for channel in named if roster.has(channel)]
    looking = [channel for channel in there if roster.by_case(channel)] or roster.looking_up
    hearers = reached(looking, case, roster=roster, away=away)
    found = [one for one in hearers if one.to.addressed_as in (OWNER, TEAM)] or [
        Hearer(channel=channel, to=to)
        for channel in looking
        for to in roster.unassigned(channel, case, away=away)
    ]
    if found:
        return looking, found
    return there, reached(there, case, roster=roster, away=away)
