"""Read models for the command line; `event_listing` has those of events.

Every listing goes newest first by id and takes a cursor (`before`), never an offset.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import AlertState
from casebell.clock import iso
from casebell.events import AppendOutcome, Micros
from casebell.store.rows import decode_list
from casebell.store.schema import alerts, attempts, changes, deliveries, events, held, journal


async def find_events(connection: AsyncConnection, key: str) -> list[dict[str, Any]]:
    """The events with a source's key, or with `key` as their id.

    Conflicting bodies under the same key follow their event.
    """
    statement = select(events.c.id).where(events.c.key == key)
    ids = list((await connection.execute(statement)).scalars())
    if not ids and key.isascii() and key.isdigit() and len(key) < 19:
        ids = [int(key)]
    rows = await connection.execute(
        event_columns()
        .where(or_(events.c.id.in_(ids), events.c.revision_of.in_(ids)))
        .order_by(events.c.id)
    )
    return [event_json(row) for row in rows]


async def event_row(connection: AsyncConnection, event_id: int) -> Row[Any] | None:
    """The whole row of an event."""
    return (await connection.execute(select(events).where(events.c.id == event_id))).one_or_none()


async def deliveries_of(connection: AsyncConnection, event_id: int) -> list[dict[str, Any]]:
    """Every authentic delivery of an event, the first included, oldest first."""
    first = await event_row(connection, event_id)
    rows = (
        await connection.execute(
            select(deliveries).where(deliveries.c.event_id == event_id).order_by(deliveries.c.id)
        )
    ).all()
    records = []
    if first is not None:
        outcome = AppendOutcome.CONFLICT if first.revision_of else AppendOutcome.STORED
        records.append((outcome, first.received_at, first))
    records += [(row.outcome, row.at, row) for row in rows]
    return [
        {
            "at": iso(at),
            "outcome": outcome,
            "secret": row.secret_label,
            "address": row.address,
            "idempotency_key": row.idempotency_key,
            "request_id": row.request_id,
            "body_sha256": row.body_sha256,
            "flags": row.flags.split(),
        }
        for outcome, at, row in records
    ]


async def change_of(connection: AsyncConnection, change_id: int) -> dict[str, Any] | None:
    """A change with its whole decision and the events that reported it."""
    row = (await connection.execute(select(changes).where(changes.c.id == change_id))).one_or_none()
    if row is None:
        return None
    reported = await connection.execute(
        select(events.c.id).where(events.c.change_id == change_id).order_by(events.c.id)
    )
    return {
        "id": row.id,
        "status": row.status,
        "tags": row.tags.split(),
        "at": iso(row.at),
        "late": row.late,
        "decided_at": iso(row.decided_at),
        "event": row.event_id,
        "events": list(reported.scalars()),
        "decision": json.loads(row.decision),
    }


async def list_alerts(
    connection: AsyncConnection,
    *,
    state: AlertState | None = None,
    change_id: int | None = None,
    alert_id: int | None = None,
    limit: int,
    before: int | None = None,
) -> list[dict[str, Any]]:
    """Alerts as docs/contract.md has them, newest first."""
    statement = (
        select(alerts, events.c.key.label("event_key"))
        .outerjoin(events, events.c.id == alerts.c.event_id)
        .order_by(alerts.c.id.desc())
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(alerts.c.state == state)
    if change_id is not None:
        statement = statement.where(alerts.c.change_id == change_id)
    if alert_id is not None:
        statement = statement.where(alerts.c.id == alert_id)
    if before is not None:
        statement = statement.where(alerts.c.id < before)
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "event": row.event_key,
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
        }
        for row in (await connection.execute(statement)).all()
    ]


async def attempts_of(connection: AsyncConnection, alert_id: int) -> list[dict[str, Any]]:
    """Every attempt to send an alert, with the message it carried, oldest first."""
    rows = await connection.execute(
        select(attempts).where(attempts.c.alert_id == alert_id).order_by(attempts.c.id)
    )
    return [
        {
            "number": row.number,
            "started_at": iso(row.started_at),
            "finished_at": iso(row.finished_at),
            "outcome": row.outcome,
            "reason": row.reason,
            "detail": row.detail,
            "title": row.title,
            "body": row.body,
        }
        for row in rows
    ]


async def list_held(
    connection: AsyncConnection, *, state: str | None, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """Held deliveries, newest first."""
    statement = select(held).order_by(held.c.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(held.c.state == state)
    if before is not None:
        statement = statement.where(held.c.id < before)
    return [
        {
            "id": row.id,
            "source": row.source,
            "reason": row.reason,
            "detail": row.detail,
            "state": row.state,
            "received_at": iso(row.received_at),
            "last_at": iso(row.last_at),
            "times": row.times,
            "body_sha256": row.body_sha256,
            "body": bytes(row.body).decode("utf-8", "backslashreplace"),
            "event": row.event_id,
        }
        for row in (await connection.execute(statement)).all()
    ]


async def backlog(connection: AsyncConnection) -> Mapping[str, int]:
    """Counts: undecided events, unsent alerts, failed alerts, held deliveries."""
    waiting = ("pending", "retrying", "deferred", "sending")
    counts = {
        "unrouted": select(func.count()).select_from(events).where(events.c.routed_at.is_(None)),
        "alerts": select(func.count()).select_from(alerts).where(alerts.c.state.in_(waiting)),
        "failed": select(func.count()).select_from(alerts).where(alerts.c.state == "failed"),
        "held": select(func.count()).select_from(held).where(held.c.state == "held"),
    }
    return {
        name: int((await connection.execute(statement)).scalar_one())
        for name, statement in counts.items()
    }


async def latest_sequence(connection: AsyncConnection) -> int:
    """The last entry's number in the journal; 0 when it is empty."""
    statement = select(func.coalesce(func.max(journal.c.seq), 0))
    return int((await connection.execute(statement)).scalar_one())


async def latest_time(connection: AsyncConnection) -> Micros | None:
    """The time of the journal's last entry; None without entries."""
    at: Micros | None = (
        await connection.execute(select(journal.c.at).order_by(journal.c.seq.desc()).limit(1))
    ).scalar_one_or_none()
    return at


async def journal_entries(
    connection: AsyncConnection, *, after: int, limit: int
) -> Sequence[Row[Any]]:
    """Journal entries in sequence, from `after + 1`."""
    return (
        await connection.execute(
            select(journal).where(journal.c.seq > after).order_by(journal.c.seq).limit(limit)
        )
    ).all()


def event_columns() -> Select[Any]:
    """Selects what `event_json` shows."""
    extra = (
        select(func.count())
        .select_from(deliveries)
        .where(deliveries.c.event_id == events.c.id)
        .scalar_subquery()
        .label("extra_deliveries")
    )
    # Without the body: a page of large ones would not fit into memory.
    columns = [column for column in events.c if column is not events.c.body]
    return select(
        *columns, extra, changes.c.decision, changes.c.event_id.label("deciding_event")
    ).outerjoin(changes, changes.c.id == events.c.change_id)


def event_json(row: Row[Any]) -> dict[str, Any]:
    """An event as docs/contract.md has it; without status and tags while undecided."""
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
        "occurred_at": iso(row.occurred_at) if row.occurred_at is not None else row.occurred_raw,
        "received_at": iso(row.received_at),
        "flags": row.flags.split(),
        "change": row.change_id,
        "decision": _decision_json(row),
        "deliveries": row.extra_deliveries + 1,
        "body_sha256": row.body_sha256,
    }


def _decision_json(row: Row[Any]) -> dict[str, Any] | None:
    """The decision in short; for an event of a known change, that it is the same change."""
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
