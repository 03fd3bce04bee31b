"""Reads a USCIS status text: text in, status and tags out.

A text is a title ("Case Was Approved") or an official description of two to five sentences.
`sentences.py` takes it apart into statements. For each the first matching row of the table in
`statuses.toml` counts; `_settle` combines these rows. What it must not miss:
docs/decisions/upstream.md, D1, D2, D11 and D12.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from casebell.events import Status, Tag
from casebell.uscis.sentences import READ_LIMIT, lines, plain_text, sentences, statements, words_of
from casebell.uscis.table import UNKNOWN, Reading, Row, marked, table

#: No placeholder ("Case status not available at this time") is longer.
_PLACEHOLDER_LIMIT = 100


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


def prepare() -> None:
    """Compile what reads texts, which takes a fifth of a second; else the first text does it."""
    classify_text("Your Application for Naturalization, Form N-400, was received.")


#: Characters of a text that is cached. Shorter texts recur; longer ones have dates and receipts.
_MAX_CACHED_CHARACTERS = 200


@lru_cache(maxsize=1024)
def _cached(text: str) -> Reading:
    return _classify(text)


def _classify(text: str) -> Reading:
    plain = plain_text(text)
    if len(plain) <= _PLACEHOLDER_LIMIT:
        padded = marked(f" {words_of(plain)} ")
        for row in table().whole:
            if row.matches(padded):
                return row.reading
    read = [_read(sentence) for sentence in sentences(plain)]
    if apart := lines(text):
        read.append(_beside([_read(one) for line in apart for one in sentences(line)], read))
    reading = _settle(read)
    if len(plain) > READ_LIMIT and reading.certain:
        return replace(reading, certain=False)
    return reading


#: The rows of what ended beside the case.
_ERRANDS = frozenset({"appearance-ended", "errand-ended"})
#: What tells of a step against the case.
_AGAINST = frozenset({Tag.ADVERSE, Tag.REJECTED})
#: What must be heard in time.
_GRAVE = _AGAINST | {Tag.DEADLINE}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sentence:
    """What the table makes of a sentence."""

    #: The rows that its statements match, in order; each with whether it is an aside.
    found: tuple[tuple[Row, bool], ...]
    #: Whether an aside in it tells of a step against the case, or of a deadline of its own.
    doubtful: bool
    #: Whether it tells of a step against the case that the row of its statement does not tell.
    unexplained: bool
    #: Whether no row reads what it states, and it is none of the sentences that notices end with.
    unread: bool


@lru_cache(maxsize=1024)
def _read(sentence: str) -> _Sentence:
    found = []
    doubtful = unexplained = unread = errand = False
    for statement, aside in statements(sentence):
        padded = table().with_phrases_named(f" {statement} ")
        if aside and errand and table().is_its_reason(padded):
            continue
        row = table().row_of(padded)
        if aside or row is None or not row.reading.tags & _GRAVE:
            unexplained = unexplained or table().tells_of_a_step(padded)
        if row is None:
            unread = unread or not (aside or table().is_ordinary(padded))
            continue
        errand = errand or row.reading.row in _ERRANDS
        # An aside tells of the past or of reasons; only an open deadline in it is worth an alert.
        due = Tag.DEADLINE in row.reading.tags
        if not aside or due:
            found.append((row, aside))
        if aside and (row.reading.tags & _AGAINST or (due and row.reading.status is Status.OTHER)):
            doubtful = True
    return _Sentence(found=tuple(found), doubtful=doubtful, unexplained=unexplained, unread=unread)


def _beside(apart: Sequence[_Sentence], read: Sequence[_Sentence]) -> _Sentence:
    """What a text's lines say by themselves and its sentences, which may span lines, do not."""
    told = {row for sentence in read for row, _ in sentence.found}
    own = {row for sentence in apart for row, _ in sentence.found if row.reading.tags & _GRAVE}
    return _Sentence(
        found=(),
        doubtful=any(one.doubtful for one in apart),
        unexplained=any(one.unexplained for one in apart) or not own <= told,
        unread=any(one.unread for one in apart),
    )


def _settle(read: Sequence[_Sentence]) -> Reading:
    """What the rows say together; no good news is certain beside a sentence that none reads."""
    combined = _combine(read)
    if not combined.known or not any(sentence.unread for sentence in read):
        return combined
    certain = combined.certain and combined.status not in _GOOD_NEWS
    return replace(combined, certain=certain, unread=True)


def _combine(read: Sequence[_Sentence]) -> Reading:
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
    unexplained = any(sentence.unexplained for sentence in read)
    doubtful = unexplained or any(sentence.doubtful for sentence in read)
    if current is None:
        return _UNKNOWN_STEP if doubtful else _UNKNOWN
    # However far apart in the text, and whatever is between them.
    if verdicts >= _BOTH and current.status in _BOTH:
        return _MIXED
    if doubtful and current.status is Status.APPROVED:
        return _MIXED
    if doubtful and Tag.NO_INFO in current.tags:
        return _UNKNOWN_STEP
    if unexplained and not current.tags & _GRAVE:
        return replace(_UNKNOWN_STEP, tags=current.tags - {Tag.NO_INFO} | {Tag.ADVERSE})
    return current


def _next(current: Reading, row: Row) -> Reading:
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
_GOOD_NEWS = frozenset({Status.APPROVED, Status.RECEIVED, Status.RFE_RECEIVED})
