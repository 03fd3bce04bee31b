"""A transport that sends head and body of an answer with one system call, in one packet."""

import asyncio
from typing import Any

#: Bytes of a part of an answer from which it is sent at once.
FLUSH_BYTES = 16 * 1024


class OneWrite(asyncio.Transport):
    """A transport that sends the writes of one turn of the loop together: head and body.

    It has only the methods that the protocol uses.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """About the socket."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether the transport is closing or closed."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        if len(data) > FLUSH_BYTES:
            # Otherwise a streaming answer would not get back-pressure.
            self._flush()

    def close(self) -> None:
        """End once everything is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._parts.clear()
        self._transport.abort()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
