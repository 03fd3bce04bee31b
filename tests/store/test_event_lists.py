"""Lists of events on both backends: filters, order, pages; and that a page costs a bounded look."""

import time
from typing import Any

import pytest

from casebell.events import Status, Tag
from casebell.store import walk
from casebell.store.engine import Store
from casebell.store.lists import EventFilter
from casebell.store.walk import EXPORT_PAGE, Page
from contracts.case_events import RECEIVED_AT, classified_event
from contracts.decisions import append_classified
from contracts.writing import writing

#: A filter, and which of three events it leaves.
NARROWED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["c", "b", "a"]),
    ({"source": "torch"}, ["c"]),
    ({"source": "tor"}, []),
    ({"status": Status.APPROVED}, ["b"]),
    ({"receipt": "EAC9999103404"}, ["c"]),
    ({"receipt": "EAC"}, []),
    ({"tag": Tag.ACTION}, ["a"]),
    ({"tag": Tag.CARD}, ["c", "b"]),
    ({"since": RECEIVED_AT}, ["c", "b"]),
    ({"until": RECEIVED_AT}, ["a"]),
    ({"since": RECEIVED_AT - 5, "until": RECEIVED_AT + 5}, ["b", "a"]),
    ({"since": RECEIVED_AT + 6}, []),
    ({"text": "was APPROVED"}, ["b"]),
    ({"status": Status.APPROVED, "source": "torch"}, []),
    ({"tag": Tag.CARD, "since": RECEIVED_AT + 1, "text": "card"}, ["c"]),
]


async def append(store: Store, *sent: Any) -> list[int]:
    """Store events in one transaction; their row numbers."""
    async with writing(store) as connection:
        results = await append_classified(connection, sent)
    return [result.event_id for result in results]


async def keys(store: Store, limit: int = 50, **given: Any) -> list[str]:
    """The keys of a listing."""
    async with store.read() as connection:
        found = await walk.page_of(connection, EventFilter(**given), limit=limit)
        assert await walk.count(connection, EventFilter(**given)) >= len(found.rows)
    return [one.key for one in found.rows]


class TestFilters:
    """What a listing is narrowed to."""

    async def test_each(self, store: Store) -> None:
        """Each filter, alone and together, leaves what matches, newest first, and counts it."""
        await append(
            store,
            classified_event("a", tags=frozenset({Tag.ACTION}), received_at=RECEIVED_AT - 5),
            classified_event(
                "b",
                status=Status.APPROVED,
                tags=frozenset({Tag.CARD, Tag.DECISION}),
                text="Case Was Approved",
            ),
            classified_event(
                "c",
                source="torch",
                receipt="EAC9999103404",
                tags=frozenset({Tag.APPOINTMENT, Tag.CARD}),
                received_at=RECEIVED_AT + 5,
                text="New Card Is Being Produced",
            ),
        )
        for given, expected in NARROWED:
            assert (given, await keys(store, **given)) == (given, expected)
            where = EventFilter(**given)
            async with store.read() as connection:
                counted = await walk.count(connection, where)
            exported = [one.key async for one in walk.export(store.read, where)]
            assert (given, counted, exported) == (given, len(expected), expected[::-1])

    async def test_marks_in_text(self, store: Store) -> None:
        """Marks that mean something to a database mean themselves."""
        marks = ["%", "_", "\\", "/", "'", '"', "*", "?", "[a]", "'; DROP TABLE events; --"]
        await append(store, classified_event("none", text="AA ZZ"))
        await append(store, *[classified_event(mark, text=f"A{mark}Z") for mark in marks])
        for mark in marks:
            assert (await keys(store, text=f"a{mark}z"), mark) == ([mark], mark)
            assert mark in await keys(store, text=mark)
            assert "none" not in await keys(store, text=mark)
            assert await keys(store, source=mark) == await keys(store, receipt=mark) == []

    async def test_a_text_made_for_a_slow_search(self, store: Store) -> None:
        """What nearly matches everywhere takes no page much longer than what does not at all."""
        await append(store, *[classified_event(str(n), text="a" * 20_000) for n in range(40)])
        took = {}
        # A warm-up first.
        for text in ("zzz", "zzz", "a" * 199 + "b"):
            began = time.perf_counter()
            assert await keys(store, text=text) == []
            took[text] = time.perf_counter() - began
        # By LIKE it was a hundred times as long, and with a page's ten thousand rows, minutes.
        fast, slow = took.values()
        assert slow < 20 * fast

    async def test_tags_are_whole_words(self, store: Store) -> None:
        """A tag is found as a word, first, last or alone, never as a part or a pattern of one."""
        await append(
            store,
            classified_event("alone", tags=frozenset({Tag.NO_INFO})),
            classified_event("last", tags=frozenset({Tag.CARD, Tag.NO_INFO})),
            classified_event("first", tags=frozenset({Tag.NO_INFO, Tag.TEST})),
            classified_event("none", tags=frozenset()),
        )
        assert await keys(store, tag=Tag.NO_INFO) == ["first", "last", "alone"]
        assert await keys(store, tag=Tag.CARD) == ["last"]
        for part in ("info", "no", "no_inf", "no%info", "car_", "%"):
            assert await keys(store, tag=part) == []

    async def test_clock_set_back(self, store: Store) -> None:
        """Listings go by order of arrival, and a span of time finds what carries such a time."""
        for key, at in (("a", 10), ("b", 3_600), ("c", 20), ("d", 30)):
            await append(store, classified_event(key, received_at=RECEIVED_AT + at))
        assert await keys(store) == ["d", "c", "b", "a"]
        assert await keys(store, since=RECEIVED_AT + 15, until=RECEIVED_AT + 40) == ["d", "c"]
        assert await keys(store, since=RECEIVED_AT + 100) == ["b"]
        assert await keys(store, until=RECEIVED_AT + 15) == ["a"]


class TestPages:
    """Listings and exports over more than one page."""

    async def test_cursor(self, store: Store) -> None:
        """Pages joined by their cursors give everything once, newest first, under a filter, too."""
        sent = [
            classified_event(
                f"evt_{n}",
                status=Status.APPROVED if n % 2 else Status.DENIED,
                received_at=RECEIVED_AT + n,
            )
            for n in range(20)
        ]
        await append(store, *sent)
        for given in ({}, {"status": Status.DENIED}, {"since": RECEIVED_AT + 4}):
            pages: list[str] = []
            after = None
            async with store.read() as connection:
                while after is not None or not pages:
                    where = EventFilter(**given)
                    page = await walk.page_of(connection, where, limit=3, after=after)
                    assert page.rows
                    pages += [one.key for one in page.rows]
                    after = page.next
            assert pages == await keys(store, limit=100, **given)
            assert len(pages) == len(set(pages)) > 3

    async def test_export(self, store: Store) -> None:
        """An export gives everything once, oldest first, over any number of pages."""
        number = 2 * EXPORT_PAGE + 1
        sent = [
            classified_event(f"evt_{n}", source="parley" if n % 2 else "torch", body=b"{}")
            for n in range(number)
        ]
        await append(store, *sent)
        exported = [one async for one in walk.export(store.read, EventFilter())]
        torch = [one.key async for one in walk.export(store.read, EventFilter(source="torch"))]
        assert [one.key for one in exported] == [f"evt_{n}" for n in range(number)]
        assert torch == [f"evt_{n}" for n in range(0, number, 2)]

    @pytest.mark.parametrize("number", [0, 1, EXPORT_PAGE])
    async def test_export_ends(self, store: Store, number: int) -> None:
        """An export of nothing, or of whole pages, ends."""
        await append(store, *[classified_event(str(n), body=b"{}") for n in range(number)])
        exported = [one async for one in walk.export(store.read, EventFilter())]
        assert len(exported) == number


class TestExport:
    """An export reads a bounded piece at a time."""

    @pytest.mark.parametrize("given", [{}, {"text": "rare"}, {"receipt": "EAC9999103404"}], ids=str)
    async def test_no_piece_looks_far(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
    ) -> None:
        """Where little matches, pieces without a row lie between; nothing is left out."""
        monkeypatch.setattr(walk, "SCAN_LIMIT", 7)
        monkeypatch.setattr(walk, "EXPORT_PAGE", 3)
        rare = {0, 1, 2, 3, 30, 59}
        await append(
            store,
            *[
                classified_event(
                    str(number),
                    text="a rare one" if number in rare else "",
                    receipt="EAC9999103404" if number in rare else "IOE0912345678",
                )
                for number in range(60)
            ],
        )
        found = [int(one.key) async for one in walk.export(store.read, EventFilter(**given))]
        assert found == (sorted(rare) if given else list(range(60)))

    async def test_what_comes_meanwhile_is_of_the_next(self, store: Store) -> None:
        """It ends with what was there when it began, and holds no snapshot in between."""
        await append(store, *[classified_event(str(number)) for number in range(3)])
        exported = walk.export(store.read, EventFilter())
        found = [await anext(exported)]
        await append(store, classified_event("later"))
        found += [one async for one in exported]
        assert [one.key for one in found] == ["0", "1", "2"]


#: Filters that no index answers alone; each is true of the oldest events, and of a few others.
ASIDE: list[dict[str, Any]] = [
    {"text": "rare"},
    {"tag": Tag.CARD},
    {"status": Status.DENIED, "text": "rare"},
    {"source": "parley", "tag": Tag.CARD},
    {"source": "parley", "status": Status.DENIED},
    {"receipt": "IOE0912345678", "text": "rare"},
    {"receipt": "IOE0912345678", "until": RECEIVED_AT + 5},
    {"since": RECEIVED_AT + 1, "text": "rare"},
    {"until": RECEIVED_AT + 40, "tag": Tag.CARD},
    {"since": RECEIVED_AT, "until": RECEIVED_AT + 60, "status": Status.DENIED},
]


class TestBound:
    """A page whose filter no index answers looks at so many events, and says how far it came."""

    @pytest.fixture(autouse=True)
    async def _many(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walk, "SCAN_LIMIT", 7)
        monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
        rare = {0, 1, 3, 40}
        await append(
            store,
            *[
                classified_event(
                    str(number),
                    received_at=RECEIVED_AT + number,
                    source="parley" if number % 2 or number in rare else "torch",
                    status=Status.DENIED if number in rare or number % 3 else Status.RECEIVED,
                    tags=frozenset({Tag.CARD}) if number in rare else frozenset(),
                    text="a rare one" if number in rare else "",
                )
                for number in range(60)
            ],
        )

    async def page(self, store: Store, limit: int = 5, **given: Any) -> Page:
        async with store.read() as connection:
            return await walk.page_of(connection, EventFilter(**given), limit=limit)

    @pytest.mark.parametrize("given", ASIDE, ids=str)
    async def test_going_on_finds_everything(self, store: Store, given: dict[str, Any]) -> None:
        """Pages that go on where the last one stopped looking give everything once."""
        where = EventFilter(**given)
        expected = [one.key async for one in walk.export(store.read, where)][::-1]
        found: list[str] = []
        stops = 0
        until = given.get("until")
        for _ in range(60):
            page = await self.page(store, **{**given, "until": until})
            found += [one.key for one in page.rows]
            if page.looked_back_to is not None:
                # What came at that very time was looked at: nothing else came with it here.
                until = page.looked_back_to - 1
                stops += 1
            elif len(page.rows) == 5:
                until = RECEIVED_AT + int(found[-1])
            else:
                break
        assert found == expected
        # A case is looked through whole; where most match, every page is full.
        assert stops > 0 or "receipt" in given or len(expected) > 20

    async def test_a_full_page_does_not_look_on(self, store: Store) -> None:
        """Where enough was found, nothing is said of the rest."""
        page = await self.page(store, limit=1, until=RECEIVED_AT + 42, text="RARE")
        assert [one.key for one in page.rows] == ["40"]
        assert page.looked_back_to is None

    async def test_asking_for_more_looks_further(self, store: Store) -> None:
        """The more events are asked for, the more are looked at."""
        assert (await self.page(store, limit=60, text="rare")).looked_back_to is None
        assert (await self.page(store, limit=5, text="rare")).looked_back_to is not None

    async def test_one_index_needs_no_bound(self, store: Store) -> None:
        """A filter that an index answers is never cut short."""
        for given in ({}, {"status": Status.RECEIVED}, {"source": "torch"}, {"until": 2**50}):
            page = await self.page(store, limit=1_000, **given)
            assert page.looked_back_to is None, given

    async def test_pages_by_cursor(self, store: Store) -> None:
        """A cursor goes on along the same way, and the bound counts from there."""
        async with store.read() as connection:
            where = EventFilter(text="rare", since=RECEIVED_AT)
            page = await walk.page_of(connection, where, limit=5, after=(RECEIVED_AT + 4, 5))
            assert [one.key for one in page.rows] == ["3", "1", "0"]
            assert page.looked_back_to is None
            page = await walk.page_of(connection, where, limit=5, after=(RECEIVED_AT + 29, 30))
            assert (page.rows, page.looked_back_to) == ([], RECEIVED_AT + 28 - 7 + 1)
