"""Renders reminders: that nobody has acknowledged a change, and that a typed date draws near. Pure.

A date is the one that a person typed from the notice, and is called so: it is no legal deadline of
ours. How long ago something was, and how near a date is, is said as it is when the message goes.
"""

from datetime import UTC, date, datetime, timedelta

from casebell.alerts import Alert, AlertKind, Line, Message, Part
from casebell.clock import SECOND, iso
from casebell.events import Micros
from casebell.notify.headlines import CONFIDENTIAL_DUE, CONFIDENTIAL_UNSEEN, headline_of
from casebell.notify.inert_text import quoted
from casebell.notify.render import (
    CaseFacts,
    Style,
    about_sending,
    for_people,
    message_of,
    render_case,
    render_confidential,
    sentence_of,
    warning,
)
from casebell.ops_messages import DateNear, Unseen
from casebell.times import ago, counted

_NOBODY_CONFIRMED = (
    "No second person has confirmed this date yet: compare it with the notice that USCIS sent."
)
#: Characters of the name of whoever typed a date.
_MAX_NAME = 60


def render_of_case(alert: Alert, facts: CaseFacts, style: Style, *, now: Micros) -> Message:
    """The message of an alert that tells of a change, or reminds of it.

    Raises:
        LookupError: what the reminder tells could not be read.
    """
    if alert.kind is not AlertKind.REMINDER:
        return render_case(alert, facts, style)
    note = alert.note
    if isinstance(note, Unseen):
        return _unseen(alert, note, facts, style, now=now)
    if isinstance(note, DateNear):
        return _date_near(alert, note, facts, style, now=now)
    raise LookupError


def _unseen(alert: Alert, note: Unseen, facts: CaseFacts, style: Style, *, now: Micros) -> Message:
    event = facts.event
    if facts.case.confidential:
        return render_confidential(
            alert, receipt=event.receipt, style=style, headline=CONFIDENTIAL_UNSEEN
        )
    headline = headline_of(event.status, event.tags, event.flags, event.text)
    sentence, *owed = sentence_of(headline)
    which = f"This is reminder {note.number}"
    which = (
        f"{which} of {note.of}."
        if note.of
        else f"{which}; they go on until somebody does, at most until "
        f"{for_people(note.stops_at, style.timezone)}."
    )
    # Not that people were told then: their alert may wait, or may have failed.
    came = f"It came {for_people(note.began_at, style.timezone)}"
    lines = [
        Line(f"Nobody has acknowledged this: {sentence.text}", part=Part.SENTENCE),
        *owed,
        *map(warning, about_sending(alert)),
        Line(f"{came}, {ago(iso(note.began_at), now=now)}. {which}"),
        Line(f"Told next, if nobody does: {quoted(note.then, limit=200)}", spare=4),
    ]
    # As long as "URGENT: " in an alert, whose place it takes: a locked phone shows little.
    return message_of(f"UNSEEN: {headline.subject}", lines, alert, facts, style)


def _date_near(
    alert: Alert, note: DateNear, facts: CaseFacts, style: Style, *, now: Micros
) -> Message:
    event = facts.event
    if facts.case.confidential:
        return render_confidential(
            alert, receipt=event.receipt, style=style, headline=CONFIDENTIAL_DUE
        )
    due = date.fromisoformat(note.due)
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now // SECOND)).astimezone(
        style.timezone
    )
    when = _in_words((due - today.date()).days)
    day = f"{due:%b} {due.day}"
    name = quoted(note.entered_by, limit=_MAX_NAME)
    headline = headline_of(event.status, event.tags, event.flags, event.text)
    happened, *_ = sentence_of(headline)
    lines = [
        Line(
            f"{day}, {due.year}, is the date that {name} entered from the notice: {when}.",
            part=Part.SENTENCE,
        ),
        *map(warning, [] if note.confirmed else [_NOBODY_CONFIRMED]),
        *map(warning, about_sending(alert)),
        Line(f"{happened.text} Casebell knows of no answer."),
    ]
    return message_of(f"Due {day}, {when}", lines, alert, facts, style)


def _in_words(days: int) -> str:
    """How far a date is from today."""
    if days in (0, 1):
        return ("today", "tomorrow")[days]
    return f"in {days} days" if days > 0 else f"{counted(-days, 'day')} ago"
