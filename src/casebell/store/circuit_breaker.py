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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError

#: Seconds for one use of the database. Transactions take milliseconds here; a checkpoint on a slow
#: disk, or a second server that writes, may cost a second or two. Senders commonly wait for an
#: answer for five seconds or more, and a server that is told to end has ten, of which requests
#: under way get four.
USE_TIMEOUT = 4.0
#: Seconds between two probes.
PROBE_EVERY = 0.5


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
        """End the probe; the circuit is closed for who opens the database again."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)
        # A probe that was ended before its first step has not done so itself.
        self._open, self._prober = False, None

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
