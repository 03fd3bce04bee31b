"""Reads a USCIS status text: text in, status and tags out.

A text is a title ("Case Was Approved") or an official description of two to five sentences.
`sentences.py` takes it apart into statements. For each the first matching row of the table in
`statuses.toml` counts; `_settle` combines these rows. What it must not miss:
docs/decisions/upstream.md, D1, D2, D11 and D12.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

from casebell.events import Status, Tag
from casebell.uscis.sentences import READ_LIMIT, plain_text, sentences, statements, words_of

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
    #: What it replaces beyond that: a "step" against the case, a "deadline".
    undoes: frozenset[str]

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
    #: It matches a statement that casts doubt on an approval.
    doubt: _Row


_UNKNOWN = Reading(status=Status.OTHER, tags=frozenset(), certain=False, row=UNKNOWN)
#: The same where a word against the case is among them.
_UNKNOWN_STEP = replace(_UNKNOWN, tags=frozenset({Tag.ADVERSE}))
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
    reading = _settle([_read(sentence) for sentence in sentences(plain)])
    if len(plain) > READ_LIMIT and reading.certain:
        return replace(reading, certain=False)
    return reading


#: A word that neither negates nor starts a relative clause (a replacement for `re.sub`).
_CARRIES_ON = r"(?!(?:not|no|never|nor|nothing|none|neither|without|which|that|who|whose)\\b)\\w+"


#: What tells of a step against the case.
_AGAINST = frozenset({Tag.ADVERSE, Tag.REJECTED})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sentence:
    """What the table makes of a sentence."""

    #: The rows that its statements match, in order; each with whether it is an aside.
    found: tuple[tuple[_Row, bool], ...]
    #: Whether it holds a word against the case that nothing undoes.
    doubtful: bool


@lru_cache(maxsize=1024)
def _read(sentence: str) -> _Sentence:
    table = _table()
    found = []
    doubtful = False
    for statement, aside in statements(sentence):
        padded = f" {statement} "
        row = next((row for row in table.rows if row.matches(padded)), None)
        doubtful = doubtful or table.doubt.matches(padded)
        if row is None:
            continue
        # An aside tells of the past or of reasons; only an open deadline in it is worth an alert.
        due = Tag.DEADLINE in row.reading.tags
        if not aside or due:
            found.append((row, aside))
        if aside and (row.reading.tags & _AGAINST or (due and row.reading.status is Status.OTHER)):
            doubtful = True
    return _Sentence(found=tuple(found), doubtful=doubtful)


def _settle(read: Sequence[_Sentence]) -> Reading:
    """The first row counts, unless a later decisive one replaces it.

    Safe where texts contradict themselves: an approval beside a denial, revocation or rejection is
    neither, an aside never replaces a decision, and what must not be missed stands until something
    undoes it.
    """
    current: Reading | None = None
    verdicts: set[Status] = set()
    for row, aside in (each for sentence in read for each in sentence.found):
        new = row.reading
        if not aside:
            verdicts.add(new.status)
        if current is None:
            current = new
        elif not (aside and Tag.DECISION in current.tags):
            current = _next(current, row)
    if current is None:
        return _UNKNOWN_STEP if any(sentence.doubtful for sentence in read) else _UNKNOWN
    # However far apart in the text, and whatever is between them.
    if verdicts >= _BOTH and current.status in _BOTH:
        return _MIXED
    if current.status is Status.APPROVED and any(sentence.doubtful for sentence in read):
        return _MIXED
    return current


def _next(current: Reading, row: _Row) -> Reading:
    """What holds once another row is read."""
    new = row.reading
    if current.tags & _AGAINST:
        if not row.decisive:
            return current
        if new.status is Status.APPROVED:
            return _MIXED
        if Tag.DEADLINE in new.tags:
            leading = current if current.status is Status.DENIED else new
            return replace(leading, tags=current.tags | new.tags)
        again = new.tags & _AGAINST and current.status is not Status.DENIED
        return new if again or "step" in row.undoes else current
    if new.tags & _AGAINST:
        return new
    if Tag.DEADLINE in current.tags and Tag.DECISION not in new.tags:
        again = Tag.DEADLINE in new.tags and new.certain
        return new if again or "deadline" in row.undoes else current
    return new if row.decisive else current


_BOTH = frozenset({Status.APPROVED, Status.DENIED})


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
        doubt=_compile(data["doubt"], words),
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
        undoes=frozenset(_strings(row.get("undoes", []))),
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
