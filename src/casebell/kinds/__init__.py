"""The kinds of source, one module each. A new kind is a module and its line in `KINDS`."""

from collections.abc import Iterable
from typing import Final

from casebell.events import Status
from casebell.kinds import parley, torch
from casebell.kinds.kind import GENERIC_TYPE, Fields, Meaning, Method, Sample, SourceKind, word_key

#: By name. Where two kinds know one word, the first means it for the sources of a third.
KINDS: Final[dict[str, SourceKind]] = {kind.name: kind for kind in (parley.KIND, torch.KIND)}


def meaning_of(word: str, *, kind: str | None = None) -> Meaning | None:
    """What a delivered word means; None where no kind knows it.

    The source's kind goes before the others, whose words it may use as well: Torch is Parley's own
    service, and a firm may have either body under either kind. None is a source of which the kind
    is not known any more.
    """
    key = word_key(word)
    return next((one.words[key] for one in _from(kind) if key in one.words), None)


def status_of_type(event_type: str, *, kind: str | None = None) -> Status | None:
    """The status that an event type asserts, looked up as words are."""
    found = (one.event_types.get(event_type) for one in _from(kind))
    return next(filter(None, found), None)


def _from(kind: str | None) -> Iterable[SourceKind]:
    own = KINDS.get(kind) if kind else None
    return KINDS.values() if own is None else (own, *KINDS.values())


__all__ = [
    "GENERIC_TYPE",
    "KINDS",
    "Fields",
    "Meaning",
    "Method",
    "Sample",
    "SourceKind",
    "meaning_of",
    "status_of_type",
    "word_key",
]
