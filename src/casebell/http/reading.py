"""Reads one delivery within bounds: what its headers allow, and then its body."""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from starlette.types import Receive, Send

from casebell.errors import BodyTooLarge, CasebellError
from casebell.http.answers import Answer, Headers, respond
from casebell.receive.bodies import is_compressed

#: Limits of reading on after a body was refused.
DISCARD_SECONDS = 1.0
DISCARD_BYTES = 4 * 1024 * 1024
#: Digits of a Content-Length that is read as a number.
MAX_DIGITS = 16

#: Codings of HTTP. Of a refusal's Content-Encoding only these names are kept: another value is
#: nobody's to read.
CODINGS = frozenset({b"br", b"compress", b"deflate", b"gzip", b"x-compress", b"x-gzip", b"zstd"})
#: What no JSON holds, and whatever is compressed does.
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\xc0\xc1\xf5-\xff]")


class SenderWentAway(Exception):
    """The sender closed the connection before its body was complete."""


class Checked(NamedTuple):
    """What headers say that is needed later."""

    #: The values of X-Forwarded-For.
    forwarded: list[bytes]
    #: Those of Content-Encoding.
    codings: list[bytes]


def check_headers(headers: Headers, *, max_body: int) -> Checked:
    """Check a delivery's headers before its body is read.

    Raises:
        BodyTooLarge: the body must not be read.
    """
    forwarded: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"content-encoding":
            codings.append(value)
        if name == b"content-length" and _too_long(value, max_body):
            raise BodyTooLarge
        if name == b"x-forwarded-for":
            forwarded.append(value)
    return Checked(forwarded, codings)


def is_encoded(body: bytes, codings: Sequence[bytes]) -> bool:
    """Whether a body really is compressed, or in another coding that its headers name.

    A signature covers the bytes, whatever they are called: "utf-8" is no coding, and a proxy may
    have unpacked the body and left the header.
    """
    if is_compressed(body):
        return True
    named = {one.strip().lower() for value in codings for one in value.split(b",")}
    return bool(named & CODINGS) and bool(_NOT_TEXT.search(body))


def _too_long(value: bytes, limit: int) -> bool:
    """Whether a Content-Length is over the limit; the server refuses one that is not a number."""
    return value.isdigit() and (len(value) >= MAX_DIGITS or int(value) > limit)


async def read_body(receive: Receive, *, max_body: int) -> bytes:
    """Read the whole body, up to `max_body`."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderWentAway
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_body:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def refuse(send: Send, receive: Receive, answer: Answer, failure: CasebellError) -> None:
    """Send the answer to a request that failed; of a body that is too large, read some more."""
    unread = isinstance(failure, BodyTooLarge)
    await respond(send, answer, last=not unread)
    if unread:
        await _discard(receive)
        await send({"type": "http.response.body"})


async def _discard(receive: Receive) -> None:
    """Read and discard more of a body that was answered already.

    Closing the connection while the sender writes would reset it, and the sender would see the
    reset instead of the answer.
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while size < DISCARD_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
