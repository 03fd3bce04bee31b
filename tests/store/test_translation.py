"""A database's errors become ours, without the data, the statement or the URL in their texts."""

import errno
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from casebell.errors import StorageUnavailable
from casebell.store.database_url import parse
from casebell.store.engine import Connection, Store, translated
from casebell.store.schema import keys
from casebell.store.translation import DatabaseDamaged, file_whereabouts, whereabouts

SECRET = "hunter2"
FILE = whereabouts(parse("sqlite:////var/lib/casebell/casebell.db"))
SERVER = whereabouts(parse(f"postgresql://clerk:{SECRET}@db.example:5433/cases"))


def locked(path: Path) -> sqlite3.OperationalError:
    """What SQLite says where another program writes."""
    first, second = (sqlite3.connect(path, isolation_level=None, timeout=0) for _ in range(2))
    try:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            second.execute("BEGIN IMMEDIATE")
    finally:
        first.close()
        second.close()
    return caught.value


def test_sqlites_own_words(tmp_path: Path) -> None:
    """Where an operator can act on them, also inside SQLAlchemy's error."""
    cause = locked(tmp_path / "casebell.db")
    for error in (cause, OperationalError(f"INSERT {SECRET}", {"body": SECRET}, cause)):
        with (
            pytest.raises(StorageUnavailable, match="database is locked") as caught,
            translated(FILE),
        ):
            raise error
        assert SECRET not in f"{caught.value} {caught.value.__cause__}"


def test_anything_else_is_named_by_its_kind() -> None:
    """Its text may quote what was written."""
    with pytest.raises(StorageUnavailable, match="IntegrityError") as caught, translated(FILE):
        raise sqlite3.IntegrityError(f"not unique: {SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(-2, SECRET), "no known address"),
        (TimeoutError(SECRET), "does not answer"),
        (OSError(errno.ECONNREFUSED, SECRET), os.strerror(errno.ECONNREFUSED)),
    ],
)
def test_the_way_to_the_database(error: OSError, says: str) -> None:
    """No host, no answer, no listener: each is told apart, with where, and what to look at."""
    with pytest.raises(StorageUnavailable, match=says) as caught, translated(SERVER):
        raise error
    assert "PostgreSQL at db.example, port 5433, database cases" in caught.value.message
    assert ("pg_isready -h db.example -p 5433" in caught.value.hint) is ("address" not in says)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_several_addresses_of_a_host() -> None:
    """Where none of them could be reached, the system's reason for the first is told."""
    error = OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 5432, 0, 0), …")
    with pytest.raises(StorageUnavailable, match="Connection refused"), translated(SERVER):
        raise error


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:////srv/my cases/casebell.db", "/srv/my cases/casebell.db"),
        (f"postgresql://u:{SECRET}@/cases?host=/run/pg", "at /run/pg, port 5432, database cases"),
        (f"postgresql://u:{SECRET}@[2001:db8::1]/cases", "at 2001:db8::1, port 5432"),
    ],
)
def test_where_it_is(url: str, place: str) -> None:
    """A file by its path, a server by host, port and database; nothing of who logs in."""
    where = whereabouts(parse(url))
    assert place in where["place"]
    assert SECRET not in str(where)


def test_a_full_disk(tmp_path: Path) -> None:
    """SQLite's reason with its code, the file, and the command that shows the room on its disk."""
    path = tmp_path / "casebell.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with (
            pytest.raises(StorageUnavailable, match="disk is full, SQLITE_FULL") as caught,
            translated(file_whereabouts(path)),
        ):
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert str(path) in caught.value.message
    assert f"df -h {tmp_path}" in caught.value.hint


def test_a_damaged_file(tmp_path: Path) -> None:
    """It is told as what it is, with the way back."""
    path = tmp_path / "casebell.db"
    path.write_bytes(b"Dear colleague, " * 1_000)
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(DatabaseDamaged, match="not a database") as caught, translated(FILE):
            connection.execute("SELECT * FROM events")
    finally:
        connection.close()
    assert "casebell restore" in caught.value.hint


def test_what_is_not_the_databases_passes() -> None:
    """A defect of ours is not storage that fails."""
    with pytest.raises(ZeroDivisionError), translated(FILE):
        raise ZeroDivisionError


async def test_a_value_that_no_database_takes(store: Store) -> None:
    """It is a defect of ours, and not a failure that ends by waiting."""

    async def write(connection: Connection) -> None:
        await connection.execute(keys.insert().values(name="\ud800", key=b""))

    with pytest.raises(Exception, match="surrogates") as caught:
        await store.transact(write)
    assert not isinstance(caught.value, StorageUnavailable)
