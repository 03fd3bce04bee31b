"""What the upstream's APIs were asked about each case, and how each reconciliation goes on.

A run takes the cases that were last checked before it began, the longest unchecked first. How far
it is stands in the rows of the cases alone: whoever goes on with it, after whatever ended it, takes
what is left (docs/decisions/0040-reconciliation.md).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, func, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import SERVER, Actor
from casebell.events import Case, Micros, Origin
from casebell.store import journal
from casebell.store.rows import KnownCase, case_from_row
from casebell.store.schema import (
    GOES_ON,
    TO_BE_TOLD,
    cases,
    changes,
    events,
    queue,
    reconciliations,
    upstream_cases,
)
from casebell.store.statements import Driver, Query, TableRow, among, columns_of, insert_new, upsert

#: Cases that one transaction makes rows of.
MADE_AT_ONCE = 2_000

#: A row of `reconciliations`.
Run = Row[Any]


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


# --- Cases ----------------------------------------------------------------------------------------


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
    connection: AsyncConnection, upstream: str, *, before: Micros, limit: int, skip: int = 0
) -> list[Tracked]:
    """The cases that were last checked before a time, the longest unchecked first."""
    statement = (
        select(*columns_of(upstream_cases, Tracked))
        .where(upstream_cases.c.upstream == upstream, upstream_cases.c.checked_at < before)
        .order_by(upstream_cases.c.checked_at, upstream_cases.c.receipt)
        .limit(limit)
        .offset(skip)
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


async def tracked(
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


# --- Runs -----------------------------------------------------------------------------------------


async def latest(connection: AsyncConnection, upstream: str) -> Run | None:
    """The run of an API that began last, be it done or not."""
    statement = (
        select(reconciliations)
        .where(reconciliations.c.upstream == upstream)
        .order_by(reconciliations.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


async def last_before(connection: AsyncConnection, run: Run) -> Run | None:
    """The run of the same API before one; None where it is the first."""
    statement = (
        select(reconciliations)
        .where(reconciliations.c.upstream == run.upstream, reconciliations.c.id < run.id)
        .order_by(reconciliations.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


async def going_on(connection: AsyncConnection, upstream: str) -> Run | None:
    """The run of an API that is not done; None where there is none."""
    statement = select(reconciliations).where(reconciliations.c.upstream == upstream, GOES_ON)
    return (await connection.execute(statement)).one_or_none()


async def find(connection: AsyncConnection, run_id: int) -> Run:
    """The run of a number that is known."""
    statement = select(reconciliations).where(reconciliations.c.id == run_id)
    found: Run = (await connection.execute(statement)).one()
    return found


async def begin(
    connection: AsyncConnection,
    upstream: str,
    *,
    takes_before: Micros,
    now: Micros,
    by: Actor,
) -> Run:
    """The run that goes on; a new one where there is none."""
    if (running := await going_on(connection, upstream)) is not None:
        return running
    given = {"upstream": upstream, "began_at": now, "takes_before": takes_before}
    made = reconciliations.insert().returning(reconciliations)
    run: Run = (await connection.execute(made, {**given, "began_by": by.name})).one()
    await _record(connection, run, "began", {}, now=now, actor=by)
    return run


async def take(
    connection: AsyncConnection,
    run_id: int,
    *,
    owner: str,
    now: Micros,
    until: Micros,
    alone: bool,
) -> bool:
    """Say that this server works on a run; False where another does, or it is done.

    Args:
        alone: whether no other server can be alive on this database.
    """
    free = or_(
        reconciliations.c.lease_owner.is_(None),
        reconciliations.c.lease_owner == owner,
        reconciliations.c.lease_until <= now,
        # A clock that was ahead must not bar it for long.
        reconciliations.c.lease_until > now + 2 * (until - now),
        literal(alone),
    )
    taken = await connection.execute(
        reconciliations.update()
        .where(reconciliations.c.id == run_id, GOES_ON, free)
        .values(lease_owner=owner, lease_until=until, waits=null(), waits_until=null())
    )
    return bool(taken.rowcount)


async def extend(
    connection: AsyncConnection, run_id: int, *, owner: str, until: Micros, **added: int
) -> bool:
    """Go on with a run that is this server's, and add to its counts; False where it is no more."""
    counts: dict[str, Any] = {
        name: reconciliations.c[name] + number for name, number in added.items()
    }
    extended = await connection.execute(
        reconciliations.update()
        .where(reconciliations.c.id == run_id, reconciliations.c.lease_owner == owner, GOES_ON)
        .values(lease_until=until, failures=0, **counts)
    )
    return bool(extended.rowcount)


async def leave(
    connection: AsyncConnection,
    run_id: int,
    *,
    owner: str,
    waits: str | None = None,
    waits_until: Micros | None = None,
    failures: int = 0,
) -> bool:
    """Stop working on a run that is not done; False where it was this server's no more."""
    left = await connection.execute(
        reconciliations.update()
        .where(reconciliations.c.id == run_id, reconciliations.c.lease_owner == owner, GOES_ON)
        .values(
            lease_owner=null(),
            lease_until=null(),
            waits=waits,
            waits_until=waits_until,
            failures=failures,
        )
    )
    return bool(left.rowcount)


async def release(connection: AsyncConnection, *, owners: Collection[str]) -> None:
    """Let go of the runs of dead owners."""
    await connection.execute(
        reconciliations.update()
        .where(GOES_ON, reconciliations.c.lease_owner.in_(owners))
        .values(lease_owner=null(), lease_until=null())
    )


async def end(connection: AsyncConnection, run: Run, *, owner: str, now: Micros) -> bool:
    """Say that a run is done; False where it was this server's no more."""
    ended = await connection.execute(
        reconciliations.update()
        .where(reconciliations.c.id == run.id, reconciliations.c.lease_owner == owner, GOES_ON)
        .values(ended_at=now, lease_owner=null(), lease_until=null(), waits=null())
        .returning(reconciliations)
    )
    row = ended.one_or_none()
    if row is None:
        return False
    counts = {
        name: getattr(row, name)
        for name in ("checked", "found", "first_looks", "failed", "newly_failed")
    }
    await _record(connection, row, "ended", counts, now=now, actor=SERVER)
    return True


async def told(connection: AsyncConnection, run: Run) -> None:
    """Note that people were told of all that a run has found so far."""
    await connection.execute(
        reconciliations.update()
        .where(reconciliations.c.id == run.id)
        .values(
            told_found=run.found,
            told_first_looks=run.first_looks,
            told_failed=run.newly_failed,
        )
    )


async def _record(
    connection: AsyncConnection,
    run: Run,
    what: str,
    data: Mapping[str, Any],
    *,
    now: Micros,
    actor: Actor,
) -> None:
    entry = journal.Entry.of(
        actor,
        at=now,
        kind=f"reconciliation.{what}",
        subject=f"upstream:{run.upstream}",
        data={"run": run.id, **data},
    )
    await journal.append(connection, [entry])


# --- First looks ----------------------------------------------------------------------------------


class ToTell(NamedTuple):
    """A case whose first look found something that asks for something."""

    change_id: int
    case: Case


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


async def to_tell(connection: AsyncConnection, upstream: str) -> list[ToTell]:
    """What a summary is to tell, and is still open, with the cases as they are now."""
    joined = upstream_cases.join(cases, cases.c.receipt == upstream_cases.c.receipt).join(
        queue, queue.c.change_id == upstream_cases.c.asked_change
    )
    statement = (
        select(*columns_of(cases, KnownCase), upstream_cases.c.asked_change)
        .select_from(joined)
        .where(upstream_cases.c.upstream == upstream, TO_BE_TOLD, queue.c.answered_at.is_(None))
        .order_by(upstream_cases.c.receipt)
    )
    return [
        ToTell(change_id=row.asked_change, case=case_from_row(row))
        for row in await connection.execute(statement)
    ]


async def forget_asked(connection: AsyncConnection, upstream: str) -> None:
    """It was told."""
    await connection.execute(
        upstream_cases.update()
        .where(upstream_cases.c.upstream == upstream, TO_BE_TOLD)
        .values(asked_change=null())
    )


# --- What is wrong with webhooks ------------------------------------------------------------------


async def count_changes(connection: AsyncConnection, source: str, *, since: Micros) -> int:
    """How many changes events of a source founded that came since a time."""
    founded = and_(changes.c.id == events.c.change_id, changes.c.event_id == events.c.id)
    statement = (
        select(func.count())
        .select_from(events.join(changes, founded))
        .where(
            events.c.received_at >= since,
            events.c.source == source,
            events.c.origin == Origin.WEBHOOK,
        )
    )
    return int((await connection.execute(statement)).scalar_one())
