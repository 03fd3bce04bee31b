"""Renders a case's alert as a title and lines of plain text: pure functions.

The reader's lines come first, five where all is known: what happened, that an answer is owed, whose
case it is, what USCIS says, when, and where to look. Below a rule stands what IT asks for. Links
stand alone on their lines; each channel escapes the text for its own service.

A title is shown on a locked phone. It holds our own words, the receipt, and the firm's name for the
case and its form where the channel's `disclose` allows them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from casebell.alerts import (
    OF_CASES,
    OPERATIONS,
    UNASSIGNED,
    Alert,
    AlertKind,
    Line,
    Message,
    Part,
)
from casebell.events import Case, ClassifiedEvent, Flag, Micros, Origin, Tag
from casebell.notify.headlines import CONFIDENTIAL, NEW_WORDING, Headline, headline_of
from casebell.notify.inert_text import quoted, without_markup
from casebell.provider_time import date_alone
from casebell.uscis.receipts import mask

#: How much of a case a channel shows: labels identify clients, and chats have many readers.
Disclose = Literal["minimal", "standard", "full"]

#: Characters of official text shown, by `disclose`.
TEXT_LIMIT: dict[Disclose, int] = {"minimal": 300, "standard": 1_000, "full": 3_000}

#: In every alert. No due date is ever computed.
FOOTER = (
    "This is a prompt to look, not legal notice. Only the notice that USCIS sends says what is due "
    "and when."
)
_OWED = "An answer is owed: see the notice."
#: The public page on which a receipt can be looked up.
USCIS_STATUS_PAGE = "https://egov.uscis.gov/"

MAY_REPEAT = "May repeat: an earlier attempt to send this may have arrived."
_FOR_OPERATIONS = (
    "No rule sends this change to anybody, so it comes to operations: pass it on, and mend the "
    "rules (casebell check)."
)
_REMINDER_FOR_OPERATIONS = (
    "Nobody is found whom this reminder should reach, so it comes to operations: pass it on."
)
#: To whom `unassigned` names.
NOBODY_FOUND = (
    "It comes to you because the owner of the case, its team, or both led to nobody: see that "
    "somebody takes it on."
)
_NOBODY_TOLD = "Nobody whom the case names was told: see that somebody takes it on."
#: Where a service takes little, such as a text message.
_TAKE_IT_ON = "Nobody was found: take it on."
_NEW_WORDS = "The text is worded in a way that is new to Casebell, and may say more: read it."
_REMINDER = "This is a reminder of it."
_FOUND = "Found by reconciliation: no webhook delivered this change."
_TEST = "This is a test receipt: no real case is concerned, nothing needs doing."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Characters of what the firm says of a case: of each in the body, of label and form in a title.
_MAX_FIELD = 120
_MAX_LABEL = 40
_MAX_FORM = 16

BLANK = Line("", part=Part.RULE)
_RULE = Line("———", spare=4, part=Part.RULE)
FOOTER_LINE = Line(FOOTER, short="Not legal notice.", part=Part.FOOTER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """The settings of messages on one channel."""

    disclose: Disclose
    timezone: ZoneInfo
    #: The address for links, without a slash at its end; None leaves links out.
    public_url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFacts:
    """The data of a case alert."""

    event_id: int
    event: ClassifiedEvent
    case: Case
    #: The case's current status.
    current_status: str | None = None


def render_case(alert: Alert, facts: CaseFacts, style: Style) -> Message:
    """The message of a case alert."""
    event, case = facts.event, facts.case
    if case.confidential:
        return render_confidential(alert, receipt=event.receipt, style=style)
    whole = style.disclose == "full"
    headline = headline_of(event.status, event.tags, event.flags, event.text)
    what = ("TEST: " if Tag.TEST in event.tags else "") + _urgently(alert, headline.subject)
    told = sentence_of(headline)
    told += map(warning, _warnings(alert, facts, headline, whole=whole))
    return message_of(what, told, alert, facts, style)


def message_of(
    what: str, told: Iterable[Line], alert: Alert, facts: CaseFacts, style: Style
) -> Message:
    """A message that tells of a change: these lines, then what every such message has.

    Args:
        what: how its title begins.
    """
    event, case = facts.event, facts.case
    whole = style.disclose == "full"
    receipt = event.receipt if whole else mask(event.receipt)
    named, of_case = [what, receipt], [receipt]
    if style.disclose != "minimal":
        label = quoted(case.label, limit=_MAX_LABEL, whole=whole)
        form = quoted(case.form, limit=_MAX_FORM, whole=whole)
        named = [part for part in (what, label, form, receipt) if part]
        of_case += _told_of(case, whole=whole)
    lines = [*told, Line(f"Case: {' · '.join(of_case)}", spare=3)]
    text = quoted(without_markup(event.text), limit=TEXT_LIMIT[style.disclose], whole=whole)
    if text:
        lines.append(Line(f"USCIS text: “{text}”", spare=1))
    when = _provider_time(event, style.timezone, whole=whole)
    lines.append(Line(f"When: {when}, as reported by {event.source}", spare=2))
    lines += _link(style, facts.event_id)
    lines += [_RULE, *_details(alert, facts, style, whole=whole), BLANK, FOOTER_LINE]
    return Message.of(
        " · ".join(named), lines, short_title=f"{what} · {receipt}", urgent=alert.urgent
    )


def render_confidential(
    alert: Alert, *, receipt: str, style: Style, headline: Headline = CONFIDENTIAL
) -> Message:
    """All that any message says of a confidential case: that it has news, and where.

    Args:
        headline: of a reminder, one that says as little.
    """
    lines = [
        *sentence_of(headline),
        *map(warning, about_sending(alert, confidential=True)),
        Line(f"Case: {mask(receipt)}", spare=1),
        *_link(style, alert.event_id or 0),
        BLANK,
        FOOTER_LINE,
    ]
    title = f"{_urgently(alert, headline.subject)} · {mask(receipt)}"
    return Message.of(title, lines, urgent=alert.urgent)


def render_plain(alert: Alert, headline: Headline, style: Style) -> Message:
    """The built-in message, for an alert whose rendering failed.

    Args:
        headline: of the change of which a case is told or reminded, `CONFIDENTIAL` where the case
            is; other kinds ignore it.
    """
    repeat = [Line(MAY_REPEAT, part=Part.WARNING)] if alert.may_repeat else []
    if alert.kind not in OF_CASES:
        lines = [
            *repeat,
            Line(
                "Casebell has something to tell you, but making the message failed.",
                part=Part.SENTENCE,
            ),
            Line("Look at what it knows: casebell alerts list"),
            Line("The log line alert.render_failed says where it failed.", part=Part.DETAIL),
        ]
        title = "Casebell operations: a message could not be made"
        return Message.of(title, lines, urgent=alert.urgent)
    lines = [
        *sentence_of(headline),
        *([Line(_REMINDER)] if alert.kind is AlertKind.REMINDER else []),
        *repeat,
        Line(f"This is event {alert.event_id}; the full message could not be made."),
        *_link(style, alert.event_id or 0),
        _RULE,
        Line(f"Ask for: casebell why {alert.event_id}", part=Part.DETAIL),
        BLANK,
        FOOTER_LINE,
    ]
    return Message.of(_urgently(alert, headline.subject), lines, urgent=alert.urgent)


def for_people(at: Micros, zone: ZoneInfo) -> str:
    """A time as people read it: `Oct 14, 2025, 3:22 PM EDT`."""
    try:
        moment = (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
    except OverflowError:
        return "a time that no calendar has"
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year}, {hour}:{moment:%M %p %Z}"


def _urgently(alert: Alert, title: str) -> str:
    return f"URGENT: {title}" if alert.urgent else title


def sentence_of(headline: Headline) -> list[Line]:
    """What happened, which the title says as well, and whether an answer is owed."""
    sentence = Line(headline.sentence, short="", part=Part.SENTENCE)
    if not headline.owed:
        return [sentence]
    return [sentence, Line(headline.owed, short=_OWED, part=Part.WARNING)]


def _told_of(case: Case, *, whole: bool) -> Iterator[str]:
    """What the firm says of a case: its own name for it first."""
    for name, text in (
        ("", case.label),
        ("", case.form),
        ("matter ", case.matter),
        ("owner ", case.owner),
    ):
        if shown := quoted(text, limit=_MAX_FIELD, whole=whole):
            yield f"{name}{shown}"


def link_to(event_id: int, style: Style) -> list[Line]:
    """The link to an event, where there is a console."""
    if style.public_url is None:
        return []
    return [Line(f"{style.public_url}/events/{event_id}", part=Part.LINK)]


def _link(style: Style, event_id: int) -> list[Line]:
    link = link_to(event_id, style)
    return [Line("Open in Casebell:", spare=2), *link] if link else []


def _details(alert: Alert, facts: CaseFacts, style: Style, *, whole: bool) -> Iterator[Line]:
    """What IT asks for; the reader has no need of it."""
    event = facts.event
    if alert.rules:
        rules = quoted("; ".join(alert.rules), limit=200, whole=whole)
        by = "Escalation" if alert.kind is AlertKind.REMINDER else "Rule"
        yield Line(f"{by}: {rules}", spare=6, part=Part.DETAIL)
    source = f"Source: {event.source}, event {facts.event_id}"
    yield Line(source, spare=5, part=Part.DETAIL)
    received = f"Received: {for_people(event.received_at, style.timezone)}"
    yield Line(received, spare=4, part=Part.DETAIL)
    yield Line("Look the receipt up at USCIS:", spare=7, part=Part.DETAIL)
    yield Line(USCIS_STATUS_PAGE, spare=7, part=Part.LINK)


def warning(text: str) -> Line:
    """A line that the reader must know before acting on the others."""
    short = _TAKE_IT_ON if text in (NOBODY_FOUND, _NOBODY_TOLD) else None
    return Line(text, short=short, part=Part.WARNING)


def about_sending(alert: Alert, *, is_test: bool = False, confidential: bool = False) -> list[str]:
    """What the reader must know of how the alert came, whatever it tells."""
    fallback = f"Sent here because channel {alert.stands_in_for} failed."
    # Who reads an owner's name in it must not take the owner for told.
    instead = alert.addressed_as in (UNASSIGNED, OPERATIONS) and not alert.stands_in_for
    unassigned = instead and alert.addressed_as == UNASSIGNED
    reminds = alert.kind is AlertKind.REMINDER
    ruleless = not alert.rules and not reminds
    for_want_of_others = reminds and instead and not unassigned
    given = [
        (alert.may_repeat, MAY_REPEAT),
        (bool(alert.stands_in_for), fallback),
        (ruleless and not is_test and not confidential, _FOR_OPERATIONS),
        (for_want_of_others and not confidential, _REMINDER_FOR_OPERATIONS),
        (unassigned and not confidential, NOBODY_FOUND),
        # To operations it comes without rules also where rules named nobody who may hear.
        (instead and confidential, _NOBODY_TOLD),
    ]
    return [line for holds, line in given if holds]


def _warnings(alert: Alert, facts: CaseFacts, headline: Headline, *, whole: bool) -> list[str]:
    """Lines that the reader must know before acting on the others."""
    event = facts.event
    is_test = Tag.TEST in event.tags
    status = quoted(without_markup(event.delivered_status or "none"), limit=60, whole=whole)
    kind = quoted(without_markup(event.type or "none"), limit=60, whole=whole)
    later = f" ({facts.current_status})" if facts.current_status else ""
    known_beside_its_wording = Flag.UNKNOWN_WORDING in event.flags and headline is not NEW_WORDING
    given = [
        (event.origin is Origin.RECONCILED, _FOUND),
        (known_beside_its_wording, _NEW_WORDS),
        (Flag.LATE in event.flags, f"Arrived late: a later status{later} is already known."),
        (Flag.STALE_SIGNATURE in event.flags, "Delivered late: signed some time before it came."),
        (
            Flag.STATUS_CONFLICT in event.flags,
            f"The source contradicts itself: it delivered status “{status}”, type “{kind}”.",
        ),
        (
            Flag.TEXT_CONFLICT in event.flags,
            f"The text says something else than the delivered status “{status}”; check both.",
        ),
        (
            Flag.CONFLICT in event.flags,
            "The source sent differing content for the same event; check both.",
        ),
    ]
    return [
        *([_TEST] if is_test else []),
        *about_sending(alert, is_test=is_test),
        *(line for holds, line in given if holds),
    ]


def _provider_time(event: ClassifiedEvent, zone: ZoneInfo, *, whole: bool) -> str:
    raw = quoted(without_markup(event.occurred_raw or ""), limit=60, whole=whole)
    if event.occurred_at is None:
        late = ", which is no time that can be" if Flag.FUTURE_TIME in event.flags else ""
        return f"“{raw}”{late}" if raw else "no time given"
    if Flag.NAIVE_TIME not in event.flags:
        return for_people(event.occurred_at, zone)
    if day := date_alone(event.occurred_raw):
        return f"{day:%b} {day.day}, {day.year} (a date without a time)"
    return f"{for_people(event.occurred_at, zone)} (“{raw}”, without a time zone)"
