"""Checks that an SQLite file is undamaged: a quick one at each start, a full one for each copy.

SQLite keeps no checksums. The full check is: SQLite's own check of every page's
structure; this release knows the tables; the journal, whose entries are numbered from 1 without
gaps, has lost none.
"""

import asyncio
import sqlite3
import urllib.parse
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.errors import NothingStored
from casebell.events import Micros
from casebell.store import migrations, soundness
from casebell.store.schema import WAITING, metadata
from casebell.store.statements import driver_of
from casebell.store.translation import DatabaseDamaged, sqlite_errors

#: What SQLite files of ours have as their application_id; 0.2.0 wrote none.
APPLICATION_ID = 0x4342_6C6C
#: Tables that every release had.
OURS = frozenset({"alembic_version", "events", "journal", "alerts"})
#: Instructions of SQLite's virtual machine after which Python can react to Ctrl-C.
_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """Figures by which a database and its copy are compared."""

    #: Version of the tables.
    revision: str
    events: int
    #: Entries of the journal.
    entries: int
    #: When the last entry was made; None without entries.
    last_at: Micros | None
    #: Alerts that were neither sent nor failed.
    waiting: int
    #: How its tables differ from this release's; nothing of those of an earlier one.
    differences: tuple[str, ...] = ()


async def quick_check(connection: AsyncConnection) -> None:
    """Read the first and last row of every table: that finds a truncated or overwritten file.

    It takes as long for ten gigabytes as for one page; a full check would delay the start of the
    server by minutes. Past SQLAlchemy, whose cursors are four turns of the driver's thread each.
    """
    driver = await driver_of(connection)
    found = await driver.execute_fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")
    there = metadata.tables.keys() & {name for (name,) in found}
    await asyncio.gather(*(driver.execute_fetchall(_first_and_last(name)) for name in there))


def _first_and_last(table: str) -> str:
    """The query of a table's first row and its last."""
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT * FROM {table} ORDER BY rowid {end} LIMIT 1)"  # noqa: S608 - ours
        for end in ("ASC", "DESC")
    )


def inspect_copy(path: Path) -> Contents:
    """Check the whole of a file that no process writes; return its figures.

    Raises:
        DatabaseDamaged: a check failed.
        StorageUnavailable: it cannot be read, or a later release wrote it.
        NothingStored: it holds no tables of ours.
    """
    # Immutable: no side files are made beside a backup, and one on a read-only disk can be read.
    with sqlite_errors(path), closing(opened(path, "mode=ro&immutable=1")) as connection:
        # The handler does nothing: Python can react to Ctrl-C in it, and SQLite then stops.
        connection.set_progress_handler(lambda: 0, _STEPS)
        if connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
            raise DatabaseDamaged("it failed SQLite's integrity check")
        contents = read_contents(connection)
        if contents.revision != migrations.VERSIONS[-1]:
            return contents
        return replace(contents, differences=tuple(soundness.differences_in(connection)))


def read_contents(connection: sqlite3.Connection) -> Contents:
    """The figures of an open database.

    Raises:
        DatabaseDamaged: the journal lost entries.
        StorageUnavailable: a later release wrote it.
        NothingStored: it holds no tables of ours.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application not in (0, APPLICATION_ID) or "alembic_version" not in tables:
        raise NothingStored
    versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if not versions:
        raise NothingStored
    (revision,) = versions[0]
    migrations.known(revision)
    if not tables >= OURS:
        raise DatabaseDamaged("tables are missing")
    (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    entries, first, last = connection.execute(
        "SELECT count(*), min(seq), max(seq) FROM journal"
    ).fetchone()
    if entries and (first, last) != (1, entries):
        raise DatabaseDamaged("its journal has gaps")
    if entries < events:
        raise DatabaseDamaged("it has events that its journal does not tell of")
    last_at = connection.execute("SELECT at FROM journal WHERE seq = ?", (last,)).fetchone()
    (waiting,) = connection.execute(
        f"SELECT count(*) FROM alerts WHERE {WAITING.text}"  # noqa: S608 - a constant
    ).fetchone()
    return Contents(
        revision=revision,
        events=events,
        entries=entries,
        last_at=last_at[0] if last_at else None,
        waiting=waiting,
    )


def opened(path: Path, parameters: str) -> sqlite3.Connection:
    """A connection of the standard library's sqlite3, without automatic transactions."""
    name = urllib.parse.quote(str(path.absolute()))
    return sqlite3.connect(f"file:{name}?{parameters}", uri=True, isolation_level=None)
