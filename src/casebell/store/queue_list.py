"""What is in the queue: its list, the newest change first, and its page, the soonest date first."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import sight
from casebell.store.schema import OPEN, RUNNING, cases, changes, escalations, queue
from casebell.store.walk import Filter, Page, Place, Walk

_JOINED = queue.join(changes, changes.c.id == queue.c.change_id).join(
    cases, cases.c.receipt == queue.c.receipt
)
#: What is asked, of which case, and whose it is.
_SELECTED = select(
    queue,
    changes.c.status,
    changes.c.tags,
    changes.c.event_id,
    cases.c.label,
    cases.c.owner,
    cases.c.owner_key,
    cases.c.owner_email,
    cases.c.team,
    cases.c.confidential,
).select_from(_JOINED)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueFilter(Filter):
    """The conditions of a listing of what is open."""

    table: ClassVar[Table] = queue
    time: ClassVar[Column[Any]] = queue.c.since
    time_indexed: ClassVar[bool] = False

    receipt: str | None = None
    #: Owners and teams, as texts are compared; any of them.
    owner: frozenset[str] | None = None
    team: frozenset[str] | None = None
    #: Only those of cases of which this actor is the owner, or of the team.
    of: Actor | None = None
    #: As a page shows it: by the date that a person typed, the soonest first; then those without
    #: one, the oldest first.
    by_date: bool = False

    @property
    def ids(self) -> Column[Any]:
        """The number of the change."""
        return queue.c.change_id

    def columns(self) -> Select[Any]:
        """What is asked, of which case, and whose it is."""
        return _SELECTED

    def few(self) -> list[ColumnElement[bool]]:
        """Those of a receipt."""
        return [] if self.receipt is None else [and_(true(), OPEN, queue.c.receipt == self.receipt)]

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """None."""
        return iter(())

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Whose case it is, and whether the actor may see it."""
        given = sight.shown(sight.hidden_case(self.seen_by))
        if self.of is not None:
            given.append(sight.own_case(self.of))
        for column, keys in ((cases.c.owner_key, self.owner), (cases.c.team_key, self.team)):
            if keys is not None:
                given.append(column.in_(sorted(keys)))
        return given

    def walk(self) -> Walk:
        """The scan of what is open."""
        whole = Filter.walk(self)
        return whole if self.few() else replace(whole, driving=[OPEN])

    async def page(
        self,
        connection: AsyncConnection,
        *,
        limit: int,
        most: int | None = None,
        after: Place | None = None,
    ) -> Page:
        """A page of them; see `Filter.page`."""
        if self.by_date:
            return await _page_by_date(connection, self, limit=most or limit, after=after)
        return await Filter.page(self, connection, limit=limit, most=most, after=after)


async def _page_by_date(
    connection: AsyncConnection, where: QueueFilter, *, limit: int, after: Place | None
) -> Page:
    """A page by date. A position is the number of the last change that was shown.

    Raises:
        ValueError: the position is none of this listing.
    """
    last = None
    if after is not None:
        (number,) = after
        last = await find(connection, number)
        if last is None:
            raise ValueError
    dated = (queue.c.due, queue.c.since, queue.c.change_id)
    undated = (queue.c.since, queue.c.change_id)
    rows: list[Row[Any]] = []
    if last is None or last.due is not None:
        statement = where.columns().where(queue.c.due.is_not(None))
        if last is not None:
            statement = statement.where(tuple_(*dated) > (last.due, last.since, last.change_id))
        rows += await _few(connection, where, statement.order_by(*dated), limit + 1)
    if len(rows) <= limit:
        statement = where.columns().where(queue.c.due.is_(None))
        if last is not None and last.due is None:
            statement = statement.where(tuple_(*undated) > (last.since, last.change_id))
        ordered = statement.order_by(*undated)
        rows += await _few(connection, where, ordered, limit + 1 - len(rows))
    more = len(rows) > limit
    return Page(rows=rows[:limit], next=(rows[limit - 1].change_id,) if more else None)


async def _few(
    connection: AsyncConnection, where: QueueFilter, statement: Select[Any], limit: int
) -> Sequence[Row[Any]]:
    given = statement.where(OPEN, *where.few(), *where.unindexed()).limit(limit)
    found: Sequence[Row[Any]] = (await connection.execute(given)).all()
    return found


async def find(connection: AsyncConnection, change_id: int) -> Row[Any] | None:
    """What a change asks for, be it answered or not; None of one that asks for nothing."""
    statement = select(queue).where(queue.c.change_id == change_id)
    return (await connection.execute(statement)).one_or_none()


async def asked_of(connection: AsyncConnection, receipt: str) -> Sequence[Row[Any]]:
    """Everything that was asked of a case, be it answered or not, the latest first."""
    statement = (
        select(queue)
        .join(changes, changes.c.id == queue.c.change_id)
        .where(changes.c.receipt == receipt)
        .order_by(changes.c.at.desc(), changes.c.id.desc())
    )
    return (await connection.execute(statement)).all()


async def due_of(connection: AsyncConnection, change_ids: Collection[int]) -> dict[int, str]:
    """By change, the date that a person typed of it."""
    statement = select(queue.c.change_id, queue.c.due).where(
        queue.c.change_id.in_(sorted(change_ids)), queue.c.due.is_not(None)
    )
    return {change: str(due) for change, due in await connection.execute(statement)}


async def escalating(connection: AsyncConnection, receipt: str) -> Sequence[int]:
    """The changes of a case for which an escalation runs."""
    statement = (
        select(changes.c.id)
        .join(escalations, escalations.c.change_id == changes.c.id)
        .where(changes.c.receipt == receipt, RUNNING)
        .distinct()
    )
    found: Sequence[int] = (await connection.execute(statement)).scalars().all()
    return found


async def last_escalated(
    connection: AsyncConnection, change_ids: Collection[int]
) -> dict[int, Micros]:
    """By change, when people were last reminded by an escalation of it."""
    statement = (
        select(escalations.c.change_id, func.max(escalations.c.reminded_at))
        .where(
            escalations.c.change_id.in_(sorted(change_ids)), escalations.c.reminded_at.is_not(None)
        )
        .group_by(escalations.c.change_id)
    )
    return {change: int(at) for change, at in await connection.execute(statement)}
