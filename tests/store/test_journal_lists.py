"""Lists of journal entries on both backends: filters, order, pages, and that a page is bounded."""

from typing import Any

import pytest

from casebell.store import journal, walk
from casebell.store.engine import Store
from casebell.store.lists import JournalFilter
from contracts.writing import writing

#: Of each entry the time, in a clock that was set back behind the fourth.
TIMES = [10, 20, 5_000, 5_010, 30, 40, 50]


@pytest.fixture(autouse=True)
async def _entries(store: Store) -> None:
    async with writing(store) as connection:
        await journal.append(
            connection,
            [
                journal.Entry(
                    at=at,
                    kind="alert.retried" if number % 2 else "export.started",
                    actor="cli:jia" if number < 4 else "token:practice",
                    subject=f"alert:{number % 3}",
                    data={"half": "\ud83d", "large": 10**39},
                )
                for number, at in enumerate(TIMES)
            ],
        )


async def sequence(store: Store, *, limit: int = 50, **given: Any) -> list[int]:
    """The numbers that match, over as many pages as it takes."""
    found: list[int] = []
    after = None
    while True:
        async with store.read() as connection:
            page = await walk.page_of(connection, JournalFilter(**given), limit=limit, after=after)
        assert len(page.rows) <= limit
        found += [row.seq for row in page.rows]
        after = page.next
        if after is None:
            return found


#: A filter, and the entries it leaves.
NARROWED: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [7, 6, 5, 4, 3, 2, 1]),
    ({"kind": "alert.retried"}, [6, 4, 2]),
    ({"kind": "alert"}, []),
    ({"actor": "cli:jia"}, [4, 3, 2, 1]),
    ({"subject": "alert:0"}, [7, 4, 1]),
    ({"since": 1_000}, [4, 3]),
    ({"until": 25}, [2, 1]),
    ({"since": 20, "until": 45}, [6, 5, 2]),
    ({"since": 20, "until": 45, "kind": "alert.retried", "actor": "token:practice"}, [6]),
]


async def test_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, by number; times are found wherever they are, also in pages of a short look."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 2)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    for given, expected in NARROWED:
        for limit in (1, 2, 50):
            assert await sequence(store, limit=limit, **given) == expected, (given, limit)


async def test_a_page_says_how_far_it_looked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at so many entries, found or not."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 3)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    async with store.read() as connection:
        page = await walk.page_of(connection, JournalFilter(until=15), limit=1)
        assert (page.rows, page.next) == ([], (4,))
        page = await walk.page_of(connection, JournalFilter(until=15), limit=1, after=page.next)
    assert [row.seq for row in page.rows] == [1]


async def test_a_cursor_behind_the_newest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody gave begins with the newest entry, and looks as far as any."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 2)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    where = JournalFilter(kind="alert.retried")
    async with store.read() as connection:
        page = await walk.page_of(connection, where, limit=2, after=(10**17,))
    assert ([row.seq for row in page.rows], page.next) == ([6], (5,))
