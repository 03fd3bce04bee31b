"""Renders an alert as a title and lines of plain text: pure functions.

A title is shown on a locked phone, so it holds only our own words. Text from outside is made inert,
capped and quoted: lines and spaces stay; invisible characters and those that reorder others are
dropped; sequences on which some chat service acts even in plain text are broken by a blank. Links
stand alone on their lines; each channel escapes the text for its own service.
"""

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from casebell.alerts import Alert, AlertKind, Line, Message
from casebell.events import Case, ClassifiedEvent, Flag, Micros, Status, Tag
from casebell.provider_time import date_alone
from casebell.uscis.receipts import mask
from casebell.uscis.sentences import decoded
from casebell.visible import visible

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

#: A tag of HTML; a lone "<" is text.
_TAG = re.compile(r"<[/!A-Za-z][^<>]{0,400}>")

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_DIGIT = "[0-9\uff10-\uff19]"
#: Separators between the parts of a receipt: blanks, dashes of any kind, asterisks.
_BETWEEN = r"[\s*_\-\u02d7\u2010-\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63\uff0a\uff0d]{0,8}"
#: A receipt number in any spelling: without separators anywhere, or with separators if no word
#: touches it. A short word before a telephone number is not a receipt.
_RECEIPT = re.compile(
    rf"{_LETTER}{{3}}{_DIGIT}{{10}}"
    rf"|(?<![^\W_])(?!(?i:and|fax|for|our|tdd|tel|the|tty|via)\b){_LETTER}{{3}}"
    rf"(?:{_BETWEEN}{_DIGIT}){{10}}(?!{_DIGIT})"
)
MAY_REPEAT = "May repeat: an earlier attempt to send this may have arrived."
_FOR_OPERATIONS = (
    "No rule sends this change to anybody, so it comes to operations: pass it on, and mend the "
    "rules (casebell check)."
)
_NEW_WORDS = "The text is worded in a way that is new to Casebell, and may say more: read it."
_TEST = "This is a test receipt: no real case is concerned, nothing needs doing."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The end of a text that was cut.
TRUNCATION_MARK = " […]"

_BLANKS = re.compile(r"\s+")
#: Broken by a blank: `@everyone` but not `jane@firm`; `<!channel>`, `<url|words>`, `<at>`,
#: `<script>`; `[words](url)`.
_ACTIVE = re.compile(r"(?<!\w)@(?=\w)|<(?=\S)|\](?=\()")


@dataclass(frozen=True, slots=True)
class Headline:
    """The title and sentence of changes with a status, tag or flag."""

    when: Status | Tag | Flag
    title: str
    sentence: str


#: Most urgent first. A tag may say more than the status: a notice of intent to deny is `other`.
HEADLINES: tuple[Headline, ...] = (
    Headline(
        Status.RFE_ISSUED,
        "Request for Evidence issued",
        "USCIS issued a Request for Evidence. A response is owed within the time its notice sets.",
    ),
    Headline(
        Tag.DEADLINE,
        "USCIS notice with a deadline",
        "USCIS sent a notice that may have to be answered in time, such as an intent to deny or "
        "revoke.",
    ),
    Headline(Status.DENIED, "Case denied", "USCIS denied the case."),
    Headline(
        Tag.REJECTED,
        "Filing rejected",
        "USCIS rejected the filing. Its notice says why, and whether it can be filed again.",
    ),
    Headline(
        Tag.ADVERSE,
        "Case took an adverse turn",
        "USCIS reports a step against the case, such as a revocation, termination or dismissal.",
    ),
    Headline(Status.INTERVIEW_SCHEDULED, "Interview scheduled", "USCIS scheduled an interview."),
    Headline(Status.APPROVED, "Case approved", "USCIS approved the case."),
    Headline(
        Status.RFE_RECEIVED,
        "RFE response received",
        "USCIS confirmed that it received the response to its Request for Evidence.",
    ),
    # Before appointments: a missed or cancelled one carries both tags.
    Headline(Tag.ACTION, "Action needed", "USCIS reports something that somebody must act upon."),
    Headline(
        Tag.APPOINTMENT,
        "USCIS appointment",
        "USCIS reports on an appointment: biometrics, an interview or an oath ceremony.",
    ),
    Headline(
        Tag.DECISION,
        "USCIS decision reported",
        "USCIS reports a decision. Only its notice says for certain which way it went.",
    ),
    Headline(Tag.CARD, "Card or document update", "USCIS reports on a card or document."),
    Headline(Status.RECEIVED, "Case received", "USCIS confirmed receipt of the case."),
    Headline(Status.OTHER, "Case status changed", "USCIS changed the status text of the case."),
)
#: The headline of a change of which nothing is known but its text.
NEW_WORDING = Headline(
    Flag.UNKNOWN_WORDING,
    "New USCIS wording: read it",
    "USCIS reports something in words that are new to Casebell. They may ask for an answer in time "
    "or tell of a decision: read them.",
)
#: The headline of an unknown change.
ANY_CHANGE = HEADLINES[-1]


def headline_of(status: Status, tags: Set[Tag], flags: Set[Flag] = frozenset()) -> Headline:
    """The first headline whose status or tag the change has.

    No Request for Evidence is claimed where the text says something else, such as an intent to
    deny, whose time to answer is shorter.
    """
    said: set[Status | Tag] = {status, *tags}
    if status is Status.RFE_ISSUED and Flag.TEXT_CONFLICT in flags:
        said = {*tags, Tag.DEADLINE}
    found = next(row for row in HEADLINES if row.when in said)
    return NEW_WORDING if found is ANY_CHANGE and Flag.UNKNOWN_WORDING in flags else found


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
    event = facts.event
    disclose: Disclose = "minimal" if facts.case.confidential else style.disclose
    whole = disclose == "full"
    headline = headline_of(event.status, event.tags, event.flags)
    receipt = event.receipt if whole else mask(event.receipt)
    marks = ("TEST: " if Tag.TEST in event.tags else "") + ("URGENT: " if alert.urgent else "")
    owed = headline.when in (Status.RFE_ISSUED, Tag.DEADLINE)
    # The title has the status and the receipt.
    lines = [Line(headline.sentence, short=_OWED if owed else "")]
    lines += [Line(text) for text in _warnings(alert, facts, whole=whole)]
    lines += [Line(""), Line(f"Receipt: {receipt}", short="")]
    if disclose != "minimal":
        named = {"Case": facts.case.label, "Matter": facts.case.matter, "Owner": facts.case.owner}
        shown = {name: quoted(text, limit=120, whole=whole) for name, text in named.items()}
        lines += [Line(f"{name}: {text}", spare=3) for name, text in shown.items() if text]
    text = quoted(without_markup(event.text), limit=TEXT_LIMIT[disclose], whole=whole)
    if text:
        lines.append(Line(f"USCIS text: “{text}”", spare=1))
    when = _provider_time(event, style.timezone, whole=whole)
    lines += [
        Line(f"When: {when}, as reported by {event.source}", spare=2),
        Line(f"Received: {for_people(event.received_at, style.timezone)}", spare=4),
        Line(f"Source: {event.source}, event {facts.event_id}", spare=5),
    ]
    if alert.rules:
        rules = quoted("; ".join(alert.rules), limit=200, whole=whole)
        lines.append(Line(f"Rule: {rules}", spare=6))
    if style.public_url:
        link = f"{style.public_url}/events/{facts.event_id}"
        lines += [Line("Open in Casebell:", spare=2), Line(link)]
    lines += [Line("Look the receipt up at USCIS:", spare=7), Line(USCIS_STATUS_PAGE, spare=7)]
    lines += [Line(""), Line(FOOTER, short="Not legal notice.")]
    return Message.of(f"{marks}{headline.title} · {receipt}", lines)


def render_plain(alert: Alert, headline: Headline, style: Style) -> Message:
    """The built-in message, for an alert whose rendering failed.

    Args:
        headline: of the change of a case alert; other kinds ignore it.
    """
    repeat = [MAY_REPEAT] if alert.may_repeat else []
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
        headline.sentence,
        *repeat,
        f"This is event {alert.event_id}; the full message could not be made.",
        f"Ask for: casebell why {alert.event_id}",
    ]
    if style.public_url:
        lines += ["Open in Casebell:", f"{style.public_url}/events/{alert.event_id}"]
    urgent = "URGENT: " if alert.urgent else ""
    return Message(title=f"{urgent}{headline.title}", body="\n".join([*lines, "", FOOTER]))


def inert(text: str, *, limit: int) -> str:
    r"""The text without control, format or surrogate characters, in at most `limit` characters.

    Every kind of line end becomes `\n`, a tab a blank. Mentions, tags and named links are broken.
    A cut text ends in `TRUNCATION_MARK`.
    """
    # Cut before the work as well as after it, so that the work is bounded.
    start = text[: 2 * limit]
    still = _ACTIVE.sub(r"\g<0> ", visible(start))
    if len(still) <= limit and len(start) == len(text):
        return still
    return still[: max(limit - len(TRUNCATION_MARK), 0)] + TRUNCATION_MARK


def one_line(text: str, *, limit: int) -> str:
    """As `inert`, and every run of blanks and line ends is a single blank."""
    return _BLANKS.sub(" ", inert(text, limit=limit)).strip()


def quoted(text: str, *, limit: int, whole: bool = False) -> str:
    """Text from outside on one line, inert and capped; receipt numbers masked unless `whole`."""
    # Masked before it is cut: half a receipt would not be recognised.
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
    """The text with entities decoded and tags stripped."""
    return _TAG.sub(" ", decoded(text))


def _masked(found: re.Match[str]) -> str:
    """The receipt as `mask` shows it, whatever its spelling."""
    plain = unicodedata.normalize("NFKC", found[0])
    solid = "".join(char for char in plain if char.isalnum())
    return mask(solid.upper())


def _warnings(alert: Alert, facts: CaseFacts, *, whole: bool) -> list[str]:
    """Lines that the reader must know before acting on the others."""
    event = facts.event
    status = quoted(without_markup(event.delivered_status or "none"), limit=60, whole=whole)
    kind = quoted(without_markup(event.type or "none"), limit=60, whole=whole)
    later = f" ({facts.current_status})" if facts.current_status else ""
    fallback = f"Sent here because channel {alert.stands_in_for} failed."
    told_by_no_rule = not alert.rules and Tag.TEST not in event.tags
    known_beside_its_wording = (
        Flag.UNKNOWN_WORDING in event.flags
        and headline_of(event.status, event.tags, event.flags) is not NEW_WORDING
    )
    given = [
        (Tag.TEST in event.tags, _TEST),
        (alert.may_repeat, MAY_REPEAT),
        (bool(alert.stands_in_for), fallback),
        (told_by_no_rule, _FOR_OPERATIONS),
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
    return [line for holds, line in given if holds]


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
