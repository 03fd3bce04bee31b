"""What commands share: options, the configuration, and the way to the store."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx2
import typer

from casebell.app import Runtime
from casebell.clock import SystemClock
from casebell.console.local import Door, door_path, read_door
from casebell.console.operations import Operations
from casebell.errors import CasebellError, ServerUnreachable
from casebell.events import Micros
from casebell.settings import Settings, load, parse_duration
from casebell.store.engine import Connection, Store, is_locked

Result = TypeVar("Result")

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")]


def settings_for(context: typer.Context, config: Path | None) -> Settings:
    """The configuration a command works with: named after the verb, before it, or found."""
    return load(config or context.find_root().params.get("config"))


def run(work: Awaitable[Result]) -> Result:
    """Run a command's coroutine."""

    async def wait() -> Result:
        return await work

    return asyncio.run(wait())


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Connection]:
    """A reading connection, beside a running server or without one."""
    store = await Store(settings.storage.url.get_secret_value()).open_for_reading()
    try:
        async with store.read() as connection:
            yield connection
    finally:
        await store.close()


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
        return await _ask_server(settings, door_path(database), path)
    runtime = Runtime.wire(settings, clock=SystemClock())
    async with runtime.opened():
        return await directly(runtime.operations)


async def _ask_server(settings: Settings, door_file: Path, path: str) -> Mapping[str, Any]:
    door = read_door(door_file)
    if door is None:
        raise ServerUnreachable(
            "A server holds the database, but its door file cannot be read.",
            hint=f"Run this as the user who runs the server, or restart it: {door_file.name} "
            "is written when it starts.",
        )
    try:
        async with httpx2.AsyncClient(
            timeout=660, trust_env=False, verify=trust(settings)
        ) as client:
            response = await client.post(
                door.url + path, headers={"Authorization": f"Bearer {door.token}"}
            )
            content = response.json()
    except (httpx2.HTTPError, ValueError, OSError):
        raise ServerUnreachable from None
    if response.status_code >= 400:
        raise AnsweredNo(content)
    return dict(content)


def trust(settings: Settings) -> ssl.SSLContext | bool:
    """Only this server's own certificate, whatever name it was made out to."""
    if settings.server.tls_cert is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.server.tls_cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class AnsweredNo(CasebellError):
    """The running server refused."""

    code = "answered_no"

    def __init__(self, content: Mapping[str, Any]) -> None:
        """`content` is the server's detailed error."""
        self.exit_code = int(content.get("exit_code", 3))
        super().__init__(str(content.get("message", "")), hint=str(content.get("hint", "")))


def door_for(settings: Settings) -> Door | None:
    """The running server's door, where there is one."""
    database = settings.storage.sqlite_path
    return read_door(door_path(database)) if database is not None else None


def moment(text: str | None) -> Micros | None:
    """A point in time on the command line: ISO 8601 (UTC unless it says otherwise), or "24h" ago.

    Raises:
        BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError:
        pass
    else:
        return SystemClock().now() - round(seconds * 1_000_000)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            'Write a date, a time or a length: "2026-11-21", "2026-11-21T09:30:00Z", "24h".'
        ) from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000_000)
