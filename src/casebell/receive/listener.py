"""Takes connections off the listening socket, for as many as there is room.

The event loop's own way bounds nothing: a connection whose TLS handshake never ends is nobody's
yet, and a process that has no more files for them goes deaf for good in an unlucky moment.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from casebell.clock import new_request_id
from casebell.errors import Unavailable
from casebell.receive.connection import Connection, answer_bytes
from casebell.receive.room import Room

#: Connections taken before others of the loop have their turn.
BURST = 64
#: Seconds to wait where the system has no more files for us.
PAUSE = 0.1
#: Bytes of an unread request that are taken, so that our answer survives the end.
UNREAD = 64 * 1024


class Listener:
    """Accepts on one socket; the web server closes it as it would one of the event loop's.

    Args:
        listening: the socket, not blocking.
        make: a connection for each.
        tls: None for plain text.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        make: Callable[[], Connection],
        room: Room,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listening = listening
        self._make = make
        self._room = room
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._listen()

    def close(self) -> None:
        """Take no more; those whose handshake is not complete go."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
        for task in self._arriving:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait for those."""
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listening.fileno(), self._ready)

    def _ready(self) -> None:
        for _ in range(BURST):
            try:
                accepted, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # No more files, or no memory for one: whatever it is must not end the service.
                self._room.make_room()
                self._loop.remove_reader(self._listening.fileno())
                self._loop.call_later(PAUSE, self._listen)
                return
            accepted.setblocking(False)
            if self._room.has_place(peer[0]):
                self._welcome(accepted, peer[0])
            else:
                self._send_away(accepted)

    def _welcome(self, accepted: socket.socket, address: str) -> None:
        connection = self._make()
        self._room.enter(connection, address)
        patience = connection.patience if self._tls else None
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls, ssl_handshake_timeout=patience
            )
        )
        connection.arriving = task
        self._arriving.add(task)
        # Not in a coroutine around it: a task that is cancelled before it began runs none.
        task.add_done_callback(partial(self._arrived, accepted, connection))

    def _arrived(
        self, accepted: socket.socket, connection: Connection, task: asyncio.Task[Any]
    ) -> None:
        self._arriving.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            # Gone already, no TLS, too slow at it, or made to leave.
            self._room.left(connection)
            accepted.close()
        if error is not None and not isinstance(error, OSError):
            context = {"message": "A connection could not be let in", "exception": error}
            self._loop.call_exception_handler(context)

    def _send_away(self, accepted: socket.socket) -> None:
        with contextlib.closing(accepted), contextlib.suppress(OSError):
            if self._tls is None:
                with contextlib.suppress(BlockingIOError):
                    accepted.recv(UNREAD)
                accepted.send(answer_bytes(Unavailable(), new_request_id()))
