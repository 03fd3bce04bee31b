"""A real HTTP server on loopback that keeps what it is sent.

It listens on 127.0.0.1 at a free port for as long as its `async with` block runs, and answers as it
is told to: well, slowly, with a refusal, or by hanging up.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Self

from casebell.clock import SystemClock
from casebell.events import Micros

HOST = "127.0.0.1"
#: Seconds `received()` waits before it gives up; far more than anything on this machine takes.
_TIMEOUT = 20.0
#: Bytes: more than any alert needs.
_MAX_BODY_BYTES = 10 * 1024 * 1024


class Ending(StrEnum):
    """How a connection can end instead of with an answer."""

    #: Closed in good order, without a byte of answer.
    CLOSE = "close"
    #: Cut off with a TCP reset.
    RESET = "reset"


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request as it came in."""

    method: str
    #: Path and query string.
    path: str
    #: Names in lower case; of a repeated header the last.
    headers: dict[str, str]
    body: bytes
    #: When its last byte had arrived.
    at: Micros
    #: The sink's answer to it.
    answer: "HttpAnswer"


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    """The sink's answer to one request."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    #: Seconds before the first byte.
    delay: float = 0.0
    #: The first byte waits until it is set, too.
    after: asyncio.Event | None = None
    #: Seconds between one byte and the next; 0 sends them at once.
    drip: float = 0.0
    ending: Ending | None = None


class HttpSink:
    """An HTTP server that keeps every request; over TLS where it is given a context."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.port = 0
        self._tls = tls
        self._answers: list[HttpAnswer] = [HttpAnswer()]
        self._rule: Callable[[HttpRequest], HttpAnswer] | None = None
        self._arrival = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    def answer(self, *answers: HttpAnswer) -> None:
        """From now on give these answers, one to each request, and the last to all that follow."""
        self._answers = list(answers)

    def answer_by(self, rule: Callable[[HttpRequest], HttpAnswer]) -> None:
        """From now on give each request the answer that a rule has for it."""
        self._rule = rule

    async def received(self, count: int) -> Sequence[HttpRequest]:
        """Wait until that many requests came in; TimeoutError after twenty seconds."""
        await wait_until(lambda: len(self.requests) >= count, self._arrival)
        return tuple(self.requests)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        # One turn for the connections to notice.
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        # Over TLS a good end takes two; when the sink goes, it is not waited for. And a task that
        # is cancelled before it begins closes nothing itself.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; the connection is not kept."""
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            request = await self._read_request(reader)
            self.requests.append(request)
            self._arrival.set()
            await _write_answer(writer, request.answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _read_request(self, reader: asyncio.StreamReader) -> HttpRequest:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")[:-2]
        method, path, _ = request_line.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = min(int(headers.get("content-length", 0)), _MAX_BODY_BYTES)
        request = HttpRequest(
            method=method,
            path=path,
            headers=headers,
            body=await reader.readexactly(length),
            at=SystemClock().now(),
            answer=self._answers.pop(0) if len(self._answers) > 1 else self._answers[0],
        )
        return request if self._rule is None else replace(request, answer=self._rule(request))


async def _write_answer(writer: asyncio.StreamWriter, answer: HttpAnswer) -> None:
    await asyncio.sleep(answer.delay)
    if answer.after is not None:
        await answer.after.wait()
    if answer.ending is Ending.CLOSE:
        return
    if answer.ending is Ending.RESET:
        reset_connection(writer.transport)
        return
    headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")]
    reason = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
    if not answer.drip:
        writer.write(data)
        await writer.drain()
        return
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(answer.drip)


async def stop_listening(server: asyncio.Server) -> None:
    """Accept no more connections; those accepted until now have reached the server's protocols."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    # A connection gets its transport one turn after it was accepted, its protocol another turn on;
    # a server that is closed by then would lose it, and nobody would close it.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.close()


def reset_connection(transport: Any) -> None:
    """Close so that the peer sees a reset: linger on, zero seconds."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def wait_until(holds: Callable[[], bool], arrival: asyncio.Event) -> None:
    """Wait until it holds, looking after each arrival; TimeoutError after twenty seconds."""
    async with asyncio.timeout(_TIMEOUT):
        while not holds():
            arrival.clear()
            await arrival.wait()
