"""What the command line asks of a running server: only with the token beside its database.

To anybody else these addresses do not exist.
"""

import functools
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from casebell.console.answers import Handler, error_response
from casebell.console.operations import Operations
from casebell.errors import CasebellError, NotThere


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


def make_door(path: Path, url: str) -> Door:
    """Write a fresh token, readable by this user alone."""
    door = Door(url=url, token=secrets.token_urlsafe(32))
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": door.url, "token": door.token}, file)
    return door


def read_door(path: Path) -> Door | None:
    """The door of a running server; None when there is none or it cannot be read."""
    try:
        content = json.loads(path.read_text())
        return Door(url=str(content["url"]), token=str(content["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def routes(operations: Operations, *, token: str) -> list[Route]:
    """The addresses behind the door."""

    async def retry(request: Request) -> Response:
        return JSONResponse(await operations.retry_alert(_number(request)))

    async def release(request: Request) -> Response:
        return JSONResponse(await operations.release_held(_number(request)))

    async def discard(request: Request) -> Response:
        return JSONResponse(await operations.discard_held(_number(request)))

    async def test(request: Request) -> Response:
        return JSONResponse(await operations.test_channel(request.path_params["name"]))

    handlers: dict[str, Handler] = {
        "/local/alerts/{id}/retry": retry,
        "/local/held/{id}/release": release,
        "/local/held/{id}/discard": discard,
        "/local/channels/{name}/test": test,
    }
    return [
        Route(path, guarded(handler, token=token), methods=["POST"])
        for path, handler in handlers.items()
    ]


def guarded(handler: Handler, *, token: str) -> Handler:
    """The handler, for bearers of the token; others learn nothing, not even that it is there."""

    @functools.wraps(handler)
    async def serve(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return error_response(NotThere())
        try:
            return await handler(request)
        except CasebellError as error:
            return error_response(error, detailed=True)

    return serve


def _number(request: Request) -> int:
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotThere
    return int(text)
