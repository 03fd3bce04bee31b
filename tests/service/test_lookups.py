"""Lookups that wait at the same time share one read."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from casebell.errors import StorageUnavailable
from casebell.service.lookups import Lookups
from casebell.store.engine import Connection, Store
from waiting import until


class Rows:
    """Rows that a test sets, and the reads of them; each waits until it is let."""

    def __init__(self, **rows: int) -> None:
        self.rows = rows
        self.reads: list[set[str]] = []
        self.let = asyncio.Event()
        self.failing: Exception | None = None

    async def find(self, connection: Connection, keys: Collection[str]) -> Mapping[str, int]:
        """Read them now, answer once it is let."""
        self.reads.append(set(keys))
        found = {key: self.rows[key] for key in keys if key in self.rows}
        await self.let.wait()
        if self.failing is not None:
            raise self.failing
        return found


async def turn(rows: Rows, reads: int) -> None:
    await until(lambda: len(rows.reads) >= reads, "the read")


async def test_shared(store: Store) -> None:
    """What comes during a read waits for the next, and all of that is one."""
    rows = Rows(a=1, b=2)
    lookups = Lookups(store, rows.find)
    first = asyncio.create_task(lookups.find("a"))
    await turn(rows, 1)
    others = [asyncio.create_task(lookups.find(key)) for key in ("a", "b", "c", "b")]
    await asyncio.sleep(0)
    rows.rows["a"] = 3
    rows.let.set()
    assert await first == 1
    # What changed before they were read is seen by those that were asked for after the first began.
    assert await asyncio.gather(*others) == [3, 2, None, 2]
    assert rows.reads == [{"a"}, {"a", "b", "c"}]
    await lookups.close()


async def test_who_goes_away(store: Store) -> None:
    """Others that wait for the same get their answer."""
    rows = Rows(a=1)
    lookups = Lookups(store, rows.find)
    gone, stays = [asyncio.create_task(lookups.find("a")) for _ in range(2)]
    await turn(rows, 1)
    gone.cancel()
    await asyncio.wait([gone])
    rows.let.set()
    assert await stays == 1
    assert gone.cancelled()


async def test_a_read_that_fails(store: Store) -> None:
    """Each that shares it is told, and the next is another read."""
    rows = Rows(a=1)
    rows.failing = StorageUnavailable()
    rows.let.set()
    lookups = Lookups(store, rows.find)
    found = await asyncio.gather(*map(lookups.find, "ab"), return_exceptions=True)
    assert [type(one) for one in found] == [StorageUnavailable] * 2
    rows.failing = None
    assert await lookups.find("a") == 1
    await lookups.close()
    await store.close()
    with pytest.raises(StorageUnavailable):
        await lookups.find("a")
