"""When something was last done that is asked for later, such as a backup."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import marks

#: `casebell backup` copied the database.
BACKUP = "backup"


async def at(connection: AsyncConnection, name: str) -> Micros | None:
    """When it was last done; None if it never was."""
    found: Micros | None = (
        await connection.execute(select(marks.c.at).where(marks.c.name == name))
    ).scalar_one_or_none()
    return found


async def record_backup(
    connection: AsyncConnection, *, now: Micros, events: int, entries: int, actor: Actor
) -> None:
    """Record that a backup was made, and what it has."""
    await connection.execute(marks.delete().where(marks.c.name == BACKUP))
    await connection.execute(marks.insert().values(name=BACKUP, at=now))
    data = {"events": events, "entries": entries}
    entry = journal.Entry.of(actor, at=now, kind="backup.made", subject="storage", data=data)
    await journal.append(connection, [entry])
