"""Leases: the owners of alerts that are being sent, and the release of those of dead owners."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Alert, AlertState, FailureReason, Outcome
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import alerts, attempts


async def renew(
    connection: AsyncConnection, alert: Alert, *, owner: str, now: Micros, lease: Micros
) -> bool:
    """Renew the lease of an alert, and of its others, whose claim failed, perhaps after its commit.

    Returns:
        Whether the claim was committed.
    """
    renewed = await connection.execute(
        alerts.update()
        .where(
            # All were claimed at once; what has begun since is another's.
            tuple_(alerts.c.id, alerts.c.attempts).in_(
                [(one.id, one.attempts) for one in (alert, *alert.others)]
            ),
            alerts.c.state == AlertState.SENDING,
            alerts.c.lease_owner == owner,
        )
        .values(lease_until=now + lease)
    )
    return bool(renewed.rowcount)


async def release(
    connection: AsyncConnection, *, now: Micros, owners: Collection[str] | None = None
) -> int:
    """Release the leases of dead owners; returns their number.

    Args:
        connection: the writing transaction.
        now: when the alerts are due again.
        owners: the dead ones; None: all, for the only server of a database at its start.
    """
    of_the_dead = alerts.c.state == AlertState.SENDING
    if owners is not None:
        of_the_dead = and_(of_the_dead, alerts.c.lease_owner.in_(owners))
    rows = (await connection.execute(select(alerts).where(of_the_dead))).all()
    for row in rows:
        await record_interrupted(connection, row, now=now)
    if rows:
        await connection.execute(
            alerts.update()
            .where(of_the_dead)
            .values(
                state=AlertState.RETRYING,
                not_before=now,
                may_repeat=True,
                reason=FailureReason.INTERRUPTED,
                lease_owner=None,
                lease_until=None,
            )
        )
    return len(rows)


async def holders(connection: AsyncConnection) -> set[str]:
    """The owners of leases, living and dead."""
    statement = select(alerts.c.lease_owner).where(alerts.c.state == AlertState.SENDING).distinct()
    return {owner for owner in (await connection.execute(statement)).scalars() if owner}


async def record_interrupted(connection: AsyncConnection, row: Row[Any], *, now: Micros) -> None:
    """Record the attempt of a sender that died: the message may have arrived."""
    await connection.execute(
        attempts.insert().values(
            alert_id=row.id,
            number=row.attempts,
            started_at=row.not_before,
            finished_at=now,
            outcome=Outcome.AMBIGUOUS,
            reason=FailureReason.INTERRUPTED,
            detail="the process ended while sending",
            title="",
            body="",
        )
    )
    await journal.append(
        connection,
        [
            journal.Entry(
                at=now,
                kind="alert.interrupted",
                actor="dispatcher",
                subject=f"alert:{row.id}",
                data={"number": row.attempts, "target": row.target},
            )
        ],
    )
