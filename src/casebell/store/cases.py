"""Changes and the cases they move: read before a decision, written with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, CaseEvent, Change, Flag, Micros, Status, Tag
from casebell.store import journal
from casebell.store.outbox import insert_new
from casebell.store.rows import change_from_row, event_from_row, parse_words, words
from casebell.store.schema import cases, changes, events

#: Changes of one receipt that are looked at; a case has a few dozen in its life.
HISTORY_LIMIT = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Unrouted:
    """An event without a decision."""

    id: int
    event: CaseEvent
    #: The event under whose key this conflicting body came.
    revision_of: int | None


async def unrouted(
    connection: AsyncConnection, *, limit: int, leave_out: Sequence[int] = ()
) -> list[Unrouted]:
    """The oldest events without a decision, in order of arrival, but for those to leave out."""
    statement = select(events).where(events.c.routed_at.is_(None))
    if leave_out:
        statement = statement.where(events.c.id.not_in(leave_out))
    rows = await connection.execute(statement.order_by(events.c.id).limit(limit))
    return [
        Unrouted(id=row.id, event=event_from_row(row), revision_of=row.revision_of) for row in rows
    ]


async def still_unrouted(connection: AsyncConnection, ids: Sequence[int]) -> set[int]:
    """Those that nobody has decided about since they were read: another server may have."""
    statement = select(events.c.id).where(events.c.id.in_(ids), events.c.routed_at.is_(None))
    return set((await connection.execute(statement)).scalars())


async def history(connection: AsyncConnection, receipt: str) -> list[Change]:
    """The changes known of a receipt, newest first by provider time."""
    rows = await connection.execute(
        select(changes)
        .where(changes.c.receipt == receipt)
        .order_by(changes.c.at.desc())
        .limit(HISTORY_LIMIT)
    )
    return [change_from_row(row) for row in rows]


async def case_of(connection: AsyncConnection, receipt: str) -> Case:
    """What the firm told us of a receipt; an empty case when nothing."""
    row = (await connection.execute(select(cases).where(cases.c.receipt == receipt))).one_or_none()
    if row is None:
        return Case(receipt=receipt)
    return Case(
        receipt=receipt,
        label=row.label,
        matter=row.matter,
        owner=row.owner,
        team=row.team,
        confidential=row.confidential,
    )


async def add_change(
    connection: AsyncConnection,
    *,
    receipt: str,
    status: Status,
    tags: frozenset[Tag],
    text_key: str,
    at: Micros,
    seen_until: Micros,
    event_id: int,
    late: bool,
    now: Micros,
    decision: Mapping[str, Any],
) -> int:
    """Store a new change with its decision; return its id."""
    change_id = await next_change_id(connection)
    encoded = json.dumps(decision, ensure_ascii=False, separators=(",", ":"))
    await connection.execute(
        changes.insert().values(
            id=change_id,
            receipt=receipt,
            status=status,
            tags=words(tags),
            text_key=text_key,
            at=at,
            seen_until=seen_until,
            event_id=event_id,
            late=late,
            decided_at=now,
            decision=encoded,
        )
    )
    await journal.append(
        connection,
        [
            journal.Entry(
                at=now,
                kind="decision.made",
                actor="router",
                subject=f"change:{change_id}",
                data={"event": event_id, "receipt": receipt, "status": status, **decision},
            )
        ],
    )
    return change_id


async def next_change_id(connection: AsyncConnection) -> int:
    """The id that the next change will get; the caller holds the writing transaction."""
    highest = (
        await connection.execute(select(func.coalesce(func.max(changes.c.id), 0)))
    ).scalar_one()
    return int(highest) + 1


async def corroborate(
    connection: AsyncConnection,
    *,
    change_id: int,
    event_id: int,
    at: Micros,
    seen_until: Micros,
    now: Micros,
) -> None:
    """Note that one more event reported a known change, perhaps for an earlier or later time."""
    span = (
        await connection.execute(
            select(changes.c.at, changes.c.seen_until).where(changes.c.id == change_id)
        )
    ).one()
    await connection.execute(
        changes.update()
        .where(changes.c.id == change_id)
        .values(at=min(span.at, at), seen_until=max(span.seen_until, seen_until))
    )
    await journal.append(
        connection,
        [
            journal.Entry(
                at=now,
                kind="change.corroborated",
                actor="router",
                subject=f"change:{change_id}",
                data={"event": event_id},
            )
        ],
    )


async def move_case(
    connection: AsyncConnection,
    *,
    receipt: str,
    status: Status,
    text: str,
    at: Micros,
    change_id: int,
    now: Micros,
) -> None:
    """Set a case's current status."""
    await connection.execute(
        insert_new(connection, cases), [{"receipt": receipt, "updated_at": now}]
    )
    await connection.execute(
        cases.update()
        .where(cases.c.receipt == receipt)
        .values(status=status, text=text, at=at, change_id=change_id, updated_at=now)
    )


async def mark_routed(
    connection: AsyncConnection,
    *,
    event_id: int,
    change_id: int,
    add_flags: frozenset[Flag],
    reason: str,
    now: Micros,
) -> None:
    """Note that an event has its decision: from now on it is not picked up again."""
    values: dict[str, Any] = {"routed_at": now, "change_id": change_id, "fold_reason": reason}
    if add_flags:
        # Read again: a conflicting delivery may have flagged the event in the meantime.
        stored = await connection.execute(select(events.c.flags).where(events.c.id == event_id))
        values["flags"] = words(parse_words(Flag, stored.scalar_one()) | add_flags)
    await connection.execute(events.update().where(events.c.id == event_id).values(values))


async def current_status(connection: AsyncConnection, receipt: str) -> str | None:
    """A case's current status, by provider time; None when nothing is known."""
    status: str | None = (
        await connection.execute(select(cases.c.status).where(cases.c.receipt == receipt))
    ).scalar_one_or_none()
    return status
