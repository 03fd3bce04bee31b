"""Pieces of writing share a transaction, and nothing else."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from casebell.errors import StorageUnavailable
from casebell.store import together
from casebell.store.engine import Store
from contracts.workbench import writer_busy
from waiting import TIMEOUT, until

Piece = Callable[[sqlite3.Connection], Any]


def adds(name: str) -> Piece:
    """A piece that adds one row, and returns its name."""

    def work(bare: sqlite3.Connection) -> str:
        bare.execute("INSERT INTO keys VALUES (?, x'00')", (name,))
        return name

    return work


def fails(name: str, error: Exception) -> Piece:
    """A piece that adds a row and then fails."""

    def work(bare: sqlite3.Connection) -> None:
        adds(name)(bare)
        raise error

    return work


async def names(store: Store) -> list[str]:
    """The rows that are there."""
    return await store.read_at_once(
        lambda bare: [row[0] for row in bare.execute("SELECT name FROM keys ORDER BY name")]
    )


def begun(store: Store) -> bool:
    """Whether all pieces that were given in are in the hands of a transaction."""
    return store._together._writing is not None and not store._together._waiting


async def written(store: Store, *pieces: Piece) -> list[Any]:
    """What becomes of pieces that all wait while the writer is busy."""
    async with writer_busy(store):
        tasks = [asyncio.create_task(store.write_at_once(piece)) for piece in pieces]
        await until(lambda: begun(store), "the transaction to begin")
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_transaction(sqlite_store: Store) -> None:
    """What waits together is committed together, in order, and each gets what it returned."""
    synced: list[int] = []
    transact = sqlite_store._together._transact

    async def watched(work: Piece) -> Any:
        synced.append(1)
        return await transact(work)

    sqlite_store._together._transact = watched
    results = await written(sqlite_store, *(adds(f"key-{number}") for number in range(9)))
    assert results == [f"key-{number}" for number in range(9)]
    assert len(synced) == 1
    assert len(await names(sqlite_store)) == 9


async def test_one_that_fails_is_undone_alone(sqlite_store: Store) -> None:
    """A piece that fails leaves nothing behind and takes nobody along."""
    results = await written(
        sqlite_store,
        adds("first"),
        adds("a"),
        fails("b", LookupError("ours")),
        fails("c", sqlite3.IntegrityError("the database's")),
        adds("d"),
    )
    assert [result for result in results if isinstance(result, str)] == ["first", "a", "d"]
    assert [type(result) for result in results[2:4]] == [LookupError, StorageUnavailable]
    assert await names(sqlite_store) == ["a", "d", "first"]


async def test_a_transaction_that_fails_fails_for_all(sqlite_store: Store) -> None:
    """When the database gives all of it up, everybody is told, and the next one works."""

    def gives_up(bare: sqlite3.Connection) -> None:
        bare.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    results = await written(sqlite_store, adds("first"), adds("a"), gives_up, adds("b"))
    assert [type(result) for result in results] == [StorageUnavailable] * 4
    assert await names(sqlite_store) == []
    assert await sqlite_store.write_at_once(adds("after")) == "after"


async def test_a_patient_one_joins(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece that may wait is written with one that comes soon, or alone after a short while."""
    await sqlite_store.write_at_once(adds("first"))
    # It would wait for longer than the test.
    monkeypatch.setattr(together, "LONGEST_PATIENCE", 3 * TIMEOUT)
    sqlite_store._together._took = 3 * TIMEOUT
    began = time.monotonic()
    waiting = asyncio.create_task(sqlite_store.write_at_once(adds("patient"), patient=True))
    await until(lambda: sqlite_store._together._waiting, "the patient piece")
    assert await sqlite_store.write_at_once(adds("hasty")) == "hasty"
    assert waiting.done()
    await waiting
    await sqlite_store.write_at_once(adds("alone"), patient=True)
    assert time.monotonic() - began < TIMEOUT
    assert await names(sqlite_store) == ["alone", "first", "hasty", "patient"]


@pytest.mark.parametrize("patient", [False, True])
async def test_whoever_goes_keeps_nobody(sqlite_store: Store, *, patient: bool) -> None:
    """A piece whose writer no longer waits disturbs no other."""
    async with writer_busy(sqlite_store):
        gone = asyncio.create_task(sqlite_store.write_at_once(adds("gone"), patient=patient))
        stays = asyncio.create_task(sqlite_store.write_at_once(adds("stays")))
        await until(lambda: begun(sqlite_store), "the transaction to begin")
        gone.cancel()
        await asyncio.wait([gone])
    assert await stays == "stays"


async def test_closing_waits(sqlite_store: Store) -> None:
    """What is being written when the store closes is written."""
    async with writer_busy(sqlite_store):
        writing = asyncio.create_task(sqlite_store.write_at_once(adds("last")))
        await until(lambda: begun(sqlite_store), "the transaction to begin")
        closing = asyncio.create_task(sqlite_store.close())
    await closing
    assert await writing == "last"
