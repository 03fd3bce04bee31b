"""SQLite files of closed databases: filled, looked into, and damaged in ways that happen."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from casebell.store.engine import Store
from contracts.case_events import classified_event
from contracts.decisions import append_classified
from contracts.writing import writing


async def fill(path: Path, keys: list[str], *, text: str = "Case Was Received") -> None:
    """Append events as the server does."""
    async with Store(f"sqlite:///{path}") as store, writing(store) as connection:
        received = [classified_event(key, text=text) for key in keys]
        await append_classified(connection, received)


def keys_in(path: Path) -> list[str]:
    """The keys of the events in a file, by number, and the file is left alone."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM events ORDER BY id")]


def change(path: Path, statement: str) -> None:
    """Change a closed database behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(statement)


def page_of(path: Path, name: str) -> tuple[int, int]:
    """Where the first page of a table or an index lies: offset and length in bytes."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
    return (root - 1) * size, size


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Damage a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def cut(path: Path) -> None:
    """A copy that stopped half-way."""
    os.truncate(path, path.stat().st_size // 2)


def garble_table(path: Path) -> None:
    """A page of a table that the disk lost."""
    offset, size = page_of(path, "events")
    overwrite(path, offset, bytes(size))


def garble_index(path: Path) -> None:
    """A page of an index that no listing reads."""
    offset, size = page_of(path, "ix_events_received_at_id")
    overwrite(path, offset, b"\xff" * size)


def lose_index_rows(path: Path) -> None:
    """An index that is well formed and lacks its rows."""
    offset, _ = page_of(path, "ix_events_status_id")
    # Number of cells of a leaf page (SQLite's file format, section 1.6).
    overwrite(path, offset + 3, b"\x00\x00")


def lose_entry(path: Path) -> None:
    """An entry that somebody deleted."""
    change(path, "DELETE FROM journal WHERE seq = 2")


def lose_first_entries(path: Path) -> None:
    """A journal that does not begin at its beginning."""
    change(path, "UPDATE journal SET seq = seq + 1000")


def lose_journal(path: Path) -> None:
    """Events of which nothing is told."""
    change(path, "DELETE FROM journal")


def lose_a_table(path: Path) -> None:
    """A database without its events."""
    change(path, "DROP TABLE events")


def no_database(path: Path) -> None:
    """Another kind of file."""
    path.write_bytes(b"Dear colleague, " * 1_000)


DAMAGES: list[Callable[[Path], None]] = [
    cut,
    garble_table,
    garble_index,
    lose_index_rows,
    lose_entry,
    lose_first_entries,
    lose_journal,
    lose_a_table,
    no_database,
]
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
