"""The escalations that run: who is told next of a change that nobody acknowledged, and when.

A row is taken by an update that asks for the time it was read with. So of several servers, and of
one that is started again, exactly one takes each step.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import Row, exists, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Decided
from casebell.events import Micros
from casebell.store.rows import EscalationRow
from casebell.store.schema import RUNNING, acknowledgements, changes, escalations, queue
from casebell.store.statements import insert

NEW = insert(escalations, EscalationRow)

#: Why an escalation ends: somebody acknowledged the change; it was answered; nobody did until its
#: `stop`; the configuration no longer has it.
End: TypeAlias = Literal["acknowledged", "answered", "stopped", "removed"]


class Running(NamedTuple):
    """An escalation that is due."""

    change_id: int
    #: The event that founded the change.
    event_id: int
    receipt: str
    name: str
    urgent: bool
    began_at: Micros
    step: int
    repetition: int
    due_at: Micros


_RUNNING = select(
    *(escalations.c[name] if name in escalations.c else changes.c[name] for name in Running._fields)
).join(changes, changes.c.id == escalations.c.change_id)


def new_rows(decided: Decided, *, now: Micros) -> list[EscalationRow]:
    """The escalations that a decision begins, as rows."""
    return [
        EscalationRow(
            change_id=decided.change.id,
            name=one.name,
            urgent=one.urgent,
            began_at=now,
            step=0,
            repetition=0,
            due_at=one.due_at,
        )
        for one in decided.escalations
    ]


async def due(
    connection: AsyncConnection, *, now: Micros, limit: int, skip: int = 0
) -> list[Running]:
    """Those that are due, the longest first.

    Args:
        skip: how many of the first are left out.
    """
    statement = (
        _RUNNING.where(RUNNING, escalations.c.due_at <= now)
        .order_by(escalations.c.due_at)
        .limit(limit)
        .offset(skip)
    )
    return [Running(*row) for row in await connection.execute(statement)]


async def settled(connection: AsyncConnection, change_id: int) -> End | None:
    """Whether somebody acknowledged a change, or it was answered; None while neither is so."""
    seen = exists().where(acknowledgements.c.change_id == change_id)
    answered = exists().where(queue.c.change_id == change_id, queue.c.answered_at.is_not(None))
    row = (await connection.execute(select(seen.label("seen"), answered.label("answered")))).one()
    if row.seen:
        return "acknowledged"
    return "answered" if row.answered else None


async def move(
    connection: AsyncConnection,
    one: Running,
    *,
    step: int,
    repetition: int,
    due_at: Micros,
    reminded_at: Micros | None = None,
) -> bool:
    """Note what is next; False where another has taken it since it was read.

    Args:
        reminded_at: when people were reminded; None where they were not.
    """
    values: dict[str, Any] = {"step": step, "repetition": repetition, "due_at": due_at}
    if reminded_at is not None:
        values["reminded_at"] = reminded_at
    return await _update(connection, one, values)


async def end(connection: AsyncConnection, one: Running, why: End) -> bool:
    """End an escalation; False where another has taken it since it was read."""
    return await _update(connection, one, {"due_at": null(), "ended": why})


async def bring_forward(connection: AsyncConnection, *, by: Micros) -> int:
    """Move the times of all that run, for a clock that was set back; returns their number."""
    moved = await connection.execute(
        escalations.update()
        .where(RUNNING)
        .values(due_at=escalations.c.due_at - by, began_at=escalations.c.began_at - by)
    )
    return moved.rowcount


async def of_changes(
    connection: AsyncConnection, change_ids: Collection[int]
) -> Sequence[Row[Any]]:
    """Every escalation of some changes, ended ones among them."""
    statement = select(escalations).where(escalations.c.change_id.in_(sorted(change_ids)))
    ordered = statement.order_by(escalations.c.change_id, escalations.c.name)
    found: Sequence[Row[Any]] = (await connection.execute(ordered)).all()
    return found


async def _update(connection: AsyncConnection, one: Running, values: dict[str, Any]) -> bool:
    updated = await connection.execute(
        update(escalations)
        .where(
            RUNNING,
            escalations.c.change_id == one.change_id,
            escalations.c.name == one.name,
            escalations.c.due_at == one.due_at,
            escalations.c.step == one.step,
            escalations.c.repetition == one.repetition,
        )
        .values(**values)
    )
    return bool(updated.rowcount)
