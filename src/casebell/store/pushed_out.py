"""Refused deliveries that could have been readmitted, and were pushed out by others."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.clock import HOUR
from casebell.events import Micros
from casebell.store.schema import pushed_out

#: A flood is over when it pushed out nothing for so long: all that it pushed out would be too old.
OVER_AFTER: Micros = 7 * 24 * HOUR


async def record(connection: AsyncConnection, numbers: Mapping[str, int], *, now: Micros) -> None:
    """Add what was pushed out, by source."""
    for source, number in numbers.items():
        statement = select(pushed_out).where(pushed_out.c.source == source)
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            new = {"source": source, "number": number, "last_at": now}
            await connection.execute(pushed_out.insert(), [new])
            continue
        goes_on = row.last_at >= now - OVER_AFTER
        await connection.execute(
            pushed_out.update()
            .where(pushed_out.c.source == source)
            .values(
                number=row.number + number if goes_on else number,
                last_at=now,
                notified_at=row.notified_at if goes_on else None,
            )
        )


async def unnotified(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The sources with a flood of which operations were not told."""
    statement = select(pushed_out).where(pushed_out.c.notified_at.is_(None))
    return (await connection.execute(statement)).all()


async def mark_told(connection: AsyncConnection, *, source: str, now: Micros) -> None:
    """Record that operations were told of a source's flood."""
    await connection.execute(
        pushed_out.update().where(pushed_out.c.source == source).values(notified_at=now)
    )


async def since(connection: AsyncConnection, at: Micros) -> Sequence[Row[Any]]:
    """The sources of which something was pushed out since then."""
    statement = select(pushed_out).where(pushed_out.c.last_at >= at).order_by(pushed_out.c.source)
    return (await connection.execute(statement)).all()
