"""Reminders of the dates that people typed: when the next is due, by row of the queue."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros
from casebell.store.schema import OPEN, TO_BE_REMINDED, changes, queue


class Near(NamedTuple):
    """A typed date of which people are to be reminded."""

    change_id: int
    #: The event that founded the change.
    event_id: int
    urgent: bool
    #: ISO 8601.
    due: str
    #: The actor who typed it, and a second person who confirmed it.
    due_by: str
    due_confirmed_by: str | None
    remind_at: Micros
    #: The channels that the decision about the change named.
    channels: Sequence[str]


async def near(
    connection: AsyncConnection, *, now: Micros, limit: int, skip: int = 0
) -> list[Near]:
    """Those of which a reminder is due, the longest first.

    Args:
        skip: how many of the first are left out.
    """
    row = queue.c
    statement = (
        select(
            *(row.change_id, changes.c.event_id, row.urgent, row.due, row.due_by),
            *(row.due_confirmed_by, row.remind_at, changes.c.decision),
        )
        .join(changes, changes.c.id == row.change_id)
        .where(TO_BE_REMINDED, row.remind_at <= now)
        .order_by(row.remind_at)
        .limit(limit)
        .offset(skip)
    )
    return [
        Near(
            change_id=one.change_id,
            event_id=one.event_id,
            urgent=one.urgent,
            due=one.due,
            due_by=one.due_by or "",
            due_confirmed_by=one.due_confirmed_by,
            remind_at=one.remind_at,
            channels=_channels(one.decision),
        )
        for one in await connection.execute(statement)
    ]


async def take(connection: AsyncConnection, one: Near, *, then: Micros | None) -> bool:
    """Note when the next reminder is due; False where another took this one since it was read.

    Also where the change was answered meanwhile, or its date changed.
    """
    updated = await connection.execute(
        queue.update()
        .where(
            OPEN,
            queue.c.change_id == one.change_id,
            queue.c.due == one.due,
            queue.c.remind_at == one.remind_at,
        )
        .values(remind_at=then)
    )
    return bool(updated.rowcount)


def _channels(decision: str) -> list[str]:
    """The channels that a stored decision names, each once."""
    return list(dict.fromkeys(to["channel"] for to in json.loads(decision)["notify"]))
