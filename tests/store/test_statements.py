"""Statements that are compiled once: rows go in and come out by the names of their columns."""

import pytest
from sqlalchemy import bindparam, select

from casebell.events import Micros
from casebell.store.engine import Connection, Store
from casebell.store.schema import cases
from casebell.store.statements import (
    Driver,
    Query,
    TableRow,
    Write,
    among,
    columns_of,
    insert,
    insert_new,
    upsert,
)


class Moved(TableRow):
    """A part of a case's row, in another order than the table's."""

    updated_at: Micros
    at: Micros
    receipt: str
    text: str
    status: str
    change_id: int


def moved(receipt: str, **fields: object) -> Moved:
    """Such a row."""
    given = {"updated_at": 9, "at": 5, "text": "Was Received", "status": "received"}
    return Moved(**{"receipt": receipt, "change_id": 1, **given, **fields})  # type: ignore[arg-type]


FIND = Query(
    Moved, lambda backend: select(*columns_of(cases, Moved)).where(among(cases.c.receipt, backend))
)
ALL = Query(Moved, lambda _: select(*columns_of(cases, Moved)).order_by(cases.c.receipt))


async def run(store: Store, write: Write[Moved], *rows: Moved) -> None:
    """Write rows in a transaction."""

    async def piece(connection: Connection) -> None:
        await (await Driver.of(connection)).run(write, rows)

    await store.transact(piece)


async def found(store: Store, query: Query[Moved], *receipts: str) -> list[Moved]:
    """Read rows."""
    async with store.read() as connection:
        driver = await Driver.of(connection)
        return await driver.fetch(query, among=receipts or None)


async def test_rows_come_back(store: Store) -> None:
    """Each value in its own field; those that are asked for, however many."""
    hostile = moved("b'; --", text="a\x01b 😀 %s ? $1", at=2**62)
    await run(store, insert(cases, Moved), moved("a"), hostile, moved("c"))
    assert await found(store, ALL) == [moved("a"), hostile, moved("c")]
    many = [f"none_{number}" for number in range(3_000)]
    assert await found(store, FIND, "b'; --", *many) == [hostile]
    assert await found(store, FIND, "nobody") == []


async def test_nothing_to_write(store: Store) -> None:
    """No rows are no statement."""
    await run(store, insert(cases, Moved))
    assert await found(store, ALL) == []


async def test_those_that_are_new(store: Store) -> None:
    """A row whose key is there stays as it is."""
    await run(store, insert(cases, Moved), moved("a"))
    await run(store, insert_new(cases, Moved), moved("a", status="denied"), moved("b"))
    assert await found(store, ALL) == [moved("a"), moved("b")]


async def test_those_that_are_there(store: Store) -> None:
    """A row whose key is there gets the other values."""
    await run(store, insert(cases, Moved), moved("a"))
    await run(store, upsert(cases, Moved), moved("a", status="denied"), moved("b"))
    assert await found(store, ALL) == [moved("a", status="denied"), moved("b")]


class TooFew(TableRow):
    """Lacks what the statement needs."""

    receipt: str


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_row_that_does_not_fit(backend: str) -> None:
    """It is found when the statement is compiled, and not when columns have been mixed up."""
    query = Query(TooFew, lambda _: select(cases.c.status, cases.c.receipt))
    with pytest.raises(TypeError, match="is not what is selected"):
        query.sql(backend)
    named = Query(TooFew, lambda _: select(cases.c.receipt).where(cases.c.at == bindparam("at")))
    with pytest.raises(TypeError, match="other values than `among`"):
        named.sql(backend)
    write = Write(
        TooFew, lambda _: cases.update().values(status=bindparam("status"), text=bindparam("text"))
    )
    with pytest.raises(TypeError, match="is not what is written"):
        write.compiled(backend)
