"""A docket as the router uses it: loaded, worked on, written in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from casebell.store.docket import Docket
from casebell.store.engine import Store
from casebell.store.tables import CoreTables, SqliteTables


@asynccontextmanager
async def docket_of(store: Store, *receipts: str) -> AsyncIterator[Docket]:
    """What is known of these receipts; what the block adds is written at its end."""
    if store.is_sqlite:
        async with store.read() as connection:
            docket = await Docket.load(connection, receipts)
        yield docket
        await store.write_at_once(lambda bare: docket.write(SqliteTables(bare)))
        return
    async with store.write() as connection:
        docket = await Docket.load(connection, receipts)
        yield docket
        await connection.run_sync(lambda core: docket.write(CoreTables(core)))
