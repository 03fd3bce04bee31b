"""Cases as they stand, and what became of one: the list of cases walks the changes.

Each case comes once, at the change that made its status, so that the list needs no index which each
delivery would pay for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Status
from casebell.store import sight
from casebell.store.schema import SILENT, alerts, cases, changes, events
from casebell.store.walk import Filter, Page, Place
from casebell.uscis.receipts import number_of, of_number

#: Without the official text, and with the time of the change: the case's own time is that of the
#: latest event that reported it.
_OF_CASE = (
    *(column for column in cases.c if column.name not in ("text", "at")),
    changes.c.at.label("since"),
    changes.c.tags,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFilter(Filter):
    """The conditions of a listing of cases; `since` and `until` are of the decision."""

    table: ClassVar[Table] = changes
    time: ClassVar[Column[Any]] = changes.c.decided_at
    time_indexed: ClassVar[bool] = False

    receipt: str | None = None
    status: Status | None = None
    #: Owners and teams, as texts are compared; any of them.
    owner: frozenset[str] | None = None
    team: frozenset[str] | None = None
    confidential: bool | None = None
    #: Only those that the firm has not named: deliveries alone tell of them.
    unlisted: bool = False
    #: Only those that the firm has named, and of which nothing was received.
    silent: bool = False

    async def page(
        self,
        connection: AsyncConnection,
        *,
        limit: int,
        most: int | None = None,
        after: Place | None = None,
    ) -> Page:
        """A page of them; see `Filter.page`."""
        if self.silent:
            return await _silent_page(connection, self, limit=most or limit, after=after)
        return await Filter.page(self, connection, limit=limit, most=most, after=after)

    def columns(self) -> Select[Any]:
        """The case, by the number of its current change."""
        joined = changes.join(cases, cases.c.receipt == changes.c.receipt)
        return select(changes.c.id, *_OF_CASE).select_from(joined)

    def few(self) -> list[ColumnElement[bool]]:
        """The changes of a receipt."""
        return [] if self.receipt is None else [changes.c.receipt == self.receipt]

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """None."""
        return iter(())

    def unindexed(self) -> list[ColumnElement[bool]]:
        """All but the receipt; that the change is the current one of its case is one, too."""
        given = [cases.c.change_id == changes.c.id, *self.of_case()]
        if self.status is not None:
            # It is that of the current change, which spares looking up the case of any other.
            given.append(changes.c.status == self.status)
        return given

    def of_case(self) -> list[ColumnElement[bool]]:
        """The conditions on the case itself."""
        given = sight.shown(sight.hidden_case(self.seen_by))
        if self.status is not None:
            given.append(cases.c.status == self.status)
        if self.unlisted:
            given.append(cases.c.listed_at.is_(None))
        for column, keys in ((cases.c.owner_key, self.owner), (cases.c.team_key, self.team)):
            if keys is not None:
                given.append(column.in_(sorted(keys)))
        if self.confidential is not None:
            given.append(cases.c.confidential.is_(self.confidential))
        return given


async def _silent_page(
    connection: AsyncConnection, where: CaseFilter, *, limit: int, after: Place | None
) -> Page:
    """A page of the cases that the firm has named and of which nothing was received.

    By receipt number, since they have no change to be listed by.

    Raises:
        ValueError: the position is none of this listing.
    """
    begins = ""
    if after is not None:
        (number,) = after
        begins = of_number(number)
    joined = cases.outerjoin(changes, changes.c.id == cases.c.change_id)
    statement = select(*_OF_CASE).select_from(joined)
    statement = statement.where(SILENT, cases.c.receipt > begins, *where.of_case())
    if where.receipt is not None:
        statement = statement.where(cases.c.receipt == where.receipt)
    statement = statement.order_by(cases.c.receipt).limit(limit + 1)
    rows = (await connection.execute(statement)).all()
    more = len(rows) > limit
    return Page(rows=rows[:limit], next=(number_of(rows[limit - 1].receipt),) if more else None)


async def find(connection: AsyncConnection, receipt: str, *, seen_by: Actor) -> Row[Any] | None:
    """The case of a receipt; None where there is none that the actor may see."""
    shown = sight.shown(sight.hidden_case(seen_by))
    joined = cases.outerjoin(changes, changes.c.id == cases.c.change_id)
    statement = select(*_OF_CASE).select_from(joined).where(cases.c.receipt == receipt, *shown)
    found: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return found


async def changes_of(
    connection: AsyncConnection, receipt: str, *, limit: int
) -> Sequence[Row[Any]]:
    """The latest changes of a case, newest first by the provider's time.

    Each with its decision, and with text and origin of the event that reported it first.
    """
    joined = changes.join(events, events.c.id == changes.c.event_id)
    statement = select(changes, events.c.text, events.c.origin).select_from(joined)
    statement = statement.where(changes.c.receipt == receipt)
    statement = statement.order_by(changes.c.at.desc(), changes.c.id.desc()).limit(limit)
    return (await connection.execute(statement)).all()


async def events_of(
    connection: AsyncConnection, change_ids: Sequence[int], *, limit: int
) -> Sequence[Row[Any]]:
    """The latest events that reported changes, newest first: source and flags of each."""
    columns: list[Column[Any]] = [
        events.c.id,
        events.c.change_id,
        events.c.source,
        events.c.flags,
    ]
    statement = select(*columns).where(events.c.change_id.in_(change_ids))
    return (await connection.execute(statement.order_by(events.c.id.desc()).limit(limit))).all()


async def alerts_of(
    connection: AsyncConnection, change_ids: Sequence[int], *, limit: int
) -> Sequence[Row[Any]]:
    """The first alerts of changes, oldest first."""
    statement = select(alerts).where(alerts.c.change_id.in_(change_ids))
    return (await connection.execute(statement.order_by(alerts.c.id).limit(limit))).all()


async def told_by_name(
    connection: AsyncConnection, change_ids: Sequence[int]
) -> dict[int, set[str]]:
    """By change, the ids of those who were told of it by name."""
    statement = select(alerts.c.change_id, alerts.c.person).where(
        alerts.c.change_id.in_(change_ids), alerts.c.person.is_not(None)
    )
    found: dict[int, set[str]] = {}
    for change_id, person in await connection.execute(statement):
        found.setdefault(change_id, set()).add(person)
    return found


async def alike(connection: AsyncConnection, names: Sequence[str]) -> Sequence[Row[Any]]:
    """How many cases have the same in some columns, in `number`; without columns, all of them."""
    columns: list[ColumnElement[Any]] = [cases.c[name] for name in names]
    counted = [*columns, func.count().label("number")]
    statement = select(*counted).select_from(cases).group_by(*columns)
    return (await connection.execute(statement)).all()
