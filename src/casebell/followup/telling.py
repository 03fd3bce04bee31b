"""The alerts of a reminder, for whom it reaches now."""

from collections.abc import Sequence
from dataclasses import dataclass

from casebell.alerts import AlertKind, NewAlert
from casebell.events import Absences, Case, Micros
from casebell.notify.channel import Channels
from casebell.ops_messages import DateNear, Unseen
from casebell.people.hearing import Hearer, operations, who_may_hear
from casebell.people.roster import absences_at
from casebell.store import absences, subjects
from casebell.store.engine import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A change of which people are reminded, and its case as it is now."""

    change_id: int
    #: The event that founded it.
    event_id: int
    case: Case
    #: Whether its reminders are urgent.
    urgent: bool
    #: Who is away now.
    away: Absences


async def subject_of(
    connection: Connection, *, change_id: int, event_id: int, urgent: bool, now: Micros
) -> Subject:
    """What people are reminded of.

    Raises:
        LookupError: there is no such event.
    """
    case = await subjects.case_of(connection, event_id)
    if case is None:
        raise LookupError
    away = absences_at(await absences.known(connection), now)
    return Subject(change_id=change_id, event_id=event_id, case=case, urgent=urgent, away=away)


def alerts_for(
    subject: Subject,
    note: Unseen | DateNear,
    *,
    found: Sequence[Hearer],
    over: Sequence[str],
    rules: Sequence[str],
    channels: Channels,
) -> list[NewAlert]:
    """An alert for each target that may hear of it; for operations where there is none.

    Args:
        found: whom it is meant for.
        over: the names of the channels that were to tell it.
        rules: the name of the escalation.
    """
    roster = channels.roster
    heard = who_may_hear(found, subject.case, channels=over, roster=roster, away=subject.away)
    return [
        hearer.alert(
            kind=AlertKind.REMINDER,
            subject=note.subject,
            urgent=subject.urgent,
            rules=tuple(rules),
            change_id=subject.change_id,
            event_id=subject.event_id,
            note=note,
        )
        for hearer in heard.hearers or operations(roster)
    ]
