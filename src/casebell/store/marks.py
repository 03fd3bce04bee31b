"""When something was last done that is asked for later, such as a backup or an import."""

from enum import Enum, auto

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import marks

#: `casebell backup` copied the database.
BACKUP = "backup"
#: Some server is importing the firm's list of cases, until this time.
_IMPORTING = "case_list"
#: The list of this SHA-256 was imported last.
_IMPORTED = "case_list:"


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
    await _set(connection, BACKUP, now)
    data = {"events": events, "entries": entries}
    entry = journal.Entry.of(actor, at=now, kind="backup.made", subject="storage", data=data)
    await journal.append(connection, [entry])


async def last_list(connection: AsyncConnection) -> str:
    """The SHA-256 of the list of cases that was imported last by itself; "" where none was."""
    found = await connection.execute(select(marks.c.name).where(marks.c.name.startswith(_IMPORTED)))
    name: str | None = found.scalar_one_or_none()
    return "" if name is None else name.removeprefix(_IMPORTED)


class Turn(Enum):
    """Who imports a list."""

    OURS = auto()
    #: Another server does just now, or has begun with it and ended.
    OTHERS = auto()
    #: It was imported.
    DONE = auto()


async def take_turn(
    connection: AsyncConnection, sha256: str, *, now: Micros, until: Micros, before: Micros
) -> Turn:
    """Find out whether this server is to import a list, and say to others that it does.

    Args:
        until: others wait so long for it.
        before: `until` of this server's last turn, which it may go on with.
    """
    if await last_list(connection) == sha256:
        return Turn.DONE
    taken = await at(connection, _IMPORTING)
    if taken is not None and now < taken != before:
        return Turn.OTHERS
    await _set(connection, _IMPORTING, until)
    return Turn.OURS


async def end_turn(connection: AsyncConnection, sha256: str, *, now: Micros) -> None:
    """Record that the list was imported."""
    await connection.execute(marks.delete().where(marks.c.name.startswith(_IMPORTED)))
    await _set(connection, f"{_IMPORTED}{sha256}", now)
    await connection.execute(marks.delete().where(marks.c.name == _IMPORTING))


async def _set(connection: AsyncConnection, name: str, value: Micros) -> None:
    await connection.execute(marks.delete().where(marks.c.name == name))
    await connection.execute(marks.insert().values(name=name, at=value))
