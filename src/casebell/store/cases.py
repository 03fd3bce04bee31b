"""Changes and the cases they move: read before a decision, written with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, CaseEvent
from casebell.store.rows import case_from_row, event_from_row
from casebell.store.schema import cases, events


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


async def case_of(connection: AsyncConnection, receipt: str) -> Case:
    """What the firm told us of a receipt; an empty case when nothing."""
    row = (await connection.execute(select(cases).where(cases.c.receipt == receipt))).one_or_none()
    if row is None:
        return Case(receipt=receipt)
    return case_from_row(row)


async def current_status(connection: AsyncConnection, receipt: str) -> str | None:
    """A case's current status, by provider time; None when nothing is known."""
    status: str | None = (
        await connection.execute(select(cases.c.status).where(cases.c.receipt == receipt))
    ).scalar_one_or_none()
    return status
