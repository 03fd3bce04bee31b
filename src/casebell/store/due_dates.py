"""Reminders of the dates that people typed: when the next is due, by row of the queue."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros
from casebell.store.schema import OPEN, queue


async def set_reminder(
    connection: AsyncConnection, change_id: int, *, due: date, at: Micros | None
) -> bool:
    """Say when people are next reminded of a date; False where that is no longer the date.

    Nothing is said of a change that is answered.

    Args:
        due: the date that is typed, and stored by now.
        at: None where no reminder is left.
    """
    updated = await connection.execute(
        queue.update()
        .where(OPEN, queue.c.change_id == change_id, queue.c.due == due.isoformat())
        .values(remind_at=at)
    )
    return bool(updated.rowcount)
