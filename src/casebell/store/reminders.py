"""Whether a reminder still has to go when its turn comes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Alert
from casebell.ops_messages import DateNear
from casebell.store.escalations import settled
from casebell.store.schema import queue


async def in_vain(connection: AsyncConnection, alert: Alert) -> str | None:
    """Why a reminder would tell what is no longer so, as a clause; None where it still is.

    That somebody has seen a change ends no reminder of a date: only its answer does.
    """
    if isinstance(alert.note, DateNear):
        row = (
            await connection.execute(
                select(queue.c.answered_at, queue.c.due).where(
                    queue.c.change_id == alert.note.change
                )
            )
        ).one_or_none()
        if row is None or row.answered_at is not None:
            return "the change is answered; nothing was sent"
        return None if row.due == alert.note.due else "the date was changed; nothing was sent"
    ended = await settled(connection, alert.change_id or 0)
    return None if ended is None else f"the change is {ended}; nothing was sent"
