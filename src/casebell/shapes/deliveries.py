"""Held and refused deliveries, as JSON."""

from typing import Any

from typing_extensions import TypedDict

from casebell.clock import iso, iso_or_none
from casebell.shapes.described import described
from casebell.shapes.events import body


@described
class HeldInShort(TypedDict):
    """An authentic delivery that could not be understood, without its body."""

    id: int
    source: str
    reason: str
    detail: str
    state: str
    received_at: str
    last_at: str
    times: int
    body_sha256: str
    event: int | None
    """The event that it became."""


@described
class Held(HeldInShort):
    """An authentic delivery that could not be understood."""

    body: str
    """As text; bytes that are no UTF-8 are escaped. Of a released one it is an event's exact body:
    empty for whoever may not see those."""


@described
class Refused(TypedDict):
    """A delivery that did not authenticate; without its body and its credential."""

    id: int
    at: str
    source: str
    error: str
    address: str
    size: int
    body_sha256: str
    request_id: str
    readmittable: bool
    readmitted_at: str | None
    event: int | None
    held: int | None


def held(row: Any) -> Held:
    """A held delivery."""
    return {**held_in_short(row), "body": body(row.body)}


def held_in_short(row: Any) -> HeldInShort:
    """A held delivery without its body."""
    return {
        "id": row.id,
        "source": row.source,
        "reason": row.reason,
        "detail": row.detail,
        "state": row.state,
        "received_at": iso(row.received_at),
        "last_at": iso(row.last_at),
        "times": row.times,
        "body_sha256": row.body_sha256,
        "event": row.event_id,
    }


def refused(row: Any) -> Refused:
    """A refused delivery; without its body and its credential."""
    return {
        "id": row.id,
        "at": iso(row.at),
        "source": row.source,
        "error": row.error,
        "address": row.address,
        "size": row.body_size,
        "body_sha256": row.body_sha256,
        "request_id": row.request_id,
        "readmittable": bool(row.readmittable),
        "readmitted_at": iso_or_none(row.readmitted_at),
        "event": row.event_id,
        "held": row.held_id,
    }
