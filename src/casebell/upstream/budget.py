"""What an API may be asked: so many requests in any minute, and so many in a day of GMT.

The minute is counted in memory. The day is a row that all servers share and that a restart finds
again; it is taken in small blocks, so that most requests cost no write. A process that is killed
wastes the rest of its block, and none is made that was not taken before
(docs/decisions/0039-asking-the-providers-api.md).
"""

import asyncio
from typing import Final

from aiolimiter import AsyncLimiter

from casebell.clock import DAY, SECOND, Clock, iso
from casebell.errors import BudgetSpent
from casebell.events import Micros
from casebell.store import upstream_budget
from casebell.store.engine import Store

#: Requests that are taken of a day at once.
BLOCK: Final = 20
#: Share of a minute's requests that may be made at once, after a pause.
_BURST: Final = 10


class Budget:
    """The requests that one API may be asked; shared by all that ask it in this process.

    Args:
        upstream: the API's name in the configuration.
        block: requests that are taken of a day at once.
    """

    def __init__(
        self,
        store: Store,
        *,
        upstream: str,
        per_minute: int,
        per_day: int,
        clock: Clock,
        block: int = BLOCK,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._per_day = per_day
        self._clock = clock
        self._block = block
        self._limiter = limiter_for(per_minute)
        #: Held while a block is taken or given back, which may be at the end of a day.
        self._lock = asyncio.Lock()
        #: What is left of the last block, and of which day it was taken.
        self._held = 0
        self._day = ""

    async def take(self) -> None:
        """Wait for the turn of a request, and count it; call it before each try.

        Raises:
            BudgetSpent: none is left of this day.
            StorageUnavailable: it cannot be counted, so it must not be made.
        """
        await self._limiter.acquire()
        async with self._lock:
            day = _day(now := self._clock.now())
            if day != self._day:
                await self._return()
                self._day = day
            if self._held == 0:
                self._held = await self._store.transact(
                    upstream_budget.take,
                    upstream=self._upstream,
                    day=day,
                    wanted=self._block,
                    per_day=self._per_day,
                )
            if self._held == 0:
                raise self._spent(now)
            self._held -= 1

    async def left(self) -> int:
        """The requests that are left of this day, for all servers together."""
        day = _day(self._clock.now())
        async with self._store.read() as connection:
            taken = await upstream_budget.taken(connection, upstream=self._upstream, day=day)
        held = self._held if day == self._day else 0
        return max(self._per_day - taken + held, 0)

    async def give_back(self) -> None:
        """Give back what was taken and not used; a later request takes anew."""
        async with self._lock:
            await self._return()

    async def _return(self) -> None:
        number, self._held = self._held, 0
        if number:
            await self._store.transact(
                upstream_budget.give_back, upstream=self._upstream, day=self._day, number=number
            )

    def _spent(self, now: Micros) -> BudgetSpent:
        begins = (now // DAY + 1) * DAY
        return BudgetSpent(
            f'All {self._per_day:,} requests of this day to the API "{self._upstream}" are used '
            f"up; the next can be made from {iso(begins)[:10]} 00:00 GMT.",
            asked=(begins - now) / SECOND,
        )


def _day(now: Micros) -> str:
    return iso(now)[:10]


def limiter_for(per_minute: int) -> AsyncLimiter:
    """A limiter that lets no more through in any 60 seconds.

    A leaky bucket lets its burst through at once and then its rate: the two together must be the
    minute's.
    """
    burst = max(per_minute // _BURST, 1)
    rate = max(per_minute - burst, 1) / 60.0
    return AsyncLimiter(burst, burst / rate)
