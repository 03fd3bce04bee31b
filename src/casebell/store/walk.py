"""How listings and exports go through a table, whatever it holds.

A list goes newest first and takes a cursor, never an offset. The cost of a page does not depend on
the number of rows: it scans one index and checks the other conditions of the filter in each row.
The scan has a limit, and the page says how far back it went. An export scans everything and may
take minutes.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import Column, ColumnElement, Row, Select, Table, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros

#: Rows that an export reads at a time.
EXPORT_PAGE = 500
#: Rows that a page scans if no index covers the filter: about 0.05 s on an ordinary machine, half
#: of what a person perceives as immediate.
SCAN_LIMIT = 10_000
#: Scanned rows for each row of the page, if that is more.
SCAN_PER_RESULT = 200


#: A position of the scan: the values of its order columns.
_Place: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    """A scan of one index, from the newest row to the oldest."""

    #: The order columns; the last is the id.
    order: list[ColumnElement[Any]]
    #: Conditions on the columns that precede them in the index.
    driving: list[ColumnElement[bool]] = field(default_factory=list)
    #: The scan begins before the first position, and ends with the second.
    newest: _Place | None = None
    oldest: _Place | None = None
    #: Conditions that are checked in each row.
    others: list[ColumnElement[bool]] = field(default_factory=list)
    #: Whether it may have more rows than the limit of a scan.
    long: bool = True

    def over(self, statement: Select[Any]) -> Select[Any]:
        """The statement for the rows of the scan, without the other conditions."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter(ABC):
    """The conditions of a listing; None is no condition."""

    #: What is listed. Its ids rise in order of arrival, and an index has `time` before the id.
    table: ClassVar[Table]
    #: The column of `since` and `until`.
    time: ClassVar[Column[Any]]

    #: At or after, before: UTC microseconds.
    since: Micros | None = None
    until: Micros | None = None

    @abstractmethod
    def columns(self) -> Select[Any]:
        """What is read of each row."""

    @abstractmethod
    def few(self) -> list[ColumnElement[bool]]:
        """Conditions that only a few rows meet, which are looked through whole."""

    @abstractmethod
    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """Columns with one value, each before the id in an index.

        First the one that likely has the fewest rows.
        """

    @abstractmethod
    def unindexed(self) -> list[ColumnElement[bool]]:
        """Conditions that no index serves."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        return [
            *self.few(),
            *(column == value for column, value in self.equal()),
            *self.span(self.time),
            *self.unindexed(),
        ]

    def span(self, column: ColumnElement[Any]) -> Iterator[ColumnElement[bool]]:
        """`since` and `until` as SQL."""
        if self.since is not None:
            yield column >= self.since
        if self.until is not None:
            yield column < self.until

    def walk(self) -> _Walk:
        """The scan for a page: of the few rows, else by time, else by id."""
        equal = list(self.equal())
        driving, long = self.few(), False
        if not driving and (self.since is not None or self.until is not None):
            return _Walk(
                order=[self.time, self.table.c.id],
                newest=None if self.until is None else (self.until, 0),
                oldest=None if self.since is None else (self.since, 0),
                others=[_beside(column) == value for column, value in equal] + self.unindexed(),
            )
        if not driving:
            driving, long = [column == value for column, value in equal[:1]], True
            equal = equal[1:]
        return _Walk(
            order=[self.table.c.id],
            driving=driving,
            others=[
                *(_beside(column) == value for column, value in equal),
                *self.span(self.time + 0),
                *self.unindexed(),
            ],
            long=long,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a listing, newest first."""

    rows: Sequence[Row[Any]]
    #: If older rows were not scanned: rows before this time may match as well.
    looked_back_to: Micros | None = None


async def page_of(
    connection: AsyncConnection,
    where: Filter,
    *,
    limit: int,
    most: int | None = None,
    before: int | None = None,
) -> Page:
    """A page, newest first: by arrival, or by time if the filter has a span.

    The two orders differ if a clock was set back.

    Args:
        connection: for reading.
        where: the filter.
        limit: rows that are asked for, which determines the length of the scan.
        most: most rows of this page; `limit` by default.
        before: the id of the last row of the previous page.
    """
    ids = where.table.c.id
    walk = where.walk()
    if before is not None:
        at = await connection.execute(select(*walk.order).where(ids == before))
        # An unknown id: the rows with lower ids.
        walk = walk.begun(tuple(at.one_or_none() or (before,) * len(walk.order)))
    end = None
    if walk.others and walk.long:
        end = await _end(connection, walk, ids=ids, look=max(SCAN_LIMIT, SCAN_PER_RESULT * limit))
    if end is not None:
        walk = replace(walk, oldest=end)
    most = limit if most is None else most
    statement = walk.over(where.columns().where(*walk.others)).limit(most)
    found = (await connection.execute(statement)).all()
    if end is None or len(found) == most:
        return Page(rows=found)
    # The row of that position, or the next: ids of alerts may have gaps.
    last = select(where.time).where(ids >= end[-1]).order_by(ids).limit(1)
    # One microsecond later: others may have the same time.
    return Page(rows=found, looked_back_to=int((await connection.execute(last)).scalar_one()) + 1)


async def _end(
    connection: AsyncConnection, walk: _Walk, *, ids: Column[Any], look: int
) -> _Place | None:
    """The position of the last row to scan; None if fewer are left.

    It is counted by the index alone, or computed from ids, which have no gaps to speak of.
    """
    if walk.order == [ids] and not walk.driving:
        newest = await connection.execute(select(func.coalesce(func.max(ids), 0)))
        first = int(newest.scalar_one()) if walk.newest is None else walk.newest[0] - 1
        return (first - look,) if first > look else None
    statement = walk.over(select(*walk.order)).offset(look).limit(1)
    beyond = (await connection.execute(statement)).one_or_none()
    return None if beyond is None else tuple(beyond)


def _value(place: _Place) -> ColumnElement[Any]:
    return literal(place[0]) if len(place) == 1 else tuple_(*place)


def _beside(column: Column[Any]) -> ColumnElement[Any]:
    """The same text, without its index: the scan uses another one."""
    return column.concat("")


async def export(connection: AsyncConnection, where: Filter) -> AsyncIterator[Row[Any]]:
    """Every row that matches, oldest first, a page at a time."""
    ids = where.table.c.id
    after, last = await _bounds(connection, where)
    while True:
        statement = (
            where.columns()
            .where(ids > after, ids <= last, *where.conditions())
            .order_by(ids)
            .limit(EXPORT_PAGE)
        )
        rows = (await connection.execute(statement)).all()
        for row in rows:
            yield row
        if len(rows) < EXPORT_PAGE:
            return
        after = rows[-1].id


async def _bounds(connection: AsyncConnection, where: Filter) -> tuple[int, int]:
    """The ids that enclose all rows of the filter's span; the first one is excluded.

    They are looked up: times do not rise with ids if the clock was set back.
    """
    ids = where.table.c.id
    first, last = func.coalesce(func.min(ids), 1), func.coalesce(func.max(ids), 0)
    within = list(where.span(where.time))
    asked = select(first, last) if within else select(literal(1), last)
    lowest, highest = (await connection.execute(asked.where(*within))).one()
    return int(lowest) - 1, int(highest)


async def count(connection: AsyncConnection, where: Filter) -> int:
    """How many rows match."""
    statement = select(func.count()).select_from(where.table).where(*where.conditions())
    return int((await connection.execute(statement)).scalar_one())
