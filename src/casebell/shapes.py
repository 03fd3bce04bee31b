"""The JSON values of docs/contract.md: the keys of each, and a function that makes it of a row.

A value is a dict that JSON can be made of as it is. Times are RFC 3339 in UTC. The description of
the API is made of these types, so a key is named here once.
"""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from casebell.alerts import AlertState
from casebell.clock import iso
from casebell.events import AppendOutcome, Flag
from casebell.provider_time import date_alone
from casebell.store.rows import decode_list
from casebell.uscis.receipts import mask

#: What stands under a key describes it, in the description of the API too.
described = with_config(ConfigDict(use_attribute_docstrings=True))


@described
class ToBeNotified(TypedDict):
    """One target that hears of a change."""

    channel: str
    target: str
    """A safe label, never a URL."""
    rules: list[str]
    """Those by which it hears of it."""
    urgent: bool


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
    """How it came: `webhook`."""
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
    """How often it was delivered."""
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
    """An event with every delivery of it."""

    delivered: list[DeliveryOfEvent]


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


@described
class Alert(TypedDict):
    """One change, or another message, for one target of one channel."""

    id: int
    kind: str
    event: int | None
    event_key: str | None
    receipt: str | None
    change: int | None
    channel: str
    target: str
    """A safe label, never a URL."""
    person: str | None
    """Null: nobody is told by name yet."""
    rule: str
    urgent: bool
    state: str
    attempts: int
    reason: str | None
    may_repeat: bool
    created_at: str
    sent_at: str | None
    deferred_until: str | None
    dismissed_at: str | None
    """A dismissed alert stays `failed`."""


@described
class Attempt(TypedDict):
    """One try to send an alert, with the message it carried."""

    number: int
    started_at: str
    finished_at: str
    outcome: str
    reason: str | None
    detail: str
    title: str
    body: str


@described
class ByHand(TypedDict):
    """What somebody did to an alert."""

    at: str
    did: str
    actor: str
    by: str | None
    """Who it was, as claimed."""
    note: str | None


@described
class AlertExplained(Alert):
    """An alert with every attempt, and what people did to it."""

    tried: list[Attempt]
    by_hand: list[ByHand]


@described
class Explanation(TypedDict):
    """Everything that became of an event."""

    event: Event
    delivered: list[DeliveryOfEvent]
    conflicts: list[Conflict]
    change: Change | None
    alerts: list[AlertExplained]
    """Oldest first."""


@described
class Held(TypedDict):
    """An authentic delivery that could not be understood."""

    id: int
    source: str
    reason: str
    detail: str
    state: str
    received_at: str
    last_at: str
    times: int
    body_sha256: str
    body: str
    """As text; bytes that are no UTF-8 are escaped."""
    event: int | None


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


@described
class JournalEntry(TypedDict):
    """One thing that happened, as it is on record."""

    seq: int
    """Its number, from 1 without gaps."""
    at: str
    kind: str
    actor: str
    """Who or what did it: `source:parley`, `router`, `cli:jchan`, `token:practice`."""
    by: str | None
    """Who it was, as claimed; it is in `data`, too."""
    subject: str
    """What it was done to: `event:12`, `alert:7`."""
    data: dict[str, Any]
    leaf: str
    """The RFC 6962 leaf hash of its canonical bytes, in hex."""


def event(row: Any) -> Event:
    """An event; without status and tags while undecided."""
    return {
        "id": row.id,
        "source": row.source,
        "key": row.key,
        "key_basis": row.key_basis,
        "origin": "webhook",
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
        "deliveries": int(row.extra_deliveries) + 1,
        "body_sha256": row.body_sha256,
    }


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
    first = AppendOutcome.CONFLICT if event.revision_of else AppendOutcome.STORED
    return [
        _delivery(event, at=event.received_at, outcome=first, times=1),
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


def alert(row: Any) -> Alert:
    """An alert; of a case that its reader may not see, only that it failed."""
    shown: Alert = {
        "id": row.id,
        "kind": row.kind,
        "event": row.event_id,
        "event_key": row.event_key,
        "receipt": row.receipt,
        "change": row.change_id,
        "channel": row.channel,
        "target": row.target,
        "person": None,
        "rule": ", ".join(decode_list(row.rules)),
        "urgent": row.priority == 0,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "may_repeat": row.may_repeat,
        "created_at": iso(row.created_at),
        "sent_at": iso(row.sent_at) if row.sent_at else None,
        "deferred_until": iso(row.not_before) if row.state == AlertState.DEFERRED else None,
        "dismissed_at": iso(row.dismissed_at) if row.dismissed_at else None,
    }
    if row.masked:
        shown |= {
            "event": None,
            "event_key": None,
            "receipt": mask(row.receipt),
            "change": None,
            "rule": "",
        }
    return shown


def attempt(row: Any) -> Attempt:
    """An attempt to send an alert, with the message it carried."""
    return {
        "number": row.number,
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "outcome": row.outcome,
        "reason": row.reason,
        "detail": row.detail,
        "title": row.title,
        "body": row.body,
    }


def by_hand(row: Any) -> ByHand:
    """What somebody did to an alert."""
    data = json.loads(row.data)
    return {
        "at": iso(row.at),
        "did": row.kind.removeprefix("alert."),
        "actor": row.actor,
        "by": data.get("by"),
        "note": data.get("note"),
    }


def held(row: Any) -> Held:
    """A held delivery."""
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
        "body": body(row.body),
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
        "readmitted_at": None if row.readmitted_at is None else iso(row.readmitted_at),
        "event": row.event_id,
        "held": row.held_id,
    }


def entry(row: Any) -> JournalEntry:
    """A journal entry."""
    data = json.loads(row.data)
    return {
        "seq": row.seq,
        "at": iso(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "by": data.get("by"),
        "subject": row.subject,
        "data": data,
        "leaf": bytes(row.leaf).hex(),
    }
