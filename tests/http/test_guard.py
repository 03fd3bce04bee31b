"""The bounds of a connection, over real sockets with small buffers."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, generate_latest
from uvicorn import Config
from uvicorn.server import ServerState

from casebell.http.guard import MAX_HEAD_BYTES, MAX_PIPELINED, ConnectionLimiter, Guard
from casebell.settings.models import ServerSettings
from contracts.clock_and_log import ManualClock, RecordingLog
from waiting import until

#: More than the buffers on both sides hold.
ANSWER = b"x" * 4 * 2**20
#: More than the system's buffers hold, and less than the server pauses at.
MEDIUM = b"y" * 48 * 2**10


#: Connections that may be open.
MAX_CONNECTIONS = 10
BODY_TIMEOUT = 1.5


class GuardedServer:
    """A server of guarded connections that waits for a moment only."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.log = RecordingLog()
        self.clock = ManualClock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        # What is accepted inherits it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.limits = ServerSettings(body_timeout=BODY_TIMEOUT)
        self.limiter = ConnectionLimiter(
            limits=lambda: self.limits,
            max_connections=MAX_CONNECTIONS,
            registry=self.registry,
            clock=self.clock,
            log=self.log.log,
            refused=lambda error, scope, what: self.refused.append((error.code, scope, what)),
        )
        #: Error, scope and what is wrong of each request that was refused.
        self.refused: list[tuple[str, Any, str]] = []
        self.config = Config(
            answer, http=Guard, ws="none", lifespan="off", log_config=None, timeout_keep_alive=1
        )
        self.config.load()
        self.state = ServerState()

    async def open(self) -> None:
        def guarded() -> Guard:
            return Guard(self.config, self.state, {}, limiter=self.limiter)

        self.server = await asyncio.get_running_loop().create_server(guarded, sock=self.socket)

    async def close(self) -> None:
        self.server.close()
        for connection in list(self.state.connections):
            connection.transport.abort()
        await until(lambda: not self.state.connections, "the connections to end")

    def shown(self, name: str) -> float:
        lines = generate_latest(self.registry).decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    @property
    def connected(self) -> bool:
        return self.shown("casebell_connections ") > 0


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """A long answer, in the pieces that back-pressure knows; at once a short one; or the body."""
    if scope["path"] == "/slow":
        # Until the deadline of a body behind it is looked at for the second time, or nearly.
        await asyncio.sleep(2 * BODY_TIMEOUT - 0.05)
    if scope["path"] in {"/echo", "/slow"}:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
        return
    if scope["path"] == "/short":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/medium":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": MEDIUM})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER, "more_body": True})
    await send({"type": "http.response.body", "body": b"end"})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[GuardedServer]:
    made = GuardedServer()
    await made.open()
    yield made
    await made.close()


async def ask(
    server: GuardedServer, said: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, server.socket.getsockname())
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    writer.write(said)
    return reader, writer


async def test_an_answer_that_nobody_reads_ends_the_connection(server: GuardedServer) -> None:
    """Else a stranger could keep its place, and what we would tell it, for ever."""
    _, writer = await ask(server)
    await until(lambda: server.connected, "the connection")
    await until(lambda: not server.connected, "the end of the connection")
    writer.transport.abort()


async def test_an_answer_that_is_read_arrives(server: GuardedServer) -> None:
    """A client that only reads slowly gets all of it."""
    reader, writer = await ask(server)
    seen = b""
    while not seen.endswith(b"0\r\n\r\n"):
        piece = await reader.read(65536)
        assert piece, "ended before its end"
        seen += piece
    assert seen.count(b"x") >= len(ANSWER)
    assert server.connected
    writer.close()
    await writer.wait_closed()
    await until(lambda: not server.connected, "the end of the connection")


@pytest.mark.parametrize("offer", [b"", b"Connection: Upgrade\r\nUpgrade: x\r\n"])
async def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection(
    server: GuardedServer, offer: bytes
) -> None:
    """It ends when no other request comes, as after any answer."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + offer + b"\r\n")
    assert await reader.readuntil(b"\r\n\r\n")
    writer.write(b"abc")
    assert await reader.read() == b""
    writer.close()


async def test_a_last_answer_that_nobody_reads_ends_the_connection(server: GuardedServer) -> None:
    """Also where it is so short that the server does not pause."""
    said = b"GET /medium HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    _, writer = await ask(server, said)
    await until(lambda: server.connected, "the connection")
    await until(lambda: not server.connected, "the end of the connection")
    writer.transport.abort()


async def test_a_broken_body_has_one_answer_while_an_earlier_one_is_unread(
    server: GuardedServer,
) -> None:
    """The application that answers without its body does not answer after us."""
    reader, writer = await ask(server, b"GET /medium HTTP/1.1\r\nHost: x\r\n\r\n")
    # Its whole answer is written, and most of it waits.
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"POST /short HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    seen = head
    while piece := await reader.read(65536):
        seen += piece
    assert seen.count(b"HTTP/1.1 200") == 1
    assert seen.count(b"HTTP/1.1 400") == 1
    assert seen.count(b"HTTP/1.1 204") == 0
    writer.close()


def echo(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["POST /echo HTTP/1.1", "Host: x", *headers]
    if not any(one.startswith("Transfer-Encoding") for one in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def data_segments(writer: asyncio.StreamWriter) -> int:
    """Segments with data that the client's system has received; `tcpi_data_segs_in` of Linux."""
    told = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    (count,) = struct.unpack_from("I", told, 152)
    return int(count)


async def test_an_answer_is_one_write(server: GuardedServer) -> None:
    """Head and body go out together, on a connection that is kept."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    for number in range(1, 4):
        writer.write(echo(b"abc"))
        assert await reader.readuntil(b"abc")
        assert data_segments(writer) == number
    writer.close()


async def test_beyond_the_most_the_next_one_hears_503(server: GuardedServer) -> None:
    """At once and with the usual body; those that came before stay, and one line says so."""
    address = server.socket.getsockname()
    kept = [await asyncio.open_connection(*address) for _ in range(MAX_CONNECTIONS)]
    await until(lambda: server.shown("casebell_connections ") == MAX_CONNECTIONS, "them to be open")
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*address)
        told = await reader.read()
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in told
        assert b"connection: close\r\n" in told
        assert told.endswith(b"}")
        writer.close()
        await until(lambda: server.shown("casebell_connections ") == MAX_CONNECTIONS, "its end")
    assert server.shown("casebell_connections_refused_total") == 3
    assert server.log.named("connections.full") == [{"open": MAX_CONNECTIONS + 1, "left_out": 0}]
    server.clock.advance(60)
    for reader, writer in kept:
        writer.write(echo(b"abc"))
        assert await reader.readuntil(b"abc")
        writer.close()
    await until(lambda: not server.connected, "the places to be free")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(echo(b"abc"))
    assert await reader.readuntil(b"abc")
    writer.close()


async def test_who_says_no_more_gets_an_answer(server: GuardedServer) -> None:
    """A client may close its side once it has asked; all that it asked is answered, then ended."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(echo(b"abc") + echo(b"def"))
    writer.write_eof()
    told = await reader.read()
    assert told.count(b"HTTP/1.1 200") == 2
    assert told.index(b"abc") < told.index(b"def")
    writer.close()


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_who_says_no_more_in_a_body_is_told(server: GuardedServer, before: int) -> None:
    """Nothing of the body reaches anybody; what was whole before it is answered."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(echo(b"abc") * before + echo(b"def", length=9))
    writer.write_eof()
    told = await reader.read()
    assert told.count(b"HTTP/1.1 200") == before
    assert told.count(b"HTTP/1.1 400") == 1
    assert b"def" not in told
    writer.close()


@pytest.mark.parametrize("said", [b"", b"GET / HT"])
async def test_who_asked_nothing_and_says_no_more_has_left(
    server: GuardedServer, said: bytes
) -> None:
    """There is nothing to answer."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(said)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_a_head_must_come_in_time(server: GuardedServer) -> None:
    """On a new connection and behind an answer; bytes that come slowly gain nothing."""
    for before in (b"", echo(b"abc")):
        reader, writer = await asyncio.open_connection(*server.socket.getsockname())
        writer.write(before)
        if before:
            assert await reader.readuntil(b"abc")
        began = asyncio.get_running_loop().time()
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"P" if asyncio.get_running_loop().time() == began else b"O")
            await asyncio.wait({reading}, timeout=0.1)
        assert asyncio.get_running_loop().time() - began < 4 * BODY_TIMEOUT
        writer.transport.abort()


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("drips", [False, True])
async def test_a_body_must_come_in_time(server: GuardedServer, before: int, *, drips: bool) -> None:
    """However its bytes are spread: 408 and the end, behind the answers to what was whole."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    began = asyncio.get_running_loop().time()
    writer.write(echo(b"abc") * before + echo(b"", length=1000))
    told = b""

    async def read() -> None:
        nonlocal told
        # Whoever goes on writing may be reset once it has its answer.
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                told += piece

    reading = asyncio.create_task(read())
    while not reading.done():
        if drips:
            writer.write(b"x")
        await asyncio.wait({reading}, timeout=0.05)
    assert BODY_TIMEOUT * 0.9 < asyncio.get_running_loop().time() - began < 4 * BODY_TIMEOUT
    assert told.count(b"HTTP/1.1 200") == before
    assert told.count(b"HTTP/1.1 408") == 1
    assert b"body_too_slow" in told
    assert told.count(b"connection: close") == 1
    writer.transport.abort()


async def test_a_body_has_its_time_from_its_own_head(server: GuardedServer) -> None:
    """Several on one connection may take longer together."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    for _ in range(3):
        writer.write(echo(b"", length=3))
        await asyncio.sleep(BODY_TIMEOUT / 2)
        writer.write(b"abc")
        assert await reader.readuntil(b"abc")
    writer.close()


async def test_the_timeout_is_that_of_the_settings_in_force(server: GuardedServer) -> None:
    """A connection made after a reload waits for as long as the new settings say."""
    server.limits = ServerSettings(body_timeout=0.2)
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    async with asyncio.timeout(BODY_TIMEOUT):
        assert await reader.read() == b""
    writer.close()


async def test_so_many_requests_may_wait_and_no_more(server: GuardedServer) -> None:
    """Those that were taken are answered, then comes a 400 and the end."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(echo(b"abc") * (MAX_PIPELINED + 100))
    told = await reader.read()
    assert told.count(b"HTTP/1.1 200") == 1 + MAX_PIPELINED
    assert told.count(b"HTTP/1.1 400") == 1
    writer.close()


async def test_nonsense_behind_a_head_request_has_a_body(server: GuardedServer) -> None:
    """What is no request has no method, whatever the one before it had."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(b"HEAD /medium HTTP/1.1\r\nHost: x\r\n\r\n\x00")
    told = await reader.read()
    assert told.count(b"HTTP/1.1 200") == 1
    assert told.endswith(b"}")
    writer.close()


async def test_a_broken_body_waits_for_those_before_it(server: GuardedServer) -> None:
    """Three whole requests are answered, then the broken one is, and nothing else."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(echo(b"abc") * 3 + echo(b"zz", "Transfer-Encoding: chunked") + echo(b"def"))
    told = await reader.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200"] * 3 + [b"400"]
    assert told.count(b"\r\n\r\nabc") == 3
    writer.close()


async def test_a_head_without_end_is_no_request(server: GuardedServer) -> None:
    """So much of it is taken, however many pieces it comes in."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nX-Long: ")
    reading = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while not reading.done():
        writer.write(b"x" * 1024)
        sent += 1024
        await asyncio.wait({reading}, timeout=0.001)
    assert (await reading).startswith(b"HTTP/1.1 400 ")
    assert MAX_HEAD_BYTES - 1024 <= sent < 2 * MAX_HEAD_BYTES
    writer.transport.abort()


async def test_a_body_behind_a_slow_answer_keeps_its_time(server: GuardedServer) -> None:
    """Nothing is read while an earlier request waits for us, so the sender is not to blame."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    slow = echo(b"abc").replace(b"/echo", b"/slow")
    writer.write(slow + echo(b"", length=3))
    await asyncio.sleep(0.1)
    writer.write(b"def")
    assert (await reader.readuntil(b"abc")).startswith(b"HTTP/1.1 200 ")
    assert (await reader.readuntil(b"def")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_body_behind_a_slow_answer_has_its_whole_time(server: GuardedServer) -> None:
    """The sender may have waited for the answer before it sends the rest."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    slow = echo(b"abc").replace(b"/echo", b"/slow")
    writer.write(slow + echo(b"", length=3))
    assert (await reader.readuntil(b"abc")).startswith(b"HTTP/1.1 200 ")
    await asyncio.sleep(BODY_TIMEOUT / 3)
    writer.write(b"def")
    assert (await reader.readuntil(b"def")).startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize(
    ("said", "what", "path"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS on a port that speaks plain", ""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 without an offer", "*"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n", "the PROXY protocol", ""),
        (b"hello\r\n\r\n", "no HTTP/1: Invalid method", ""),
        (b"GET /webhooks/x?t=1 HTTP/1.1\r\n" + b"a: b\r\n" * 102, "100 headers", "/webhooks/x"),
        (b"POST /short HTTP/1.1\r\nA: " + b"b" * 70_000, "65,536 bytes", "/short"),
        (
            b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "no HTTP/1: Invalid character in chunk size",
            "/echo",
        ),
    ],
)
async def test_what_is_no_request_is_noted(
    server: GuardedServer, said: bytes, what: str, path: str
) -> None:
    """With what is wrong, its path where it has one, and whom it came from; it hears 400."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    writer.write(said)
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    ((code, scope, found),) = server.refused
    assert (code, scope["path"], scope["client"][0]) == ("bad_request", path, "127.0.0.1")
    assert what in found


@pytest.mark.parametrize(
    ("first", "rest", "what"),
    [
        (b"P", b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 without an offer"),
        (b"PRI * HTTP/2.0\r\n\r\n", b"SM\r\n\r\n\0\0\0\4", "HTTP/2 without an offer"),
        (b"\x16", b"\x03\x01\x02", "TLS on a port that speaks plain"),
    ],
)
async def test_another_protocol_in_pieces(
    server: GuardedServer, first: bytes, rest: bytes, what: str
) -> None:
    """As it comes out of TLS, whose records end where their sender likes."""
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    (guard,) = await until(lambda: server.state.connections, "the connection")
    for piece in (first, rest):
        guard.data_received(piece)
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    ((_, _, found),) = server.refused
    assert what in found


async def test_a_body_that_is_too_slow_or_ends_early_is_noted(server: GuardedServer) -> None:
    """With its headers, so that a proxy may say for whom it was."""
    for eof, code, what in ((False, "body_too_slow", ""), (True, "bad_request", "ended early")):
        reader, writer = await asyncio.open_connection(*server.socket.getsockname())
        writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        if eof:
            await asyncio.sleep(0.05)
            writer.write_eof()
        await reader.read()
        writer.close()
        found, scope, wrong = server.refused[-1]
        assert (found, scope["path"], what in wrong) == (code, "/echo", True)
        assert (b"content-length", b"9") in scope["headers"]
