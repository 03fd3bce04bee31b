"""The one writer: what waits to be written shares a transaction, and a wait for the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.errors import StorageUnavailable

Result = TypeVar("Result")
#: One write: it runs inside the transaction and returns a result for its caller.
WriteFunction: TypeAlias = Callable[[AsyncConnection], Awaitable[Result]]
#: A write and the future that its caller awaits.
_Waiting: TypeAlias = tuple[WriteFunction[Any], "asyncio.Future[Any]"]


class GroupCommit:
    """The one writer: runs all writes that wait, in order, and commits once.

    So they share one wait for the disk. Deliveries, the dispatcher and others write independently
    of each other: a write that fails is undone alone, by its savepoint.

    Args:
        transaction: opens the writing transaction, which commits when its block ends without error.
    """

    def __init__(
        self, transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._transaction = transaction
        self._waiting: list[_Waiting] = []
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
            with suppress(Exception):
                await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
        finally:
            self._task = None
            # None wait, unless something ended this task.
            if left := self._waiting:
                self._waiting = []
                fail(left, StorageUnavailable())

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        results: list[Any] = []
        try:
            async with self._transaction() as connection:
                for write, _ in batch:
                    results.append(await _run_alone(write, connection, of=len(batch)))
        except Exception as error:  # noqa: BLE001 - of any kind: each caller needs an answer
            fail(batch, error)
            return
        except BaseException:
            # It ends this task, and must not end those that wait for their writes.
            fail(batch, StorageUnavailable())
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, _Failed):
                future.set_exception(result.error)
            else:
                future.set_result(result)


def fail(batch: Iterable[tuple[object, "asyncio.Future[Any]"]], error: Exception) -> None:
    """Raise an error to each that waits; the first of a pair is what it waits for."""
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


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
