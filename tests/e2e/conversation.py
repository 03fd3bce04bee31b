"""Raw bytes in segments of their own, and every answer that comes back for them."""

import asyncio
import contextlib
import re
import socket

from e2e.sender import Answer
from e2e.server import PROCESS_TIMEOUT

#: Seconds between two segments, so that the receiver reads the first one alone. This is a part of
#: what is sent, and nothing waits for it.
PAUSE = 0.04
CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")


def answers_in(data: bytes) -> list[Answer]:
    """Every complete answer in what came back, one with a length of none to its end.

    An answer without a length ends with the connection: a status line in its body is another
    answer, and counted as one. What is no answer at all has the status 0.
    """
    found: list[Answer] = []
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if not status.startswith("HTTP/1."):
            return [*found, Answer(status=0, headers={}, body=data)]
        if not blank:
            break
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        taken = _body(headers, rest)
        if taken is None:
            break
        body, data = taken
        found.append(Answer(status=int(status.split(" ")[1]), headers=headers, body=body))
    return found


def _body(headers: dict[str, str], data: bytes) -> tuple[bytes, bytes] | None:
    """A body and what comes behind it; None where it is not complete."""
    if headers.get("transfer-encoding") == "chunked":
        return _chunked(data)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return (data[:length], data[length:]) if len(data) >= length else None
    body, mark, rest = data.partition(b"HTTP/1.")
    return body, mark + rest


def _chunked(data: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while size := CHUNK.match(data):
        length, begins = int(size[1], 16), size.end()
        if len(data) < begins + length + 2:
            return None
        body += data[begins : begins + length]
        data = data[begins + length + 2 :]
        if length == 0:
            return body, data
    return None


class Conversation:
    """One connection to a port of this machine, which is read from its beginning to its end.

    On a socket and not on a stream: a server that closes while more is on its way resets the
    connection, and a stream whose write fails has lost the answer that came before.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard = b""
        self._news = asyncio.Condition()
        self._socket = socket.socket()
        self._listening: asyncio.Task[None]

    async def __aenter__(self) -> "Conversation":
        self._socket.setblocking(False)
        # Each write is a segment of its own.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        self._listening = loop.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._socket.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(self._socket, 65536):
                async with self._news:
                    self._heard += data
                    self._news.notify_all()

    async def say(self, *segments: bytes, pause: float = PAUSE) -> None:
        """Send bytes, each segment so many seconds after the one before."""
        loop = asyncio.get_running_loop()
        for number, segment in enumerate(segments):
            if number:
                await asyncio.sleep(pause)
            # A connection that was closed on us still has an answer to read.
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(self._socket, segment)

    async def answers(self, count: int) -> list[Answer]:
        """All answers so far, once there are that many or the connection has ended."""
        came = asyncio.create_task(self._come(count))
        try:
            await asyncio.wait(
                (came, self._listening),
                timeout=PROCESS_TIMEOUT,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            came.cancel()
            await asyncio.gather(came, return_exceptions=True)
        return answers_in(self._heard)

    async def all_answers(self) -> list[Answer]:
        """All answers that come until the other side ends the connection."""
        await asyncio.wait((self._listening,), timeout=PROCESS_TIMEOUT)
        return answers_in(self._heard)

    async def _come(self, count: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(answers_in(self._heard)) >= count)
