"""How many requests of a day an API had, for all servers together."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.store.schema import upstream_days

_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


async def take(
    connection: AsyncConnection, *, upstream: str, day: str, wanted: int, per_day: int
) -> int:
    """Take requests of a day; how many there were to take, at most `wanted`.

    Each statement takes all of its number or none, whoever else takes at the same time.

    Args:
        day: as "2026-12-24".
    """
    number = min(wanted, per_day)
    while number > 0 and not await _took(connection, upstream, day, number, per_day=per_day):
        number //= 2
    return number


async def _took(
    connection: AsyncConnection, upstream: str, day: str, number: int, *, per_day: int
) -> bool:
    table = upstream_days
    new = _DIALECTS[connection.dialect.name].insert(table)
    new = new.values(upstream=upstream, day=day, requests=number)
    statement = new.on_conflict_do_update(
        index_elements=[table.c.upstream, table.c.day],
        set_={"requests": table.c.requests + number},
        where=table.c.requests + number <= per_day,
    ).returning(table.c.requests)
    return (await connection.execute(statement)).first() is not None


async def give_back(connection: AsyncConnection, *, upstream: str, day: str, number: int) -> None:
    """Give back requests of a day that were taken and not made."""
    mine = (upstream_days.c.upstream == upstream) & (upstream_days.c.day == day)
    statement = update(upstream_days).where(mine, upstream_days.c.requests >= number)
    await connection.execute(statement.values(requests=upstream_days.c.requests - number))


async def taken(connection: AsyncConnection, *, upstream: str, day: str) -> int:
    """How many requests of a day were taken."""
    mine = (upstream_days.c.upstream == upstream) & (upstream_days.c.day == day)
    found = await connection.execute(select(upstream_days.c.requests).where(mine))
    return int(found.scalar_one_or_none() or 0)
