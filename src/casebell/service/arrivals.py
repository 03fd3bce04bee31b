"""What came in, whatever became of it: events, held and refused deliveries as one list by time.

    cursor → a page of each list → the newest of what comes next in each, again and again → cursor

A page takes as many rows of each list as it needs, and its cursor has a place in each. So every row
that was there comes once, whatever arrives meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import TypedDict

from casebell import shapes
from casebell.actors import Actor
from casebell.clock import Clock, iso, iso_or_none
from casebell.events import Micros
from casebell.service import Verb
from casebell.service.cursors import cursor_of_several, places_of
from casebell.service.filters import event_filter
from casebell.service.listing import MAX_PAGE, ROWS_A_TURN, page_from
from casebell.service.names import must_be_known
from casebell.settings import Settings
from casebell.shapes import described
from casebell.store.engine import Store
from casebell.store.lists import HeldFilter, RefusedFilter
from casebell.store.walk import Filter, Page, Place


@described
class Arrival(TypedDict):
    """A delivery by what became of it: one of the three is there."""

    at: str
    event: shapes.Event | None
    held: shapes.HeldInShort | None
    refused: shapes.Refused | None


class Arrivals(TypedDict):
    """A page of them, newest first."""

    items: list[Arrival]
    #: The cursor of the next page; None behind the last row.
    next: str | None
    #: Where older events were not looked at, since too many of the newer ones may not be seen.
    looked_back_to: str | None


@dataclass(kw_only=True, slots=True)
class _List:
    """One of the lists, and how many of its page are taken."""

    kind: Literal["event", "held", "refused"]
    where: Filter
    shape: Callable[[Any], Any]
    page: Page = field(default_factory=lambda: Page(rows=()))
    taken: int = 0

    @property
    def head(self) -> Any | None:
        """The next row; None where all are taken."""
        return self.page.rows[self.taken] if self.taken < len(self.page.rows) else None

    @property
    def unknown_before(self) -> Micros:
        """Before when there may be rows that are not on its page; 0 where there are none."""
        if self.page.next is None:
            return 0
        return self.page.looked_back_to or self.time_of(self.page.rows[-1])

    @property
    def place(self) -> Place:
        """Where its next page begins."""
        order = self.where.walk()
        if self.head is None:
            # Behind the last row, what comes in later is in front of the place.
            return self.page.next or tuple(0 for _ in order.order)
        if self.taken:
            return order.place_of(self.page.rows[self.taken - 1])
        *rest, number = order.place_of(self.head)
        return (*rest, number + 1)

    def time_of(self, row: Any) -> Micros:
        """When a row came in."""
        return int(getattr(row, str(self.where.time.key)))

    def take(self) -> Arrival:
        """The next row as a value."""
        row = self.head
        self.taken += 1
        found: Arrival = {
            "at": iso(self.time_of(row)),
            "event": None,
            "held": None,
            "refused": None,
        }
        found[self.kind] = self.shape(row)
        return found


class ArrivalReading:
    """The verb.

    Args:
        settings: those in force. Their time zone is that of times that come without one.
    """

    def __init__(self, *, store: Store, settings: Callable[[], Settings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"list_arrivals": self.list_arrivals}

    async def list_arrivals(
        self,
        *,
        source: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
    ) -> Arrivals:
        """Events, held and refused deliveries, newest first; without bodies.

        Raises:
            BadArgument: a filter or the cursor cannot be understood.
        """
        given = {"source": source, "since": since, "until": until}
        settings = self._settings()
        events = event_filter(
            given, actor=actor, timezone=settings.server.timezone, now=self._clock.now()
        )
        same: dict[str, Any] = {
            "source": events.source,
            "since": events.since,
            "until": events.until,
            "seen_by": actor,
        }
        lists = [
            _List(kind="event", where=events, shape=shapes.event),
            _List(kind="held", where=HeldFilter(in_short=True, **same), shape=shapes.held_in_short),
            _List(kind="refused", where=RefusedFilter(**same), shape=shapes.refused),
        ]
        places = [None] * len(lists) if cursor is None else places_of(cursor, len(lists))
        limit = min(limit, MAX_PAGE)
        async with self._store.read() as connection:
            await must_be_known(connection, given, settings)
            for one, place in zip(lists, places, strict=True):
                one.page = await page_from(connection, one.where, limit=limit, after=place)
        return await _merged(lists, limit)


async def _merged(lists: Sequence[_List], limit: int) -> Arrivals:
    """The newest rows of all, as far back as every list is known."""
    items: list[Arrival] = []
    while len(items) < limit:
        newest = max(
            (one for one in lists if one.head is not None),
            key=lambda one: one.time_of(one.head),
            default=None,
        )
        if newest is None or newest.time_of(newest.head) < _known_from(lists):
            break
        items.append(newest.take())
        if len(items) % ROWS_A_TURN == 0:
            await asyncio.sleep(0)
    more = any(one.head is not None or one.page.next is not None for one in lists)
    full = len(items) == limit
    return {
        "items": items,
        "next": cursor_of_several([one.place for one in lists]) if more else None,
        "looked_back_to": None if full else iso_or_none(_known_from(lists) or None),
    }


def _known_from(lists: Sequence[_List]) -> Micros:
    """Since when no list has rows but those of its page that are not taken yet; 0 for ever."""
    return max((one.unknown_before for one in lists if one.head is None), default=0)
