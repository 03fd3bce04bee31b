"""The tables inside one writing transaction: seven small verbs, said twice over.

On SQLite they run on the driver's bare connection, with statements compiled once and rows by
position; elsewhere through SQLAlchemy. `docs/decisions/0010-where-the-microseconds-go.md` has the
figures.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Table,
    Update,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from casebell.events import Flag
from casebell.store.rows import parse_words, words
from casebell.store.schema import events
from casebell.store.schema import journal as journal_table


class Stored(NamedTuple):
    """An event that is in the log: what is needed to tell a repeat from a conflict."""

    id: int
    body: bytes
    body_sha256: str


#: By (source, key).
Known: TypeAlias = dict[tuple[str, str], Stored]
#: The names of a row's columns.
Columns: TypeAlias = tuple[str, ...]


class Tables(Protocol):
    """The tables inside one writing transaction."""

    def last(self) -> tuple[int, int]:
        """The highest event id, and the journal's last sequence number; 0 where empty."""
        ...

    def known(self, keys: Iterable[tuple[str, str]]) -> Known:
        """Those events of these (source, key) that are there."""
        ...

    def insert(self, table: Table, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, each with these columns in this order."""
        ...

    def insert_new(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add those rows whose unique key is free; pass over the others."""
        ...

    def upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows; where the primary key is there, set the other columns given."""
        ...

    def run(self, statement: Update, rows: Sequence[dict[str, Any]]) -> None:
        """Run a statement with named parameters once for each row."""
        ...

    def add_flag(self, event_id: int, flag: Flag) -> None:
        """Add a flag to a stored event."""
        ...


class CoreTables:
    """The tables through SQLAlchemy: for any backend."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last(self) -> tuple[int, int]:
        """The highest event id and journal sequence number."""
        row = self._connection.execute(_LAST).one()
        return int(row[0]), int(row[1])

    def known(self, keys: Iterable[tuple[str, str]]) -> Known:
        """Those events that are there, by one query for each source."""
        by_source: dict[str, list[str]] = {}
        for source, key in keys:
            by_source.setdefault(source, []).append(key)
        return {
            (source, row.key): Stored(row.id, bytes(row.body), row.body_sha256)
            for source, of_source in by_source.items()
            for row in self._connection.execute(
                _KNOWN.where(events.c.source == source, events.c.key.in_(of_source))
            )
        }

    def insert(self, table: Table, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows."""
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        self._connection.execute(table.insert(), named)

    def insert_new(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add those rows whose unique key is free."""
        if rows:
            self._connection.execute(insert_new(self._connection.dialect.name, table), list(rows))

    def upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, or set the columns of those that are there."""
        statement = _upsert(self._connection.dialect.name, table, tuple(rows[0]))
        self._connection.execute(statement, list(rows))

    def run(self, statement: Update, rows: Sequence[dict[str, Any]]) -> None:
        """Run a statement once for each row."""
        self._connection.execute(statement, list(rows))

    def add_flag(self, event_id: int, flag: Flag) -> None:
        """Add a flag to a stored event."""
        here = events.c.id == event_id
        stored = self._connection.execute(select(events.c.flags).where(here)).scalar_one()
        self._connection.execute(events.update().where(here).values(flags=_with(stored, flag)))


class SqliteTables:
    """The same through the bare driver, in its own thread: the acknowledgement path."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last(self) -> tuple[int, int]:
        """The highest event id and journal sequence number."""
        row = self._connection.execute(_compiled(_LAST).sql).fetchone()
        return row[0], row[1]

    def known(self, keys: Iterable[tuple[str, str]]) -> Known:
        """Those events that are there: a seek of the unique index for each, a few at a time."""
        found: Known = {}
        asked = list(keys)
        for start in range(0, len(asked), _KEYS_AT_ONCE):
            some = [key for _, key in asked[start : start + _KEYS_AT_ONCE]]
            if len(some) > 1:
                # A statement for every number of keys would be compiled for every batch.
                some += some[-1:] * (_KEYS_AT_ONCE - len(some))
            for row in self._connection.execute(_known_sql(len(some)), some):
                found[row[0], row[1]] = Stored(row[2], row[3], row[4])
        # Another source may use the same key.
        return {name: found[name] for name in asked if name in found} if found else found

    def insert(self, table: Table, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows."""
        self._connection.executemany(_insert_sql(table, columns), rows)

    def insert_new(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add those rows whose unique key is free."""
        if rows:
            self._many(_compiled(insert_new("sqlite", table), tuple(rows[0])), rows)

    def upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, or set the columns of those that are there."""
        columns = tuple(rows[0])
        self._many(_compiled(_upsert("sqlite", table, columns), columns), rows)

    def run(self, statement: Update, rows: Sequence[dict[str, Any]]) -> None:
        """Run a statement once for each row."""
        self._many(_compiled(statement), rows)

    def _many(self, statement: "_Statement", rows: Sequence[dict[str, Any]]) -> None:
        # By position: the driver looks every name up again for every row.
        self._connection.executemany(statement.sql, map(statement.values, rows))

    def add_flag(self, event_id: int, flag: Flag) -> None:
        """Add a flag to a stored event."""
        stored = self._connection.execute(
            "SELECT flags FROM events WHERE id = ?", (event_id,)
        ).fetchone()[0]
        self._connection.execute(
            "UPDATE events SET flags = ? WHERE id = ?", (_with(stored, flag), event_id)
        )


_ZERO: ColumnElement[int] = literal_column("0")
_LAST = select(
    select(func.coalesce(func.max(events.c.id), _ZERO)).scalar_subquery(),
    select(func.coalesce(func.max(journal_table.c.seq), _ZERO)).scalar_subquery(),
)
_KNOWN = select(events.c.key, events.c.id, events.c.body, events.c.body_sha256)
#: Keys looked up by one statement.
_KEYS_AT_ONCE = 16


@cache
def _known_sql(count: int) -> str:
    asked = ", ".join("?" * count)
    return f"SELECT source, key, id, body, body_sha256 FROM events WHERE key IN ({asked})"  # noqa: S608 - question marks only


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement as the bare driver takes it."""

    sql: str
    #: Takes the values out of a row in the statement's order.
    values: Callable[[dict[str, Any]], tuple[Any, ...]]


@cache
def _compiled(statement: Any, columns: tuple[str, ...] = ()) -> _Statement:
    dialect = sqlite.dialect(paramstyle="qmark")
    compiled = statement.compile(dialect=dialect, column_keys=list(columns) or None)
    names = list(compiled.positiontup or ())
    values = itemgetter(*names) if len(names) > 1 else lambda row: tuple(row.values())
    return _Statement(str(compiled), values)


@cache
def _insert_sql(table: Table, columns: Columns) -> str:
    asked = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({asked})"  # noqa: S608 - names of ours


@cache
def insert_new(dialect: str, table: Table) -> Insert:
    """An INSERT that passes over rows whose unique key is taken, in the backend's dialect."""
    made = {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(table)
    statement: Insert = made.on_conflict_do_nothing()
    return statement


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    made = {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(table)
    key = [column.name for column in table.primary_key]
    given = {name: made.excluded[name] for name in columns if name not in key}
    statement: Insert = made.on_conflict_do_update(index_elements=key, set_=given)
    return statement


def _with(stored: str, flag: Flag) -> str:
    return words(parse_words(Flag, stored) | {flag})


def by_position(rows: Sequence[dict[str, Any]]) -> tuple[Columns, list[tuple[Any, ...]]]:
    """Rows with the same columns in the same order, as `Tables.insert` takes them."""
    return tuple(rows[0]), [tuple(row.values()) for row in rows]
