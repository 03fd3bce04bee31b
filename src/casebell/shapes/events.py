"""An event, its deliveries and the change that it reports, as JSON."""

import json
from collections.abc import Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from casebell.clock import iso
from casebell.events import AppendOutcome, Flag, Origin
from casebell.provider_time import date_alone
from casebell.shapes.described import described
from casebell.store.rows import decode_list


@described
class ToBeNotified(TypedDict):
    """One target that hears of a change."""

    channel: str
    target: str
    """A safe label, never a URL."""
    rules: list[str]
    """Those by which it hears of it."""
    urgent: bool
    person: NotRequired[str]
    """The id of who reads there, where it was written by name."""
    addressed_as: NotRequired[str]
    """As the configuration names the target: `@owner`, `@team:rfe`, `unassigned`, `operations`."""
    for_absent: NotRequired[str]
    """The id of who is away, and for whom this person hears."""


@described
class DecisionInShort(TypedDict):
    """What the rules said about the change that an event reports."""

    at: str
    outcome: str
    """`notified`, `nobody`, or `same_change` where an earlier event reported the change."""
    notify: list[ToBeNotified]
    rules: list[str]
    """Those that matched."""
    because: str


@described
class Event(TypedDict):
    """One distinct thing that a source told."""

    id: int
    """Our number."""
    source: str
    key: str
    """The source's own id, or what it was made of: see `key_basis`."""
    key_basis: str
    origin: str
    """How it came: `webhook`, or `reconciled` where the provider's API told of it."""
    type: str
    receipt: str
    status: str | None
    """Null while no decision is taken, as the decision is."""
    delivered_status: str | None
    tags: list[str]
    text: str
    """The official text, as it came."""
    occurred_at: str | None
    """As delivered where it could not be read, and where it is a date alone."""
    received_at: str
    flags: list[str]
    change: int | None
    decision: DecisionInShort | None
    deliveries: int
    """How often it was delivered: 0 where the provider's API told of it, and no webhook has."""
    body_sha256: str
    """Of the exact bytes of its first delivery."""


@described
class DeliveryOfEvent(TypedDict):
    """One delivery of an event; of very many, several that share a row."""

    at: str
    times: int
    outcome: str
    secret: str
    """The label of the secret that verified it."""
    address: str
    idempotency_key: str | None
    request_id: str
    body_sha256: str
    flags: list[str]


@described
class EventWithDeliveries(Event):
    """An event with every delivery of it; none where the provider's API told of it."""

    delivered: list[DeliveryOfEvent]


@described
class EventWithBody(Event):
    """An event with the body of its first delivery."""

    body: str
    """As text; bytes that are no UTF-8 are escaped."""


@described
class Conflict(TypedDict):
    """Two events of one key, and the paths of the fields that differ."""

    first: int
    event: int
    fields: list[str]


@described
class Change(TypedDict):
    """One real movement of a case, with its whole decision."""

    id: int
    status: str
    tags: list[str]
    at: str
    late: bool
    decided_at: str
    event: int
    """The event that reported it first."""
    events: list[int]
    decision: dict[str, Any]


def event(row: Any) -> Event:
    """An event; without status and tags while undecided."""
    return {
        "id": row.id,
        "source": row.source,
        "key": row.key,
        "key_basis": row.key_basis,
        "origin": row.origin,
        "type": row.type,
        "receipt": row.receipt,
        "status": row.status or None,
        "delivered_status": row.delivered_status,
        "tags": row.tags.split(),
        "text": row.text,
        "occurred_at": _occurred_at(row),
        "received_at": iso(row.received_at),
        "flags": row.flags.split(),
        "change": row.change_id,
        "decision": _decision_in_short(row),
        "deliveries": int(row.extra_deliveries) + _came(row),
        "body_sha256": row.body_sha256,
    }


def event_with_body(row: Any) -> EventWithBody:
    """The same with the body."""
    return {**event(row), "body": body(row.body)}


def _came(row: Any) -> int:
    """Deliveries of which its own row tells: one, or none where the provider's API told of it."""
    return int(row.origin == Origin.WEBHOOK)


def _occurred_at(row: Any) -> str | None:
    """The time; as delivered where it could not be read, and where it is a date alone."""
    naive = f" {Flag.NAIVE_TIME} " in row.flags
    if row.occurred_at is None or (naive and date_alone(row.occurred_raw)):
        delivered: str | None = row.occurred_raw
        return delivered
    return iso(row.occurred_at)


def _decision_in_short(row: Any) -> DecisionInShort | None:
    """The decision of an event; for an event of a known change, that it is the same change."""
    if row.routed_at is None or row.decision is None:
        return None
    full = json.loads(row.decision)
    return {
        "at": iso(row.routed_at),
        "outcome": "same_change" if row.deciding_event != row.id else full["outcome"],
        "notify": full["notify"],
        "rules": [rule["name"] for rule in full["rules"] if rule["matched"]],
        "because": full["because"] if row.deciding_event == row.id else row.fold_reason,
    }


def delivered(event: Any, others: Sequence[Any]) -> list[DeliveryOfEvent]:
    """Every delivery of an event: the first, of which its own row tells, and the others."""
    outcome = AppendOutcome.CONFLICT if event.revision_of else AppendOutcome.STORED
    first = _delivery(event, at=event.received_at, outcome=outcome, times=1)
    return [
        *([first] if _came(event) else []),
        *(_delivery(row, at=row.at, outcome=row.outcome, times=row.times) for row in others),
    ]


def _delivery(row: Any, *, at: int, outcome: str, times: int) -> DeliveryOfEvent:
    return {
        "at": iso(at),
        "times": times,
        "outcome": outcome,
        "secret": row.secret_label,
        "address": row.address,
        "idempotency_key": row.idempotency_key,
        "request_id": row.request_id,
        "body_sha256": row.body_sha256,
        "flags": row.flags.split(),
    }


def conflict(row: Any) -> Conflict:
    """A conflict: the two events of one key, and the paths of the fields that differ."""
    return {
        "first": row.first_event,
        "event": row.event_id,
        "fields": list(decode_list(row.fields)),
    }


def body(content: bytes) -> str:
    """A body as text; bytes that are no UTF-8 are escaped."""
    return bytes(content).decode("utf-8", "backslashreplace")


def change(row: Any, *, events: Sequence[int]) -> Change:
    """A change with its whole decision and the events that reported it."""
    return {
        "id": row.id,
        "status": row.status,
        "tags": row.tags.split(),
        "at": iso(row.at),
        "late": row.late,
        "decided_at": iso(row.decided_at),
        "event": row.event_id,
        "events": list(events),
        "decision": json.loads(row.decision),
    }
