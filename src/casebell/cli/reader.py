"""How commands that only read reach the store: beside a running server, or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from casebell.errors import NotFound, StorageUnavailable
from casebell.settings import Settings
from casebell.store.engine import Connection, Store


class NothingStored(StorageUnavailable):
    """There is no database yet."""

    code = "nothing_stored"
    hint = "`casebell serve` creates it on its first start."


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Connection]:
    """A reading connection.

    Raises:
        NothingStored: nothing can be told of a database that is not there.
        StorageUnavailable: it cannot be read.
    """
    store = Store(settings.storage.url.get_secret_value())
    try:
        await store.open_for_reading()
    except NotFound:
        raise NothingStored from None
    try:
        async with store.read() as connection:
            yield connection
    finally:
        await store.close()
