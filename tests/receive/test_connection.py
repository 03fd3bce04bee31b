"""A connection whose client does not read, over a real socket with small buffers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, generate_latest
from uvicorn import Config
from uvicorn.server import ServerState

from casebell.clock import SystemClock
from casebell.receive.connection import Connection
from casebell.receive.listener import Listener
from casebell.receive.room import Room
from casebell.telemetry import get_logger
from waiting import until

#: More than the buffers on both sides hold.
ANSWER = b"x" * 4 * 2**20
#: More than the system's buffers hold, and less than the server pauses at.
MEDIUM = b"y" * 48 * 2**10


class Impatient(Connection):
    """One that waits for a moment only."""

    patience = 1.5


class Door:
    """A listener, and how many it let in."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.socket = socket.create_server(("127.0.0.1", 0))
        # What is accepted inherits it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.socket.setblocking(False)
        room = Room(
            places=10,
            per_address=10,
            trusted_proxies=(),
            clock=SystemClock(),
            registry=self.registry,
            log=get_logger(),
        )

        class Counted(Impatient):
            left = room.left

        config = Config(answer, http=Counted, lifespan="off", log_config=None, timeout_keep_alive=1)
        config.load()
        self.listener = Listener(
            self.socket,
            make=lambda: Counted(config, ServerState(), {}),
            room=room,
            tls=None,
        )

    def open(self) -> bool:
        return b"casebell_connections 1.0" in generate_latest(self.registry)


async def answer(scope: Any, _receive: Any, send: Any) -> None:
    """A long answer, in the pieces that back-pressure knows; or at once a short one."""
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
async def door() -> AsyncIterator[Door]:
    made = Door()
    yield made
    made.listener.close()
    await made.listener.wait_closed()


async def ask(
    door: Door, said: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, door.socket.getsockname())
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    writer.write(said)
    return reader, writer


async def test_an_answer_that_nobody_reads_ends_the_connection(door: Door) -> None:
    """Else a stranger could keep its place, and what we would tell it, for ever."""
    _, writer = await ask(door)
    await until(door.open, "the connection")
    await until(lambda: not door.open(), "the end of the connection")
    writer.transport.abort()


async def test_an_answer_that_is_read_arrives(door: Door) -> None:
    """A client that only reads slowly gets all of it."""
    reader, writer = await ask(door)
    seen = b""
    while not seen.endswith(b"0\r\n\r\n"):
        piece = await reader.read(65536)
        assert piece, "ended before its end"
        seen += piece
    assert seen.count(b"x") >= len(ANSWER)
    assert door.open()
    writer.close()
    await writer.wait_closed()
    await until(lambda: not door.open(), "the end of the connection")


@pytest.mark.parametrize("offer", [b"", b"Connection: Upgrade\r\nUpgrade: x\r\n"])
async def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection(
    door: Door, offer: bytes
) -> None:
    """It ends when no other request comes, as after any answer."""
    reader, writer = await asyncio.open_connection(*door.socket.getsockname())
    writer.write(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + offer + b"\r\n")
    assert await reader.readuntil(b"\r\n\r\n")
    writer.write(b"abc")
    assert await reader.read() == b""
    writer.close()


async def test_a_last_answer_that_nobody_reads_ends_the_connection(door: Door) -> None:
    """Also where it is so short that the server does not pause."""
    said = b"GET /medium HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    _, writer = await ask(door, said)
    await until(door.open, "the connection")
    await until(lambda: not door.open(), "the end of the connection")
    writer.transport.abort()


async def test_a_broken_body_has_one_answer_while_an_earlier_one_is_unread(door: Door) -> None:
    """The application that answers without its body does not answer after us."""
    reader, writer = await ask(door, b"GET /medium HTTP/1.1\r\nHost: x\r\n\r\n")
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
