"""How many requests are under way: deliveries go first, and no actor takes all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from casebell.errors import TooManyRequests

#: Seconds that a request waits for its turn.
MAX_WAIT = 5.0
#: Requests that wait, and those of one actor.
MAX_WAITING = 50
MAX_WAITING_OF_ONE = 20


@dataclass(kw_only=True, slots=True)
class _Share:
    """What one actor has of the slots."""

    free: asyncio.Semaphore
    #: Its requests, waiting or under way.
    requests: int = 0
    waiting: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Turns:
    """How many requests of programs and people are under way, together."""

    #: The store has four connections for reading: two are left to everybody else.
    reads: "Slots" = field(default_factory=lambda: Slots(2))
    #: What is done is written by the one writer, or waits for a channel.
    actions: "Slots" = field(default_factory=lambda: Slots(4))


class Slots:
    """Lets a few requests in at a time; the next ones wait, not for long.

    One slot is left to others, whatever an actor asks for.

    Args:
        under_way: requests at a time; at least two.
    """

    def __init__(
        self,
        under_way: int,
        *,
        max_waiting: int = MAX_WAITING,
        max_waiting_of_one: int = MAX_WAITING_OF_ONE,
        max_wait: float = MAX_WAIT,
    ) -> None:
        self._free = asyncio.Semaphore(under_way)
        self._each = under_way - 1
        self._shares: dict[str, _Share] = {}
        self._waiting = 0
        self._max_waiting = max_waiting
        self._max_waiting_of_one = max_waiting_of_one
        self._max_wait = max_wait

    @asynccontextmanager
    async def one(self, actor: str) -> AsyncIterator[None]:
        """Hold a slot inside the block.

        Args:
            actor: its name.

        Raises:
            TooManyRequests: too many wait, or it waited for too long.
        """
        share = self._shares.setdefault(actor, _Share(free=asyncio.Semaphore(self._each)))
        share.requests += 1
        try:
            await self._wait(share)
            try:
                yield
            finally:
                self._free.release()
                share.free.release()
        finally:
            share.requests -= 1
            if not share.requests:
                del self._shares[actor]

    async def _wait(self, share: _Share) -> None:
        """Take a slot of the actor's share, and then one of all."""
        full = self._waiting >= self._max_waiting or share.waiting >= self._max_waiting_of_one
        if full and (share.free.locked() or self._free.locked()):
            raise TooManyRequests
        self._waiting += 1
        share.waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await share.free.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    share.free.release()
                    raise
        except TimeoutError:
            raise TooManyRequests from None
        finally:
            self._waiting -= 1
            share.waiting -= 1
