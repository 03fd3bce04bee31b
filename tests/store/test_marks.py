"""What is noted under a name, on both backends."""

from casebell.store import marks
from casebell.store.engine import Store


async def test_the_first_time_stays(store: Store) -> None:
    """Whoever comes later is told of it."""
    assert await store.transact(marks.first, "expected:parley", now=5) == 5
    assert await store.transact(marks.first, "expected:parley", now=9) == 5
    async with store.read() as connection:
        assert await marks.named(connection, marks.EXPECTED) == {"parley": 5}
        assert await marks.named(connection, marks.SILENT) == {}


async def test_the_last_time_only_rises(store: Store) -> None:
    """Of two servers the one that heard last is right."""
    for at in (5, 9, 7):
        await store.transact(marks.advance, "heard:parley", at)
    async with store.read() as connection:
        assert await marks.named(connection, marks.HEARD) == {"parley": 9}


async def test_what_is_taken_is_gone(store: Store) -> None:
    """Only one gets it."""
    await store.transact(marks.first, "silent:parley", now=5)
    assert await store.transact(marks.take, "silent:parley") == 5
    assert await store.transact(marks.take, "silent:parley") is None
