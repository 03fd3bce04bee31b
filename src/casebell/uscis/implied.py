"""The tags that a status implies, whatever its text."""

from collections.abc import Mapping
from types import MappingProxyType

from casebell.events import Status, Tag

#: Tags that every event of the status carries.
IMPLIED_TAGS: Mapping[Status, frozenset[Tag]] = MappingProxyType(
    {
        Status.RFE_ISSUED: frozenset({Tag.DEADLINE}),
        Status.APPROVED: frozenset({Tag.DECISION}),
        Status.DENIED: frozenset({Tag.DECISION, Tag.ADVERSE}),
        Status.INTERVIEW_SCHEDULED: frozenset({Tag.APPOINTMENT}),
    }
)
