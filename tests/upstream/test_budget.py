"""What an API may be asked in a day, by all servers together, and in a minute."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.clock import DAY, HOUR, SECOND
from casebell.errors import BudgetSpent
from casebell.events import Micros
from casebell.store import upstream_budget
from casebell.store.engine import Store
from casebell.upstream.budget import Budget, limiter_for
from contracts.clock_and_log import ManualClock

#: 2026-12-24, 20:00 GMT.
EVENING: Micros = 1_798_142_400 * SECOND


def _budget(
    store: Store, *, clock: ManualClock, per_day: int, block: int = 20, name: str = "api"
) -> Budget:
    return Budget(
        store, upstream=name, per_minute=60_000, per_day=per_day, clock=clock, block=block
    )


async def _made(budget: Budget) -> int:
    """Requests until none is left."""
    for made in range(10_000):
        try:
            await budget.take()
        except BudgetSpent:
            return made
    raise AssertionError


async def test_until_the_day_is_spent(store: Store) -> None:
    """To the last request; the error says when the next can be made, and writes nothing more."""
    clock = ManualClock(EVENING)
    budget = _budget(store, clock=clock, per_day=47)
    assert await budget.left() == 47
    assert await _made(budget) == 47
    assert await budget.left() == 0
    with pytest.raises(BudgetSpent, match="from 2026-12-25 00:00 GMT") as caught:
        await budget.take()
    assert caught.value.retry_after == 4 * 3600
    clock.advance(4 * 3600)
    assert await budget.left() == 47
    assert await _made(budget) == 47


async def test_servers_share_it(store: Store) -> None:
    """However many take at once, together they make what the day has, and no more."""
    clock = ManualClock(EVENING)
    servers = [_budget(store, clock=clock, per_day=150) for _ in range(5)]
    other = _budget(store, clock=clock, per_day=30, name="other")
    made = await asyncio.gather(*map(_made, [*servers, *servers, other]))
    assert (sum(made[:-1]), made[-1]) == (150, 30)


async def test_a_server_that_is_killed(store: Store) -> None:
    """It wastes its block at most; what it made stays counted."""
    clock = ManualClock(EVENING)
    killed = _budget(store, clock=clock, per_day=100)
    for _ in range(25):
        await killed.take()
    # No `give_back`.
    after = _budget(store, clock=clock, per_day=100)
    assert await after.left() == 60
    assert await _made(after) == 60


async def test_what_is_not_used_goes_back(store: Store) -> None:
    """To the last request, also where others go on."""
    clock = ManualClock(EVENING)
    budget = _budget(store, clock=clock, per_day=100)
    for _ in range(25):
        await budget.take()
    assert await budget.left() == 75
    await budget.give_back()
    await budget.give_back()
    after = _budget(store, clock=clock, per_day=100)
    assert await after.left() == 75
    await budget.take()
    assert await after.left() == 55
    assert await budget.left() == 74


async def _taken(store: Store, day: str) -> int:
    async with store.read() as connection:
        return await upstream_budget.taken(connection, upstream="api", day=day)


async def test_a_clock_that_is_set_back(store: Store) -> None:
    """Each day has its row, and no row has more than a day, wherever the clock goes."""
    clock = ManualClock(EVENING)
    budget = _budget(store, clock=clock, per_day=50)
    for _ in range(10):
        await budget.take()
    clock.advance(DAY / SECOND)
    for _ in range(30):
        await budget.take()
    clock.set_back(DAY / SECOND)
    assert await budget.left() == 40
    assert await _made(budget) == 40
    clock.set_back(HOUR / SECOND)
    assert await _made(budget) == 0
    assert await _taken(store, "2026-12-24") == 50
    assert await _taken(store, "2026-12-25") == 30


async def test_few_writes(sqlite_store: Store) -> None:
    """A block is one write, so that deliveries need not wait for the writer."""
    budget = _budget(sqlite_store, clock=ManualClock(EVENING), per_day=1_000)
    before = sqlite_store.commits
    for _ in range(200):
        await budget.take()
    assert sqlite_store.commits - before == 10


@given(st.integers(1, 100_000))
def test_a_minute_has_no_more(per_minute: int) -> None:
    """What may be made at once and what comes in 60 seconds are together the minute's number."""

    async def measured() -> tuple[float, float]:
        limiter = limiter_for(per_minute)
        return limiter.max_rate, limiter.max_rate / limiter.time_period * 60

    burst, steady = asyncio.run(measured())
    assert burst >= 1
    assert burst + steady <= max(per_minute, 2) + 1e-6
    assert burst + steady >= per_minute - 1e-6


async def test_it_waits_for_its_turn(sqlite_store: Store) -> None:
    """Of 3,600 a minute 360 may be made at once, and then 54 a second."""
    budget = Budget(
        sqlite_store,
        upstream="api",
        per_minute=3_600,
        per_day=10_000,
        clock=ManualClock(EVENING),
        block=1_000,
    )
    began = time.monotonic()
    for _ in range(360 + 6):
        await budget.take()
    assert time.monotonic() - began >= 0.99 * 6 / 54
