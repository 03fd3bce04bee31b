"""Parley's words (API page: "Normalized status taxonomy" and "Event types")."""

from collections.abc import Mapping
from types import MappingProxyType

from casebell.events import Status
from casebell.route.words.word import Word, word_key

#: The seven-value taxonomy, which is also ours.
STATUSES: Mapping[str, Word] = MappingProxyType(
    {word_key(status): Word(status=status) for status in Status}
)

#: The status that an event type asserts. Neither `case.status.updated` nor an unknown type has one.
EVENT_TYPES: Mapping[str, Status] = MappingProxyType(
    {
        "case.rfe.issued": Status.RFE_ISSUED,
        "case.rfe.received": Status.RFE_RECEIVED,
        "case.approved": Status.APPROVED,
        "case.denied": Status.DENIED,
        "case.interview.scheduled": Status.INTERVIEW_SCHEDULED,
    }
)
