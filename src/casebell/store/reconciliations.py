"""How each reconciliation goes on.

A run takes the cases that were last checked before it began. How far it is stands in the rows of
the cases alone (`tracked`): whoever goes on with it, after whatever ended it, takes what is left
(docs/decisions/0040-reconciliation.md).
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, and_, func, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import SERVER, Actor
from casebell.events import Micros, Origin
from casebell.store import journal
from casebell.store.schema import GOES_ON, changes, events, reconciliations

#: A row of `reconciliations`.
Run = Row[Any]


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


def request_id(run: Run) -> str:
    """What stands as `request_id` with all that a run found; the journal has it where it began."""
    return f"run_{run.id}"


async def record_look(
    connection: AsyncConnection,
    upstream: str,
    receipt: str,
    asked_as: str,
    *,
    now: Micros,
    actor: Actor,
) -> None:
    """Put on record who has one case looked at, outside of any run.

    Args:
        asked_as: the `request_id` of what it finds.
    """
    entry = journal.Entry.of(
        actor,
        at=now,
        kind="reconciliation.looked",
        subject=f"upstream:{upstream}",
        data={"receipt": receipt, "request_id": asked_as},
    )
    await journal.append(connection, [entry])


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
        data={"run": run.id, "request_id": request_id(run), **data},
    )
    await journal.append(connection, [entry])


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
