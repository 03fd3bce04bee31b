"""Looks rows up by a key: lookups that wait at the same time share one read.

A flood of forged tokens takes one reading connection and a read a turn, not one for each.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeAlias, TypeVar

from casebell.store.engine import Connection, Store

Row = TypeVar("Row")
#: Finds the rows of some keys.
Find: TypeAlias = Callable[[Connection, Collection[str]], Awaitable[Mapping[str, Row]]]


class Lookups(Generic[Row]):
    """Shares reads; a lookup never gets what was read before it was asked for."""

    def __init__(self, store: Store, find: Find[Row]) -> None:
        self._store = store
        self._find = find
        self._waiting: dict[str, asyncio.Future[Row | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, key: str) -> Row | None:
        """The row of a key.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="lookups")
        # Others may wait for the same.
        return await asyncio.shield(found)

    async def close(self) -> None:
        """Wait until every lookup is answered."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: Mapping[str, asyncio.Future[Row | None]]) -> None:
        try:
            async with self._store.read() as connection:
                rows = await self._find(connection, batch.keys())
        except Exception as error:  # noqa: BLE001 - of any kind: each caller needs an answer
            for found in batch.values():
                found.set_exception(error)
        else:
            for key, found in batch.items():
                found.set_result(rows.get(key))
