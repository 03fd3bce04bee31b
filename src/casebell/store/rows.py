"""Between rows and the vocabulary."""

import json
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from casebell.events import (
    Case,
    CaseEvent,
    Change,
    Delivery,
    Flag,
    KeyBasis,
    Micros,
    Status,
    Tag,
    TimeBasis,
    Verdict,
)

#: Flags that come with a verdict.
_OF_VERDICTS = frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT})

Word = TypeVar("Word", bound=StrEnum)


@lru_cache(maxsize=4096)
def words(values: frozenset[Any]) -> str:
    """A set of words as stored: sorted, with a space on both sides of each; "" when empty."""
    ordered = sorted(values)
    return f" {' '.join(ordered)} " if ordered else ""


def parse_words(kind: type[Word], stored: str) -> frozenset[Word]:
    """The set that `words` stored."""
    return frozenset(kind(word) for word in stored.split())


def known_state(row: Any) -> tuple[Status, frozenset[Tag]]:
    """Status and tags of a row, as far as this release knows the words: never an error."""
    status = Status(row.status) if row.status in set(Status) else Status.OTHER
    tags = set(str(row.tags).split())
    return status, frozenset(tag for tag in Tag if tag in tags)


def word_list(stored: object) -> tuple[str, ...]:
    """A JSON list of words; none where it is no such thing, for an alert goes out without them."""
    try:
        found = json.loads(str(stored))
    except ValueError:
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def delivery_from_row(row: Any, *, received_at: Micros) -> Delivery:
    """The delivery that a row of `held` or `refused` holds, with what is kept of its headers."""
    idempotency = row.idempotency_key
    return Delivery(
        source=row.source,
        body=bytes(row.body),
        headers=((b"idempotency-key", idempotency.encode()),) if idempotency else (),
        address=row.address,
        received_at=received_at,
        request_id=row.request_id,
    )


#: The columns of a new event, in order.
EVENT_COLUMNS = (
    "id",
    "source",
    "key",
    "key_basis",
    "type",
    "receipt",
    "receipt_raw",
    "status",
    "delivered_status",
    "delivered_category",
    "tags",
    "text",
    "occurred_at",
    "occurred_raw",
    "time_basis",
    "received_at",
    "flags",
    "body",
    "body_sha256",
    "secret_label",
    "address",
    "idempotency_key",
    "request_id",
    "revision_of",
)


def event_row(
    event: CaseEvent,
    *,
    id: int,  # noqa: A002
    revision_of: int | None,
) -> tuple[Any, ...]:
    """A new event's columns; plain strings, for an enum's cost the driver a search for adapters.

    Status and tags stay empty until it is judged, which is after it was stored.
    """
    verdict = event.verdict
    return (
        id,
        event.source,
        event.key,
        event.key_basis._value_,
        event.type,
        event.receipt,
        event.receipt_raw,
        verdict.status._value_ if verdict else "",
        event.delivered_status,
        event.delivered_category,
        words(verdict.tags) if verdict else "",
        event.text,
        event.occurred_at,
        event.occurred_raw,
        event.time_basis._value_ if event.time_basis else None,
        event.received_at,
        words(event.flags),
        event.body,
        event.body_sha256,
        event.secret_label,
        event.address,
        event.idempotency_key,
        event.request_id,
        revision_of,
    )


def event_from_row(row: Any) -> CaseEvent:
    """The event that a row of `events` holds; with a verdict, where it was judged."""
    flags = parse_words(Flag, row.flags)
    return CaseEvent(
        source=row.source,
        key=row.key,
        key_basis=KeyBasis(row.key_basis),
        type=row.type,
        receipt=row.receipt,
        receipt_raw=row.receipt_raw,
        delivered_status=row.delivered_status,
        delivered_category=row.delivered_category,
        text=row.text,
        occurred_at=row.occurred_at,
        occurred_raw=row.occurred_raw,
        time_basis=TimeBasis(row.time_basis) if row.time_basis else None,
        received_at=row.received_at,
        flags=flags,
        body=bytes(row.body),
        body_sha256=row.body_sha256,
        secret_label=row.secret_label,
        address=row.address,
        idempotency_key=row.idempotency_key,
        request_id=row.request_id,
        verdict=_verdict(row, flags) if row.status else None,
    )


def _verdict(row: Any, flags: frozenset[Flag]) -> Verdict:
    return Verdict(
        status=Status(row.status), tags=parse_words(Tag, row.tags), flags=flags & _OF_VERDICTS
    )


def case_from_row(row: Any) -> Case:
    """What the firm told us of a receipt, as a row of `cases` holds it."""
    return Case(
        receipt=row.receipt,
        label=row.label,
        matter=row.matter,
        owner=row.owner,
        team=row.team,
        confidential=row.confidential,
    )


def change_from_row(row: Any) -> Change:
    """The change that a row of `changes` holds."""
    return Change(
        id=row.id,
        receipt=row.receipt,
        status=Status(row.status),
        tags=parse_words(Tag, row.tags),
        text_key=row.text_key,
        at=row.at,
        seen_until=row.seen_until,
    )
