"""Cases as the upstream's APIs were asked about them, and what is on record of them beside that.

The longest unchecked come first: whoever goes on with a reconciliation takes what is left
(docs/decisions/0040-reconciliation.md).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, Micros
from casebell.store.rows import KnownCase, case_from_row
from casebell.store.schema import TO_BE_TOLD, cases, changes, events, queue, upstream_cases
from casebell.store.statements import Driver, Query, TableRow, among, columns_of, insert_new, upsert

#: Cases that one transaction makes rows of.
MADE_AT_ONCE = 2_000


class Tracked(TableRow):
    """A case as an API was asked about it."""

    upstream: str
    receipt: str
    registered_at: Micros | None
    checked_at: Micros
    first_told_at: Micros | None
    last_state: str | None
    last_change: int | None
    problem: str | None


class Checked(TableRow):
    """What a look at a case came to; `asked_change` only where it is to be told."""

    upstream: str
    receipt: str
    checked_at: Micros
    first_told_at: Micros | None
    last_state: str | None
    last_change: int | None
    problem: str | None


class KnownEvent(TableRow):
    """What is on record of a case: enough to know it again."""

    receipt: str
    key: str
    origin: str
    change_id: int | None
    delivered_status: str | None
    delivered_category: str | None
    text: str
    occurred_at: Micros | None
    time_basis: str | None
    received_at: Micros


class Present(TableRow):
    """What a case is now, as far as that is known."""

    receipt: str
    change_id: int | None
    status: str | None


class _New(TableRow):
    upstream: str
    receipt: str


def _known(backend: str, *, of_change: bool) -> Any:
    columns = columns_of(events, KnownEvent)
    if not of_change:
        waiting = and_(events.c.routed_at.is_(None), among(events.c.receipt, backend))
        return select(*columns).where(waiting)
    of_case = select(changes.c.id).where(among(changes.c.receipt, backend))
    return select(*columns).where(events.c.change_id.in_(of_case))


_DECIDED = Query(KnownEvent, lambda backend: _known(backend, of_change=True))
_UNDECIDED = Query(KnownEvent, lambda backend: _known(backend, of_change=False))
_PRESENT = Query(
    Present,
    lambda backend: select(*columns_of(cases, Present)).where(among(cases.c.receipt, backend)),
)
_MADE = insert_new(upstream_cases, _New)
_CHECKED = upsert(upstream_cases, Checked)


async def add_missing(
    connection: AsyncConnection,
    upstream: str,
    *,
    after: str,
    is_test: Callable[[str], bool],
    limit: int = MADE_AT_ONCE,
) -> str | None:
    """Make rows of cases that have none, but of test receipts; in the order of their receipts.

    Args:
        after: the last receipt of the call before; "" for the first.
        is_test: whether a receipt is that of no real case.

    Returns:
        The last receipt that was looked at; None where there are no more.
    """
    theirs = and_(
        upstream_cases.c.upstream == upstream, upstream_cases.c.receipt == cases.c.receipt
    )
    statement = (
        select(cases.c.receipt, upstream_cases.c.receipt.label("made"))
        .select_from(cases.outerjoin(upstream_cases, theirs))
        .where(cases.c.receipt > after)
        .order_by(cases.c.receipt)
        .limit(limit)
    )
    found = (await connection.execute(statement)).all()
    new = [
        _New(upstream=upstream, receipt=row.receipt)
        for row in found
        if row.made is None and not is_test(row.receipt)
    ]
    await (await Driver.of(connection)).run(_MADE, new)
    return found[-1].receipt if len(found) == limit else None


async def add_one(connection: AsyncConnection, upstream: str, receipt: str) -> None:
    """Make the row of a case, unless there is one."""
    await (await Driver.of(connection)).run(_MADE, [_New(upstream=upstream, receipt=receipt)])


async def next_cases(
    connection: AsyncConnection, upstream: str, *, before: Micros, limit: int
) -> list[Tracked]:
    """The cases that were last checked before a time, the longest unchecked first."""
    statement = (
        select(*columns_of(upstream_cases, Tracked))
        .where(upstream_cases.c.upstream == upstream, upstream_cases.c.checked_at < before)
        .order_by(upstream_cases.c.checked_at, upstream_cases.c.receipt)
        .limit(limit)
    )
    return [Tracked(*row) for row in await connection.execute(statement)]


async def count_left(connection: AsyncConnection, upstream: str, *, before: Micros) -> int:
    """How many cases were last checked before a time."""
    statement = (
        select(func.count())
        .select_from(upstream_cases)
        .where(upstream_cases.c.upstream == upstream, upstream_cases.c.checked_at < before)
    )
    return int((await connection.execute(statement)).scalar_one())


async def rows_of(
    connection: AsyncConnection, upstream: str, receipts: Collection[str]
) -> dict[str, Tracked]:
    """The rows of these cases, by receipt."""
    statement = select(*columns_of(upstream_cases, Tracked)).where(
        upstream_cases.c.upstream == upstream, upstream_cases.c.receipt.in_(sorted(receipts))
    )
    return {row.receipt: Tracked(*row) for row in await connection.execute(statement)}


async def put_checked(connection: AsyncConnection, looked_at: Sequence[Checked]) -> None:
    """Write what looks came to."""
    await (await Driver.of(connection)).run(_CHECKED, looked_at)


async def known_events(
    connection: AsyncConnection, receipts: Collection[str]
) -> dict[str, list[KnownEvent]]:
    """What is on record of these cases, of any source, by receipt; also what is undecided."""
    driver = await Driver.of(connection)
    found: dict[str, list[KnownEvent]] = {receipt: [] for receipt in receipts}
    for query in (_DECIDED, _UNDECIDED):
        for one in await driver.fetch(query, among=sorted(receipts)):
            found[one.receipt].append(one)
    return found


async def present(connection: AsyncConnection, receipts: Collection[str]) -> dict[str, Present]:
    """What cases are now, by receipt; also of those of which nothing is known."""
    driver = await Driver.of(connection)
    found = {receipt: Present(receipt, None, None) for receipt in receipts}
    known = await driver.fetch(_PRESENT, among=sorted(receipts))
    return found | {one.receipt: one for one in known}


async def told_since(connection: AsyncConnection, receipts: Collection[str]) -> dict[str, Micros]:
    """By receipt, since when some API has told of the case; only of those of which one has."""
    first = func.min(upstream_cases.c.first_told_at).label("first")
    statement = (
        select(upstream_cases.c.receipt, first)
        .where(
            upstream_cases.c.receipt.in_(sorted(receipts)),
            upstream_cases.c.first_told_at.is_not(None),
        )
        .group_by(upstream_cases.c.receipt)
    )
    return {row.receipt: row.first for row in await connection.execute(statement)}


# --- First looks ----------------------------------------------------------------------------------


async def note_asked(connection: AsyncConnection, upstream: str, asked: Mapping[str, int]) -> None:
    """Keep what a summary is to tell: by receipt, the change."""
    if not asked:
        return
    statement = (
        upstream_cases.update()
        .where(
            upstream_cases.c.upstream == upstream, upstream_cases.c.receipt == bindparam("of_case")
        )
        .values(asked_change=bindparam("asked"))
    )
    rows = [{"of_case": receipt, "asked": change} for receipt, change in asked.items()]
    await connection.execute(statement, rows)


async def to_tell(connection: AsyncConnection, upstream: str) -> list[Case]:
    """The cases, as they are now, of which a summary is to tell what is still open."""
    joined = upstream_cases.join(cases, cases.c.receipt == upstream_cases.c.receipt).join(
        queue, queue.c.change_id == upstream_cases.c.asked_change
    )
    statement = (
        select(*columns_of(cases, KnownCase))
        .select_from(joined)
        .where(upstream_cases.c.upstream == upstream, TO_BE_TOLD, queue.c.answered_at.is_(None))
        .order_by(upstream_cases.c.receipt)
    )
    return [case_from_row(row) for row in await connection.execute(statement)]


async def forget_asked(connection: AsyncConnection, upstream: str) -> None:
    """It was told."""
    await connection.execute(
        upstream_cases.update()
        .where(upstream_cases.c.upstream == upstream, TO_BE_TOLD)
        .values(asked_change=null())
    )
