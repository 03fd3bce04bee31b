"""How listings and exports go through a table, whatever it holds.

A list goes newest first and takes a cursor, never an offset. The cost of a page does not depend on
the number of rows: it scans one index and checks the other conditions of the filter in each row.
The scan has a limit, and the page says how far back it went. An export scans everything, a bounded
piece at a time, and may take minutes.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    TextClause,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import NOBODY, Actor
from casebell.events import Micros

#: Rows that an export reads at a time: those of 256 KB fit into memory, and deliveries wait 10 ms.
EXPORT_PAGE = 100
#: Rows that a page scans if no index covers the filter: 60 ms of a table of ten million on a disk
#: that has read none of them, a fifth of it afterwards (docs/benchmark.md).
SCAN_LIMIT = 2_500
#: Scanned rows for each row of the page, if that is more.
SCAN_PER_RESULT = 50


#: Characters without a bound of ours after which a page ends.
MAX_PAGE_TEXT = 4_000_000

#: A position of the scan: the values of its order columns.
Place: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """A scan of one index, from the newest row to the oldest."""

    #: The order columns; the last is the id.
    order: list[Column[Any]]
    #: Conditions on the columns that precede them in the index.
    driving: list[ColumnElement[bool] | TextClause] = field(default_factory=list)
    #: The scan begins before the first position, and ends with the second.
    newest: Place | None = None
    oldest: Place | None = None
    #: Conditions that are checked in each row.
    others: list[ColumnElement[bool]] = field(default_factory=list)
    #: Whether it may have more rows than the limit of a scan.
    long: bool = True

    def over(self, statement: Select[Any]) -> Select[Any]:
        """The statement for the rows of the scan, without the other conditions."""
        here: ColumnElement[Any] = self.order[0] if len(self.order) == 1 else tuple_(*self.order)
        bounds: list[ColumnElement[bool] | TextClause] = list(self.driving)
        if self.newest is not None:
            bounds.append(here < _value(self.newest))
        if self.oldest is not None:
            bounds.append(here >= _value(self.oldest))
        return statement.where(*bounds).order_by(*(column.desc() for column in self.order))

    def place_of(self, row: Row[Any]) -> Place:
        """The position of a row."""
        return tuple(int(getattr(row, str(column.key))) for column in self.order)

    def begun(self, place: Place) -> "Walk":
        """The rest of the scan, behind a position."""
        return replace(self, newest=min(place, self.newest or place))


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter(ABC):
    """The conditions of a listing; None is no condition."""

    #: What is listed. Its ids rise in order of arrival, and an index has `time` before the id.
    table: ClassVar[Table]
    #: The column of `since` and `until`.
    time: ClassVar[Column[Any]]
    #: Whether that index is there; without it, times are looked at row by row.
    time_indexed: ClassVar[bool] = True
    #: Rows that a page reads at a time.
    chunk: ClassVar[int] = 100

    #: At or after, before: UTC microseconds.
    since: Micros | None = None
    until: Micros | None = None
    #: What this actor may not see is left out.
    seen_by: Actor = NOBODY

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
        """Conditions that no index serves; that the actor may see it is one."""

    @property
    def ids(self) -> Column[Any]:
        """The table's number."""
        return self.table.c.id

    def size(self, _row: Row[Any]) -> int:
        """Characters of a row that are without a bound of ours."""
        return 0

    async def page(
        self,
        connection: AsyncConnection,
        *,
        limit: int,
        most: int | None = None,
        after: Place | None = None,
    ) -> "Page":
        """A page of what it selects; see `page_of`."""
        return await page_of(connection, self, limit=limit, most=most, after=after)

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

    def walk(self) -> Walk:
        """The scan for a page: of the few rows, else by time, else by id."""
        equal = list(self.equal())
        driving: list[ColumnElement[bool] | TextClause] = [*self.few()]
        long = False
        spans = self.since is not None or self.until is not None
        if not driving and spans and self.time_indexed:
            return Walk(
                order=[self.time, self.ids],
                newest=None if self.until is None else (self.until, 0),
                oldest=None if self.since is None else (self.since, 0),
                others=[beside(column) == value for column, value in equal] + self.unindexed(),
            )
        if not driving:
            driving, long = [column == value for column, value in equal[:1]], True
            equal = equal[1:]
        return Walk(
            order=[self.ids],
            driving=driving,
            others=[
                *(beside(column) == value for column, value in equal),
                *self.span(self.time + 0),
                *self.unindexed(),
            ],
            long=long,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a listing, newest first."""

    rows: Sequence[Row[Any]]
    #: Where the next page begins: behind this position; None behind the last row.
    next: Place | None = None
    #: If the page is not full because older rows were not scanned: rows before this time may match
    #: as well.
    looked_back_to: Micros | None = None


async def page_of(
    connection: AsyncConnection,
    where: Filter,
    *,
    limit: int,
    most: int | None = None,
    after: Place | None = None,
) -> Page:
    """A page, newest first: by arrival, or by time if the filter has a span.

    The two orders differ if a clock was set back.

    Args:
        connection: for reading.
        where: the filter.
        limit: rows that are asked for, which determines the length of the scan.
        most: most rows of this page; `limit` by default.
        after: `next` of the previous page.

    Raises:
        ValueError: the position is of a listing with another order.
    """
    ids = where.ids
    walk = where.walk()
    if after is not None:
        if len(after) != len(walk.order):
            raise ValueError
        walk = walk.begun(after)
    end = None
    if walk.others and walk.long:
        look = max(SCAN_LIMIT, SCAN_PER_RESULT * limit)
        end = await _end(connection, walk, ids=ids, look=look)
    if end is not None:
        walk = replace(walk, oldest=end)
    most = limit if most is None else most
    found, rest = await _rows(connection, where, walk, most=most)
    if end is None or rest is not None:
        return Page(rows=found, next=rest)
    if len(found) == most:
        return Page(rows=found, next=end)
    # The row of that position, or the next: ids of alerts may have gaps.
    last = select(where.time).where(ids >= end[-1]).order_by(ids).limit(1)
    # One microsecond later: others may have the same time.
    back = int((await connection.execute(last)).scalar_one()) + 1
    return Page(rows=found, next=end, looked_back_to=back)


async def _rows(
    connection: AsyncConnection, where: Filter, walk: Walk, *, most: int
) -> tuple[list[Row[Any]], Place | None]:
    """The rows of a page, and the position of the last one where more follow."""
    found: list[Row[Any]] = []
    size = 0
    while True:
        # One more than the page has tells whether it is the last.
        chunk = min(where.chunk, most + 1 - len(found))
        statement = walk.over(where.columns().where(*walk.others)).limit(chunk)
        rows = (await connection.execute(statement)).all()
        found += rows
        if len(found) > most:
            return found[:most], walk.place_of(found[most - 1])
        if len(rows) < chunk:
            return found, None
        size += sum(map(where.size, rows))
        walk = walk.begun(walk.place_of(found[-1]))
        if size > MAX_PAGE_TEXT:
            return found, walk.newest


async def _end(
    connection: AsyncConnection, walk: Walk, *, ids: Column[Any], look: int
) -> Place | None:
    """The position of the last row to scan; None if fewer are left.

    It is counted by the index alone, or computed from ids, which have no gaps to speak of.
    """
    if walk.order == [ids] and not walk.driving:
        newest = await connection.execute(select(func.coalesce(func.max(ids), 0)))
        first = int(newest.scalar_one())
        if walk.newest is not None:
            # A cursor may name a row that there is not.
            first = min(first, walk.newest[0] - 1)
        return (first - look,) if first > look else None
    statement = walk.over(select(*walk.order)).offset(look).limit(1)
    beyond = (await connection.execute(statement)).one_or_none()
    return None if beyond is None else tuple(beyond)


def _value(place: Place) -> ColumnElement[Any]:
    return literal(place[0]) if len(place) == 1 else tuple_(*place)


def beside(column: Column[Any]) -> ColumnElement[Any]:
    """The same text, without its index: the scan uses another one."""
    return column.concat("")


async def export(
    read: Callable[[], AbstractAsyncContextManager[AsyncConnection]], where: Filter
) -> AsyncGenerator[Row[Any], None]:
    """Every row that matches and is there when it begins, oldest first.

    Each piece is read by itself, so that no snapshot is held for as long as a reader takes, and no
    piece looks at more rows than a page of a list does.
    """
    ids, few = where.ids, where.few()
    conditions = [
        *few,
        *(column == value for column, value in where.equal()),
        # Past the index of times, which would have each piece sort the whole span.
        *where.span(where.time + 0),
        *where.unindexed(),
    ]
    async with read() as connection:
        after, last = await _bounds(connection, where)
    while after < last:
        end = last if few else min(last, after + SCAN_LIMIT)
        statement = (
            where.columns()
            .where(ids > after, ids <= end, *conditions)
            .order_by(ids)
            .limit(EXPORT_PAGE)
        )
        async with read() as connection:
            rows = (await connection.execute(statement)).all()
        for row in rows:
            yield row
        after = int(getattr(rows[-1], str(ids.key))) if len(rows) == EXPORT_PAGE else end


async def _bounds(connection: AsyncConnection, where: Filter) -> tuple[int, int]:
    """The ids that enclose all rows of the filter's span; the first one is excluded.

    They are looked up: times do not rise with ids if the clock was set back.
    """
    ids = where.ids
    first, last = func.coalesce(func.min(ids), 1), func.coalesce(func.max(ids), 0)
    within = list(where.span(where.time))
    asked = select(first, last) if within else select(literal(1), last)
    lowest, highest = (await connection.execute(asked.where(*within))).one()
    return int(lowest) - 1, int(highest)


async def count(connection: AsyncConnection, where: Filter) -> int:
    """How many rows match."""
    statement = select(func.count()).select_from(where.table).where(*where.conditions())
    return int((await connection.execute(statement)).scalar_one())
