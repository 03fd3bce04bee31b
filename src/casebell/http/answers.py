"""The answers to senders, and one JSON body for every error: docs/contract.md."""

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from casebell.clock import new_request_id
from casebell.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CasebellError,
    NotThere,
    TooManyAttempts,
    TooManyExports,
    TooManyRefusals,
    Unavailable,
    UpstreamLimited,
    WrongMethod,
)
from casebell.json_text import encode
from casebell.receive.accept import Accepted, Several
from casebell.receive.parts import Held, Taken

#: Seconds a sender is asked to wait after a 503; senders back off further by themselves.
RETRY_AFTER_UNAVAILABLE = 5
#: Seconds until the count of an address's refusals begins again.
RETRY_AFTER_REFUSALS = 60
#: Seconds in which one of the exports that are under way may end.
RETRY_AFTER_EXPORTS = 30

Handler = Callable[[Request], Awaitable[Response]]
#: Names in lower case, in the order of the message.
Headers: TypeAlias = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


def accepted_answer(accepted: Accepted, request_id: str) -> Answer:
    """The answer to an authentic delivery, once it is on disk."""
    if isinstance(accepted, Several):
        content: dict[str, Any] = {"events": [_taken(one) for one in accepted.each]}
    else:
        content = _taken(accepted)
    return _answer(202 if accepted.status == "held" else 200, content, request_id)


def _taken(one: Taken) -> dict[str, Any]:
    if isinstance(one, Held):
        return {"status": "held", "reason": one.reason}
    return {"status": one.status, "event_id": one.key}


def error_answer(error: CasebellError, request_id: str, *, message: str = "") -> Answer:
    """An error in Parley's Error schema.

    Args:
        message: for those who may know more; by default the docstring of the error's class.
    """
    said = message or (type(error).__doc__ or "").strip()
    content = {"error": error.code, "message": said}
    answer = _answer(error.http_status, content, request_id)
    if isinstance(error, Unavailable):
        answer.headers.append((b"retry-after", b"%d" % RETRY_AFTER_UNAVAILABLE))
    if isinstance(error, TooManyRefusals):
        answer.headers.append((b"retry-after", b"%d" % RETRY_AFTER_REFUSALS))
    if isinstance(error, TooManyAttempts):
        answer.headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, UpstreamLimited):
        # Whatever the provider may have said of it: at least a second.
        answer.headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, WrongMethod):
        answer.headers.append((b"allow", error.allow.encode()))
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        # The rest of the body is not read.
        answer.headers.append((b"connection", b"close"))
    if isinstance(error, TooManyExports):
        answer.headers.append((b"retry-after", b"%d" % RETRY_AFTER_EXPORTS))
    return answer


async def respond(send: Send, answer: Answer, *, last: bool = True) -> None:
    """Send a whole answer; unless `last`, the caller ends it with an empty message."""
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": not last})


def _answer(status: int, content: dict[str, Any], request_id: str) -> Answer:
    body = encode(content | {"request_id": request_id}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-request-id", request_id.encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    return Answer(status, headers, body)


def error_response(error: CasebellError) -> Response:
    """An error for the framework to send."""
    status, headers, body = error_answer(error, new_request_id())
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """The framework's 404 and 405, with our body."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return error_response(WrongMethod(allow=(error.headers or {}).get("Allow", "GET")))
    return error_response(NotThere())


async def on_defect(_request: Request, _error: Exception) -> Response:
    """An unexpected error; it is in the log."""
    return error_response(CasebellError())


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
