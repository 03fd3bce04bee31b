"""What became of cases: how many decisions a month had, and how long each case took.

A month is read from an index that has all of it, so the report costs what the month had.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.clock import DAY
from casebell.events import Change, Micros, Status
from casebell.store import sight
from casebell.store.schema import CONFIDENTIAL, REPORTED, cases, changes

#: What ends a case.
DECISIONS = frozenset({Status.APPROVED, Status.DENIED})


def days_to(change: Change, *, history: Iterable[Change]) -> int | None:
    """Days from the receipt of a case to a decision about it; None where that is not on record.

    Args:
        history: the changes of the case that are known.
    """
    received = [one.at for one in history if one.status is Status.RECEIVED and one.at <= change.at]
    return (change.at - min(received)) // DAY if received else None


class Outcome(NamedTuple):
    """What became of a case."""

    status: Status
    #: After its receipt; None where that is not on record, and for what is no decision.
    days: int | None


async def between(
    connection: AsyncConnection, since: Micros, until: Micros, *, seen_by: Actor
) -> dict[Outcome, int]:
    """How many changes of a span had each outcome, by the provider's time; none of test cases.

    Those of cases that the actor may not see are left out.
    """
    statement = select(changes.c.status, changes.c.days, func.count()).where(
        changes.c.at >= since, changes.c.at < until, REPORTED
    )
    if (hidden := sight.hidden_case(seen_by)) is not None:
        receipts = select(cases.c.receipt).where(CONFIDENTIAL, hidden)
        statement = statement.where(changes.c.receipt.not_in(receipts))
    rows = await connection.execute(statement.group_by(changes.c.status, changes.c.days))
    return {Outcome(Status(status), days): count for status, days, count in rows}


async def began(connection: AsyncConnection) -> Micros | None:
    """When the first change was decided; None without any."""
    first = select(changes.c.decided_at).order_by(changes.c.id).limit(1)
    at: Micros | None = (await connection.execute(first)).scalar_one_or_none()
    return at
