"""What becomes of failed alerts by hand: sent again, or dismissed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.alerts import AlertState
from casebell.errors import NotFound, Refusal
from casebell.events import Micros
from casebell.store import journal
from casebell.store.lists import AlertFilter
from casebell.store.schema import alerts

#: For whom an alert is, with its id.
_ADDRESSEE: tuple[Column[Any], ...] = (
    *(alerts.c.id, alerts.c.channel, alerts.c.target, alerts.c.person, alerts.c.addressed_as),
)


async def next_outstanding(
    connection: AsyncConnection, where: AlertFilter, *, after: int, limit: int
) -> Sequence[Any]:
    """Id and addressee of the first alerts behind `after` that match, oldest first."""
    statement = (
        select(*_ADDRESSEE)
        .where(alerts.c.id > after, *where.conditions())
        .order_by(alerts.c.id)
        .limit(limit)
    )
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


async def retry(
    connection: AsyncConnection,
    alert_ids: Sequence[int],
    *,
    now: Micros,
    actor: Actor,
    note: str | None = None,
) -> None:
    """Put failed alerts into the outbox again: all of them, or none.

    The journal keeps that one had been dismissed, and each with its `note`.

    Raises:
        NotFound: no alert has one of these ids.
        Refusal: one of them is not failed.
    """
    await _see_that_all_failed(connection, alert_ids, actor=actor, done="retried")
    values = {
        "state": AlertState.PENDING,
        "not_before": now,
        "retried_at": now,
        "finished_at": None,
        "reason": None,
        "dismissed_at": None,
    }
    await _set_failed(
        connection, alert_ids, values, kind="alert.retried", now=now, actor=actor, note=note
    )


async def dismiss(
    connection: AsyncConnection,
    alert_ids: Sequence[int],
    *,
    now: Micros,
    actor: Actor,
    note: str | None = None,
) -> None:
    """Say of failed alerts that nothing remains to be done: all of them, or none.

    Raises:
        NotFound: no alert has one of these ids.
        Refusal: one of them is not failed, or is dismissed already.
    """
    for row in await _see_that_all_failed(connection, alert_ids, actor=actor, done="dismissed"):
        if row.dismissed_at is not None:
            raise Refusal(f"Alert {row.id} has been dismissed already.")
    values = {"dismissed_at": now}
    await _set_failed(
        connection, alert_ids, values, kind="alert.dismissed", now=now, actor=actor, note=note
    )


async def addressees(connection: AsyncConnection, alert_ids: Sequence[int]) -> Sequence[Any]:
    """Id and addressee of each of these alerts that is there."""
    statement = select(*_ADDRESSEE).order_by(alerts.c.id)
    found: Sequence[Any] = (
        await connection.execute(statement.where(alerts.c.id.in_(alert_ids)))
    ).all()
    return found


async def _see_that_all_failed(
    connection: AsyncConnection, alert_ids: Sequence[int], *, actor: Actor, done: str
) -> Sequence[Any]:
    # What the actor finds in no list is not there; its state is nothing to be told either.
    shown = AlertFilter(seen_by=actor).conditions()
    asked = select(alerts.c.id, alerts.c.state, alerts.c.dismissed_at)
    meant = asked.where(alerts.c.id.in_(alert_ids), *shown)
    found: Sequence[Any] = (await connection.execute(meant)).all()
    there = {row.id for row in found}
    for alert_id in alert_ids:
        if alert_id not in there:
            raise NotFound(
                f"There is no alert {alert_id}.", hint="`casebell alerts list` shows the latest."
            )
    for row in found:
        if row.state != AlertState.FAILED:
            raise Refusal(
                f"Alert {row.id} is {row.state}; only a failed one can be {done}.",
                hint=f"`casebell alerts list --state {row.state}` shows it.",
            )
    return found


async def _set_failed(
    connection: AsyncConnection,
    alert_ids: Sequence[int],
    values: Mapping[str, Any],
    *,
    kind: str,
    now: Micros,
    actor: Actor,
    note: str | None,
) -> None:
    await connection.execute(alerts.update().where(alerts.c.id.in_(alert_ids)).values(**values))
    data = {} if note is None else {"note": note}
    await journal.append(
        connection,
        [
            journal.Entry.of(
                actor,
                at=now,
                kind=kind,
                subject=f"alert:{alert_id}",
                data=data,
            )
            for alert_id in alert_ids
        ],
    )
