"""Queries of what an operator reads: lists of events and alerts, one event and what became of it.

A list goes newest first and takes a cursor, never an offset. The cost of a page of events does not
depend on their number: it scans one index and checks the other conditions of the filter in each
event. The scan has a limit, and the page says how far back it went. An export scans everything and
may take minutes.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Row, Select, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import AlertState
from casebell.events import Micros, Status, Tag
from casebell.store.schema import WAITING, alerts, attempts, changes, deliveries, events, held

#: Rows that an export reads at a time.
EXPORT_PAGE = 500
#: Events that a page scans if no index covers the filter: about 0.05 s on an ordinary machine, half
#: of what a person perceives as immediate.
SCAN_LIMIT = 10_000
#: Scanned events for each event of the page, if that is more.
SCAN_PER_RESULT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter:
    """The conditions of a listing of events; None is no condition."""

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
        """The scan for a page: of a receipt's few events, else by time, else by id."""
        equal = list(self._equal())
        if self.receipt is not None:
            # A case has a few dozen events; a few thousand if it is polled for years.
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
        """Columns with one value; first the one that likely has the fewest events."""
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


#: A position of the scan: the values of its order columns.
_Place: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    """A scan of one index, from the newest event to the oldest."""

    #: The order columns; the last is the id.
    order: list[ColumnElement[Any]]
    #: Conditions on the columns that precede them in the index.
    driving: list[ColumnElement[bool]] = field(default_factory=list)
    #: The scan begins before the first position, and ends with the second.
    newest: _Place | None = None
    oldest: _Place | None = None
    #: Conditions that are checked in each event.
    others: list[ColumnElement[bool]] = field(default_factory=list)
    #: Whether it may have more events than the limit of a scan.
    long: bool = True

    def over(self, statement: Select[Any]) -> Select[Any]:
        """The statement for the events of the scan, without the other conditions."""
        here: ColumnElement[Any] = self.order[0] if len(self.order) == 1 else tuple_(*self.order)
        bounds = list(self.driving)
        if self.newest is not None:
            bounds.append(here < _value(self.newest))
        if self.oldest is not None:
            bounds.append(here >= _value(self.oldest))
        return statement.where(*bounds).order_by(*(column.desc() for column in self.order))

    def begun(self, place: _Place) -> "_Walk":
        """The rest of the scan, behind a position."""
        return replace(self, newest=min(place, self.newest or place))


def _value(place: _Place) -> ColumnElement[Any]:
    return literal(place[0]) if len(place) == 1 else tuple_(*place)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventPage:
    """A page of events, newest first."""

    events: Sequence[Row[Any]]
    #: If older events were not scanned: events before this time may match as well.
    looked_back_to: Micros | None = None


async def list_events(
    connection: AsyncConnection,
    where: EventFilter,
    *,
    limit: int,
    most: int | None = None,
    before: int | None = None,
) -> EventPage:
    """A page of events, newest first: by arrival, or by time of receipt if the filter has a span.

    The two orders differ if a clock was set back.

    Args:
        connection: for reading.
        where: the filter.
        limit: events that are asked for, which determines the length of the scan.
        most: most events of this page; `limit` by default.
        before: the id of the last event of the previous page.
    """
    walk = where.walk()
    if before is not None:
        at = await connection.execute(select(*walk.order).where(events.c.id == before))
        # An unknown id: the events with lower ids.
        walk = walk.begun(tuple(at.one_or_none() or (before,) * len(walk.order)))
    end = None
    if walk.others and walk.long:
        end = await _end(connection, walk, look=max(SCAN_LIMIT, SCAN_PER_RESULT * limit))
    if end is not None:
        walk = replace(walk, oldest=end)
    most = limit if most is None else most
    statement = walk.over(_event_columns().where(*walk.others)).limit(most)
    found = (await connection.execute(statement)).all()
    if end is None or len(found) == most:
        return EventPage(events=found)
    last = await connection.execute(select(events.c.received_at).where(events.c.id == end[-1]))
    # One microsecond later: others may have the same time.
    return EventPage(events=found, looked_back_to=int(last.scalar_one()) + 1)


async def _end(connection: AsyncConnection, walk: _Walk, *, look: int) -> _Place | None:
    """The position of the last event to scan; None if fewer are left.

    It is counted by the index alone, or computed from ids, which have no gaps.
    """
    if walk.order == [events.c.id] and not walk.driving:
        newest = await connection.execute(select(func.coalesce(func.max(events.c.id), 0)))
        first = int(newest.scalar_one()) if walk.newest is None else walk.newest[0] - 1
        return (first - look,) if first > look else None
    statement = walk.over(select(*walk.order)).offset(look).limit(1)
    beyond = (await connection.execute(statement)).one_or_none()
    return None if beyond is None else tuple(beyond)


def _beside(column: Column[Any]) -> ColumnElement[Any]:
    """The same text, without its index: the scan uses another one."""
    return column.concat("")


async def export_events(connection: AsyncConnection, where: EventFilter) -> AsyncIterator[Row[Any]]:
    """Every event that matches, oldest first, a page at a time."""
    after, last = await _bounds(connection, where)
    while True:
        statement = (
            _event_columns()
            .where(events.c.id > after, events.c.id <= last, *where.conditions())
            .order_by(events.c.id)
            .limit(EXPORT_PAGE)
        )
        rows = (await connection.execute(statement)).all()
        for row in rows:
            yield row
        if len(rows) < EXPORT_PAGE:
            return
        after = rows[-1].id


async def _bounds(connection: AsyncConnection, where: EventFilter) -> tuple[int, int]:
    """The ids that enclose all events of the filter's span; the first one is excluded.

    They are looked up: times do not rise with ids if the clock was set back.
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


def _event_columns() -> Select[Any]:
    """Selects all of an event but its body: a page of large ones would not fit into memory.

    `extra_deliveries` counts those behind the first; `decision` is that of the event's change,
    which `deciding_event` founded.
    """
    extra = (
        select(func.count())
        .select_from(deliveries)
        .where(deliveries.c.event_id == events.c.id)
        .scalar_subquery()
        .label("extra_deliveries")
    )
    columns = [column for column in events.c if column is not events.c.body]
    return select(
        *columns, extra, changes.c.decision, changes.c.event_id.label("deciding_event")
    ).outerjoin(changes, changes.c.id == events.c.change_id)


async def find_events(connection: AsyncConnection, key: str) -> Sequence[Row[Any]]:
    """The events with a source's key, and the one with `key` as its id.

    A source may number its events, too: then both are found. Conflicting bodies under the same key
    follow their event.
    """
    statement = select(events.c.id).where(events.c.key == key)
    ids = list((await connection.execute(statement)).scalars())
    if key.isascii() and key.isdigit() and len(key) < 19:
        ids.append(int(key))
    meant = _event_columns().where(or_(events.c.id.in_(ids), events.c.revision_of.in_(ids)))
    found: Sequence[Row[Any]] = (await connection.execute(meant.order_by(events.c.id))).all()
    return found


async def body_of(connection: AsyncConnection, event_id: int) -> bytes:
    """The body of an event."""
    body = await connection.execute(select(events.c.body).where(events.c.id == event_id))
    return bytes(body.scalar_one())


async def deliveries_of(connection: AsyncConnection, event_id: int) -> Sequence[Row[Any]]:
    """The deliveries of an event behind the first, which its own row tells of; oldest first."""
    statement = select(deliveries).where(deliveries.c.event_id == event_id)
    return (await connection.execute(statement.order_by(deliveries.c.id))).all()


async def find_change(connection: AsyncConnection, change_id: int) -> Row[Any] | None:
    """A change with its whole decision."""
    statement = select(changes).where(changes.c.id == change_id)
    return (await connection.execute(statement)).one_or_none()


async def events_of(connection: AsyncConnection, change_id: int) -> Sequence[int]:
    """The ids of the events that reported a change, oldest first."""
    statement = select(events.c.id).where(events.c.change_id == change_id)
    found: Sequence[int] = (
        (await connection.execute(statement.order_by(events.c.id))).scalars().all()
    )
    return found


async def list_alerts(
    connection: AsyncConnection,
    *,
    state: AlertState | None = None,
    change_id: int | None = None,
    limit: int,
    before: int | None = None,
) -> Sequence[Row[Any]]:
    """Alerts, each with its `event_key`, newest first."""
    statement = (
        select(alerts, events.c.key.label("event_key"))
        .outerjoin(events, events.c.id == alerts.c.event_id)
        .order_by(alerts.c.id.desc())
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(alerts.c.state == state)
    if change_id is not None:
        statement = statement.where(alerts.c.change_id == change_id)
    if before is not None:
        statement = statement.where(alerts.c.id < before)
    return (await connection.execute(statement)).all()


async def attempts_of(connection: AsyncConnection, alert_id: int) -> Sequence[Row[Any]]:
    """Every attempt to send an alert, with the message it carried, oldest first."""
    statement = select(attempts).where(attempts.c.alert_id == alert_id)
    return (await connection.execute(statement.order_by(attempts.c.id))).all()


async def backlog(connection: AsyncConnection) -> dict[str, int]:
    """Counts: undecided events, unsent alerts, failed alerts, held deliveries."""
    counts = {
        "unrouted": select(func.count()).select_from(events).where(events.c.routed_at.is_(None)),
        "alerts": select(func.count()).select_from(alerts).where(WAITING),
        "failed": select(func.count()).select_from(alerts).where(alerts.c.state == "failed"),
        "held": select(func.count()).select_from(held).where(held.c.state == "held"),
    }
    return {
        name: int((await connection.execute(statement)).scalar_one())
        for name, statement in counts.items()
    }
