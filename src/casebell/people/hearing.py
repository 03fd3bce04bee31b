"""Who may hear of a case: the one choice that decisions, fallbacks and reminders share. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from casebell.alerts import OPERATIONS, AlertKind, NewAlert
from casebell.events import Absences, Case
from casebell.ops_messages import Note
from casebell.people.roster import Addressee, Roster


class Hearer(NamedTuple):
    """A target of a channel that hears of a case."""

    channel: str
    to: Addressee

    def alert(
        self,
        *,
        kind: AlertKind,
        subject: str,
        urgent: bool,
        rules: tuple[str, ...] = (),
        change_id: int | None = None,
        event_id: int | None = None,
        note: Note | None = None,
        stands_in_for: str | None = None,
    ) -> NewAlert:
        """An alert to it; the arguments are as `NewAlert` has them."""
        return NewAlert(
            kind=kind,
            subject=subject,
            channel=self.channel,
            target=self.to.target,
            urgent=urgent,
            rules=rules,
            change_id=change_id,
            event_id=event_id,
            note=note,
            stands_in_for=stands_in_for,
            person=self.to.person,
            addressed_as=self.to.addressed_as,
            for_absent=self.to.for_absent,
        )


class Heard(NamedTuple):
    """Who hears of a case, and what became of the others."""

    hearers: Sequence[Hearer]
    #: How many may not, since the case is confidential.
    left_out: int = 0
    #: None of those who were looked for may hear, so that others do in their place.
    instead: bool = False


def who_may_hear(
    found: Sequence[Hearer],
    case: Case,
    *,
    channels: Iterable[str],
    roster: Roster,
    away: Absences,
) -> Heard:
    """Those of the targets that may hear of a case: of a confidential one only single persons.

    Where there is none, `unassigned` of the channels and operations hear that there is news, and no
    more. Operations that were looked for hear in any case.

    Args:
        found: whom the channels reach.
        channels: the names of those that were to tell it.
        away: who is away now.
    """
    if not case.confidential:
        return Heard(hearers=found)
    kept = [
        one
        for one in found
        if one.to.addressed_as == OPERATIONS or roster.is_one_person(one.channel, one.to)
    ]
    if kept:
        return Heard(hearers=kept, left_out=len(found) - len(kept))
    instead = [
        Hearer(channel=channel, to=to)
        for channel in channels
        if roster.has(channel)
        for to in roster.unassigned(channel, case, away=away)
    ]
    return Heard(hearers=[*instead, *operations(roster)], left_out=len(found), instead=True)


def reached(channels: Iterable[str], case: Case, *, roster: Roster, away: Absences) -> list[Hearer]:
    """Whom channels reach for a case; each target of a channel once.

    A person whom several channels reach by mail, such as an owner who is of the team, too, hears by
    the first of them: they end in one mailbox.
    """
    found = []
    mailboxes: set[str] = set()
    for channel in channels:
        for to in roster.reached(channel, case, away=away):
            mailbox = roster.mailbox(channel, to)
            if mailbox in mailboxes:
                continue
            if mailbox is not None:
                mailboxes.add(mailbox)
            found.append(Hearer(channel=channel, to=to))
    return found


def operations(roster: Roster) -> list[Hearer]:
    """The targets of operations."""
    return [Hearer(channel=channel, to=to) for channel, to in roster.operations()]
