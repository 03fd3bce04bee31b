"""How many requests of the API are under way at once: deliveries go first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from casebell.errors import TooManyRequests

#: Seconds that a request waits for its turn, and requests that wait.
MAX_WAIT = 5.0
MAX_WAITING = 50


class Slots:
    """Lets a few requests in at a time; the next ones wait, not for long.

    Args:
        under_way: requests at a time.
    """

    def __init__(
        self, under_way: int, *, max_waiting: int = MAX_WAITING, max_wait: float = MAX_WAIT
    ) -> None:
        self._free = asyncio.Semaphore(under_way)
        self._waiting = 0
        self._max_waiting = max_waiting
        self._max_wait = max_wait

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot inside the block.

        Raises:
            TooManyRequests: too many wait, or it waited for too long.
        """
        if self._waiting >= self._max_waiting:
            raise TooManyRequests
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await self._free.acquire()
        except TimeoutError:
            raise TooManyRequests from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
