"""Rows as Structs whose fields are columns, and the way between them and the vocabulary."""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from msgspec.structs import asdict, replace

from casebell.alerts import AlertState, Decided, NewAlert
from casebell.events import (
    Case,
    CaseEvent,
    Change,
    ClassifiedEvent,
    Delivery,
    Flag,
    KeyBasis,
    Micros,
    Origin,
    Status,
    Tag,
    TimeBasis,
)
from casebell.json_text import canonical
from casebell.ops_messages import to_json
from casebell.store.statements import TableRow

Member = TypeVar("Member", bound=StrEnum)


@lru_cache(maxsize=4096)
def encode_set(values: frozenset[Any]) -> str:
    """A set as stored: its words sorted, with a space on both sides of each; "" if empty."""
    ordered = sorted(values)
    return f" {' '.join(ordered)} " if ordered else ""


@lru_cache(maxsize=4096)
def decode_set(kind: type[Member], stored: str) -> frozenset[Member]:
    """The set that `encode_set` wrote."""
    return frozenset(kind(word) for word in stored.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownState:
    """What an event says, as far as this release knows the words of its row."""

    status: Status
    tags: frozenset[Tag]
    flags: frozenset[Flag]
    text: str


def known_state(row: Any) -> KnownState:
    """The state of an event's row. Never raises."""
    tags, flags = set(str(row.tags).split()), set(str(row.flags).split())
    return KnownState(
        status=Status(row.status) if row.status in set(Status) else Status.OTHER,
        tags=frozenset(tag for tag in Tag if tag in tags),
        flags=frozenset(flag for flag in Flag if flag in flags),
        text=str(row.text),
    )


def decode_list(stored: object) -> tuple[str, ...]:
    """The words of a JSON list; () for anything else, since an alert can be sent without them."""
    try:
        found = json.loads(str(stored))
    except ValueError:
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def delivery_from_row(row: Any, *, received_at: Micros) -> Delivery:
    """The delivery of a row of `held` or `refused`, with the kept Idempotency-Key."""
    idempotency = row.idempotency_key
    return Delivery(
        source=row.source,
        body=bytes(row.body),
        headers=((b"idempotency-key", idempotency.encode()),) if idempotency else (),
        address=row.address,
        received_at=received_at,
        request_id=row.request_id,
    )


class EventRow(TableRow):
    """A row of `events`."""

    id: int
    source: str
    key: str
    key_basis: str
    type: str
    receipt: str
    receipt_raw: str
    status: str
    delivered_status: str | None
    delivered_category: str | None
    tags: str
    text: str
    occurred_at: Micros | None
    occurred_raw: str | None
    time_basis: str | None
    received_at: Micros
    flags: str
    body: bytes
    body_sha256: str
    secret_label: str
    address: str
    idempotency_key: str | None
    request_id: str
    revision_of: int | None
    routed_at: Micros | None
    change_id: int | None
    fold_reason: str | None
    origin: str


class StoredEvent(TableRow):
    """A stored event: the columns that distinguish a repeat from a conflict."""

    id: int
    source: str
    key: str
    key_basis: str
    flags: str
    body: bytes
    body_sha256: str


class Ends(TableRow):
    """The highest ids; 0 for an empty table."""

    event: int
    entry: int
    change: int


class KnownChange(TableRow):
    """What is read of a row of `changes`."""

    id: int
    receipt: str
    status: str
    tags: str
    text_key: str
    at: Micros
    seen_until: Micros


class KnownCase(TableRow):
    """What is read of a row of `cases`."""

    receipt: str
    label: str
    matter: str
    owner: str
    team: str
    confidential: bool
    owner_email: str
    form: str


class DeliveryRow(TableRow):
    """A row of `deliveries`."""

    event_id: int
    at: Micros
    outcome: str
    idempotency_key: str | None
    address: str
    secret_label: str
    request_id: str
    flags: str
    body_sha256: str
    body: bytes | None
    times: int = 1


class RepeatsRow(TableRow):
    """The rows of `deliveries` of an event: their number, and the last of them."""

    event_id: int
    rows: int
    last: int
    at: Micros
    times: int


class TallyRow(TableRow):
    """A row of `deliveries` that is of several, after one more."""

    of_delivery: int
    at: Micros
    idempotency_key: str | None
    address: str
    secret_label: str
    request_id: str
    flags: str
    body_sha256: str
    body: bytes | None
    times: int


class ConflictRow(TableRow):
    """A new row of `conflicts`."""

    event_id: int
    first_event: int
    source: str
    fields: str


class ChangeRow(TableRow):
    """A row of `changes`."""

    id: int
    receipt: str
    status: str
    tags: str
    text_key: str
    at: Micros
    seen_until: Micros
    event_id: int
    late: bool
    decided_at: Micros
    decision: str
    days: int | None


class SpanRow(TableRow):
    """The times of a known change, after one more report."""

    of_change: int
    at: Micros
    seen_until: Micros


class CaseRow(TableRow):
    """What is written of a row of `cases`."""

    receipt: str
    status: str
    text: str
    at: Micros
    change_id: int
    updated_at: Micros


class FlagsRow(TableRow):
    """The flags of a stored event."""

    of_event: int
    flags: str


class DecidedRow(TableRow):
    """What is decided about a stored event."""

    of_event: int
    status: str
    tags: str
    flags: str
    routed_at: Micros
    change_id: int
    fold_reason: str


class AskedRow(TableRow):
    """A new row of `queue`."""

    change_id: int
    receipt: str
    since: Micros
    deadline: bool
    urgent: bool


class AnsweredRow(TableRow):
    """What a change answers of the queue."""

    of_receipt: str
    #: What was asked until then.
    until: Micros
    #: Not only what has a deadline.
    everything: bool
    at: Micros
    by: str


class EscalationRow(TableRow):
    """A new row of `escalations`."""

    change_id: int
    name: str
    urgent: bool
    began_at: Micros
    step: int
    repetition: int
    due_at: Micros


class AlertRow(TableRow):
    """A new row of `alerts`."""

    kind: str
    subject: str
    change_id: int | None
    event_id: int | None
    channel: str
    target: str
    rules: str
    priority: int
    state: str
    attempts: int
    created_at: Micros
    not_before: Micros
    may_repeat: bool
    note: str | None
    stands_in_for: str | None
    person: str | None
    addressed_as: str
    for_absent: str | None


def event_row(
    event: CaseEvent,
    *,
    id: int,  # noqa: A002
    revision_of: int | None = None,
    decided: DecidedRow | None = None,
) -> EventRow:
    """A new event's row, with its decision if it has one."""
    row = EventRow(
        id=id,
        source=event.source,
        key=event.key,
        key_basis=event.key_basis._value_,
        type=event.type,
        receipt=event.receipt,
        receipt_raw=event.receipt_raw,
        status="",
        delivered_status=event.delivered_status,
        delivered_category=event.delivered_category,
        tags="",
        text=event.text,
        occurred_at=event.occurred_at,
        occurred_raw=event.occurred_raw,
        time_basis=event.time_basis._value_ if event.time_basis else None,
        received_at=event.received_at,
        flags=encode_set(event.flags),
        body=event.body,
        body_sha256=event.body_sha256,
        secret_label=event.secret_label,
        address=event.address,
        idempotency_key=event.idempotency_key,
        request_id=event.request_id,
        revision_of=revision_of,
        routed_at=None,
        change_id=None,
        fold_reason=None,
        origin=event.origin._value_,
    )
    if decided is None:
        return row
    return replace(
        row,
        status=decided.status,
        tags=decided.tags,
        flags=decided.flags,
        routed_at=decided.routed_at,
        change_id=decided.change_id,
        fold_reason=decided.fold_reason,
    )


def change_row(decided: Decided, *, days: int | None, now: Micros) -> ChangeRow:
    """The change that a decision begins, as a row."""
    change = decided.change
    return ChangeRow(
        id=change.id,
        receipt=change.receipt,
        status=change.status._value_,
        tags=encode_set(change.tags),
        text_key=change.text_key,
        at=change.at,
        seen_until=change.seen_until,
        event_id=decided.id,
        late=decided.late,
        decided_at=now,
        decision=canonical(decided.decision),
        days=days,
    )


def alert_row(alert: NewAlert, *, now: Micros) -> AlertRow:
    """A new alert as a row."""
    return AlertRow(
        kind=alert.kind._value_,
        subject=alert.subject,
        change_id=alert.change_id,
        event_id=alert.event_id,
        channel=alert.channel,
        target=alert.target,
        rules=json.dumps(alert.rules),
        priority=0 if alert.urgent else 1,
        state=AlertState.PENDING._value_,
        attempts=0,
        created_at=now,
        not_before=now,
        may_repeat=False,
        note=None if alert.note is None else to_json(alert.note),
        stands_in_for=alert.stands_in_for,
        person=alert.person,
        addressed_as=alert.addressed_as,
        for_absent=alert.for_absent,
    )


def event_from_row(row: Any) -> CaseEvent:
    """The event of a row of `events`, as received."""
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
        flags=decode_set(Flag, row.flags),
        body=bytes(row.body),
        body_sha256=row.body_sha256,
        secret_label=row.secret_label,
        address=row.address,
        idempotency_key=row.idempotency_key,
        request_id=row.request_id,
        origin=Origin(row.origin),
    )


def classified_from_row(row: Any) -> ClassifiedEvent:
    """The event of a row of `events`, with its classification.

    Raises:
        ValueError: it has none, or a status of a later release.
    """
    return ClassifiedEvent(
        **asdict(event_from_row(row)),
        status=Status(row.status),
        tags=decode_set(Tag, row.tags),
    )


def case_from_row(row: Any) -> Case:
    """The firm's data of a receipt, from a row of `cases`."""
    return Case(
        receipt=row.receipt,
        label=row.label,
        matter=row.matter,
        owner=row.owner,
        team=row.team,
        confidential=row.confidential,
        owner_email=row.owner_email,
        form=row.form,
    )


def change_from_row(row: Any) -> Change:
    """The change of a row of `changes`."""
    return Change(
        id=row.id,
        receipt=row.receipt,
        status=Status(row.status),
        tags=decode_set(Tag, row.tags),
        text_key=row.text_key,
        at=row.at,
        seen_until=row.seen_until,
    )
