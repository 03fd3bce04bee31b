"""Answers in the contract's shape for every address that is not a webhook."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from casebell.clock import new_request_id
from casebell.errors import CasebellError, NotThere, WrongMethod

Handler = Callable[[Request], Awaitable[Response]]


def error_response(error: CasebellError, *, detailed: bool = False) -> Response:
    """An error in Parley's Error schema.

    `detailed` adds the instance's own sentence and hint: for the operator, never for a stranger.
    """
    request_id = new_request_id()
    content: dict[str, Any] = {
        "error": error.code,
        "message": error.message if detailed else (type(error).__doc__ or "").strip(),
        "request_id": request_id,
    }
    if detailed:
        content |= {"hint": error.hint, "exit_code": error.exit_code}
    headers = {"X-Request-Id": request_id}
    if error.http_status == 503:
        headers["Retry-After"] = "5"
    return JSONResponse(content, status_code=error.http_status, headers=headers)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """The framework's own 404 and 405 in our shape."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        response = error_response(WrongMethod())
        response.headers["Allow"] = (error.headers or {}).get("Allow", "GET")
        return response
    return error_response(NotThere())


async def on_defect(_request: Request, _error: Exception) -> Response:
    """Something we did not expect; the log has it."""
    return error_response(CasebellError())


def row_number(request: Request) -> int:
    """The number of a row in the address.

    Raises:
        HTTPException: 404; it is no number that a row can have.
    """
    return as_row_number(request.path_params["id"])


def as_row_number(text: str) -> int:
    """The number of a row.

    Raises:
        HTTPException: 404; it is no number that a row can have.
    """
    # int() would take other scripts' digits, and refuse thousands of them with an error of its own.
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise HTTPException(404)
    return int(text)


class RequestIds:
    """Adds `X-Request-Id` to every answer that has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                if all(name.lower() != b"x-request-id" for name, _ in headers):
                    headers.append((b"x-request-id", new_request_id().encode()))
            await send(message)

        await self._app(scope, receive, send_with_id)
