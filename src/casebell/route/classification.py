"""Classifies an event: one status from its type, its delivered words and its official text.

How these three are weighed: docs/decisions/upstream.md, B10, C3, D2, D4 and D13.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from msgspec.structs import asdict

from casebell.events import CaseEvent, ClassifiedEvent, Flag, Status, Tag
from casebell.kinds import Meaning, meaning_of, status_of_type, word_key
from casebell.settings import Wordings
from casebell.uscis.classify import classify_text
from casebell.uscis.receipts import is_test
from casebell.uscis.table import Reading

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

#: What a text that goes against the case overrules: nobody is told of an approval that it denies.
_FRIENDLY = frozenset(
    {Status.APPROVED, Status.RECEIVED, Status.RFE_RECEIVED, Status.INTERVIEW_SCHEDULED}
)
_AGAINST = frozenset({Tag.ADVERSE, Tag.REJECTED})

#: The tags that every event of a status carries, whatever its text.
IMPLIED_TAGS: Mapping[Status, frozenset[Tag]] = MappingProxyType(
    {
        Status.RFE_ISSUED: frozenset({Tag.DEADLINE}),
        Status.APPROVED: frozenset({Tag.DECISION}),
        Status.DENIED: frozenset({Tag.DECISION, Tag.ADVERSE}),
        Status.INTERVIEW_SCHEDULED: frozenset({Tag.APPOINTMENT}),
    }
)


#: The flags that classifying adds, where they apply.
CLASSIFYING_FLAGS = frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT, Flag.UNKNOWN_WORDING})

_BY_THE_TABLE = Wordings()


@dataclass(frozen=True, kw_only=True, slots=True)
class Meanings:
    """The configuration of classification."""

    #: By source: its kind, whose vocabulary is looked up before the others'.
    kinds: Mapping[str, str] = field(default_factory=dict)
    #: By source: the operator's meanings of delivered words, keys in lower case. A source that was
    #: removed from the configuration has none.
    categories: Mapping[str, Mapping[str, Status]] = field(default_factory=dict)
    #: Reads official texts.
    wordings: Wordings = _BY_THE_TABLE
    #: Globs over canonical receipts that are tests, beside the official staging receipts.
    test_receipts: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """The status that counts, and what a reader should know of how it came about."""

    status: Status
    tags: frozenset[Tag]
    #: Those of `CLASSIFYING_FLAGS` that apply.
    flags: frozenset[Flag]


def classify_event(event: CaseEvent, meanings: Meanings) -> ClassifiedEvent:
    """The event with its status and tags; test receipts get the tag `test`."""
    words = tuple(filter(None, (event.delivered_status, event.delivered_category)))
    found = classify_fields(
        event_type=event.type,
        words=words,
        text=event.text,
        kind=meanings.kinds.get(event.source),
        categories=meanings.categories.get(event.source, {}),
        wordings=meanings.wordings,
    )
    test = is_test(event.receipt, meanings.test_receipts)
    return ClassifiedEvent(
        **asdict(event) | {"flags": event.flags | found.flags},
        status=found.status,
        tags=found.tags | {Tag.TEST} if test else found.tags,
    )


def classify_fields(
    *,
    event_type: str,
    words: Sequence[str],
    text: str,
    categories: Mapping[str, Status],
    kind: str | None = None,
    wordings: Wordings = _BY_THE_TABLE,
) -> Classification:
    """Classify by the fields that tell of a status. Unknown types and words assert nothing.

    Args:
        event_type: the event's type, or "".
        words: the delivered status and category, without empty ones.
        text: the official text, or "".
        categories: the operator's meanings of words, keys in lower case; they override ours.
        kind: the source's kind.
        wordings: the operator's.
    """
    reading = wordings.read(text) if text.strip() else None
    own = tuple(categories.get(word.strip().casefold()) for word in words) if categories else ()
    combine = _combine if sum(map(len, words)) <= _MAX_CACHED_CHARACTERS else _combine.__wrapped__
    found = combine(event_type, tuple(words), own, reading, kind)
    # A word of the vocabulary is no wording of USCIS, wherever it stands.
    if reading is None or reading.complete or meaning_of(text, kind=kind) is not None:
        return found
    return replace(found, flags=found.flags | {Flag.UNKNOWN_WORDING})


#: Words with more characters together are not cached; real ones are shorter.
_MAX_CACHED_CHARACTERS = 200


@lru_cache(maxsize=2048)
def _combine(
    event_type: str,
    words: tuple[str, ...],
    own: tuple[Status | None, ...],
    reading: Reading | None,
    kind: str | None,
) -> Classification:
    """Combine the three. Cached: few combinations recur, since a reading has no dates or names."""
    certain = _certain_status(reading)
    overrides = zip(words, own or (None,) * len(words), strict=True)
    meanings = [
        known
        for word, override in overrides
        if (known := Meaning(status=override) if override else meaning_of(word, kind=kind))
        is not None
    ]

    asserted = [_status_of(meaning, certain) for meaning in meanings]
    by_type = status_of_type(event_type, kind=kind)
    if by_type is not None:
        asserted.append(by_type)
    delivered = min(asserted, key=_URGENCY.index, default=None)
    silent = delivered in (None, Status.OTHER)
    status = certain if silent and certain is not None else delivered or Status.OTHER
    overruled = certain is not None and certain is not status
    if reading is not None and status in _FRIENDLY and reading.tags & _AGAINST:
        status, overruled = reading.status, True

    flags = set()
    if len(set(asserted)) > 1:
        flags.add(Flag.STATUS_CONFLICT)
    if overruled or any(_contradicts(meaning, certain) for meaning in meanings):
        flags.add(Flag.TEXT_CONFLICT)

    tags = set(IMPLIED_TAGS.get(status, ()))
    tags.update(reading.tags if reading is not None else ())
    if certain is None:
        tags.update(*(meaning.tags for meaning in meanings))
    tags.discard(Tag.NO_INFO)
    if silent and by_type is None and _says_nothing(reading, words):
        tags.add(Tag.NO_INFO)
    elif reading is None and not asserted and any(map(_may_be_grave, words)):
        flags.add(Flag.UNKNOWN_WORDING)
    return Classification(status=status, tags=frozenset(tags), flags=frozenset(flags))


def _certain_status(reading: Reading | None) -> Status | None:
    """The text's status, if it is certain; a placeholder has none, and so overrides no word."""
    if reading is None or not reading.certain or Tag.NO_INFO in reading.tags:
        return None
    return reading.status


def _status_of(meaning: Meaning, certain: Status | None) -> Status:
    """A word's status; a certain text overrides a word that may hide other statuses.

    A text of status `other` overrides only a word that may hide `other`: an intent to deny under
    "Request for Evidence" keeps the delivered status, and its tags tell the difference.
    """
    if not meaning.hides or certain is None:
        return meaning.status
    decides = certain is not Status.OTHER or certain in meaning.hides
    return certain if decides else meaning.status


def _contradicts(meaning: Meaning, certain: Status | None) -> bool:
    """Whether the text's status is one that the word cannot hide."""
    return bool(meaning.hides) and certain not in (None, meaning.status, *meaning.hides)


def _may_be_grave(word: str) -> bool:
    """Whether a word that no vocabulary knows, and no text explains, may tell of what is grave."""
    alone = classify_text(word)
    return not alone.complete or bool(alone.tags & (_AGAINST | {Tag.DEADLINE}))


def _says_nothing(reading: Reading | None, words: Sequence[str]) -> bool:
    """Whether text and words are all placeholders.

    An unknown word is not a placeholder, so that it cannot suppress an alert. `other` beside a
    placeholder only repeats that nothing is known.
    """
    said = [word for word in words if Tag.NO_INFO not in classify_text(word).tags]
    if reading is None:
        # Without text and words there is no placeholder: such a delivery is held.
        return bool(words) and not said
    return Tag.NO_INFO in reading.tags and all(word_key(word) == Status.OTHER for word in said)
