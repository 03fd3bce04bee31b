"""Pieces of writing share a transaction, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from casebell.errors import StorageUnavailable
from casebell.store.engine import Connection, Store
from casebell.store.schema import keys
from contracts.stores import recorded_transactions, writer_busy

Piece = Callable[[Connection], Awaitable[Any]]


def adds(name: str) -> Piece:
    """A piece that adds one row, and returns its name."""

    async def piece(connection: Connection) -> str:
        await connection.execute(keys.insert().values(name=name, key=b"\0"))
        return name

    return piece


def fails(name: str, error: Exception) -> Piece:
    """A piece that adds a row and then fails."""

    async def piece(connection: Connection) -> None:
        await adds(name)(connection)
        raise error

    return piece


async def names(store: Store) -> list[str]:
    """The rows that are there."""
    async with store.read() as connection:
        return list((await connection.execute(select(keys.c.name).order_by(keys.c.name))).scalars())


async def wait_for_turn(store: Store, *pieces: Piece) -> list[asyncio.Task[Any]]:
    """Hand in pieces while the writer is busy."""
    tasks = [asyncio.create_task(store.transact(piece)) for piece in pieces]
    # Each task hands in its piece in the next turn of the loop.
    await asyncio.sleep(0)
    return tasks


async def written(store: Store, *pieces: Piece) -> list[Any]:
    """What becomes of pieces that all wait while the writer is busy."""
    async with writer_busy(store):
        tasks = await wait_for_turn(store, *pieces)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_transaction(store: Store) -> None:
    """What waits together is committed together, in order, and each gets what it returned."""
    with recorded_transactions(store) as begun:
        results = await written(store, *(adds(f"key-{number}") for number in range(9)))
    assert results == [f"key-{number}" for number in range(9)]
    # One for whoever kept the writer busy.
    assert len(begun) == 2
    assert len(await names(store)) == 9


async def test_one_that_fails_is_undone_alone(store: Store) -> None:
    """A piece that fails leaves nothing behind and takes nobody along."""
    results = await written(
        store,
        adds("first"),
        adds("a"),
        fails("b", LookupError("ours")),
        adds("a"),
        adds("d"),
    )
    assert [result for result in results if isinstance(result, str)] == ["first", "a", "d"]
    assert [type(result) for result in results[2:4]] == [LookupError, StorageUnavailable]
    assert isinstance(results[3].__context__, IntegrityError)
    assert await names(store) == ["a", "d", "first"]


async def test_a_transaction_that_fails_fails_for_all(store: Store) -> None:
    """When the database gives all of it up, everybody is told, and the next one works."""

    async def gives_up(connection: Connection) -> None:
        await connection.execute(text("ROLLBACK"))
        raise LookupError

    results = await written(store, adds("first"), adds("a"), gives_up, adds("b"))
    assert [type(result) for result in results] == [StorageUnavailable] * 4
    assert await names(store) == []
    assert await store.transact(adds("after")) == "after"


async def test_a_cancellation_ends_nobody_else(store: Store) -> None:
    """Those that share its transaction and those that came later are told, and it goes on."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def is_cancelled(_connection: Connection) -> None:
        began.set()
        await goes_on.wait()
        raise asyncio.CancelledError

    async with writer_busy(store):
        shared = await wait_for_turn(store, adds("a"), is_cancelled, adds("b"))
    await began.wait()
    (later,) = await wait_for_turn(store, adds("later"))
    goes_on.set()
    async with asyncio.timeout(5):
        told = await asyncio.gather(*shared, later, return_exceptions=True)
    assert [type(one) for one in told] == [StorageUnavailable] * 4
    assert await names(store) == []
    assert await store.transact(adds("after")) == "after"


@pytest.mark.parametrize("begun", [False, True])
async def test_whoever_goes_keeps_nobody(store: Store, *, begun: bool) -> None:
    """A piece whose caller no longer waits is written, and disturbs no other."""
    async with writer_busy(store):
        gone, stays = await wait_for_turn(store, adds("gone"), adds("stays"))
        if not begun:
            gone.cancel()
            await asyncio.wait([gone])
    if begun:
        gone.cancel()
    assert await stays == "stays"
    assert await names(store) == ["gone", "stays"]


async def test_closing_waits(store: Store) -> None:
    """What waits to be written when the store closes is written."""
    async with writer_busy(store):
        (writing,) = await wait_for_turn(store, adds("last"))
        closing = asyncio.create_task(store.close())
    await closing
    assert await writing == "last"
