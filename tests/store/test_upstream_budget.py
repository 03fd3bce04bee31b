"""The requests of a day, on both backends: nobody takes more than there are."""

import asyncio

from casebell.store import upstream_budget
from casebell.store.engine import Store

DAY = "2026-12-24"


async def _take(store: Store, wanted: int, *, per_day: int = 50, upstream: str = "api") -> int:
    return await store.transact(
        upstream_budget.take, upstream=upstream, day=DAY, wanted=wanted, per_day=per_day
    )


async def _taken(store: Store, day: str = DAY) -> int:
    async with store.read() as connection:
        return await upstream_budget.taken(connection, upstream="api", day=day)


async def test_until_none_is_left(store: Store) -> None:
    """At the end as many as there are: a part of what is wanted, and then none."""
    assert [await _take(store, 20) for _ in range(3)] == [20, 20, 10]
    assert await _take(store, 20) == 0
    assert await _taken(store) == 50


async def test_a_part_is_found_by_halves(store: Store) -> None:
    """What is left is taken to the last one, if not in one step."""
    parts = []
    while part := await _take(store, 20, per_day=37):
        parts.append(part)
    assert sum(parts) == 37


async def test_more_than_a_day_has(store: Store) -> None:
    """A block larger than the day is cut to it."""
    assert await _take(store, 20, per_day=3) == 3
    assert await _take(store, 1, per_day=3) == 0


async def test_many_at_a_time(store: Store) -> None:
    """However many take at once, together they get what the day has."""
    parts = await asyncio.gather(*(_take(store, 7, per_day=100) for _ in range(40)))
    assert sum(parts) == 100 == await _taken(store)


async def test_two_servers(postgresql_url: str) -> None:
    """Each writes on its own; still they never get more than the day has."""
    async with Store(postgresql_url) as one, Store(postgresql_url) as other:
        taking = (_take(store, 7, per_day=100) for _ in range(12) for store in (one, other))
        assert sum(await asyncio.gather(*taking)) == 100 == await _taken(one)


async def test_what_is_given_back(store: Store) -> None:
    """It can be taken again; of another API or another day nothing is given back."""
    await _take(store, 20)
    for upstream, day, number in (("api", DAY, 5), ("other", DAY, 5), ("api", "2026-12-25", 5)):
        await store.transact(upstream_budget.give_back, upstream=upstream, day=day, number=number)
    assert await _taken(store) == 15
    assert await _taken(store, "2026-12-25") == 0


async def test_a_limit_that_was_lowered(store: Store) -> None:
    """What was taken under a higher limit leaves none."""
    await _take(store, 50)
    assert await _take(store, 20, per_day=30) == 0
    assert await _taken(store) == 50
