"""The outbox: alerts that wait to be sent, and the record of each attempt.

An alert is claimed under a lease, sent, and recorded. Each step is a transaction of its own, so a
crash leaves either a waiting alert, or a lease that another sender takes over and marks "may
repeat".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    Message,
    NewAlert,
    NextState,
    SendResult,
    Waits,
)
from casebell.events import Micros
from casebell.ops_messages import from_json
from casebell.store import grouping, holding, journal, leases, targets
from casebell.store.rows import (
    AlertRow,
    alert_row,
    decode_list,
)
from casebell.store.schema import WAITING, alerts, attempts
from casebell.store.schema import targets as targets_table
from casebell.store.statements import Driver, insert_new

#: Urgent, then ordinary.
_PRIORITIES = (0, 1)
#: What waits for no hours.
_NOTHING = Waits()


NEW_ALERTS = insert_new(alerts, AlertRow)


async def add(connection: AsyncConnection, new: Sequence[NewAlert], *, now: Micros) -> None:
    """Put alerts into the outbox; ones that are in it already are unchanged."""
    driver = await Driver.of(connection)
    await driver.run(NEW_ALERTS, [alert_row(alert, now=now) for alert in new])


async def add_claimed(
    connection: AsyncConnection, new: NewAlert, *, owner: str, now: Micros, lease: Micros
) -> Alert:
    """Put an alert into the outbox and claim it at once, for a test of a channel."""
    await add(connection, [new], now=now)
    row = (
        await connection.execute(
            alerts.update()
            .where(
                alerts.c.subject == new.subject,
                alerts.c.channel == new.channel,
                alerts.c.target == new.target,
            )
            .values(
                state=AlertState.SENDING, attempts=1, lease_owner=owner, lease_until=now + lease
            )
            .returning(alerts)
        )
    ).one()
    return _alert(row)


async def claim(
    connection: AsyncConnection,
    *,
    channel: str,
    owner: str,
    now: Micros,
    lease: Micros,
    shared: bool = False,
    grouped: bool = False,
    waits: Waits = _NOTHING,
) -> Alert | None:
    """Claim the most urgent due alert of a channel, until `now + lease`.

    An alert whose sender died (its lease ran out, or was released, see `leases.release`) is claimed
    again and marked "may repeat".

    Args:
        shared: whether alerts of a target that waited together go in one message.
        grouped: whether ordinary alerts of a target beyond the first so many wait for that
            (`grouping`). Where very many begin to wait, None is returned in between.
        waits: what ordinary alerts of the channel wait for now (`holding`).
    """
    at = {"channel": channel, "now": now, "owner": owner}
    row = await _first_due(connection, at)
    deferred = 0
    while row is not None:
        if wait := holding.wait_of(row, waits):
            deferred += await holding.hold(connection, row, wait=wait, now=now)
        elif grouped and (until := grouping.waits_until(row, now=now)):
            deferred += await grouping.defer(connection, row, until=until, now=now)
        else:
            break
        if deferred >= grouping.MOST_DEFERRED:
            return None
        row = await _first_due(connection, at)
    if row is None:
        return None
    rows = [row]
    if shared and holding.is_for_digest(row):
        rows = await holding.digest_of(connection, row, now=now)
    elif shared:
        rows += await grouping.others_of(connection, row, free=_FREE, at=at)
    for one in rows:
        if one.state == AlertState.SENDING:
            await leases.record_interrupted(connection, one, now=now)
    taken = {
        "ids": [one.id for one in rows],
        "first": rows[0].id if len(rows) > 1 else row.together,
        "until": now + lease,
    }
    await connection.execute(_TAKE, at | taken)
    first, *more = [
        _alert(
            one,
            attempts=one.attempts + 1,
            may_repeat=one.may_repeat or one.state == AlertState.SENDING,
        )
        for one in rows
    ]
    return replace(first, others=tuple(more))


#: Whether an alert may be claimed by `owner`.
_FREE = or_(
    alerts.c.state != AlertState.SENDING,
    and_(alerts.c.lease_until <= bindparam("now"), alerts.c.lease_owner != bindparam("owner")),
)
#: The first due alert of a channel and a priority, with the `told_at` of its target.
_FIRST_DUE = (
    select(alerts, targets_table.c.told_at)
    .outerjoin(
        targets_table,
        and_(
            targets_table.c.channel == alerts.c.channel, targets_table.c.target == alerts.c.target
        ),
    )
    .where(
        WAITING,
        alerts.c.channel == bindparam("channel"),
        alerts.c.priority == bindparam("priority"),
        alerts.c.not_before <= bindparam("now"),
        _FREE,
    )
    .order_by(alerts.c.not_before, alerts.c.id)
    .limit(1)
)
_TAKE = (
    alerts.update()
    .where(alerts.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        attempts=alerts.c.attempts + 1,
        may_repeat=or_(alerts.c.may_repeat, alerts.c.state == AlertState.SENDING),
        state=AlertState.SENDING,
        # From now on the start of the attempt, for the case that its sender dies.
        not_before=bindparam("now"),
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        together=bindparam("first"),
    )
)


async def _first_due(connection: AsyncConnection, at: Mapping[str, Any]) -> Row[Any] | None:
    # A query for each priority scans `ix_alerts_waiting` from its own start up to `now`, so that it
    # passes neither a long backlog nor alerts that are due later.
    for priority in _PRIORITIES:
        found = await connection.execute(_FIRST_DUE, {**at, "priority": priority})
        if (row := found.one_or_none()) is not None:
            return row
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What an attempt came to for one alert."""

    alert: Alert
    #: Of a message that told several alerts, what of it told this one.
    message: Message
    result: SendResult
    reached: NextState
    #: Alerts that come of it.
    follow: Sequence[NewAlert] = ()


async def record(
    connection: AsyncConnection,
    *,
    tried: Sequence[Tried],
    started_at: Micros,
    finished_at: Micros,
    again: bool = False,
) -> None:
    """Write what an attempt came to for the alerts of one message, and where that leaves each.

    Where the lease ran out and somebody else has begun the next attempt, only the attempt is
    written: the alert is theirs.

    Args:
        again: an earlier attempt to record it failed, perhaps after its commit.
    """
    first = tried[0].alert
    if again and await _is_recorded(connection, first, started_at, finished_at):
        return
    together = first.id if len(tried) > 1 else None
    for one in tried:
        await _record_one(
            connection, one, together=together, started_at=started_at, finished_at=finished_at
        )
    # One message, whatever it told.
    await targets.record(
        connection,
        channel=first.channel,
        target=first.target,
        result=tried[0].result,
        at=finished_at,
        counts=grouping.counts(first.kind, urgent=first.urgent),
        people={one.alert.person for one in tried if one.alert.person is not None},
    )


async def _record_one(
    connection: AsyncConnection,
    tried: Tried,
    *,
    together: int | None,
    started_at: Micros,
    finished_at: Micros,
) -> None:
    alert, message, result, reached = tried.alert, tried.message, tried.result, tried.reached
    final = reached.state in (AlertState.SENT, AlertState.FAILED)
    updated = await connection.execute(
        alerts.update()
        .where(
            alerts.c.id == alert.id,
            alerts.c.state == AlertState.SENDING,
            alerts.c.attempts == alert.attempts,
        )
        .values(
            state=reached.state,
            not_before=reached.not_before,
            may_repeat=reached.may_repeat,
            reason=reached.reason,
            lease_owner=None,
            lease_until=None,
            sent_at=finished_at if reached.state is AlertState.SENT else None,
            finished_at=finished_at if final else None,
            # Nothing remains to be done about it.
            dismissed_at=finished_at if reached.reason is FailureReason.ACKNOWLEDGED else None,
        )
    )
    await connection.execute(
        attempts.insert().values(
            alert_id=alert.id,
            number=alert.attempts,
            started_at=started_at,
            finished_at=finished_at,
            outcome=result.outcome,
            reason=result.reason,
            detail=result.detail,
            title=message.title,
            body=message.body,
        )
    )
    entry = journal.Entry(
        at=finished_at,
        kind="alert.attempted",
        actor=f"channel:{alert.channel}",
        subject=f"alert:{alert.id}",
        data={
            "number": alert.attempts,
            "target": alert.target,
            "outcome": result.outcome,
            "reason": result.reason,
            "state": reached.state if updated.rowcount else None,
            "message_sha256": journal.digest(f"{message.title}\n{message.body}"),
            **({} if together is None else {"together": together}),
        },
    )
    await journal.append(connection, [entry])
    await add(connection, tried.follow, now=finished_at)


_NOT_FOR_HOURS = or_(
    alerts.c.state != AlertState.DEFERRED,
    alerts.c.reason.not_in([FailureReason.QUIET_HOURS, FailureReason.DIGEST]),
)


async def bring_forward(connection: AsyncConnection, *, by: Micros, owner: str | None) -> int:
    """Move the due times of all waiting alerts, and the ends of leases; returns their number.

    For a clock that was set back. All move by the same, so that their order is kept; but what waits
    for a time of a calendar, which the step does not move (`holding`).

    Args:
        owner: whose leases to move. Another server moves its own: moved twice they would end while
            it sends. None: all, for the only server of a database at its start.
    """
    # Both, of an alert under way: the start of its attempt must not be later than the next one.
    ours = true() if owner is None else alerts.c.lease_owner == owner
    moved = await connection.execute(
        alerts.update()
        .where(WAITING, or_(alerts.c.state != AlertState.SENDING, ours), _NOT_FOR_HOURS)
        .values(not_before=alerts.c.not_before - by, lease_until=alerts.c.lease_until - by)
    )
    return moved.rowcount


async def _is_recorded(
    connection: AsyncConnection, alert: Alert, started_at: Micros, finished_at: Micros
) -> bool:
    there = select(attempts.c.id).where(
        attempts.c.alert_id == alert.id,
        attempts.c.number == alert.attempts,
        attempts.c.started_at == started_at,
        attempts.c.finished_at == finished_at,
    )
    return (await connection.execute(there)).first() is not None


async def next_due(connection: AsyncConnection, *, channel: str) -> Micros | None:
    """The time at which the next alert of a channel may be due; None without one.

    For an alert under way it is the end of its lease: its sender may have died.
    """
    left = select(func.min(alerts.c.lease_until)).where(
        alerts.c.state == AlertState.SENDING, alerts.c.channel == channel
    )
    due: list[Micros] = [at for at in (await connection.execute(left)).scalars() if at is not None]
    for priority in _PRIORITIES:
        first = (
            select(alerts.c.not_before)
            .where(
                WAITING,
                alerts.c.channel == channel,
                alerts.c.priority == priority,
                alerts.c.state != AlertState.SENDING,
            )
            .order_by(alerts.c.not_before)
            .limit(1)
        )
        due += (await connection.execute(first)).scalars()
    return min(due, default=None)


async def channels_waiting(connection: AsyncConnection, known: Iterable[str]) -> set[str]:
    """Channels outside `known` with waiting alerts: they were removed from the configuration."""
    statement = (
        select(alerts.c.channel).where(WAITING, alerts.c.channel.not_in(list(known))).distinct()
    )
    return set((await connection.execute(statement)).scalars())


def _alert(row: Row[Any], *, attempts: int | None = None, may_repeat: bool | None = None) -> Alert:
    """The alert of a row, with the changes of a claim.

    Never raises: an unreadable row would block its channel.
    """
    kind = AlertKind.OPS if row.event_id is None else AlertKind.CASE
    return Alert(
        id=row.id,
        kind=AlertKind(row.kind) if row.kind in set(AlertKind) else kind,
        subject=row.subject,
        channel=row.channel,
        target=row.target,
        rules=decode_list(row.rules),
        urgent=row.priority == 0,
        attempts=row.attempts if attempts is None else attempts,
        created_at=row.created_at,
        retried_at=row.retried_at,
        due_at=row.due_at,
        together=row.together,
        may_repeat=row.may_repeat if may_repeat is None else may_repeat,
        event_id=row.event_id,
        change_id=row.change_id,
        stands_in_for=row.stands_in_for,
        person=row.person,
        addressed_as=row.addressed_as,
        note=None if row.note is None else from_json(row.note),
    )
