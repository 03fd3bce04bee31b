"""A PostgreSQL that neither answers nor refuses: nobody waits for it for more than a few seconds.

It may be frozen, or the network swallows what is said to it. The driver would wait for ever, and
once more for the statement to be cancelled, which it asks for over a second connection. So each
use has a limit for everything together: the turn for a connection, connecting, every statement,
the commit. What is cut off takes its connection with it. Whether a commit still arrived nobody
knows; whoever asked is told to try again, and a repeat is found out by its key or its lease.

After the first that waited in vain all others fail at once, so that their waits do not add up,
until somebody who knocks meanwhile gets an answer.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

#: Seconds for one use of the database. Transactions take milliseconds here; a checkpoint on a slow
#: disk, or a second server that writes, may cost a second or two. Senders commonly wait for an
#: answer for five seconds or more, and a server that is told to end has ten, of which requests
#: under way get four.
LIMIT = 4.0
#: Seconds between two knocks.
KNOCK_EVERY = 0.5
#: Both ends ask each other after half a minute in which nothing came, which also keeps firewalls
#: from forgetting the connection, and take it for dead after a minute. That is for what has no
#: limit of its own: an export here, and there a session of somebody who is gone, with its locks.
_OUR_END = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}
_THEIR_END = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; "
    "SET tcp_keepalives_count = 3; SET tcp_user_timeout = 60000"
)


class Silence:
    """Limits each use, and knows whether the database is silent.

    Args:
        knock: asks the database for as little as shows that it can be written to.
        failed: called after each knock that nobody answered.
        limit: seconds for one use, and for a knock.
    """

    def __init__(
        self,
        *,
        knock: Callable[[], Awaitable[None]],
        failed: Callable[[], None],
        limit: float = LIMIT,
    ) -> None:
        self._knock = knock
        self._failed = failed
        self._limit = limit
        self._silent = False
        self._asking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def limited(self, *, writes: bool) -> AsyncIterator[asyncio.Timeout]:
        """One use of the database; what is given can lift the limit.

        Args:
            writes: the database is silent where this waits in vain. A reader alone does not show
                it, since its statement may be slow; it has somebody knock.

        Raises:
            TimeoutError: it did not answer in time, or is known to be silent.
        """
        if self._silent:
            raise TimeoutError
        limit = asyncio.timeout(self._limit)
        try:
            async with limit:
                yield limit
        except TimeoutError:
            if limit.expired():
                if writes:
                    self._silent = True
                if self._asking is None:
                    self._asking = asyncio.create_task(self._ask(), name="store-knocks")
            raise

    async def close(self) -> None:
        """Knock no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        """Knock until there is an answer."""
        try:
            while not await self._answers():
                self._silent = True
                self._failed()
                await asyncio.sleep(KNOCK_EVERY)
        finally:
            self._silent = False
            self._asking = None

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._limit):
                await self._knock()
        except TimeoutError:
            return False
        except (SQLAlchemyError, OSError):
            # If only to refuse: each use finds that out by itself, and at once.
            return True
        return True


def set_up_postgresql(engine: AsyncEngine) -> None:
    """Have an engine's connections be tried before use, kept alive, and ended without a goodbye.

    A connection that is given up would first ask for its statement to be cancelled, and one that
    is left over at the end say goodbye and wait for the answer: seconds each, of a database that
    is silent. PostgreSQL ends a session, with its locks, when its connection has gone.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def keep_alive(connection: Any, _record: Any) -> None:
        # Reaches into asyncpg: it has no public way to its socket.
        transport = connection.driver_connection._transport  # noqa: SLF001
        plug = transport.get_extra_info("socket")
        if plug is None or plug.family == socket.AF_UNIX:
            return
        connection.run_async(lambda driver: driver.execute(_THEIR_END))
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OUR_END.items():
            # Not every system has all of them.
            if (option := getattr(socket, name, None)) is not None:
                plug.setsockopt(socket.IPPROTO_TCP, option, value)

    @event.listens_for(engine.sync_engine, "checkout")
    def try_out(connection: Any, _record: Any, _proxy: Any) -> None:
        # Not by the pool's own ping: cut off while it waits, that would wait again, for its
        # rollback, and take it for an ordinary failure.
        try:
            connection.run_async(lambda driver: driver.execute("SELECT 1"))
        except Exception as error:
            # Whatever it is, a new connection shows more.
            raise InvalidatePoolError from error

    @event.listens_for(engine.sync_engine, "close")
    def end(connection: Any, _record: Any) -> None:
        connection.driver_connection.terminate()
