"""Pieces of writing that wait at the same time share one transaction, and so one wait for the disk.

Deliveries, the dispatcher and others each write for themselves, and do not know of one another.
What one of them gets wrong does not touch the others: its piece alone is undone.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")
#: Writes something inside the transaction, and returns what its caller wants to know.
Piece: TypeAlias = Callable[[AsyncConnection], Awaitable[Result]]


class GroupCommit:
    """The one writer: takes the pieces that wait, runs them in order, commits once.

    Args:
        transaction: opens the writing transaction; committed where its block ends without an error.
    """

    def __init__(
        self, transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._transaction = transaction
        self._waiting: list[tuple[Piece[Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, piece: Piece[Result]) -> Result:
        """What a piece returns, once it is on disk; or what it, or the transaction, raised.

        A piece whose caller is cancelled is written all the same.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((piece, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-writer")
        return await future

    async def close(self) -> None:
        """Wait for what is being written."""
        while self._task is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting = self._waiting, []
                await self._write(pieces)
        finally:
            self._task = None

    async def _write(self, pieces: Sequence[tuple[Piece[Any], asyncio.Future[Any]]]) -> None:
        results: list[Any] = []
        try:
            async with self._transaction() as connection:
                for piece, _ in pieces:
                    results.append(await _undone_alone(piece, connection, of=len(pieces)))
        except BaseException as error:
            for _, future in pieces:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(pieces, results, strict=True):
            if future.done():
                continue
            if isinstance(result, _Failed):
                future.set_exception(result.error)
            else:
                future.set_result(result)


class _Failed:
    """What a piece raised, once all it wrote was undone."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _undone_alone(piece: Piece[Any], connection: AsyncConnection, *, of: int) -> Any:
    """What a piece returns; the first of several that fails undoes nothing of the others."""
    if of == 1:
        return await piece(connection)
    savepoint = await connection.begin_nested()
    try:
        result = await piece(connection)
    except Exception as error:  # noqa: BLE001 - whoever handed it in is told
        # Raises where the database gave up the whole transaction, as it does on a full disk.
        await savepoint.rollback()
        return _Failed(error)
    await savepoint.commit()
    return result
