"""The feeds on record, and the dates that they show; on both backends."""

from typing import Any

import pytest

from casebell.alerts import Asked
from casebell.errors import NotFound, Refusal
from casebell.store import feeds
from casebell.store.engine import Store
from casebell.store.schema import journal, queue
from contracts.actors import ADMIN
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.stores import read_table
from contracts.writing import writing

NOW = 1_760_469_723_000_000


async def add(store: Store, digest: str = "a" * 64, person: str = "jchan") -> int:
    """A feed; its number."""
    return await store.transact(feeds.add, digest=digest, person=person, now=NOW, actor=ADMIN)


async def asked(store: Store, number: int, *, due: str | None, **facts: Any) -> int:
    """A change of a case that asks for something, with the date that somebody typed."""
    change = await change_case(store, number, asked=Asked(deadline=True, urgent=True))
    if facts:
        await say_of_case(store, number, **facts)
    async with writing(store) as connection:
        row = queue.update().where(queue.c.change_id == change)
        await connection.execute(row.values(due=due, due_entered_at=NOW))
    return change


async def dates(store: Store, *owners: str, teams: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Receipt and date of each."""
    async with store.read() as connection:
        found = await feeds.dates(connection, owners=owners, teams=teams)
    return [(row.receipt, row.due) for row in found]


async def test_one_is_added_found_and_revoked(store: Store) -> None:
    """By its digest; the journal has who, and neither digest nor address."""
    number, other = await add(store), await add(store, "b" * 64, "kim")
    async with store.read() as connection:
        found = await feeds.with_digests(connection, ["a" * 64, "c" * 64])
        (mine,) = await feeds.every(connection, person="jchan")
    assert [(row.id, row.person) for row in found.values()] == [(number, "jchan")]
    assert mine.id == number
    await store.transact(feeds.revoke, other, now=NOW + 1, actor=ADMIN)
    async with store.read() as connection:
        every = await feeds.every(connection)
    assert [row.revoked_at for row in every] == [None, NOW + 1]
    entries = await read_table(store, journal)
    assert [(row.kind, row.subject, row.data) for row in entries] == [
        ("feed.added", f"feed:{number}", '{"person":"jchan"}'),
        ("feed.added", f"feed:{other}", '{"person":"kim"}'),
        ("feed.revoked", f"feed:{other}", '{"person":"kim"}'),
    ]


async def test_what_cannot_be_revoked(store: Store) -> None:
    """One that is not there, is somebody else's, or was revoked before."""
    number = await add(store)
    with pytest.raises(NotFound):
        await store.transact(feeds.revoke, number + 1, now=NOW, actor=ADMIN)
    with pytest.raises(NotFound):
        await store.transact(feeds.revoke, number, of="kim", now=NOW, actor=ADMIN)
    await store.transact(feeds.revoke, number, of="jchan", now=NOW, actor=ADMIN)
    with pytest.raises(Refusal, match="revoked already"):
        await store.transact(feeds.revoke, number, now=NOW, actor=ADMIN)


async def test_nobody_has_too_many(store: Store) -> None:
    """Revoked ones do not count, nor do those of others."""
    for one in range(feeds.MAX_FEEDS):
        number = await add(store, f"{one:064x}")
    await add(store, "b" * 64, "kim")
    with pytest.raises(Refusal, match="There are 20 feeds of jchan already"):
        await add(store)
    await store.transact(feeds.revoke, number, now=NOW, actor=ADMIN)
    await add(store)


async def test_when_it_was_last_read(store: Store) -> None:
    """A later time stays."""
    number = await add(store)
    for at in (NOW + 5, NOW + 9, NOW + 7):
        await store.transact(feeds.record_read, number, now=at)
    async with store.read() as connection:
        (row,) = await feeds.every(connection)
    assert row.last_read_at == NOW + 9


async def test_whose_dates(store: Store) -> None:
    """Of open changes with a date, in one's own cases and those of one's teams; not confidential.

    A case without an owner or a team is nobody's.
    """
    await asked(store, 1, due="2026-12-24", owner="Jia Chan", team="rfe")
    await asked(store, 2, due="2026-11-30", owner="Kim Roe", team="RFE")
    await asked(store, 3, due="2026-10-01", owner="Kim Roe")
    await asked(store, 4, due="2026-10-02")
    await asked(store, 5, due=None, owner="Jia Chan")
    await asked(store, 6, due="2026-10-03", owner="Jia Chan", confidential=True)
    answered = await asked(store, 7, due="2026-10-04", owner="Jia Chan")
    async with writing(store) as connection:
        row = queue.update().where(queue.c.change_id == answered)
        await connection.execute(row.values(answered_at=NOW, answered_by="change:9"))
    one, two, three = (receipt_of(number) for number in (1, 2, 3))
    assert await dates(store, "jia chan") == [(one, "2026-12-24")]
    assert await dates(store, "jia chan", teams=("rfe",)) == [
        (two, "2026-11-30"),
        (one, "2026-12-24"),
    ]
    assert await dates(store, "kim roe") == [(three, "2026-10-01"), (two, "2026-11-30")]
    assert await dates(store) == []
