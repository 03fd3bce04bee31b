"""The JSON values of docs/contract.md, made of rows: a function for each kind of row."""

import json
from collections.abc import Sequence
from typing import Any

from casebell.clock import iso
from casebell.events import AppendOutcome, Flag
from casebell.provider_time import date_alone
from casebell.receive.explaining import Explained
from casebell.store.rows import decode_list
from casebell.store.streaks import NOISE, UNKNOWN, Streak


def event(row: Any) -> dict[str, Any]:
    """An event; without status and tags while undecided."""
    return {
        "id": row.id,
        "source": row.source,
        "key": row.key,
        "key_basis": row.key_basis,
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


def _decision_in_short(row: Any) -> dict[str, Any] | None:
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


def delivered(event: Any, others: Sequence[Any]) -> list[dict[str, Any]]:
    """Every delivery of an event: the first, of which its own row tells, and the others."""
    first = AppendOutcome.CONFLICT if event.revision_of else AppendOutcome.STORED
    return [
        _delivery(event, at=event.received_at, outcome=first, times=1),
        *(_delivery(row, at=row.at, outcome=row.outcome, times=row.times) for row in others),
    ]


def _delivery(row: Any, *, at: int, outcome: str, times: int) -> dict[str, Any]:
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


def conflict(row: Any) -> dict[str, Any]:
    """A conflict: the two events of one key, and the paths of the fields that differ."""
    return {"first": row.first_event, "event": row.event_id, "fields": decode_list(row.fields)}


def body(content: bytes) -> str:
    """A body as text; bytes that are no UTF-8 are escaped."""
    return bytes(content).decode("utf-8", "backslashreplace")


def change(row: Any, *, events: Sequence[int]) -> dict[str, Any]:
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


def alert(row: Any) -> dict[str, Any]:
    """An alert."""
    return {
        "id": row.id,
        "kind": row.kind,
        "event": row.event_id,
        "event_key": row.event_key,
        "receipt": row.receipt,
        "change": row.change_id,
        "channel": row.channel,
        "target": row.target,
        "rule": ", ".join(decode_list(row.rules)),
        "urgent": row.priority == 0,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "may_repeat": row.may_repeat,
        "created_at": iso(row.created_at),
        "sent_at": iso(row.sent_at) if row.sent_at else None,
        "dismissed_at": iso(row.dismissed_at) if row.dismissed_at else None,
    }


def attempt(row: Any) -> dict[str, Any]:
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


def by_hand(row: Any) -> dict[str, Any]:
    """What somebody did to an alert."""
    return {
        "at": iso(row.at),
        "did": row.kind.removeprefix("alert."),
        "actor": row.actor,
        "note": json.loads(row.data).get("note"),
    }


def held(row: Any) -> dict[str, Any]:
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


def refused(row: Any) -> dict[str, Any]:
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


def refusal_explained(one: Explained) -> dict[str, Any]:
    """A refused delivery with its likely cause."""
    return {**refused(one.row), "headers": list(one.headers), **_cause(one)}


def streak(found: Streak, *, error: str, explained: Explained | None) -> dict[str, Any]:
    """What was refused of a source in a row with one error, and the likely cause of one of them."""
    return {
        "source": None if found.source in (UNKNOWN, NOISE) else found.source,
        "error": error,
        "count": found.errors[error],
        "in_all": found.count,
        "since": iso(found.since),
        "last_at": iso(found.last_at),
        "long": found.is_long,
        "noise": found.source == NOISE,
        "refused": explained.row.id if explained else None,
        **_cause(explained),
    }


def _cause(explained: Explained | None) -> dict[str, Any]:
    cause = explained.cause if explained else None
    return {
        "cause": cause.code if cause else None,
        "certain": bool(cause and cause.certain),
        "because": cause.says if cause else None,
        "next": cause.then if cause else None,
    }
