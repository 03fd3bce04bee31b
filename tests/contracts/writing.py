"""A writing transaction as a block, for tests that write row by row."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from casebell.store.engine import Connection, Store


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[Connection]:
    """The transaction is committed when the block ends, and undone when it raises."""
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[Connection] = loop.create_future()
    ended: asyncio.Future[None] = loop.create_future()

    async def piece(connection: Connection) -> None:
        begun.set_result(connection)
        await ended

    written = asyncio.create_task(store.transact(piece))
    either: set[asyncio.Future[Any]] = {begun, written}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        await written
    try:
        yield begun.result()
    except Exception as error:
        # It comes back as the store's callers see it.
        if not ended.done():
            ended.set_exception(error)
        await written
        raise
    except BaseException:
        ended.set_exception(_Undone())
        await asyncio.wait([written])
        raise
    if not ended.done():
        ended.set_result(None)
    await written


class _Undone(Exception):
    """The block was left."""
