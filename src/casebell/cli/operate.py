"""Verbs that write: done by the running server, or here where none runs."""

import io
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from casebell.cli.door import ask_server
from casebell.clock import SystemClock
from casebell.runtime import Runtime
from casebell.service.operations import Operations
from casebell.settings import Settings
from casebell.store.lock import is_locked
from casebell.telemetry import configure_logging


async def operate(
    settings: Settings,
    *,
    path: str,
    directly: Callable[[Operations], Awaitable[Mapping[str, Any]]],
) -> Mapping[str, Any]:
    """Have a verb done: by the running server, or here when none holds the database.

    Args:
        settings: the configuration.
        path: the verb's address behind the server's door.
        directly: the same verb without a server.
    """
    database = settings.storage.sqlite_path
    if database is not None and is_locked(database):
        return await ask_server(settings, path)
    # The command prints what came of it; log lines would stand among its answers.
    configure_logging(io.StringIO())
    runtime = Runtime.wire(settings, clock=SystemClock())
    async with runtime.opened():
        return await directly(runtime.operations)
