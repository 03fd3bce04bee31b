"""What a source kind is: its way to prove itself, its field names, its vocabulary, its samples."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from casebell.events import Status, Tag
from casebell.kinds.signature import PARLEY_SIGNATURE, SignatureFormat

Method: TypeAlias = Literal["hmac", "shared-secret"]

#: The type of an event that tells of any change; others say which status it is.
GENERIC_TYPE = "case.status.updated"
_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """Where a body keeps each thing: dotted paths, of which the first that is present counts.

    The defaults are the names that both published pages print, flat or under `data`.
    """

    id: tuple[str, ...] = ("id", "event_id", "eventId", "data.id", "data.event_id", "data.eventId")
    type: tuple[str, ...] = ("type", "event_type", "data.type")
    receipt: tuple[str, ...] = ("receipt_number", "data.receipt_number", "receipt", "data.receipt")
    #: A word for one of the seven statuses.
    status: tuple[str, ...] = ("normalized_status", "data.normalized_status")
    #: A free category, which the vocabulary turns into a status.
    category: tuple[str, ...] = ("status_category", "data.status_category")
    #: The official text.
    text: tuple[str, ...] = (
        "raw_status_text",
        "status_text",
        "data.raw_status_text",
        "data.status_text",
    )
    #: When the change happened.
    occurred_at: tuple[str, ...] = ("occurred_at", "data.occurred_at")
    #: When the provider last saw this state.
    observed_at: tuple[str, ...] = (
        "last_status_at",
        "last_updated_at",
        "data.last_status_at",
        "data.last_updated_at",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a kind means by one word for a status."""

    status: Status
    #: Carried by the event where the official text does not say more.
    tags: frozenset[Tag] = frozenset()
    #: Other statuses that hide behind the word: the official text decides.
    hides: frozenset[Status] = frozenset()


def word_key(word: str) -> str:
    """One spelling for `rfe_issued`, `RFE Issued` and `rfe-issued`: labels are no identifiers."""
    return _BETWEEN_WORDS.sub(" ", word.casefold()).strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A delivery to try Casebell with, without what makes it unique."""

    #: The kind's word for the status.
    status: str
    #: The official text.
    text: str
    type: str = GENERIC_TYPE
    #: None is a fresh one.
    receipt: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceKind:
    """What all sources of one kind have in common. Settings of a source go before it."""

    #: As in `kind = "parley"`.
    name: str
    #: How it proves itself unless a source's `auth` says otherwise.
    auth: Method
    #: Writes a sample as the kind's JSON, given its id, its receipt and its time in RFC 3339.
    document: Callable[[Sample, str, str, str], dict[str, Any]]
    #: By name, without the kind's.
    samples: Mapping[str, Sample]
    signature: SignatureFormat = PARLEY_SIGNATURE
    fields: Fields = field(default_factory=Fields)
    #: Its words for a status, by `word_key`.
    words: Mapping[str, Meaning] = field(default_factory=dict)
    #: The status that an event type asserts. A type that asserts none is left out.
    event_types: Mapping[str, Status] = field(default_factory=dict)
