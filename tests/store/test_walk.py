"""Pages joined by their cursors, on both databases: every row once, whatever comes meanwhile."""

import random
from typing import Any

import pytest

from casebell.actors import NOBODY
from casebell.alerts import AlertKind, AlertState, NewAlert
from casebell.events import HeldState, Status, Tag
from casebell.store import outbox, walk
from casebell.store.engine import Store
from casebell.store.lists import AlertFilter, EventFilter, HeldFilter
from casebell.store.walk import Filter, Place
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, classified_event
from contracts.decisions import append_classified
from contracts.filled import hold
from contracts.writing import writing

#: Each way of the walk: by id, by a column with one value, by time, of the few; with conditions
#: that are checked in each row and without.
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": Status.DENIED},
    {"source": "torch", "status": Status.DENIED},
    {"tag": Tag.CARD},
    {"text": "rare"},
    {"since": RECEIVED_AT + 5},
    {"until": RECEIVED_AT + 15, "tag": Tag.CARD},
    {"since": RECEIVED_AT + 3, "until": RECEIVED_AT + 18, "status": Status.RECEIVED},
    {"receipt": "IOE0912345678", "tag": Tag.CARD},
]


async def add_events(store: Store, chance: random.Random, number: int) -> None:
    """Some more events of every kind, at times that are not in order."""
    batch = [
        classified_event(
            f"evt_{chance.getrandbits(64)}",
            received_at=RECEIVED_AT + chance.randrange(20),
            source=chance.choice(("parley", "torch")),
            status=chance.choice((Status.DENIED, Status.RECEIVED)),
            tags=frozenset({Tag.CARD}) if chance.random() < 0.3 else frozenset(),
            text=chance.choice(("", "a rare one")),
        )
        for _ in range(number)
    ]
    async with writing(store) as connection:
        await append_classified(connection, batch)


async def matching(store: Store, where: Filter) -> list[int]:
    """Every row that matches, as an export has it."""
    return [row.id async for row in walk.export(store.read, where)]


@pytest.mark.parametrize("seen_by", [ADMIN, NOBODY], ids=lambda actor: actor.name)
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
async def test_every_row_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, seed: int, seen_by: Any
) -> None:
    """What was there at first is in one page, and what comes meanwhile in one at most."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 5)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    chance = random.Random(seed)
    for given in FILTERS:
        where = EventFilter(**given, seen_by=seen_by)
        await add_events(store, chance, 10)
        at_first = await matching(store, where)
        found: list[int] = []
        places: list[Place] = []
        after: Place | None = None
        while after is not None or not places:
            most = chance.randrange(1, 6)
            async with store.read() as connection:
                page = await walk.page_of(connection, where, limit=5, most=most, after=after)
            assert len(page.rows) <= most
            # What a person is told of is a page with room left.
            assert page.looked_back_to is None or len(page.rows) < most
            found += [row.id for row in page.rows]
            after = page.next
            if after is None:
                break
            places.append(after)
            await add_events(store, chance, chance.randrange(3))
        assert len(found) == len(set(found)), given
        assert set(at_first) <= set(found), given
        assert places == sorted(set(places), reverse=True), given


async def test_over_gaps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are gone end no listing, and a cursor whose row is gone is one all the same."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 5)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    new = [
        NewAlert(
            kind=AlertKind.OPS,
            subject=f"s:{number}",
            channel="rare" if number % 9 == 0 else "c",
            target="t",
            urgent=False,
        )
        for number in range(30)
    ]
    async with writing(store) as connection:
        await outbox.add(connection, new, now=RECEIVED_AT)
    where = AlertFilter(channel="rare", state=AlertState.PENDING)
    expected = (await matching(store, where))[::-1]
    assert len(expected) == 4
    found: list[int] = []
    after: Place | None = (expected[0] + 100,)
    while after is not None:
        async with store.read() as connection:
            page = await walk.page_of(connection, where, limit=1, after=after)
        found += [row.id for row in page.rows]
        after = page.next
        if after is not None and after[0] not in expected:
            ids = AlertFilter.table.c.id
            async with writing(store) as connection:
                await connection.execute(AlertFilter.table.delete().where(ids == after[0]))
    assert found == expected


async def test_a_page_ends_by_its_size(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer fits into memory: large rows are fewer to a page, and none is left out."""
    monkeypatch.setattr(walk, "MAX_PAGE_TEXT", 9_500)
    for number in range(25):
        await hold(store, b"%03d" % number + b"x" * 997)
    for where in (HeldFilter(), HeldFilter(state=HeldState.HELD)):
        sizes: list[int] = []
        found: list[int] = []
        after: Place | None = None
        while after is not None or not sizes:
            async with store.read() as connection:
                page = await walk.page_of(connection, where, limit=500, after=after)
            sizes.append(len(page.rows))
            found += [row.id for row in page.rows]
            after = page.next
        assert sizes == [10, 10, 5]
        assert found == (await matching(store, where))[::-1]
    async with store.read() as connection:
        page = await walk.page_of(connection, HeldFilter(), limit=3)
    assert len(page.rows) == 3


async def test_texts_count_as_size(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An official text may be as long as a body."""
    monkeypatch.setattr(walk, "MAX_PAGE_TEXT", 1_000)
    monkeypatch.setattr(EventFilter, "chunk", 2)
    batch = [classified_event(f"evt_{number}", text="x" * 400) for number in range(7)]
    async with writing(store) as connection:
        await append_classified(connection, batch)
    async with store.read() as connection:
        page = await walk.page_of(connection, EventFilter(), limit=50)
        assert [row.key for row in page.rows] == ["evt_6", "evt_5", "evt_4", "evt_3"]
        rest = await walk.page_of(connection, EventFilter(), limit=50, after=page.next)
    assert [row.key for row in rest.rows] == ["evt_2", "evt_1", "evt_0"]
    assert rest.next is None
