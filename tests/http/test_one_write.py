"""One write for an answer, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from casebell.http.one_write import FLUSH_BYTES, OneWrite


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[OneWrite, socket.socket]]:
    """The transport, and the other end of its socket, which never blocks."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    with theirs:
        try:
            yield OneWrite(transport, loop), theirs
        finally:
            transport.abort()


def arrived(end: socket.socket) -> bytes | None:
    """What has arrived; None where nothing has."""
    try:
        return end.recv(1_000_000)
    except BlockingIOError:
        return None


async def test_the_parts_of_one_turn_leave_together_at_its_end() -> None:
    """Head and body are one write."""
    async with connected() as (transport, end):
        transport.write(b"head ")
        transport.write(b"body")
        assert arrived(end) is None
        await asyncio.sleep(0)
        assert arrived(end) == b"head body"


async def test_a_large_part_leaves_at_once_behind_what_waits() -> None:
    """A streaming answer gets back-pressure."""
    async with connected() as (transport, end):
        transport.write(b"head ")
        transport.write(b"x" * (FLUSH_BYTES + 1))
        assert arrived(end) == b"head " + b"x" * (FLUSH_BYTES + 1)


async def test_closing_sends_what_waits_and_aborting_drops_it() -> None:
    """A last answer arrives; a connection that is cut off sends nothing more."""
    async with connected() as (transport, end):
        transport.write(b"the last")
        transport.close()
        assert transport.is_closing()
        assert arrived(end) == b"the last"
    async with connected() as (transport, end):
        transport.write(b"never")
        transport.abort()
        await asyncio.sleep(0.01)
        assert arrived(end) == b""
