"""Which ordinary alerts of a target wait to go in one message, and which go in one.

Each target's row has the times of the last ten messages that told it of a case and were not urgent.
Where the first of them is of the last ten minutes, the next such alert waits until it is not, and
then goes with whatever else waits. So a target reads at most ten ordinary messages in ten minutes.
Urgent alerts never wait and are not counted. docs/decisions/0033-ordinary-alerts-in-one-message.md.

Alerts of one message are claimed under one lease and have its number in `together`, that of the
first of them. Whatever becomes of the message becomes of all at the same time, so that they are due
at the same time, too: by both they are found again, after a restart as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import OF_CASES, AlertState, FailureReason
from casebell.clock import MINUTE
from casebell.events import Micros
from casebell.store.schema import WAITING, alerts

#: The time in which messages are counted.
WINDOW: Final[Micros] = 10 * MINUTE
#: Messages that may go one by one in it.
MOST_SINGLY: Final = 10
#: Alerts in one message. A longer one would be cut by most services, and hold up the storage.
MOST_TOGETHER: Final = 100
#: Rows of one message that goes again; a digest has more, and its own.
MOST_AGAIN: Final = 1_000
#: Alerts that begin to wait in one transaction.
MOST_DEFERRED: Final = 1_000
#: Alerts of the channel, due first, among which those of a message are looked for.
_LOOKED_AT: Final = 1_000


def waits_until(row: Row[Any], *, now: Micros) -> Micros | None:
    """Until when a due alert has to wait; None where it may go.

    Args:
        row: of the alert, with `told_at` of its target.
    """
    if not counts(row.kind, urgent=row.priority == 0) or row.together:
        return None
    if row.state == AlertState.SENDING:
        return None
    times = _recent(row.told_at, now=now)
    return times[MOST_SINGLY - 1] + WINDOW if len(times) >= MOST_SINGLY else None


async def defer(connection: AsyncConnection, row: Row[Any], *, until: Micros, now: Micros) -> int:
    """Let the due alerts of a target wait; returns their number, `MOST_DEFERRED` at most."""
    like = and_(alerts.c.target == row.target, alerts.c.kind.in_(OF_CASES))
    waits = {"not_before": until, "reason": FailureReason.GROUPED}
    return await let_wait(connection, row, like, waits=waits, now=now)


async def let_wait(
    connection: AsyncConnection,
    row: Row[Any],
    like: ColumnElement[bool],
    *,
    waits: Mapping[str, object],
    now: Micros,
) -> int:
    """Let due alerts of a channel and a priority wait; returns their number.

    Args:
        row: of one of them.
        like: which of the others wait as it does.
        waits: what is written: until when, and why.
    """
    due = (
        select(alerts.c.id)
        .where(
            WAITING,
            alerts.c.channel == row.channel,
            alerts.c.priority == row.priority,
            alerts.c.not_before <= now,
            alerts.c.state != AlertState.SENDING,
            alerts.c.together.is_(None),
            like,
        )
        .order_by(alerts.c.not_before, alerts.c.id)
        .limit(MOST_DEFERRED)
    )
    deferred = await connection.execute(
        alerts.update()
        .where(alerts.c.id.in_(due.scalar_subquery()))
        .values(state=AlertState.DEFERRED, **waits)
    )
    return deferred.rowcount


async def others_of(
    connection: AsyncConnection,
    row: Row[Any],
    *,
    free: ColumnElement[bool],
    at: Mapping[str, Any],
) -> Sequence[Row[Any]]:
    """The alerts that go in the same message as a claimed one, which waited for it; oldest first.

    Args:
        free: whether an alert may be claimed, with parameters.
        at: these, and when it is, as `now`.
    """
    most = MOST_TOGETHER
    if row.together is not None:
        # Tried before, and due again at the same time. All of them: it may have been a digest.
        most = MOST_AGAIN
        same = and_(alerts.c.not_before == row.not_before, alerts.c.together == row.together)
    elif row.state == AlertState.DEFERRED and row.reason == FailureReason.GROUPED:
        first_due = (
            select(alerts.c.id)
            .where(
                WAITING,
                alerts.c.channel == row.channel,
                alerts.c.priority == row.priority,
                alerts.c.not_before <= bindparam("now"),
            )
            .order_by(alerts.c.not_before, alerts.c.id)
            .limit(_LOOKED_AT)
        )
        same = and_(
            alerts.c.id.in_(first_due),
            alerts.c.together.is_(None),
            alerts.c.kind.in_(OF_CASES),
        )
    else:
        return []
    found = (
        select(alerts)
        .where(
            WAITING,
            alerts.c.channel == row.channel,
            alerts.c.priority == row.priority,
            alerts.c.target == row.target,
            alerts.c.id != row.id,
            same,
            free,
        )
        .order_by(alerts.c.not_before, alerts.c.id)
        .limit(most - 1)
    )
    return (await connection.execute(found, {**at})).all()


def counts(kind: str, *, urgent: bool) -> bool:
    """Whether a message that tells such an alert is one of the ten."""
    return kind in OF_CASES and not urgent


def _recent(told_at: str | None, *, now: Micros) -> list[Micros]:
    """The times in the window, latest first; what is of the future is of another clock."""
    given = [int(one) for one in (told_at or "").split(",") if one.isdecimal()]
    return [at for at in given if 0 <= now - at < WINDOW]
