"""What the command line asks of a running server: only with the token beside its database.

To anybody else these addresses do not exist.
"""

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from casebell.errors import CasebellError, ConfigError, NotThere
from casebell.http.answers import Handler, as_row_number, error_response, row_number
from casebell.service.operations import Operations

#: Reads the configuration anew and tells what changed; raises ConfigError.
Reload = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Where the running server is asked, and the token that opens it."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Door(url={self.url!r})"


def door_path(database: Path) -> Path:
    """Where the token of a server on this SQLite database lies."""
    return database.with_name(database.name + ".door")


def new_door(url: str) -> Door:
    """A door with a fresh token."""
    return Door(url=url, token=secrets.token_urlsafe(32))


def write_door(path: Path, door: Door) -> None:
    """Leave the token where this user alone can read it.

    Only for who holds the database: the file of a server that runs must not be overwritten.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": door.url, "token": door.token}, file)


def read_door(path: Path) -> Door | None:
    """The door of a running server; None when there is none or it cannot be read."""
    try:
        content = json.loads(path.read_text())
        return Door(url=str(content["url"]), token=str(content["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def routes(operations: Operations, *, token: str, reload: Reload) -> list[Route]:
    """The addresses behind the door."""

    async def retry(request: Request) -> Response:
        return JSONResponse(await operations.retry_alert(row_number(request)))

    async def release(request: Request) -> Response:
        return JSONResponse(await operations.release_held(row_number(request)))

    async def discard(request: Request) -> Response:
        return JSONResponse(await operations.discard_held(row_number(request)))

    async def readmit(request: Request) -> Response:
        asked = request.query_params
        ids = [as_row_number(text) for text in asked.getlist("id")]
        return JSONResponse(await operations.readmit_refused(ids, source=asked.get("source")))

    async def test(request: Request) -> Response:
        return JSONResponse(await operations.test_channel(request.path_params["name"]))

    async def load_anew(_request: Request) -> Response:
        try:
            return JSONResponse(await reload())
        except ConfigError as error:
            return _not_usable(error)

    handlers: dict[str, Handler] = {
        "/local/alerts/{id}/retry": retry,
        "/local/held/{id}/release": release,
        "/local/held/{id}/discard": discard,
        "/local/refused/readmit": readmit,
        "/local/channels/{name}/test": test,
        "/local/reload": load_anew,
    }
    return [Route(path, Guarded(handler, token=token)) for path, handler in handlers.items()]


def _not_usable(error: ConfigError) -> Response:
    """Everything that is wrong with a configuration; to who asked, the answer is no."""
    content = {
        "error": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit_code": 1,
        "problems": [asdict(problem) for problem in error.problems],
    }
    return JSONResponse(content, status_code=409)


class Guarded:
    """A handler for bearers of the token; others learn nothing, not even that it is there.

    An ASGI application, so that the framework does not answer for it: 405 to another method would
    tell a stranger what stands here.
    """

    def __init__(self, handler: Handler, *, token: str) -> None:
        self._handler = handler
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if request.method != "POST" or not hmac.compare_digest(given, self._expected):
            return error_response(NotThere())
        try:
            return await self._handler(request)
        except CasebellError as error:
            return error_response(error, detailed=True)
