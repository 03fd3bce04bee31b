"""What a status with its tags and flags is called, as the alert that tells of it; and an error."""

from collections.abc import Mapping
from typing import Any

from casebell.api.answers import said_of
from casebell.errors import CasebellError, Forbidden
from casebell.events import Flag, Status, Tag
from casebell.notify.headlines import Headline, headline_of

#: Of an event that is stored without its decision.
_NOT_DECIDED = Headline(
    Status.OTHER,
    "Not decided yet",
    "This is stored, and waits for its decision: nobody was told of it yet.",
)


def headline(item: Mapping[str, Any]) -> Headline:
    """The headline of an event or a change; words that this release does not know say nothing."""
    if item["status"] is None:
        return _NOT_DECIDED
    status = Status(item["status"]) if item["status"] in set(Status) else Status.OTHER
    tags = {Tag(word) for word in item["tags"] if word in set(Tag)}
    flags = {Flag(word) for word in item["flags"] if word in set(Flag)}
    return headline_of(status, tags, flags, item["text"])


def why(error: CasebellError) -> str:
    """What a page says of an error: as far as its reader may know it, and never nothing."""
    if isinstance(error, Forbidden):
        return "Your role does not allow it. Whoever runs Casebell can give your account another."
    return said_of(error) or (type(error).__doc__ or "").strip()
