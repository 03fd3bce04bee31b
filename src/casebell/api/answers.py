"""The answers of the API: values as JSON, errors in the Error schema, in turns of the loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Send

from casebell.api.routing import BYTES, JSON
from casebell.errors import (
    BadArgument,
    CasebellError,
    ConfigError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
)
from casebell.http.answers import Answer, Headers, error_answer
from casebell.http.reading import SenderWentAway
from casebell.json_text import encode
from casebell.settings.values import MAX_LISTED

#: Characters that are written before deliveries have a turn: about a millisecond.
TEXT_A_TURN = 256 * 1024

#: Seconds in which a part of an export must be taken: few are carried out at a time, and one that
#: is read a byte now and then would hold its place for ever.
PART_SECONDS = 30.0

#: Of every answer: what it holds is the bearer's.
PRIVATE = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def value_answer(value: Any, request_id: str) -> Answer:
    """A value as JSON."""
    return written_answer(await _written(value), request_id)


def written_answer(body: bytes, request_id: str) -> Answer:
    """What is JSON already."""
    return Answer(200, [*_head(JSON, request_id), (b"content-length", b"%d" % len(body))], body)


def bytes_answer(content: bytes, request_id: str, *, name: str) -> Answer:
    """Bytes as they are, which a browser saves and never shows: a stranger chose them."""
    headers = [
        *_head(BYTES, request_id),
        (b"content-length", b"%d" % len(content)),
        (b"content-disposition", b'attachment; filename="%s"' % name.encode()),
        (b"content-security-policy", b"sandbox"),
    ]
    return Answer(200, headers, content)


def _head(media: str, request_id: str) -> Headers:
    return [
        (b"content-type", media.encode()),
        (b"x-request-id", request_id.encode()),
        *PRIVATE,
    ]


async def stream(
    send: Send,
    receive: Receive,
    lines: AsyncGenerator[str, None],
    request_id: str,
    *,
    media: str,
    see_on: Callable[[], Awaitable[object]],
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send lines as they come; the answer has no end where they have none.

    Args:
        see_on: called before each part; raises where whoever asked may have no more.
        more: headers.

    Raises:
        SenderWentAway: whoever asked does not read on, or too slowly.
        CasebellError: of `see_on` and of the lines.
    """
    gone = asyncio.create_task(_gone(receive))
    try:
        async with aclosing(lines):
            headers = [*_head(media, request_id), *more]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            waiting: list[str] = []
            size = 0
            async for line in lines:
                waiting.append(line)
                size += len(line)
                if size > TEXT_A_TURN:
                    if gone.done():
                        raise SenderWentAway
                    await see_on()
                    await _send_part(send, waiting)
                    waiting, size = [], 0
            await _send_part(send, waiting, last=True)
    finally:
        gone.cancel()


async def _send_part(send: Send, lines: Sequence[str], *, last: bool = False) -> None:
    body = "".join(lines).encode()
    try:
        async with asyncio.timeout(PART_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": not last})
    except TimeoutError:
        raise SenderWentAway from None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _written(value: Any) -> bytes:
    """JSON of a value; of a list in an object, item by item."""
    if not isinstance(value, Mapping):
        return encode(value).encode()
    parts: list[bytes] = []
    size = 0
    for name, one in value.items():
        parts.append(f"{',' if parts else '{'}{encode(name)}:".encode())
        if not isinstance(one, list):
            parts.append(encode(one).encode())
            continue
        parts.append(b"[")
        for number, item in enumerate(one):
            if number:
                parts.append(b",")
            parts.append(encode(item).encode())
            size += len(parts[-1])
            if size > TEXT_A_TURN:
                size = 0
                await asyncio.sleep(0)
        parts.append(b"]")
    return b"".join([*parts, b"}"]) if parts else b"{}"


def problem_answer(error: CasebellError, request_id: str) -> Answer:
    """An error, with what the bearer of a token may know of it."""
    answer = error_answer(error, request_id, message=said_of(error))
    answer.headers.extend(PRIVATE)
    if isinstance(error, Unauthorized):
        answer.headers.append((b"www-authenticate", b"Bearer"))
    return answer


def said_of(error: CasebellError) -> str:
    """The error's own sentence and hint, as far as whoever asks may know them; "" for none."""
    if isinstance(error, Unavailable | Unauthorized | TooManyAttempts):
        # Its own sentence may name a path or a database.
        return ""
    if isinstance(error, ConfigError):
        # What is wrong with each may name a file; whoever can mend it can run the command.
        keys = list(dict.fromkeys(f"`{one.key}`" for one in error.problems if one.key))
        wrong = f"Wrong: {', '.join(keys[:MAX_LISTED])}. " if keys else ""
        return f"{type(error).__doc__} {wrong}`casebell check` says why."
    if isinstance(error, BadArgument) and error.argument:
        return f"`{error.argument}`: {error.message} {error.hint}".rstrip()
    return f"{error.message} {error.hint}".rstrip()
