"""A time-out for each use of PostgreSQL, and a circuit breaker for a database that is silent.

A frozen database, or a network that drops packets, neither answers nor refuses. The driver would
wait for ever, and a second time for the cancellation of its statement, which it requests over a new
connection. So one time-out covers a whole use: waiting for a connection, connecting, every
statement, the commit. A use that times out closes its connection. Its commit may have arrived; the
caller is told to try again, and a repeat is recognised by its key or its lease.

After a writer's time-out the circuit is open: every other use fails at once, so that time-outs do
not add up. Meanwhile a probe asks the database every half second; its first answer closes the
circuit.
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
USE_TIMEOUT = 4.0
#: Seconds between two probes.
PROBE_EVERY = 0.5
#: Each end sends a keep-alive after 30 seconds without traffic, which also keeps firewalls from
#: dropping the connection, and gives the connection up after 60. This serves uses without a
#: time-out: an export on our side, the session of a dead server, with its locks, on theirs.
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


class CircuitBreaker:
    """Gives each use of the database a time-out; open while the database is silent.

    Args:
        probe: the smallest use that shows that the database can be written to.
        failed: called after each probe without an answer.
        timeout: seconds for one use, and for a probe.
    """

    def __init__(
        self,
        *,
        probe: Callable[[], Awaitable[None]],
        failed: Callable[[], None],
        timeout: float = USE_TIMEOUT,
    ) -> None:
        self._probe = probe
        self._failed = failed
        self._timeout = timeout
        self._open = False
        self._prober: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def limited(self, *, writes: bool) -> AsyncIterator[asyncio.Timeout]:
        """One use of the database; the yielded time-out can be rescheduled.

        Args:
            writes: a writer's time-out opens the circuit. A reader's time-out only starts the
                probe, since its statement may be slow.

        Raises:
            TimeoutError: the database did not answer in time, or the circuit is open.
        """
        if self._open:
            raise TimeoutError
        timeout = asyncio.timeout(self._timeout)
        try:
            async with timeout:
                yield timeout
        except TimeoutError:
            if timeout.expired():
                if writes:
                    self._open = True
                if self._prober is None:
                    self._prober = asyncio.create_task(self._probe_on(), name="store-probe")
            raise

    async def close(self) -> None:
        """End the probe."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    async def _probe_on(self) -> None:
        """Probe until the database answers; then close the circuit."""
        try:
            while not await self._answers():
                self._open = True
                self._failed()
                await asyncio.sleep(PROBE_EVERY)
        finally:
            self._open = False
            self._prober = None

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout):
                await self._probe()
        except TimeoutError:
            return False
        except (SQLAlchemyError, OSError):
            # A refusal is an answer, too: each use gets it at once.
            return True
        return True


def set_up_postgresql(engine: AsyncEngine) -> None:
    """Test an engine's connections before each use, keep them alive, and close them abruptly.

    An orderly close costs seconds with a silent database: the driver first requests cancellation
    of the statement, or says goodbye and waits for the answer. PostgreSQL ends the session, with
    its locks, when the connection is gone.
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
        # Not by the pool's own ping: when a time-out cancels that, it waits again, for its
        # rollback, and reports an ordinary failure.
        try:
            connection.run_async(lambda driver: driver.execute("SELECT 1"))
        except Exception as error:
            # Of any kind: the pool then opens a new connection.
            raise InvalidatePoolError from error

    @event.listens_for(engine.sync_engine, "close")
    def end(connection: Any, _record: Any) -> None:
        connection.driver_connection.terminate()
