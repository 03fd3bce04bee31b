"""Pieces of writing that wait at the same time share one transaction, and so one wait for the disk.

The event log, the router and others each write for themselves, and do not know of one another. What
one of them gets wrong does not touch the others: its piece alone is undone.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Seconds that a patient piece waits at the most.
LONGEST_PATIENCE = 0.025

Work: TypeAlias = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a piece raised, once all it wrote was undone."""

    error: Exception


class Together:
    """Collects pieces and runs them.

    Args:
        transact: runs one piece of work in a transaction of its own.
    """

    def __init__(self, transact: Callable[[Work], Awaitable[Any]]) -> None:
        self._transact = transact
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writing: asyncio.Task[None] | None = None
        #: Set while a piece waits that should not.
        self._in_haste = asyncio.Event()
        #: Seconds that the last transaction took.
        self._took = 0.0

    async def write(self, work: Work, *, patient: bool = False) -> Any:
        """What a piece returns, once it is on disk; or what it, or the transaction, raised.

        Args:
            work: the piece.
            patient: it may wait for about as long as two transactions take, to share one.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if not patient:
            self._in_haste.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="store-writes")
        return await future

    async def close(self) -> None:
        """Wait for what is being written."""
        while self._writing is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._writing)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(2 * self._took, LONGEST_PATIENCE)):
                        await self._in_haste.wait()
                self._in_haste.clear()
                pieces, self._waiting = self._waiting, []
                began = time.monotonic()
                await self._write_some(pieces)
                self._took = time.monotonic() - began
        finally:
            self._writing = None

    async def _write_some(self, pieces: Sequence[tuple[Work, asyncio.Future[Any]]]) -> None:
        works = [work for work, _ in pieces]
        try:
            if len(works) == 1:
                results = [await self._transact(works[0])]
            else:
                results = await self._transact(lambda bare: [_piece(bare, work) for work in works])
        except BaseException as error:
            for _, future in pieces:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(pieces, results, strict=True):
            # Whoever waited may have gone; it is written all the same.
            if future.done():
                continue
            if isinstance(result, _Failed):
                future.set_exception(result.error)
            else:
                future.set_result(result)


def _piece(bare: sqlite3.Connection, work: Work) -> Any:
    bare.execute("SAVEPOINT piece")
    try:
        result = work(bare)
    except Exception as error:
        if not bare.in_transaction:
            # The database gave up all of it, as it does when the disk is full.
            raise
        bare.execute("ROLLBACK TO piece")
        result = _Failed(error)
    bare.execute("RELEASE piece")
    return result
