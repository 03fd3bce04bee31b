"""What a sender is told: the contract's status, headers and JSON body for each result."""

import json
from typing import Any, TypeAlias

from starlette.types import Send

from casebell.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CasebellError,
    EncodedBody,
    TooManyRefusals,
    Unavailable,
    WrongMethod,
)
from casebell.receive.accept import Accepted, Held

#: Seconds a sender is asked to wait after a 503; senders back off further by themselves.
RETRY_AFTER_UNAVAILABLE = 5
#: Seconds until an address's refusals are forgotten.
RETRY_AFTER_REFUSALS = 60

Headers: TypeAlias = list[tuple[bytes, bytes]]
#: Status, headers and body.
Answer: TypeAlias = tuple[int, Headers, bytes]

#: A string as JSON.
_quoted = json.encoder.encode_basestring_ascii


def answer(accepted: Accepted | None, failure: CasebellError | None, request_id: str) -> Answer:
    """The contract's answer, with a JSON body."""
    if isinstance(accepted, Held):
        held = {"status": "held", "reason": accepted.reason, "request_id": request_id}
        return 202, _headers(request_id), _encode(held)
    if accepted is not None:
        # Written by hand: all but the key are plain words of ours.
        content = (
            f'{{"status": "{accepted.status}", "event_id": {_quoted(accepted.key)}, '
            f'"request_id": "{request_id}"}}'
        )
        return 200, _headers(request_id), content.encode()
    return error_answer(failure or Unavailable(), request_id)


def error_answer(error: CasebellError, request_id: str) -> Answer:
    """An error in Parley's Error schema: the class's own sentence, never an instance's detail."""
    headers = _headers(request_id)
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_UNAVAILABLE))
    if isinstance(error, TooManyRefusals):
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_REFUSALS))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", b"POST"))
    if isinstance(error, BodyTooLarge | BodyTooSlow | EncodedBody):
        # The rest of the body is not read.
        headers.append((b"connection", b"close"))
    content = {
        "error": error.code,
        "message": (type(error).__doc__ or "").strip(),
        "request_id": request_id,
    }
    return error.http_status, headers, _encode(content)


async def respond(
    send: Send, status: int, headers: Headers, body: bytes, *, last: bool = True
) -> None:
    """Send a whole answer; unless it is the `last` message, the connection stays as it is."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": not last})


def _headers(request_id: str) -> Headers:
    return [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()
