"""Which cases an API tracks for us: those that it does not yet, and what it said of others."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import FAILING, cases, upstream_cases
from casebell.store.statements import Driver, TableRow, upsert
from casebell.uscis.receipts import is_test, maybe_test

#: Cases among which one is looked for that is no test's.
_SOME = 100


class _Registered(TableRow):
    upstream: str
    receipt: str
    registered_at: Micros
    problem: str | None


class _Unnamed(TableRow):
    upstream: str
    receipt: str
    problem: str


_REGISTERED = upsert(upstream_cases, _Registered)
_UNNAMED = upsert(upstream_cases, _Unnamed)


async def unregistered(
    connection: AsyncConnection, upstream: str, *, after: str, limit: int
) -> Sequence[Any]:
    """Cases that an API does not track yet, by receipt number; tests are among them.

    Each with what decides who may see it.

    Args:
        after: the receipt behind which they begin; "" for the first.
    """
    seen_by = (cases.c.confidential, cases.c.owner, cases.c.team)
    statement = (
        _unregistered(upstream, cases.c.receipt, cases.c.label, *seen_by)
        .where(cases.c.receipt > after)
        .order_by(cases.c.receipt)
        .limit(limit)
    )
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


async def count_unregistered(
    connection: AsyncConnection, upstream: str, *, tests: Sequence[str]
) -> int:
    """How many there are without tests; looks at each case.

    Args:
        tests: globs of receipts.
    """
    counted = _unregistered(upstream, func.count())
    number = int((await connection.execute(counted)).scalar_one())
    perhaps = or_(*(cases.c.receipt.like(pattern) for pattern in maybe_test(tests)))
    found = _unregistered(upstream, cases.c.receipt).where(perhaps)
    receipts = (await connection.execute(found)).scalars()
    return number - sum(is_test(receipt, tests) for receipt in receipts)


async def any_case(connection: AsyncConnection, *, tests: Sequence[str]) -> str | None:
    """The receipt of some case, of which an API can be asked; None where there is none.

    Args:
        tests: globs of receipts; no API is asked about those.
    """
    first = select(cases.c.receipt).order_by(cases.c.receipt).limit(_SOME)
    receipts = (await connection.execute(first)).scalars()
    return next((one for one in receipts if not is_test(one, tests)), None)


async def record(
    connection: AsyncConnection,
    upstream: str,
    *,
    registered: Collection[str],
    already: Collection[str],
    problems: Mapping[str, str],
    now: Micros,
    actor: Actor,
) -> None:
    """Keep what an API said of some receipts.

    Args:
        registered, already: those that it tracks now, and those that it tracked before.
        problems: why others are not registered, as sentences.
    """
    driver = await Driver.of(connection)
    tracked = [
        # What a look found of a case that was not tracked says nothing any more.
        _Registered(upstream=upstream, receipt=one, registered_at=now, problem=None)
        for one in (*registered, *already)
    ]
    unnamed = [
        _Unnamed(upstream=upstream, receipt=receipt, problem=problem)
        for receipt, problem in problems.items()
    ]
    await driver.run(_REGISTERED, tracked)
    await driver.run(_UNNAMED, unnamed)
    data = {
        "registered": sorted(registered),
        "already_registered": sorted(already),
        "not_registered": sorted(problems),
    }
    entry = journal.Entry.of(
        actor, at=now, kind="upstream.registered", subject=f"upstream:{upstream}", data=data
    )
    await journal.append(connection, [entry])


async def failing(connection: AsyncConnection, upstream: str, *, limit: int) -> Sequence[Any]:
    """The first cases of which an API could not be asked, each with the sentence why."""
    shown = (cases.c.confidential, cases.c.owner, cases.c.team)
    statement = (
        select(upstream_cases.c.receipt, upstream_cases.c.problem, *shown)
        .outerjoin(cases, cases.c.receipt == upstream_cases.c.receipt)
        .where(upstream_cases.c.upstream == upstream, FAILING)
        .order_by(upstream_cases.c.receipt)
        .limit(limit)
    )
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


async def count_failing(connection: AsyncConnection, upstream: str) -> int:
    """How many there are."""
    statement = select(func.count()).select_from(upstream_cases)
    found = statement.where(upstream_cases.c.upstream == upstream, FAILING)
    return int((await connection.execute(found)).scalar_one())


def _unregistered(upstream: str, *columns: ColumnElement[Any]) -> Select[Any]:
    of_case = and_(
        upstream_cases.c.upstream == upstream, upstream_cases.c.receipt == cases.c.receipt
    )
    return (
        select(*columns)
        .select_from(cases.outerjoin(upstream_cases, of_case))
        .where(upstream_cases.c.registered_at.is_(None))
    )
