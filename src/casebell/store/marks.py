"""When something was last done that is asked for later, such as a backup or an import."""

from collections.abc import Mapping
from enum import Enum, auto

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import marks
from casebell.store.statements import Driver, TableRow, insert_new

#: `casebell backup` copied the database.
BACKUP = "backup"
#: How a name begins under which something of a source is noted: when a repeat came, which no table
#: says of a source; since when deliveries are expected; and since when it is silent, once
#: operations know.
HEARD, EXPECTED, SILENT = "heard:", "expected:", "silent:"
#: The same of a target, by `target_mark`: since when its channel has a self-test.
_TARGET = "target:"
#: Some server is importing the firm's list of cases, until this time.
_IMPORTING = "case_list"
#: The list of this SHA-256 was imported last.
_IMPORTED = "case_list:"


class _Mark(TableRow):
    name: str
    at: Micros


_NEW = insert_new(marks, _Mark)


def target_mark(channel: str, target: str) -> str:
    """The name under which it is noted when a target was first known."""
    return f"{_TARGET}{channel}:{target}"


async def at(connection: AsyncConnection, name: str) -> Micros | None:
    """When it was last done; None if it never was."""
    found: Micros | None = (
        await connection.execute(select(marks.c.at).where(marks.c.name == name))
    ).scalar_one_or_none()
    return found


async def named(connection: AsyncConnection, prefix: str) -> Mapping[str, Micros]:
    """What is noted under names that begin so, by the rest of the name."""
    # There are few rows: sources, and targets of channels with a self-test.
    statement = select(marks.c.name, marks.c.at).where(marks.c.name.startswith(prefix))
    return {name.removeprefix(prefix): at for name, at in await connection.execute(statement)}


async def first_targets(connection: AsyncConnection) -> Mapping[str, Micros]:
    """When targets were first known, by `target_mark`."""
    found = await named(connection, _TARGET)
    return {f"{_TARGET}{rest}": at for rest, at in found.items()}


async def first(connection: AsyncConnection, name: str, *, now: Micros) -> Micros:
    """When something was first noted: now, unless it was before; of two servers both get one."""
    await (await Driver.of(connection)).run(_NEW, [_Mark(name=name, at=now)])
    found = await connection.execute(select(marks.c.at).where(marks.c.name == name))
    return int(found.scalar_one())


async def advance(connection: AsyncConnection, name: str, value: Micros) -> None:
    """Note when something last was; a later time stays."""
    if await first(connection, name, now=value) < value:
        later = marks.update().where(marks.c.name == name, marks.c.at < value)
        await connection.execute(later.values(at=value))


async def take(connection: AsyncConnection, name: str) -> Micros | None:
    """Forget what was noted; None where nothing is, or another server took it."""
    taken = marks.delete().where(marks.c.name == name).returning(marks.c.at)
    found: Micros | None = (await connection.execute(taken)).scalar_one_or_none()
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
