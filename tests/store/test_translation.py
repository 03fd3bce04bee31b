"""A database's errors become ours, without the data, the statement or the URL in their texts."""

import errno
import os
import socket
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from casebell.errors import StorageUnavailable
from casebell.store.engine import Connection, Store, translated
from casebell.store.integrity import DatabaseDamaged
from casebell.store.schema import keys

SECRET = "hunter2"


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
        with pytest.raises(StorageUnavailable, match="database is locked") as caught, translated():
            raise error
        assert SECRET not in f"{caught.value} {caught.value.__cause__}"


def test_anything_else_is_named_by_its_kind() -> None:
    """Its text may quote what was written."""
    with pytest.raises(StorageUnavailable, match="IntegrityError") as caught, translated():
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
    """No host, no answer, no listener: each is told apart."""
    with pytest.raises(StorageUnavailable, match=says) as caught, translated():
        raise error
    assert SECRET not in str(caught.value)


def test_a_damaged_file(tmp_path: Path) -> None:
    """It is told as what it is, with the way back."""
    path = tmp_path / "casebell.db"
    path.write_bytes(b"Dear colleague, " * 1_000)
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(DatabaseDamaged, match="not a database") as caught, translated():
            connection.execute("SELECT * FROM events")
    finally:
        connection.close()
    assert "casebell restore" in caught.value.hint


def test_what_is_not_the_databases_passes() -> None:
    """A defect of ours is not storage that fails."""
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


async def test_a_value_that_no_database_takes(store: Store) -> None:
    """It is a defect of ours, and not a failure that ends by waiting."""

    async def write(connection: Connection) -> None:
        await connection.execute(keys.insert().values(name="\ud800", key=b""))

    with pytest.raises(Exception, match="surrogates") as caught:
        await store.transact(write)
    assert not isinstance(caught.value, StorageUnavailable)
