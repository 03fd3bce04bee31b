"""The service without a server: a command opens the store itself."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from casebell.clock import SystemClock
from casebell.errors import ServerUnreachable
from casebell.service import ACTOR
from casebell.service.reading import Reading
from casebell.settings import Settings
from casebell.store import marks
from casebell.store.engine import Store
from casebell.store.lock import is_locked


def read_store(settings: Settings, verb: str, arguments: Mapping[str, Any]) -> Any:
    """Run a verb that only reads; its value.

    Raises:
        CasebellError: as the verb says, or as `open_reading` does.
    """

    async def ask() -> Any:
        async with open_reading(settings) as found:
            return await found.verbs()[verb](**arguments)

    return asyncio.run(ask())


def run_verb(settings: Settings, verb: str, arguments: Mapping[str, Any]) -> Any:
    """Run a verb that writes; its value.

    Raises:
        ServerUnreachable: a server holds the database.
        CasebellError: as the verb says.
    """
    from casebell.runtime import Runtime
    from casebell.telemetry import configure_logging

    database = settings.storage.sqlite_path
    if database is not None and is_locked(database):
        raise ServerUnreachable(
            f"A server holds the database, but none answers at {settings.socket}.",
            hint="It may be starting or ending just now, or have another server.socket.",
        )
    # The command prints what came of it; log lines would stand among its answers.
    configure_logging(io.StringIO())
    runtime = Runtime(settings, clock=SystemClock())

    async def carry_out() -> Any:
        async with runtime.opened():
            return await runtime.operations.verbs(actor=ACTOR)[verb](**arguments)

    return asyncio.run(carry_out())


def record_backup(settings: Settings, *, events: int, entries: int) -> None:
    """Record in a database that no server holds that it was copied.

    Raises:
        StoreLocked: a server holds it after all.
        StorageUnavailable: it cannot be written, or another release wrote it.
    """
    store = Store(settings.storage.url.get_secret_value())

    async def record() -> None:
        # Opened for writing, a database of an earlier release would be migrated.
        await (await store.open_for_reading()).close()
        async with store:
            await store.transact(
                marks.record_backup,
                now=SystemClock().now(),
                events=events,
                entries=entries,
                actor=ACTOR,
            )

    asyncio.run(record())


@asynccontextmanager
async def open_reading(settings: Settings) -> AsyncIterator[Reading]:
    """The read models over a store that is opened for reading only.

    Raises:
        StorageUnavailable: there is no database yet, or it cannot be read.
    """
    store = await Store(settings.storage.url.get_secret_value()).open_for_reading()
    try:
        yield Reading(store=store, settings=lambda: settings, clock=SystemClock(), paged=False)
    finally:
        await store.close()
