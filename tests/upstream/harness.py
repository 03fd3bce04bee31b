"""A client of each API against a real server on a socket, whose every answer a test chooses."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from casebell.clock import Clock
from casebell.sandbox.http_sink import HttpAnswer, HttpRequest, stop_listening
from casebell.settings import SourceSettings
from casebell.settings.upstream import UpstreamSettings
from casebell.store.engine import Store
from casebell.upstream.asking import Patience
from casebell.upstream.budget import Budget
from casebell.upstream.client import client_for
from casebell.upstream.parley import ParleyClient
from casebell.upstream.torch import TorchClient
from contracts.clock_and_log import ManualClock

#: As secret as a password.
TOKEN = "tok-s3cret-4711-canary"
FIRST, SECOND, THIRD = "IOE0912345678", "IOE0976543210", "MSC2190000001"
#: Three tries with hardly a wait between them.
QUICK = Patience(first_wait=0.001, most=0.002, jitter=0.001, asked=0.5)
#: As long as a server waits.
PATIENT = Patience(first_wait=0.001, most=0.002, jitter=0.001)


def upstream_settings(base: str, *, kind: str = "parley", **chosen: Any) -> UpstreamSettings:
    """The settings of an API."""
    given: dict[str, Any] = {
        "name": "api",
        "kind": kind,
        "source": "cases",
        "base": base,
        "token": SecretStr(TOKEN),
        "per_minute": 60_000,
    }
    return UpstreamSettings(**(given | chosen))


def source_settings(kind: str = "parley", **chosen: Any) -> SourceSettings:
    """The source to which belongs what an API tells."""
    given: dict[str, Any] = {"name": "cases", "kind": kind, "secrets": []}
    if kind == "torch":
        given["header"] = "X-Secret"
    return SourceSettings(**(given | chosen))


def budget_of(store: Store, settings: UpstreamSettings, *, clock: Clock | None = None) -> Budget:
    """The budget that the settings give."""
    return Budget(
        store,
        upstream=settings.name,
        per_minute=settings.per_minute,
        per_day=settings.per_day,
        clock=clock or ManualClock(),
    )


@asynccontextmanager
async def parley(
    store: Store,
    base: str,
    *,
    source: SourceSettings | None = None,
    patience: Patience = QUICK,
    **chosen: Any,
) -> AsyncIterator[ParleyClient]:
    """A client of Parley."""
    settings = upstream_settings(base, **chosen)
    made = client_for(
        settings,
        source=source or source_settings(),
        budget=budget_of(store, settings),
        clock=ManualClock(),
        patience=patience,
    )
    assert isinstance(made, ParleyClient)
    async with made as client:
        yield client


@asynccontextmanager
async def torch(
    store: Store,
    base: str,
    *,
    source: SourceSettings | None = None,
    patience: Patience = QUICK,
    **chosen: Any,
) -> AsyncIterator[TorchClient]:
    """A client of Torch."""
    settings = upstream_settings(base, kind="torch", **chosen)
    made = client_for(
        settings,
        source=source or source_settings("torch"),
        budget=budget_of(store, settings),
        clock=ManualClock(),
        patience=patience,
    )
    assert isinstance(made, TorchClient)
    async with made as client:
        yield client


def says(document: object, *, status: int = 200, **headers: str) -> HttpAnswer:
    """An answer in JSON."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpAnswer(
        status=status,
        headers=(("Content-Type", "application/json"), *named),
        body=json.dumps(document).encode(),
    )


def page(text: str, *, status: int = 200) -> HttpAnswer:
    """An answer for a browser."""
    headers = (("Content-Type", "text/html; charset=utf-8"),)
    return HttpAnswer(status=status, headers=headers, body=text.encode())


def state(receipt: str = FIRST, **others: Any) -> dict[str, Any]:
    """A state as Parley's page has it."""
    return {
        "receipt_number": receipt,
        "normalized_status": "rfe_issued",
        "raw_status_text": "We sent you a request for evidence...",
        "last_updated_at": "2025-10-14T19:22:03Z",
        **others,
    }


def torch_state(receipt: str = FIRST, **others: Any) -> dict[str, Any]:
    """A state as Torch's page has it."""
    return {
        "receipt_number": receipt,
        "status_text": "Case Was Received",
        "status_category": "Case Received",
        "last_checked_at": "2025-10-15T08:00:00Z",
        "last_status_at": "2025-10-14T19:22:03Z",
        "source_hint": "Official status remains with USCIS.",
        **others,
    }


def path_of(request: HttpRequest) -> str:
    """Without its query."""
    return urlsplit(request.path).path


def asked_of(request: HttpRequest) -> Sequence[tuple[str, str]]:
    """The parameters of a request."""
    return parse_qsl(urlsplit(request.path).query)


@asynccontextmanager
async def raw_server(
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that converses so over each connection; its URL. None outlives the block."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await converse(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop_listening(server)
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
