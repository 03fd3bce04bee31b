"""What a message says: pure functions from what is stored to a title and lines of plain text.

Nothing here is markup. Text from outside is made inert, capped and quoted; links stand alone on
their lines; each channel escapes for its own service.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from casebell.events import Alert, AlertKind, Case, CaseEvent, Flag, Message, Micros, Tag
from casebell.notify.plain_text import one_line
from casebell.notify.words import OPS_WORDS, Saying, say
from casebell.ops_messages import ChannelTest, OpsMessage
from casebell.uscis.entities import decoded
from casebell.uscis.receipts import mask

#: How much of a case a channel may show: labels identify clients, and chats have many readers.
Disclose = Literal["minimal", "standard", "full"]

#: Characters of official text shown, by `disclose`.
TEXT_LIMIT: dict[Disclose, int] = {"minimal": 300, "standard": 1_000, "full": 3_000}

#: No due date is ever computed, and each alert says what it is not.
FOOTER = (
    "This is a prompt to look, not legal notice. Only the notice that USCIS sends says what is due "
    "and when."
)
#: Where anyone can look a receipt up.
USCIS_STATUS_PAGE = "https://egov.uscis.gov/"

#: Mark-up as USCIS pages carry it; a lone "<" is text.
_TAG = re.compile(r"<[/!A-Za-z][^<>]{0,400}>")

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_DIGIT = "[0-9\uff10-\uff19]"
#: What people put between the parts of a receipt: blanks, dashes of any kind, asterisks.
_BETWEEN = r"[\s*_\-\u02d7\u2010-\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63\uff0a\uff0d]{0,8}"
#: A receipt number in whatever spelling: set solid anywhere, or in parts where no word runs into
#: it. A short word before a telephone number is no receipt.
_RECEIPT = re.compile(
    rf"{_LETTER}{{3}}{_DIGIT}{{10}}"
    rf"|(?<![^\W_])(?!(?i:and|fax|for|our|tdd|tel|the|tty|via)\b){_LETTER}{{3}}"
    rf"(?:{_BETWEEN}{_DIGIT}){{10}}(?!{_DIGIT})"
)
#: Characters of a detail in an operations message.
_LONGEST_DETAIL = 800
_MAY_REPEAT = "May repeat: an earlier attempt to send this may have arrived."
_TEST = "This is a test receipt: no real case is concerned, nothing needs doing."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    #: The case's status now, where a later one was already known.
    later_status: str | None = None


def render_case(alert: Alert, told: Told, style: Style) -> Message:
    """The message of a case alert."""
    event = told.event
    disclose: Disclose = "minimal" if told.case.confidential else style.disclose
    whole = disclose == "full"
    saying = say(event.status, event.tags)
    receipt = event.receipt if whole else mask(event.receipt)
    marks = ("TEST: " if Tag.TEST in event.tags else "") + ("URGENT: " if alert.urgent else "")
    lines = [saying.sentence, *_warnings(alert, told, whole=whole), "", f"Receipt: {receipt}"]
    if disclose != "minimal":
        named = {"Case": told.case.label, "Matter": told.case.matter, "Owner": told.case.owner}
        shown = {name: quoted(text, limit=120, whole=whole) for name, text in named.items()}
        lines += [f"{name}: {text}" for name, text in shown.items() if text]
    text = quoted(without_markup(event.text), limit=TEXT_LIMIT[disclose], whole=whole)
    if text:
        lines.append(f"USCIS text: “{text}”")
    when = _provider_time(event, style.timezone, whole=whole)
    lines += [
        f"When: {when}, as reported by {event.source}",
        f"Received: {for_people(event.received_at, style.timezone)}",
        f"Source: {event.source}, event {told.event_id}",
    ]
    if alert.rules:
        lines.append(f"Rule: {quoted('; '.join(alert.rules), limit=200, whole=whole)}")
    if style.public_url:
        lines += ["Open in Casebell:", f"{style.public_url}/events/{told.event_id}"]
    lines += ["Look the receipt up at USCIS:", USCIS_STATUS_PAGE, "", FOOTER]
    return Message(title=f"{marks}{saying.title} · {receipt}", body="\n".join(lines))


def render_ops(message: OpsMessage | None, *, may_repeat: bool = False) -> Message:
    """The message of an operations or test alert.

    Raises:
        LookupError: what was stored could not be read.
    """
    if message is None:
        raise LookupError
    title, lines = OPS_WORDS[type(message)]
    safe = {
        name: quoted(without_markup(str(getattr(message, name))), limit=_LONGEST_DETAIL)
        for name in message.__struct_fields__
    }
    body = [_MAY_REPEAT] if may_repeat else []
    body += [line.format_map(safe) for line in lines]
    prefix = "" if isinstance(message, ChannelTest) else "Casebell operations: "
    return Message(
        title=prefix + title.format_map(safe), body="\n".join(line for line in body if line)
    )


def render_plain(alert: Alert, saying: Saying, style: Style) -> Message:
    """The built-in message for when rendering failed: it must go out all the same.

    Args:
        saying: what is known of a case alert's change; the others have none.
    """
    repeat = [_MAY_REPEAT] if alert.may_repeat else []
    if alert.kind is not AlertKind.CASE:
        lines = [
            *repeat,
            "Casebell has something to tell you, but making the message failed.",
            "Look at what it knows: casebell alerts list",
            "The log line alert.render_failed says where it failed.",
        ]
        title = "Casebell operations: a message could not be made"
        return Message(title=title, body="\n".join(lines))
    lines = [
        saying.sentence,
        *repeat,
        f"This is event {alert.event_id}; the full message could not be made.",
        f"Ask for: casebell why {alert.event_id}",
    ]
    if style.public_url:
        lines += ["Open in Casebell:", f"{style.public_url}/events/{alert.event_id}"]
    urgent = "URGENT: " if alert.urgent else ""
    return Message(title=f"{urgent}{saying.title}", body="\n".join([*lines, "", FOOTER]))


def quoted(text: str, *, limit: int, whole: bool = False) -> str:
    """Text from outside on one line, inert and capped; receipt numbers masked unless `whole`."""
    # Masked before it is cut: half a receipt is none that could be recognised.
    seen = one_line(text, limit=2 * len(text) + limit)
    return one_line(seen if whole else _RECEIPT.sub(_masked, seen), limit=limit)


def for_people(at: Micros, zone: ZoneInfo) -> str:
    """A time as people read it: `Oct 14, 2025, 3:22 PM EDT`."""
    try:
        moment = (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
    except OverflowError:
        return "a time that no calendar has"
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year}, {hour}:{moment:%M %p %Z}"


def without_markup(text: str) -> str:
    """What a source sent, entities decoded and tags stripped."""
    return _TAG.sub(" ", decoded(text))


def _masked(found: re.Match[str]) -> str:
    """As `mask` shows a receipt, whatever its spelling was."""
    plain = unicodedata.normalize("NFKC", found[0])
    solid = "".join(char for char in plain if char.isalnum())
    return mask(solid.upper())


def _warnings(alert: Alert, told: Told, *, whole: bool) -> list[str]:
    """What the reader must know before acting on the rest."""
    event = told.event
    status = quoted(without_markup(event.delivered_status or "none"), limit=60, whole=whole)
    kind = quoted(without_markup(event.type or "none"), limit=60, whole=whole)
    later = f" ({told.later_status})" if told.later_status else ""
    stands_in = f"Sent here because channel {alert.stands_in_for} failed."
    given = [
        (Tag.TEST in event.tags, _TEST),
        (alert.may_repeat, _MAY_REPEAT),
        (bool(alert.stands_in_for), stands_in),
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
    return [line for holds, line in given if holds]


def _provider_time(event: CaseEvent, zone: ZoneInfo, *, whole: bool) -> str:
    if event.occurred_at is None:
        raw = quoted(without_markup(event.occurred_raw or ""), limit=60, whole=whole)
        return f"“{raw}”" if raw else "no time given"
    note = " (no time zone given, read as UTC)" if Flag.NAIVE_TIME in event.flags else ""
    return for_people(event.occurred_at, zone) + note
