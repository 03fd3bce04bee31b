"""The answers of the API: values as JSON, errors in the Error schema, in turns of the loop."""

import asyncio
from collections.abc import Mapping
from typing import Any

from casebell.errors import (
    BadArgument,
    CasebellError,
    ConfigError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
)
from casebell.http.answers import Answer, error_answer
from casebell.json_text import encode
from casebell.settings.values import MAX_LISTED

#: Characters that are written before deliveries have a turn: about a millisecond.
TEXT_A_TURN = 256 * 1024

#: Of every answer: what it holds is the bearer's.
PRIVATE = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def value_answer(value: Any, request_id: str) -> Answer:
    """A value as JSON."""
    body = (await _written(value)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        *PRIVATE,
    ]
    return Answer(200, headers, body)


async def _written(value: Any) -> str:
    """JSON of a value; of a list in an object, item by item."""
    if not isinstance(value, Mapping):
        return encode(value)
    members = []
    for name, one in value.items():
        text = await _written_list(one) if isinstance(one, list) else encode(one)
        members.append(f"{encode(name)}:{text}")
    return "{" + ",".join(members) + "}"


async def _written_list(items: list[Any]) -> str:
    texts = []
    size = 0
    for one in items:
        texts.append(encode(one))
        size += len(texts[-1])
        if size > TEXT_A_TURN:
            size = 0
            await asyncio.sleep(0)
    return "[" + ",".join(texts) + "]"


def problem_answer(error: CasebellError, request_id: str) -> Answer:
    """An error, with what the bearer of a token may know of it."""
    answer = error_answer(error, request_id, message=_said(error))
    answer.headers.extend(PRIVATE)
    if isinstance(error, Unauthorized):
        answer.headers.append((b"www-authenticate", b"Bearer"))
    return answer


def _said(error: CasebellError) -> str:
    """The error's own sentence and hint."""
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
