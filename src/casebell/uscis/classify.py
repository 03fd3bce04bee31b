"""Reads a USCIS status text: text in, status and tags out.

A text is a title ("Case Was Approved") or an official description of two to five sentences.
`plain_text` decodes and folds it; `sentences` drops particulars (dates, receipts, form names,
addresses) and splits; `statements` cuts conditions, possibilities and plans off a sentence, and
sets reasons and relative clauses apart. For each statement the first matching row of the table in
`statuses.toml` counts; `_settle` combines these rows. What it must not miss:
docs/decisions/upstream.md, D1, D2, D11 and D12.
"""

import html
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from casebell.events import Status, Tag

#: Characters of the folded text that are read. Descriptions have 300 to 900.
READ_LIMIT = 8_000
#: No placeholder ("Case status not available at this time") is longer.
_PLACEHOLDER_LIMIT = 100


#: The row of a text that no row of the table matches.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The status and tags of a text."""

    status: Status
    tags: frozenset[Tag]
    #: False if the table guessed, or if USCIS's own wording leaves the outcome open.
    certain: bool
    #: The table row that decided, for explanations.
    row: str

    @property
    def known(self) -> bool:
        """Whether any row of the table reads this wording."""
        return self.row != UNKNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """One row of the table, compiled."""

    reading: Reading
    says: re.Pattern[str]
    unless: re.Pattern[str] | None
    #: It replaces the row of an earlier sentence.
    decisive: bool

    def matches(self, padded: str) -> bool:
        """Whether it matches a statement, given with a blank at either end."""
        return self.says.search(padded) is not None and (
            self.unless is None or self.unless.search(padded) is None
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """The rows in order; a row of `whole` must match the entire text."""

    whole: tuple[_Row, ...]
    rows: tuple[_Row, ...]


_UNKNOWN = Reading(status=Status.OTHER, tags=frozenset(), certain=False, row=UNKNOWN)
_MIXED = Reading(
    status=Status.OTHER,
    tags=frozenset({Tag.DECISION, Tag.ADVERSE}),
    certain=False,
    row="mixed-outcomes",
)


def classify_text(text: str) -> Reading:
    """Read a title or a description. Never raises; work is linear in the text's length."""
    return _cached(text) if len(text) <= _MAX_CACHED_CHARACTERS else _classify(text)


#: Characters of a text that is cached. Shorter texts recur; longer ones have dates and receipts.
_MAX_CACHED_CHARACTERS = 200


@lru_cache(maxsize=1024)
def _cached(text: str) -> Reading:
    return _classify(text)


def _classify(text: str) -> Reading:
    plain = plain_text(text)
    if len(plain) <= _PLACEHOLDER_LIMIT:
        padded = f" {words_of(plain)} "
        for row in _table().whole:
            if row.matches(padded):
                return row.reading
    reading = _settle(row for line in sentences(plain) for row in _read(line))
    if len(plain) > READ_LIMIT and reading.certain:
        return Reading(status=reading.status, tags=reading.tags, certain=False, row=reading.row)
    return reading


def text_key(text: str) -> str:
    """The text in one spelling: texts with equal keys say the same.

    Entities decoded, tags stripped, apostrophes, accents and invisible characters dropped, case,
    punctuation and white space folded.
    """
    return words_of(plain_text(text))


#: A word that neither negates nor starts a relative clause (a replacement for `re.sub`).
_CARRIES_ON = r"(?!(?:not|no|never|nor|nothing|none|neither|without|which|that|who|whose)\\b)\\w+"


@lru_cache(maxsize=1024)
def _read(sentence: str) -> tuple[tuple[_Row, bool], ...]:
    """The rows that a sentence's statements match, in order; each with whether it is an aside."""
    found = []
    for statement, aside in statements(sentence):
        padded = f" {statement} "
        row = next((row for row in _table().rows if row.matches(padded)), None)
        # An aside tells of the past or of reasons; only an open deadline in it is worth an alert.
        if row is not None and (not aside or Tag.DEADLINE in row.reading.tags):
            found.append((row, aside))
    return tuple(found)


def _settle(found: Iterable[tuple[_Row, bool]]) -> Reading:
    """The first row counts, unless a later decisive one replaces it.

    Safe where texts contradict themselves: an approval beside a denial, revocation or rejection is
    neither, and an aside never replaces a decision.
    """
    current: Reading | None = None
    verdicts: set[Status] = set()
    for row, aside in found:
        new = row.reading
        if not aside:
            verdicts.add(new.status)
        if current is None:
            current = new
        elif not row.decisive or (aside and Tag.DECISION in current.tags):
            continue
        elif _overturns(current, new):
            current = _MIXED
        else:
            current = new
    if current is None:
        return _UNKNOWN
    # However far apart in the text, and whatever is between them.
    if verdicts >= _BOTH and current.status in _BOTH:
        return _MIXED
    return current


_BOTH = frozenset({Status.APPROVED, Status.DENIED})


def _overturns(old: Reading, new: Reading) -> bool:
    """Whether an approval follows a statement that contradicts it."""
    return new.status is Status.APPROVED and bool({Tag.ADVERSE, Tag.REJECTED} & old.tags)


@cache
def _table() -> _Table:
    """`statuses.toml`, compiled once."""
    data = tomllib.loads(files("casebell.uscis").joinpath("statuses.toml").read_text("utf-8"))
    words: dict[str, str] = {}
    for name, pattern in data["words"].items():
        words[name] = f"(?:{_expand(pattern, words)})"
    compiled = [(_compile(row, words), bool(row.get("whole"))) for row in data["row"]]
    return _Table(
        whole=tuple(row for row, whole in compiled if whole),
        rows=tuple(row for row, whole in compiled if not whole),
    )


def _compile(row: dict[str, object], words: dict[str, str]) -> _Row:
    says, unless = _strings(row["says"]), _strings(row.get("unless", []))
    return _Row(
        reading=Reading(
            status=Status(str(row.get("status", Status.OTHER))),
            tags=frozenset(map(Tag, _strings(row.get("tags", [])))),
            certain=bool(row.get("certain", True)),
            row=str(row["id"]),
        ),
        says=_pattern(says, words),
        unless=_pattern(unless, words) if unless else None,
        decisive=bool(row.get("decisive", False)),
    )


def _strings(value: object) -> list[str]:
    if not isinstance(value, list):
        msg = f"statuses.toml: a list is missing: {value!r}"
        raise TypeError(msg)
    return [str(item) for item in value]


def _pattern(alternatives: list[str], words: dict[str, str]) -> re.Pattern[str]:
    """Whole words of a statement between blanks; a leading blank makes the search twice as fast."""
    either = "|".join(_expand(text, words) for text in alternatives)
    return re.compile(f" (?:{either})(?= )")


def _expand(pattern: str, words: dict[str, str]) -> str:
    """`{name}` is a word list; `<3>` is up to three words, none of which turns the sense."""
    pattern = re.sub(r"\{([a-z_]+)\}", lambda m: words[m[1]], pattern)
    pattern = pattern.replace("^", "(?<=^ )").replace("$", "(?= $)")
    # "sent<3> notice" stands between words, "^<3>rejected" before one.
    pattern = re.sub(r"<([0-9])>(?= )", rf"(?: {_CARRIES_ON}){{0,\1}}", pattern)
    return re.sub(r"<([0-9])>", rf"(?:{_CARRIES_ON} ){{0,\1}}", pattern)


# --- 1. One spelling ----------------------------------------------------------------------------

#: `html.unescape` cannot read a numeric entity of thousands of digits; none has more than seven.
_ENDLESS = re.compile(r"&#[0-9]{8,}")
_BLOCK_TAG = re.compile(r"</?(?:p|div|h[1-6]|[uo]l|li|table|t[drh])\b[^<>]*>", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<[bh]r\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[/!a-z][^<>]*>", re.IGNORECASE)
_APOSTROPHES = re.compile("[\u0027\u0060\u00b4\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07]")
#: Combining marks (after decomposition) and invisible characters.
_INVISIBLE = re.compile(
    "[\u0300-\u036f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_NOT_WORD = re.compile(r"[\W_]+")


def decoded(text: str) -> str:
    """The text with its HTML entities decoded, twice: "&amp;#039;" is an apostrophe. Never raises.

    Relays like to encode them once more than they should.
    """
    for _ in range(2):
        if "&" not in text:
            break
        # Before each decoding: the first can set such an entity free ("&amp;#000…").
        text = html.unescape(_ENDLESS.sub(" ", text))
    return text


def plain_text(text: str) -> str:
    """Decoded, folded, but still with its punctuation."""
    text = decoded(text)
    if "<" in text:
        text = _TAG.sub("", _BREAK_TAG.sub(" ", _BLOCK_TAG.sub(". ", text)))
    text = _APOSTROPHES.sub("", text)
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(text.casefold().split())


def words_of(plain: str) -> str:
    """The words alone, one space between them."""
    return _NOT_WORD.sub(" ", plain).strip()


# --- 2. Sentences without particulars -----------------------------------------------------------

#: "Case status: Case Was Approved."
_LABEL = re.compile(
    r"^[\W_]*(?:\w+ ){0,3}(?:status|estatus|estado)"
    r"(?:(?: (?!termination)\w+){0,3} ?[:=]| ?[\u2013\u2014-]+ )[\W_]*(?=\w)"
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s,;]+")
_RECEIPTS = tuple(
    re.compile(rf"{label}[:# ]{{0,4}}[a-z]{{3}}[0-9a-z*-]{{4,14}}")
    for label in ("receipt number", "numero de recibo")
)
_MONTH = (
    "(?:january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|enero|febrero|marzo|abril|mayo|junio|julio"
    "|agosto|septiembre|octubre|noviembre|diciembre)"
)
_DATE = (
    rf"(?:{_MONTH}\.? (?:[0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? [0-9]{{4}})?|[0-9]{{4}})\b"
    rf"|[0-9]{{1,2}} (?:de )?{_MONTH}(?:,? (?:del? )?[0-9]{{4}})?\b"
    r"|[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,4}\b)"
)
#: "On October 14, 2025, we ...": where the description begins, also straight after a title.
_OPENING = re.compile(rf"\b(?:on|as of|el) {_DATE},? (?=(?:we|uscis|le|se|[a-z]+[aei]mos)\b)")
_ANY_DATE = re.compile(_DATE)
#: Form names hold words that would mislead: "Application for Action on an Approved Application".
_NAME_WORD = (
    r"(?!(?:was|were|is|are|has|have|had|we|you|your|our|uscis|denied|rejected|revoked|sent|mailed"
    r"|fue|su|le)\b)[\w()/&-]+"
)
_FORM = re.compile(
    r"\b([a-z]{1,4}-[0-9]{2,4}[a-z]{0,3})\b(?: \([^()]{0,60}\))?"
    r"(?:, (?:application|petition|request|notice|consideration|report|registration|supplement"
    r"|affidavit|semiannual|waiver|solicitud|peticion|aviso|nonimmigrant|immigrant|refugee)\b"
    rf"(?: {_NAME_WORD}){{0,24}}(?:,(?: {_NAME_WORD}){{1,12}}(?=,? receipt number)){{0,3}})?"
)
#: Filings that ride on another case; their receipt or approval says nothing of that case.
_SIDE_FORMS = {
    "i-907": "premium processing request",
    "i-912": "fee waiver request",
    "n-445": "oath ceremony notice",
}
#: A full stop ends a sentence, except inside "U.S.".
_STOP = re.compile(r"[.!?;\u2022|](?= |$)(?<!\.\w.)")


def sentences(plain: str) -> Iterator[str]:
    """Sentences without dates, receipts, form names and addresses: so few that caching pays."""
    line = _LABEL.sub("", plain[:READ_LIMIT])
    if "www." in line or "http" in line:
        line = _ADDRESS.sub(" ", line)
    if any(map(str.isdigit, line)):
        line = _FORM.sub(_form, line)
        for receipt in _RECEIPTS:
            line = receipt.sub(" ", line)
        line = _OPENING.sub(". ", line)
        line = _ANY_DATE.sub(" ", line)
    for sentence in _STOP.split(line):
        if stripped := sentence.strip(" ,"):
            yield stripped


def _form(match: re.Match[str]) -> str:
    return _SIDE_FORMS.get(match[1], "form")


# --- 3. What a sentence states ------------------------------------------------------------------

#: A condition takes the rest of its sentence with it.
_CONDITION = re.compile(
    r"\b(?:if|unless|whether|in case (?:you|we|of)|in the event|should (?:you|we|your|the|it|uscis)"
    r"|provided that|si|a menos que|en caso de)\b"
)
#: "After we reviewed your case, we ...": what follows the comma is stated again.
_LEADING_ASIDE = re.compile(
    r"^(?:(?:on|as of|el)?[ ,]+)?(?:when|after|once|before|upon|while|because|since|as|following"
    r"|cuando|despues de|tras)\b([^,]*),"
)
_ASIDE = re.compile(
    r"\b(?:because|which|why|when|once|until|after|before|while|since|porque|cuando|hasta que"
    r"|el cual|la cual|despues de|that (?:explains?|describes?|informs?|tells?)"
    r"|que (?:explica|describe))\b"
)
#: "We are pleased to inform you that your application was approved."
_LEAD_IN = re.compile(
    r"^(?:(?!(?:not|no|never|cannot|unable|nor)\b)\w+ ){0,6}(?:inform|informed|informamos|notify"
    r"|notified|notificamos|advise|advised|tell|note|aware|determined)(?: you)? (?:that|que) "
)
_SEGMENT = re.compile(
    r"[,;:]| and (?=(?:you|we|it|this|they|may|might|can|could|would|will)\b)"
    r"| (?:but|however|pero|y (?=(?:le|su|se|puede|usted)\b)) ?"
)
#: A possibility is not a statement; but "could not" and "cannot" are.
_POSSIBLE = re.compile(
    r"\b(?:may|might|would|could(?! not\b)|can(?! not\b)|pueden?|podrian?|podran?)\b"
)
_PLANNED = re.compile(r"\b(?:will|shall|sera|seran|enviaremos|notificaremos|informaremos)\b")


def statements(sentence: str) -> Iterator[tuple[str, bool]]:
    """The statements of a sentence as words, each with whether it is an aside."""
    said = _CONDITION.split(sentence, maxsplit=1)[0]
    asides: list[str] = []
    if leading := _LEADING_ASIDE.match(said):
        asides.append(leading[1])
        said = said[leading.end() :]
    stated = " ".join(
        _PLANNED.split(segment, maxsplit=1)[0]
        for segment in _SEGMENT.split(said)
        if segment and not _POSSIBLE.search(segment)
    )
    main, *more = _ASIDE.split(_LEAD_IN.sub("", words_of(stated)))
    if main := main.strip():
        yield main, False
    for aside in (*asides, *more):
        if words := words_of(aside):
            yield words, True
