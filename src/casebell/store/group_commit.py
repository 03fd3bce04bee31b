"""Writes that wait at the same time share one transaction, and so one wait for the disk.

Deliveries, the dispatcher and others write independently of each other. A write that fails is
undone alone, by its savepoint.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")
#: One write: it runs inside the transaction and returns a result for its caller.
WriteFunction: TypeAlias = Callable[[AsyncConnection], Awaitable[Result]]


class GroupCommit:
    """The one writer: runs all writes that wait, in order, and commits once.

    Args:
        transaction: opens the writing transaction, which commits when its block ends without error.
    """

    def __init__(
        self, transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._transaction = transaction
        self._waiting: list[tuple[WriteFunction[Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, write: WriteFunction[Result]) -> Result:
        """Run a write; return its result once it is on disk, or raise its or the commit's error.

        A write whose caller is cancelled is committed nevertheless.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-writer")
        return await future

    async def close(self) -> None:
        """Wait until every write is finished."""
        while self._task is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
        finally:
            self._task = None

    async def _commit(
        self, batch: Sequence[tuple[WriteFunction[Any], asyncio.Future[Any]]]
    ) -> None:
        results: list[Any] = []
        try:
            async with self._transaction() as connection:
                for write, _ in batch:
                    results.append(await _run_alone(write, connection, of=len(batch)))
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, _Failed):
                future.set_exception(result.error)
            else:
                future.set_result(result)


class _Failed:
    """The error of a write, after its savepoint was rolled back."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _run_alone(write: WriteFunction[Any], connection: AsyncConnection, *, of: int) -> Any:
    """Run a write; one of several runs in a savepoint, so that its failure undoes only itself."""
    if of == 1:
        return await write(connection)
    savepoint = await connection.begin_nested()
    try:
        result = await write(connection)
    except Exception as error:  # noqa: BLE001 - raised to the caller of this write
        # Raises when the database gave up the whole transaction, as it does on a full disk.
        await savepoint.rollback()
        return _Failed(error)
    await savepoint.commit()
    return result
