"""One status out of three voices: event type, delivered word, official text.

How they are weighed: docs/decisions/upstream.md, B10, C3, D2 and D4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec.structs import replace

from casebell.events import CaseEvent, Classification, Flag, Status, Tag
from casebell.kinds import Word, meaning_of, status_of_type, word_key
from casebell.uscis.classify import Reading, classify
from casebell.uscis.implied import IMPLIED_TAGS
from casebell.uscis.receipts import is_staging

#: The most urgent first: what a firm must not miss, then what changes a client's life.
_URGENCY = (
    Status.RFE_ISSUED,
    Status.DENIED,
    Status.INTERVIEW_SCHEDULED,
    Status.APPROVED,
    Status.RFE_RECEIVED,
    Status.RECEIVED,
    Status.OTHER,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Meanings:
    """What the words of each source and its receipts mean."""

    #: By source: its kind, whose vocabulary goes before that of the others.
    kinds: Mapping[str, str] = field(default_factory=dict)
    #: By source: its own meanings of delivered words, keys in lower case. A source that is gone
    #: from the configuration has none.
    categories: Mapping[str, Mapping[str, Status]] = field(default_factory=dict)
    #: Globs over canonical receipts that are only tests, beside the official staging ones.
    test_receipts: Sequence[str] = ()


def verdict_on(event: CaseEvent, meanings: Meanings) -> Classification:
    """Weigh a stored event; test receipts get the tag `test`."""
    words = tuple(filter(None, (event.delivered_status, event.delivered_category)))
    verdict = judge(
        event_type=event.type,
        words=words,
        text=event.text,
        kind=meanings.kinds.get(event.source),
        categories=meanings.categories.get(event.source, {}),
    )
    if is_staging(event.receipt) or _among(event.receipt, meanings.test_receipts):
        return replace(verdict, tags=verdict.tags | {Tag.TEST})
    return verdict


def _among(receipt: str, globs: Sequence[str]) -> bool:
    return bool(globs) and any(fnmatchcase(receipt, glob) for glob in globs)


def judge(
    *,
    event_type: str,
    words: Sequence[str],
    text: str,
    categories: Mapping[str, Status],
    kind: str | None = None,
) -> Classification:
    """Weigh what an event says of a status.

    `words` are the delivered status and category, those that are there; `kind` is the source's;
    `categories` the operator's own meanings of such words, keys in lower case, which go before
    ours. Unknown types and words assert nothing.
    """
    reading = classify(text) if text.strip() else None
    own = tuple(categories.get(word.strip().casefold()) for word in words) if categories else ()
    weigh = _weigh if sum(map(len, words)) <= _REMEMBERED else _weigh.__wrapped__
    return weigh(event_type, tuple(words), own, reading, kind)


#: Characters of words that are remembered; any real ones are shorter.
_REMEMBERED = 200


@lru_cache(maxsize=2048)
def _weigh(
    event_type: str,
    words: tuple[str, ...],
    own: tuple[Status | None, ...],
    reading: Reading | None,
    kind: str | None,
) -> Classification:
    """The same few voices speak again and again, whatever dates and names the text has."""
    certain = _certain_status(reading)
    said = zip(words, own or (None,) * len(words), strict=True)
    meanings = [
        known
        for word, ours in said
        if (known := Word(status=ours) if ours else meaning_of(word, kind=kind)) is not None
    ]

    asserted = [_settled(meaning, certain) for meaning in meanings]
    by_type = status_of_type(event_type, kind=kind)
    if by_type is not None:
        asserted.append(by_type)
    delivered = min(asserted, key=_URGENCY.index, default=None)
    silent = delivered in (None, Status.OTHER)
    status = certain if silent and certain is not None else delivered or Status.OTHER

    flags = set()
    if len(set(asserted)) > 1:
        flags.add(Flag.STATUS_CONFLICT)
    overruled = certain is not None and certain is not status
    if overruled or any(_contradicts(meaning, certain) for meaning in meanings):
        flags.add(Flag.TEXT_CONFLICT)

    tags = set(IMPLIED_TAGS.get(status, ()))
    tags.update(reading.tags if reading is not None else ())
    if certain is None:
        tags.update(*(meaning.tags for meaning in meanings))
    tags.discard(Tag.NO_INFO)
    if silent and by_type is None and _says_nothing(reading, words):
        tags.add(Tag.NO_INFO)
    return Classification(status=status, tags=frozenset(tags), flags=frozenset(flags))


def _certain_status(reading: Reading | None) -> Status | None:
    """A placeholder is certain only of saying nothing: it must not mute what a word says."""
    if reading is None or not reading.certain or Tag.NO_INFO in reading.tags:
        return None
    return reading.status


def _settled(word: Word, certain: Status | None) -> Status:
    """For a word that hides other statuses, a certain text decides.

    A text of status `other` decides only where the word may hide that: an intent to deny under
    "Request for Evidence" stays what was delivered, and its tags say the rest.
    """
    if not word.hides or certain is None:
        return word.status
    decides = certain is not Status.OTHER or certain in word.hides
    return certain if decides else word.status


def _contradicts(word: Word, certain: Status | None) -> bool:
    """Whether the text decided for a status that the word cannot stand for."""
    return bool(word.hides) and certain not in (None, word.status, *word.hides)


def _says_nothing(reading: Reading | None, words: Sequence[str]) -> bool:
    """Whether text and words are placeholders all of them.

    A word says something unless it reads like a placeholder itself: nothing may be muted because we
    have not met it yet. `other` beside a placeholder only repeats that nothing is known.
    """
    said = [word for word in words if Tag.NO_INFO not in classify(word).tags]
    if reading is None:
        # Nothing at all is no placeholder: what came without a status is held, not muted.
        return bool(words) and not said
    return Tag.NO_INFO in reading.tags and all(word_key(word) == Status.OTHER for word in said)
