"""Conflicts: bodies with other content than the first one of their key, and what differs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import sight
from casebell.store.rows import decode_list
from casebell.store.schema import conflicts, events

#: Conflicts of one event that are read. A sender can make any number, and all of them at once would
#: keep deliveries waiting.
MAX_OF_EVENT = 1_000
#: Different lists of fields of one source that a message can be made of.
_MAX_LISTS = 50


async def unnotified(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Conflicts of which operations were not told, counted by source.

    Each count has the ids of its latest conflict: `event_id`, and `first_event` of the same key.
    """
    groups = (
        select(
            conflicts.c.source,
            func.count().label("number"),
            func.max(conflicts.c.event_id).label("event_id"),
        )
        .where(conflicts.c.notified_at.is_(None))
        .group_by(conflicts.c.source)
        .subquery()
    )
    statement = select(groups, conflicts.c.first_event).join(
        conflicts, conflicts.c.event_id == groups.c.event_id
    )
    return (await connection.execute(statement.order_by(groups.c.event_id))).all()


async def fields_of(connection: AsyncConnection, source: str, *, last: int) -> list[str]:
    """The fields in which conflicts differ of which operations were not told, in order."""
    statement = (
        select(conflicts.c.fields)
        .distinct()
        .where(
            conflicts.c.notified_at.is_(None),
            conflicts.c.source == source,
            conflicts.c.event_id <= last,
        )
        .limit(_MAX_LISTS)
    )
    lists = (await connection.execute(statement)).scalars()
    return sorted({name for one in lists for name in decode_list(one)})


async def mark_told(connection: AsyncConnection, *, source: str, last: int, now: Micros) -> None:
    """Record that operations were told of these."""
    await connection.execute(
        conflicts.update()
        .where(
            conflicts.c.notified_at.is_(None),
            conflicts.c.source == source,
            conflicts.c.event_id <= last,
        )
        .values(notified_at=now)
    )


async def of_event(
    connection: AsyncConnection, event_id: int, *, seen_by: Actor
) -> Sequence[Row[Any]]:
    """The conflicts of an event: with the first of its key, or as that with others.

    Of very many the first. One of two cases is left out where the actor may not see both.
    """
    statement = select(conflicts).where(
        or_(conflicts.c.event_id == event_id, conflicts.c.first_event == event_id)
    )
    for column in (conflicts.c.event_id, conflicts.c.first_event):
        other = events.alias()
        if (hidden := sight.hidden_receipt(seen_by, other.c.receipt)) is not None:
            about = select(other.c.id).where(other.c.id == column, hidden)
            statement = statement.where(~about.exists())
    statement = statement.order_by(conflicts.c.event_id).limit(MAX_OF_EVENT)
    return (await connection.execute(statement)).all()
