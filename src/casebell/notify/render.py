"""What a message says: pure functions from what is stored to a title and lines of plain text.

Nothing here is markup. Text from outside is made inert, capped and quoted; links stand alone on
their lines; each channel escapes for its own service.
"""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from casebell.events import Alert, AlertKind, Case, CaseEvent, Flag, Message, Micros, Tag
from casebell.notify.plain_text import one_line
from casebell.notify.words import NOTES, say
from casebell.uscis.receipts import mask

#: How much of a case a channel may show (decision E14).
Disclose = Literal["minimal", "standard", "full"]

#: Characters of official text shown, by `disclose`.
TEXT_LIMIT: dict[Disclose, int] = {"minimal": 300, "standard": 1_000, "full": 3_000}

#: Decisions D5 and D6: no due date is ever computed, and each alert says what it is not.
FOOTER = (
    "This is a prompt to look, not legal notice. Only the notice that USCIS sends says what is due "
    "and when."
)
#: Where anyone can look a receipt up.
USCIS_STATUS_PAGE = "https://egov.uscis.gov/"

#: Mark-up as USCIS pages carry it; a lone "<" is text.
_TAG = re.compile(r"<[/!A-Za-z][^<>]{0,400}>")
_RECEIPT = re.compile(r"\b([A-Za-z]{3})[\s-]?([0-9]{10})\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """What the configuration says about messages on one channel."""

    disclose: Disclose
    timezone: ZoneInfo
    #: Where the console answers, without a slash at its end; None leaves the link out.
    public_url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Everything a case alert may speak of."""

    event_id: int
    event: CaseEvent
    case: Case
    #: The case's status now, where a later one was already known (C5).
    later_status: str | None = None


def render_case(alert: Alert, told: Told, style: Style) -> Message:
    """The message of a case alert."""
    event = told.event
    disclose: Disclose = "minimal" if told.case.confidential else style.disclose
    saying = say(event.status, event.tags)
    receipt = event.receipt if disclose == "full" else mask(event.receipt)
    marks = ("TEST " if Tag.TEST in event.tags else "") + ("URGENT: " if alert.urgent else "")
    lines = [saying.sentence, *_warnings(alert, told), "", f"Receipt: {receipt}"]
    if disclose != "minimal":
        named = {"Case": told.case.label, "Matter": told.case.matter, "Owner": told.case.owner}
        lines += [f"{name}: {one_line(text, limit=120)}" for name, text in named.items() if text]
    text = quoted(event.text, limit=TEXT_LIMIT[disclose], whole=disclose == "full")
    if text:
        lines.append(f"USCIS text: “{text}”")
    lines += [
        f"When: {_provider_time(event, style.timezone)}, as reported by {event.source}",
        f"Received: {for_people(event.received_at, style.timezone)}",
        f"Source: {event.source}, event {told.event_id}",
    ]
    if alert.rules:
        lines.append(f"Rule: {one_line('; '.join(alert.rules), limit=200)}")
    if style.public_url:
        lines += ["Open in Casebell:", f"{style.public_url}/events/{told.event_id}"]
    lines += ["Look the receipt up at USCIS:", USCIS_STATUS_PAGE, "", FOOTER]
    return Message(title=f"{marks}{saying.title} · {receipt}", body="\n".join(lines))


def render_note(alert: Alert) -> Message:
    """The message of an operations or test alert."""
    topic, *details = alert.note
    title, lines = NOTES[topic]
    safe = [one_line(detail, limit=200) for detail in details]
    body = [line.format(*safe) for line in lines]
    if alert.may_repeat:
        body.insert(0, _MAY_REPEAT)
    prefix = "Casebell operations: " if alert.kind is AlertKind.OPS else ""
    return Message(
        title=prefix + title.format(*safe), body="\n".join(line for line in body if line)
    )


def render_plain(alert: Alert, event_id: int | None) -> Message:
    """The built-in message for when rendering failed: it must go out all the same."""
    urgent = "URGENT: " if alert.urgent else ""
    return Message(
        title=f"{urgent}Case status changed",
        body="\n".join(
            [
                "USCIS changed the status of a case; the full message could not be made.",
                f"Ask for: casebell why {event_id}",
                "",
                FOOTER,
            ]
        ),
    )


def quoted(text: str, *, limit: int, whole: bool = False) -> str:
    """Official text on one line, inert and capped; receipt numbers in it masked unless `whole`."""
    shown = one_line(_TAG.sub(" ", html.unescape(text[: 4 * limit])), limit=limit)
    if whole:
        return shown
    return _RECEIPT.sub(lambda found: mask(found[1].upper() + found[2]), shown)


def for_people(at: Micros, zone: ZoneInfo) -> str:
    """A time as people read it: `Oct 14, 2025, 3:22 PM EDT`."""
    moment = datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(zone)
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year}, {hour}:{moment:%M %p %Z}"


_MAY_REPEAT = "May repeat: an earlier attempt to send this may have arrived."


def _warnings(alert: Alert, told: Told) -> list[str]:
    """What the reader must know before acting on the rest."""
    event = told.event
    later = f" ({told.later_status})" if told.later_status else ""
    stands_in = f"Sent here because channel {alert.stands_in_for} failed."
    given = [
        (alert.may_repeat, _MAY_REPEAT),
        (bool(alert.stands_in_for), stands_in),
        (Flag.LATE in event.flags, f"Arrived late: a later status{later} is already known."),
        (Flag.STALE_SIGNATURE in event.flags, "Delivered late: signed some time before it came."),
        (
            Flag.STATUS_CONFLICT in event.flags or Flag.TEXT_CONFLICT in event.flags,
            f"The source contradicts itself: it delivered {_delivered(event)!r} with this text.",
        ),
        (
            Flag.CONFLICT in event.flags,
            "The source sent differing content for the same event; check both.",
        ),
    ]
    return [line for holds, line in given if holds]


def _delivered(event: CaseEvent) -> str:
    return one_line(event.delivered_status or event.type, limit=60)


def _provider_time(event: CaseEvent, zone: ZoneInfo) -> str:
    if event.occurred_at is None:
        return one_line(event.occurred_raw, limit=60) if event.occurred_raw else "no time given"
    note = " (no time zone given, read as UTC)" if Flag.NAIVE_TIME in event.flags else ""
    return for_people(event.occurred_at, zone) + note
