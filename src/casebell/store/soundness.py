"""Whether an SQLite file is whole: a glance at each start, everything for each copy.

SQLite keeps no checksums. What can be known without them: that its structure is whole (its own
check of every page), that this release knows the tables, and that the journal, which numbers its
entries from 1 without gaps, has lost none.
"""

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import sqlalchemy

from casebell.errors import StorageUnavailable
from casebell.events import Micros
from casebell.store import migrations
from casebell.store.schema import WAITING, metadata

#: What SQLite reports of a damaged file (its result codes), in its own words.
_DAMAGE = MappingProxyType(
    {
        sqlite3.SQLITE_CORRUPT: "database disk image is malformed",
        sqlite3.SQLITE_NOTADB: "file is not a database",
    }
)
#: Steps of SQLite's machine between two looks at whether the check should end.
_STEPS = 1_000_000


class DatabaseDamaged(StorageUnavailable):
    """The database file is damaged."""

    hint = (
        "Move it away with the -wal and -shm files beside it, then put a backup in its place: "
        "`casebell restore FILE`."
    )

    def __init__(self, reason: str) -> None:
        """`reason` is a clause without data: "its journal has gaps"."""
        self.reason = reason
        super().__init__(f"The database file is damaged: {reason}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a database holds, as far as two copies of it can be compared by it."""

    #: Version of the tables.
    revision: str
    events: int
    #: Entries of the journal.
    entries: int
    #: When the last of them was made; None where there is none.
    last_at: Micros | None
    #: Alerts that were neither sent nor failed.
    waiting: int


def damage(error: BaseException) -> str:
    """How SQLite calls the damage that it met; "" where the error is another."""
    code = getattr(error, "sqlite_errorcode", None)
    return "" if code is None else _DAMAGE.get(code & 0xFF, "")


def glance(connection: sqlalchemy.Connection) -> None:
    """Look at both ends of every table, where SQLite reports a file that was cut or overwritten.

    Takes as long for ten gigabytes as for one page; a whole check would keep the server from
    starting for minutes.
    """
    for name in sqlalchemy.inspect(connection).get_table_names():
        if name in metadata.tables:
            for end in ("ASC", "DESC"):
                sql = f"SELECT * FROM {name} ORDER BY rowid {end} LIMIT 1"  # noqa: S608 - our names
                connection.exec_driver_sql(sql).all()


def inspect_copy(path: Path) -> Contents:
    """Open a file that nobody writes, check all of it, and tell what it holds.

    Raises:
        DatabaseDamaged: it is not whole.
        StorageUnavailable: it cannot be read, or a later release wrote it.
        NotFound: it holds no tables of ours.
    """
    # Immutable: no side files are made beside a backup, and one on a read-only disk can be read.
    with told(), closing(opened(path, "mode=ro&immutable=1")) as connection:
        # Between two of SQLite's steps Python sees Ctrl-C, and SQLite then ends the check.
        connection.set_progress_handler(lambda: 0, _STEPS)
        if connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
            raise DatabaseDamaged("it failed SQLite's integrity check")
        return read_contents(connection)


def read_contents(connection: sqlite3.Connection) -> Contents:
    """What an open database holds.

    Raises:
        DatabaseDamaged: the journal lost entries.
        StorageUnavailable: a later release wrote it.
        NotFound: it holds no tables of ours.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "alembic_version" not in tables:
        raise migrations.nothing_there()
    versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if not versions:
        raise migrations.nothing_there()
    (revision,) = versions[0]
    migrations.known(revision)
    if not {"events", "journal", "alerts"} <= tables:
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
    """A connection of the standard library's, which begins no transaction by itself."""
    name = urllib.parse.quote(str(path.absolute()))
    return sqlite3.connect(f"file:{name}?{parameters}", uri=True, isolation_level=None)


@contextmanager
def told() -> Iterator[None]:
    """Turns SQLite's errors into ours. Its texts hold no data: no statement here has a value."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        reason = damage(error)
        if reason:
            raise DatabaseDamaged(reason) from None
        raise StorageUnavailable(f"The storage failed: {error}.") from None
