"""Statements that every delivery runs: SQLAlchemy Core, compiled once, run by the driver.

SQLAlchemy's own execution costs two to five times as much as the driver's public `executemany`,
which aiosqlite and asyncpg both have (docs/decisions/0010-where-the-microseconds-go.md). All other
statements are run by SQLAlchemy as documented, inside the same transaction.

A row is a Struct whose fields are columns, so the order of columns is not repeated anywhere.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar, dataclass_transform

import msgspec
from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, registry, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass_transform(frozen_default=True)
class TableRow(msgspec.Struct, frozen=True, gc=False):
    """A row of a table, or some columns of it: its fields are columns."""


R = TypeVar("R", bound=TableRow)

#: By backend: the dialect with its driver's placeholders.
_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": registry.load("postgresql.asyncpg")(),
}
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Driver:
    """Runs statements of this module on a transaction's connection."""

    def __init__(self, *, backend: str, connection: Any) -> None:
        self._backend = backend
        self._connection = connection

    @classmethod
    async def of(cls, connection: AsyncConnection) -> "Driver":
        """The driver of a connection, inside its transaction."""
        return cls(backend=connection.dialect.name, connection=await driver_of(connection))

    async def fetch(
        self, query: "Query[R]", *, among: Iterable[str] | Iterable[int] | None = None
    ) -> list[R]:
        """The rows that a query finds.

        Args:
            among: the values that the column of its `among` condition may have.
        """
        given = () if among is None else (json.dumps(list(among)),)
        sql = query.sql(self._backend)
        if self._backend == "sqlite":
            found = await self._connection.execute_fetchall(sql, given)
        else:
            found = await self._connection.fetch(sql, *given)
        return [query.row(*one) for one in found]

    async def run(self, write: "Write[R]", rows: Sequence[R]) -> None:
        """Run a statement once for each row."""
        if rows:
            sql, values = write.compiled(self._backend)
            await self._connection.executemany(sql, [values(row) for row in rows])

    async def read_all(self, *reads: Coroutine[Any, Any, Any]) -> list[Any]:
        """The results of reads that do not need each other's, in their order.

        aiosqlite's thread takes them from its queue without a turn of the event loop between two of
        them, which is what a delivery that comes alone pays most for. asyncpg takes one at a time.

        Never for writes: SQLite rolls a transaction back by itself on a full disk, and a write that
        waits behind the failed one would then be a transaction of its own, and stay.
        """
        if self._backend == "sqlite":
            return await asyncio.gather(*reads)
        try:
            return [await read for read in reads]
        finally:
            for read in reads:
                # Nothing to do for one that has run; the others are not waited for any more.
                read.close()


async def driver_of(connection: AsyncConnection) -> Any:
    """The driver's own connection: aiosqlite's or asyncpg's."""
    return (await connection.get_raw_connection()).driver_connection


class Query(Generic[R]):
    """A SELECT of rows of one type.

    Args:
        row: their type.
        build: returns the statement for a backend.
    """

    def __init__(self, row: type[R], build: Callable[[str], Select[Any]]) -> None:
        self.row = row
        self._build = build
        self.sql = cache(self._compile)

    def _compile(self, backend: str) -> str:
        statement = self._build(backend)
        names = tuple(statement.selected_columns.keys())
        if names != self.row.__struct_fields__:
            raise TypeError(f"{self.row.__name__} is not what is selected: {names}")
        compiled = statement.compile(dialect=_DIALECTS[backend])
        if not set(compiled.positiontup or ()) <= {"among"}:
            raise TypeError(f"{self.row.__name__} is selected by other values than `among`")
        return str(compiled)


class Write(Generic[R]):
    """An INSERT or UPDATE that is run once for each row.

    Args:
        row: the type of its parameters.
        build: returns the statement for a backend.
    """

    def __init__(self, row: type[R], build: Callable[[str], Insert | Update]) -> None:
        self._row = row
        self._build = build
        self.compiled = cache(self._compile)

    def _compile(self, backend: str) -> tuple[str, Callable[[R], Sequence[Any]]]:
        fields = self._row.__struct_fields__
        statement = self._build(backend).inline()
        keys = list(fields) if isinstance(statement, Insert) else None
        compiled = statement.compile(dialect=_DIALECTS[backend], column_keys=keys)
        names = tuple(compiled.positiontup or ())
        if set(names) != set(fields):
            raise TypeError(f"{self._row.__name__} is not what is written: {names}")
        values: Callable[[R], Sequence[Any]] = (
            msgspec.structs.astuple if names == fields else attrgetter(*names)
        )
        return str(compiled), values


def columns_of(table: Table, row: type[TableRow]) -> list[ColumnElement[Any]]:
    """The columns of a table that are fields of a row type."""
    return [table.c[name] for name in row.__struct_fields__]


def highest(column: ColumnElement[int]) -> ColumnElement[int]:
    """The highest value of a column; 0 without rows."""
    return func.coalesce(func.max(column), literal_column("0"))


def among(column: ColumnElement[Any], backend: str) -> ColumnElement[bool]:
    """Whether a column of texts or numbers has one of the values of `Driver.fetch`.

    They are passed as one JSON array, so that one statement serves any number of them.
    """
    if backend == "sqlite":
        given = func.json_each(bindparam("among")).table_valued("value")
        return column.in_(select(given.c.value))
    array = cast(bindparam("among"), postgresql.JSONB)
    value = func.jsonb_array_elements_text(array).column_valued("value")
    return column.in_(select(cast(value, column.type)))


def insert(table: Table, row: type[R]) -> Write[R]:
    """A statement that inserts rows."""
    return Write(row, lambda _: table.insert())


def insert_new(table: Table, row: type[R]) -> Write[R]:
    """A statement that inserts the rows whose unique key is new, and ignores the others."""
    return Write(row, lambda backend: _INSERTS[backend](table).on_conflict_do_nothing())


def upsert(table: Table, row: type[R]) -> Write[R]:
    """A statement that inserts rows, and updates those whose primary key exists."""

    def build(backend: str) -> Insert:
        made = _INSERTS[backend](table)
        key = [column.name for column in table.primary_key]
        given = {name: made.excluded[name] for name in row.__struct_fields__ if name not in key}
        statement: Insert = made.on_conflict_do_update(index_elements=key, set_=given)
        return statement

    return Write(row, build)
