"""Events, narrowed and in order: a page of them, newest first, or all of them, oldest first.

A page costs the same however many events there are. It walks one index, newest first; whatever else
the filter asks for is looked up in each event that the walk meets, and so the walk has an end: a
page says how far it looked. An export looks at everything and may take minutes.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros, Status, Tag
from casebell.store.queries import event_columns, event_json
from casebell.store.schema import changes, events

#: Rows an export reads at a time.
EXPORT_PAGE = 500
#: Events that a page looks through at least where no index has the whole answer. A tenth of a
#: second is what a person takes for "at once"; on an ordinary machine this is half of it.
SCAN_LIMIT = 10_000
#: The same for each event that is asked for, where that is more.
SCAN_PER_RESULT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter:
    """What a listing of events is narrowed to; None does not narrow."""

    source: str | None = None
    status: Status | None = None
    tag: Tag | None = None
    receipt: str | None = None
    #: Received at or after, before: UTC microseconds.
    since: Micros | None = None
    until: Micros | None = None
    #: Case-insensitive substring of the official text.
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        return [
            *self._of_case(),
            *(column == value for column, value in self._equal()),
            *self._within(events.c.received_at),
            *self._unindexed(),
        ]

    def walk(self) -> "_Walk":
        """The way that a page goes: where a receipt is given, its few events; then by time."""
        equal = list(self._equal())
        if self.receipt is not None:
            # A case has a few dozen events, a few thousand where it is polled for years.
            driving, long = self._of_case(), False
        elif self.since is not None or self.until is not None:
            return _Walk(
                order=[events.c.received_at, events.c.id],
                newest=None if self.until is None else (self.until, 0),
                oldest=None if self.since is None else (self.since, 0),
                others=[_beside(column) == value for column, value in equal] + self._unindexed(),
            )
        else:
            driving, long = [column == value for column, value in equal[:1]], True
            equal = equal[1:]
        return _Walk(
            order=[events.c.id],
            driving=driving,
            others=[
                *(_beside(column) == value for column, value in equal),
                *self._within(events.c.received_at + 0),
                *self._unindexed(),
            ],
            long=long,
        )

    def _of_case(self) -> list[ColumnElement[bool]]:
        """The events of a receipt: those of its changes, and those that are undecided."""
        if self.receipt is None:
            return []
        of_receipt = select(changes.c.id).where(changes.c.receipt == self.receipt)
        decided = select(events.c.id).where(events.c.change_id.in_(of_receipt))
        waiting = select(events.c.id).where(
            events.c.routed_at.is_(None), events.c.receipt == self.receipt
        )
        return [events.c.id.in_(decided.union_all(waiting))]

    def _equal(self) -> Iterator[tuple[Column[Any], object]]:
        """Columns with one value; first the one that is likely to leave the fewest events."""
        if self.status is not None:
            yield events.c.status, self.status
        if self.source is not None:
            yield events.c.source, self.source

    def _within(self, column: ColumnElement[Any]) -> Iterator[ColumnElement[bool]]:
        if self.since is not None:
            yield column >= self.since
        if self.until is not None:
            yield column < self.until

    def _unindexed(self) -> list[ColumnElement[bool]]:
        given = []
        if self.tag is not None:
            given.append(events.c.tags.contains(f" {self.tag} ", autoescape=True))
        if self.text is not None:
            given.append(events.c.text.icontains(self.text, autoescape=True))
        return given


#: A place on the way: values of the columns in whose order it goes.
_Place: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    """A way along one index, from the newest event to the oldest."""

    #: The columns in whose order it goes; the last is the id.
    order: list[ColumnElement[Any]]
    #: What the index has in front of them.
    driving: list[ColumnElement[bool]] = field(default_factory=list)
    #: It begins before this place, and ends with this one.
    newest: _Place | None = None
    oldest: _Place | None = None
    #: What is looked up in each event.
    others: list[ColumnElement[bool]] = field(default_factory=list)
    #: Whether it may have more events than can be looked through at once.
    long: bool = True

    def over(self, statement: Select[Any]) -> Select[Any]:
        """The statement for what lies on the way, whatever the others ask."""
        here: ColumnElement[Any] = self.order[0] if len(self.order) == 1 else tuple_(*self.order)
        bounds = list(self.driving)
        if self.newest is not None:
            bounds.append(here < _value(self.newest))
        if self.oldest is not None:
            bounds.append(here >= _value(self.oldest))
        return statement.where(*bounds).order_by(*(column.desc() for column in self.order))

    def begun(self, place: _Place) -> "_Walk":
        """The rest of the way, once it has come to a place."""
        return replace(self, newest=min(place, self.newest or place))


def _value(place: _Place) -> ColumnElement[Any]:
    return literal(place[0]) if len(place) == 1 else tuple_(*place)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventPage:
    """A page of events as docs/contract.md has them, newest first."""

    events: list[dict[str, Any]]
    #: Where older events were not looked at: what came before this time may match as well.
    looked_back_to: Micros | None = None


async def list_events(
    connection: AsyncConnection,
    where: EventFilter,
    *,
    limit: int,
    most: int | None = None,
    before: int | None = None,
) -> EventPage:
    """A page of events; `before` is the id of the last one of the page before.

    At most `most` of the `limit` that are asked for, which says how far to look.

    Newest first is by order of arrival, and by time of receipt where the filter has a span of time:
    where a clock was set back the two differ.
    """
    walk = where.walk()
    if before is not None:
        at = await connection.execute(select(*walk.order).where(events.c.id == before))
        # An id that is none: everything below it, where that means something.
        walk = walk.begun(tuple(at.one_or_none() or (before,) * len(walk.order)))
    end = None
    if walk.others and walk.long:
        end = await _end(connection, walk, look=max(SCAN_LIMIT, SCAN_PER_RESULT * limit))
    if end is not None:
        walk = replace(walk, oldest=end)
    most = limit if most is None else most
    statement = walk.over(event_columns().where(*walk.others)).limit(most)
    found = [event_json(row) for row in (await connection.execute(statement)).all()]
    if end is None or len(found) == most:
        return EventPage(events=found)
    last = await connection.execute(select(events.c.received_at).where(events.c.id == end[-1]))
    # One microsecond more: others may have come with it.
    return EventPage(events=found, looked_back_to=int(last.scalar_one()) + 1)


async def _end(connection: AsyncConnection, walk: _Walk, *, look: int) -> _Place | None:
    """The place of the last event that is looked at; None where fewer are left.

    Counted along the index alone; along the ids, which have no gaps, computed.
    """
    if walk.order == [events.c.id] and not walk.driving:
        newest = await connection.execute(select(func.coalesce(func.max(events.c.id), 0)))
        first = int(newest.scalar_one()) if walk.newest is None else walk.newest[0] - 1
        return (first - look,) if first > look else None
    statement = walk.over(select(*walk.order)).offset(look).limit(1)
    beyond = (await connection.execute(statement)).one_or_none()
    return None if beyond is None else tuple(beyond)


def _beside(column: Column[Any]) -> ColumnElement[Any]:
    """The same text, for which no index is used: the walk has one already."""
    return column.concat("")


async def export_events(
    connection: AsyncConnection, where: EventFilter
) -> AsyncIterator[dict[str, Any]]:
    """Every event that matches, oldest first, a page at a time."""
    after, last = await _bounds(connection, where)
    while True:
        statement = (
            event_columns()
            .where(events.c.id > after, events.c.id <= last, *where.conditions())
            .order_by(events.c.id)
            .limit(EXPORT_PAGE)
        )
        rows = (await connection.execute(statement)).all()
        for row in rows:
            yield event_json(row)
        if len(rows) < EXPORT_PAGE:
            return
        after = rows[-1].id


async def _bounds(connection: AsyncConnection, where: EventFilter) -> tuple[int, int]:
    """The ids between which all events of the filter's span lie; the first one is left out.

    Looked up and not computed, for times do not rise with ids where the clock was set back.
    """
    span = EventFilter(since=where.since, until=where.until)
    first, last = func.coalesce(func.min(events.c.id), 1), func.coalesce(func.max(events.c.id), 0)
    asked = select(first, last) if (within := span.conditions()) else select(literal(1), last)
    lowest, highest = (await connection.execute(asked.where(*within))).one()
    return int(lowest) - 1, int(highest)


async def count_events(connection: AsyncConnection, where: EventFilter) -> int:
    """How many events match."""
    statement = select(func.count()).select_from(events).where(*where.conditions())
    return int((await connection.execute(statement)).scalar_one())
