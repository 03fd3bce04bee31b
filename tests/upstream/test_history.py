"""Paging of a history: whatever a server does, nothing is lost or comes twice, and it ends."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casebell.clock import SECOND, iso
from casebell.errors import UpstreamUnreadable
from casebell.events import Micros
from casebell.provider_time import read_time
from casebell.upstream.history import MAX_PAGES, MOST, USUAL, Pages, read_history
from casebell.upstream.told import Told

BASE: Micros = 1_760_469_723 * SECOND


def entry(number: int, at: Micros | None, *, digits: int = 6) -> Told:
    """An entry of a history."""
    document: dict[str, object] = {"raw_status_text": f"Text {number}"}
    if at is not None:
        document["occurred_at"] = iso(at)[: 19 + (digits and digits + 1)] + "Z"
    read = None if at is None else read_time(document["occurred_at"]).at
    return Told(receipt="IOE0912345678", body=json.dumps(document).encode(), at=read)


@dataclass
class Server:
    """A server with a history, which pages as it likes."""

    times: Sequence[Micros | None]
    #: Entries of a page at most, whatever it is asked for.
    cap: int = 1_000
    inclusive: bool = False
    #: Digits of the fraction of a second that it prints and understands.
    digits: int = 6
    heeds_before: bool = True
    requests: int = 0
    history: list[tuple[Micros | None, Told]] = field(init=False)

    def __post_init__(self) -> None:
        made = [(at, entry(place, at, digits=self.digits)) for place, at in enumerate(self.times)]
        self.history = sorted(made, key=lambda one: -(one[0] or 0))

    async def page(self, limit: int, before: str | None) -> Sequence[Told]:
        """One page."""
        self.requests += 1
        found = self.history
        if before is not None and self.heeds_before:
            until = read_time(before).at
            assert until is not None
            unit = 10 ** (6 - self.digits)
            # Both as far as it knows them.
            until = until // unit * unit
            found = [
                one
                for one in found
                if one[0] is None
                or one[0] // unit * unit < until
                or (self.inclusive and one[0] // unit * unit == until)
            ]
        return [one for _, one in found[: min(limit, self.cap)]]

    def read(self, back_to: Micros | None = None, *, pages: Pages | None = None) -> list[Told]:
        """What is read of it."""
        return asyncio.run(
            read_history(
                self.page, back_to=back_to, pages=pages or Pages(), endless=UpstreamUnreadable
            )
        )


#: Times close to each other, so that many are equal, in one second or in one millisecond.
TIMES = st.lists(
    st.builds(
        lambda seconds, micros: BASE + seconds * SECOND + micros,
        st.integers(0, 12),
        st.sampled_from([0, 0, 1, 2, 999, 1_000, 1_001, 500_000, 999_999]),
    ),
    max_size=60,
)


@given(
    times=TIMES,
    cap=st.integers(1, 70),
    inclusive=st.booleans(),
    digits=st.sampled_from([0, 3, 6]),
)
@example(times=[BASE] * 3, cap=3, inclusive=False, digits=6)
@example(times=[BASE] * 3, cap=3, inclusive=True, digits=0)
@example(times=[BASE, BASE, BASE + 1, BASE + 2], cap=2, inclusive=False, digits=6)
@example(
    times=[BASE + 1_000, BASE + 1_001, BASE + 1_001, BASE + 1_002],
    cap=2,
    inclusive=False,
    digits=6,
)
@example(times=[], cap=1, inclusive=False, digits=0)
def test_nothing_is_lost(*, times: list[Micros], cap: int, inclusive: bool, digits: int) -> None:
    """Any history, any page, with `before` inclusive or not, in seconds or finer: each once.

    No client can do better where more entries have one time than the server gives at most.
    """
    unit = 10 ** (6 - digits)
    most_at_once = max(Counter(at // unit for at in times).values(), default=0)
    server = Server(times, cap=max(cap, most_at_once), inclusive=inclusive, digits=digits)
    read = server.read()
    assert Counter(one.body for one in read) == Counter(one.body for _, one in server.history)
    known = [one.at for one in read if one.at is not None]
    assert known == sorted(known, reverse=True)
    assert server.requests <= 6 * len(times) + 2


@given(times=TIMES, cap=st.integers(1, 70), inclusive=st.booleans(), back=st.integers(-1, 13))
@example(times=[BASE, BASE, BASE + SECOND], cap=2, inclusive=False, back=0)
def test_as_far_back_as_is_needed(
    *, times: list[Micros], cap: int, inclusive: bool, back: int
) -> None:
    """Nothing is lost of what is not older than a time, and little else is read."""
    most_at_once = max(Counter(times).values(), default=0)
    server = Server(times, cap=max(cap, most_at_once), inclusive=inclusive)
    back_to = BASE + back * SECOND
    read = {one.body for one in server.read(back_to)}
    assert {one.body for at, one in server.history if at is not None and at >= back_to} <= read


@given(
    histories=st.lists(TIMES, min_size=1, max_size=6),
    cap=st.integers(1, 70),
    inclusive=st.booleans(),
)
def test_one_case_after_another(
    *, histories: list[list[Micros]], cap: int, inclusive: bool
) -> None:
    """What is learned of a server's pages from one case loses nothing of the next."""
    most_at_once = max(
        (count for times in histories for count in Counter(times).values()), default=0
    )
    pages = Pages()
    for times in histories:
        server = Server(times, cap=max(cap, most_at_once), inclusive=inclusive)
        assert len(server.read(pages=pages)) == len(times)


@given(
    times=st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=130),
    cap=st.integers(1, 300),
    heeds=st.booleans(),
    full=st.booleans(),
)
def test_it_always_ends(*, times: list[int | None], cap: int, heeds: bool, full: bool) -> None:
    """Also where a server repeats a page for ever, or has entries without a time."""
    made = [None if one is None else BASE + one * SECOND for one in times]
    server = Server(made, cap=cap if not full else 1_000, heeds_before=heeds)
    try:
        read = server.read()
    except UpstreamUnreadable:
        # Never of a history that fits a page.
        assert len(times) >= USUAL
    else:
        assert len({one.body for one in read}) == len(read)
    assert server.requests <= MAX_PAGES


def test_a_server_that_ignores_before() -> None:
    """One that gives all at once is read; one that gives the newest alone is said to be cut."""
    assert len(Server([BASE + one * SECOND for one in range(7)], heeds_before=False).read()) == 7
    many = [BASE + one * SECOND for one in range(300)]
    with pytest.raises(UpstreamUnreadable, match="do not go back"):
        Server(many, heeds_before=False).read()


def test_more_at_one_time_than_a_page() -> None:
    """They are asked for with a larger limit; if that does not help it is said."""
    assert len(Server([BASE] * (USUAL + 10) + [BASE - SECOND] * 5).read()) == USUAL + 15
    for cap in (USUAL, 1_000):
        with pytest.raises(UpstreamUnreadable, match="one time"):
            Server([BASE] * (MOST + 1), cap=cap).read()


def test_entries_without_a_time() -> None:
    """As many as come are taken; a full page of them may not be all."""
    assert len(Server([None] * 5).read()) == 5
    with pytest.raises(UpstreamUnreadable, match="no time"):
        Server([None] * USUAL).read()


def test_a_history_without_end() -> None:
    """It is left after so many pages."""
    made = 0

    async def page(limit: int, before: str | None) -> Sequence[Told]:
        nonlocal made
        start = BASE if before is None else (read_time(before).at or 0)
        made += 1
        return [entry(made * 1_000 + one, start - one * SECOND) for one in range(1, limit + 1)]

    reading = read_history(page, back_to=None, pages=Pages(), endless=UpstreamUnreadable)
    with pytest.raises(UpstreamUnreadable, match="pages"):
        asyncio.run(reading)
    assert made == MAX_PAGES


def test_what_a_history_costs() -> None:
    """One request, once a longer page was seen; until then its end must show by another."""
    pages = Pages()
    requests = []
    for length in (5, 3, 1, 5):
        server = Server([BASE + one * SECOND for one in range(length)])
        server.read(pages=pages)
        requests.append(server.requests)
    assert requests == [2, 1, 1, 2]


def test_it_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes again is not counted again."""
    server = Server([BASE + place * SECOND for place in range(500)], inclusive=True)
    size = sum(len(one.body) for _, one in server.history)
    monkeypatch.setattr("casebell.upstream.history.MAX_BYTES", size)
    assert len(server.read()) == 500
    monkeypatch.setattr("casebell.upstream.history.MAX_BYTES", size - 1)
    with pytest.raises(UpstreamUnreadable, match="MiB"):
        server.read()
