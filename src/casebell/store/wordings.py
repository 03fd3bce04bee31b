"""Wordings that no row of the classifier's table reads: each once, with how often it came.

Operations are told of each once. What was told is kept within a bound, the newest of it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, Row, delete, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Decided
from casebell.events import Flag, Micros, Tag
from casebell.store.schema import wordings
from casebell.store.statements import TableRow, Write
from casebell.uscis.new_wordings import in_general

#: Characters kept of a text.
MAX_TEXT = 1_000
#: Wordings that are kept after operations were told of them.
KEPT = 1_000


class WordingRow(TableRow):
    """A row of `wordings`, when its text comes for the first time."""

    key: str
    text: str
    source: str
    event_id: int
    changes: int


def row_of(decided: Decided) -> WordingRow | None:
    """The new wording of a change; None where that is known or there is no text, and of a test."""
    event = decided.event
    if decided.decision is None or Tag.TEST in event.tags:
        return None
    if Flag.UNKNOWN_WORDING not in event.flags or not event.text.strip():
        return None
    return WordingRow(
        key=hashlib.sha256(in_general(event.text).encode()).hexdigest()[:32],
        text=event.text[:MAX_TEXT],
        source=event.source,
        event_id=decided.id,
        changes=1,
    )


def _count(backend: str) -> Insert:
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[backend]
    statement: Insert = dialect.insert(wordings).on_conflict_do_update(
        index_elements=[wordings.c.key], set_={"changes": wordings.c.changes + literal_column("1")}
    )
    return statement


#: Adds a wording, or counts one more change with it.
COUNTED = Write(WordingRow, _count)


async def unnotified(connection: AsyncConnection, *, limit: int) -> Sequence[Row[Any]]:
    """The first of the wordings of which operations were not told."""
    statement = select(wordings).where(wordings.c.notified_at.is_(None))
    return (await connection.execute(statement.order_by(wordings.c.event_id).limit(limit))).all()


async def count_unnotified(connection: AsyncConnection) -> tuple[int, int]:
    """How many there are, and the event of the last one."""
    statement = select(func.count(), func.max(wordings.c.event_id))
    found = (await connection.execute(statement.where(wordings.c.notified_at.is_(None)))).one()
    return found[0], found[1] or 0


async def told_since(connection: AsyncConnection, since: Micros) -> int:
    """Of how many wordings operations were told since then."""
    statement = select(func.count()).where(wordings.c.notified_at >= since)
    return int((await connection.execute(statement)).scalar_one())


async def mark_told(connection: AsyncConnection, *, first: int, last: int, now: Micros) -> None:
    """Record that operations were told of those that these events began; forget the oldest."""
    await connection.execute(
        wordings.update()
        .where(wordings.c.notified_at.is_(None), wordings.c.event_id.between(first, last))
        .values(notified_at=now)
    )
    newest = select(wordings.c.key).order_by(wordings.c.event_id.desc()).limit(KEPT)
    await connection.execute(
        delete(wordings).where(
            wordings.c.notified_at.is_not(None), wordings.c.key.not_in(newest.subquery().select())
        )
    )
