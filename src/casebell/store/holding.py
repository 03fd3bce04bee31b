"""Which ordinary alerts wait for hours of their channel, and what a digest takes.

Decided when an alert is claimed, so that fallbacks, retries and alerts of before a reload all pass
this point. One that waits is `deferred` until the calendar opens (`quiet_hours`), or until the next
digest of its channel (`digest`), and is due from then on (`due_at`). These times are of a calendar:
no step of the clock moves them, and what waits for a time that is none any more is due at once, to
be decided again. docs/decisions/0034-waiting-for-hours.md.

A digest is an alert itself, which is put ahead for targets that always have one. What waits for it
goes with it in one message, as `grouping` says of `together`; each keeps its own record.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import (
    OF_CASES,
    AlertKind,
    AlertState,
    FailureReason,
    NewAlert,
    Wait,
    Waits,
)
from casebell.events import Micros
from casebell.store import grouping
from casebell.store.schema import FOR_HOURS, alerts
from casebell.store.statements import Driver, TableRow, insert_new

#: Alerts that a digest tells. More go in a further message.
MOST_IN_DIGEST: Final = 200


class _DigestRow(TableRow):
    """A digest that waits for its time."""

    kind: str
    subject: str
    channel: str
    target: str
    rules: str
    priority: int
    state: str
    attempts: int
    created_at: Micros
    not_before: Micros
    may_repeat: bool
    reason: str
    person: str | None
    addressed_as: str
    due_at: Micros


_NEW_DIGESTS = insert_new(alerts, _DigestRow)
#: A digest that was put ahead, and not tried yet.
_PLANNED = and_(FOR_HOURS, alerts.c.kind == AlertKind.DIGEST, alerts.c.attempts == 0)


def wait_of(row: Row[Any], waits: Waits) -> Wait | None:
    """What a due alert has to wait for; None where it may go.

    Urgent alerts and tests never wait, nor does what an operator retried, or what goes in one
    message with others. What waited for a digest has its time now.
    """
    if row.priority == 0 or row.retried_at is not None or row.together is not None:
        return None
    if row.state == AlertState.SENDING or is_for_digest(row):
        return None
    return waits.of(row.kind)


def is_for_digest(row: Row[Any]) -> bool:
    """Whether an alert waits for a digest, or is one that waits."""
    return bool(row.state == AlertState.DEFERRED and row.reason == FailureReason.DIGEST)


async def hold(connection: AsyncConnection, row: Row[Any], *, wait: Wait, now: Micros) -> int:
    """Let the due alerts of a channel wait that have to like this one; returns their number.

    `grouping.MOST_DEFERRED` at most.
    """
    kinds = OF_CASES if row.kind in OF_CASES else {AlertKind.OPS}
    like = and_(
        alerts.c.kind.in_(kinds),
        alerts.c.retried_at.is_(None),
        not_(_for_digest()),
    )
    waits = {"not_before": wait.until, "due_at": wait.until, "reason": wait.reason}
    return await grouping.let_wait(connection, row, like, waits=waits, now=now)


async def digest_of(connection: AsyncConnection, row: Row[Any], *, now: Micros) -> list[Row[Any]]:
    """The digest of a due alert that waited for it, or is it, and what it takes; the digest first.

    For a target that has none of its own, one is put: nobody else is told that nothing happened.
    """
    due = (
        select(alerts)
        .where(
            FOR_HOURS,
            alerts.c.reason == FailureReason.DIGEST,
            alerts.c.channel == row.channel,
            alerts.c.target == row.target,
            alerts.c.not_before <= now,
            alerts.c.together.is_(None),
            alerts.c.priority == row.priority,
        )
        .order_by(alerts.c.not_before, alerts.c.id)
        .limit(MOST_IN_DIGEST + 1)
    )
    found = list((await connection.execute(due)).all())
    digests = [one for one in found if one.kind == AlertKind.DIGEST]
    others = [one for one in found if one.kind != AlertKind.DIGEST][:MOST_IN_DIGEST]
    return [*(digests or [await _put(connection, row, now=now)]), *others]


async def _put(connection: AsyncConnection, row: Row[Any], *, now: Micros) -> Row[Any]:
    digest = NewAlert(
        kind=AlertKind.DIGEST,
        subject=f"digest:{row.channel}:{row.id}",
        channel=row.channel,
        target=row.target,
        urgent=False,
        person=row.person,
        addressed_as=row.addressed_as,
    )
    await plan(connection, [digest], due=now, now=now)
    statement = select(alerts).where(
        alerts.c.subject == digest.subject,
        alerts.c.channel == digest.channel,
        alerts.c.target == digest.target,
    )
    return (await connection.execute(statement)).one()


async def plan(
    connection: AsyncConnection, digests: Sequence[NewAlert], *, due: Micros, now: Micros
) -> None:
    """Put digests ahead of their time; those that are there already are unchanged."""
    rows = [
        _DigestRow(
            kind=one.kind,
            subject=one.subject,
            channel=one.channel,
            target=one.target,
            rules="[]",
            priority=1,
            state=AlertState.DEFERRED,
            attempts=0,
            created_at=now,
            not_before=due,
            may_repeat=False,
            reason=FailureReason.DIGEST,
            person=one.person,
            addressed_as=one.addressed_as,
            due_at=due,
        )
        for one in digests
    ]
    await (await Driver.of(connection)).run(_NEW_DIGESTS, rows)


async def planned(connection: AsyncConnection) -> Mapping[str, Collection[tuple[str, Micros]]]:
    """By channel, the targets and times of the digests that were put ahead and not tried."""
    statement = select(alerts.c.channel, alerts.c.target, alerts.c.due_at).where(_PLANNED)
    found: dict[str, set[tuple[str, Micros]]] = {}
    for channel, target, due in await connection.execute(statement):
        found.setdefault(channel, set()).add((target, due))
    return found


async def unplan(
    connection: AsyncConnection, channel: str, gone: Collection[tuple[str, Micros]]
) -> None:
    """Take digests back that were put ahead and not tried; what waits for them is left."""
    for target, due in gone:
        await connection.execute(
            alerts.delete().where(
                _PLANNED,
                alerts.c.channel == channel,
                alerts.c.target == target,
                alerts.c.due_at == due,
            )
        )


async def held(
    connection: AsyncConnection, *, now: Micros
) -> Mapping[str, Collection[tuple[str, Wait]]]:
    """By channel, for which times alerts wait, with their kinds."""
    statement = (
        select(alerts.c.channel, alerts.c.kind, alerts.c.due_at, alerts.c.reason)
        .where(FOR_HOURS, alerts.c.kind != AlertKind.DIGEST, alerts.c.not_before > now)
        .distinct()
    )
    found: dict[str, set[tuple[str, Wait]]] = {}
    for channel, kind, due, reason in await connection.execute(statement):
        wait = Wait(until=due, reason=FailureReason(reason))
        found.setdefault(channel, set()).add((kind, wait))
    return found


async def reconsider(
    connection: AsyncConnection, channel: str, kind: str, wait: Wait, *, now: Micros
) -> int:
    """Let what waits for such a time be due now, so that its claim decides; returns its number."""
    due = await connection.execute(
        alerts.update()
        .where(
            FOR_HOURS,
            alerts.c.channel == channel,
            alerts.c.kind == kind,
            alerts.c.due_at == wait.until,
            alerts.c.reason == wait.reason,
        )
        .values(state=AlertState.PENDING, not_before=now, due_at=now, reason=None)
    )
    return due.rowcount


def _for_digest() -> Any:
    return and_(
        alerts.c.state == AlertState.DEFERRED,
        alerts.c.reason.is_not_distinct_from(FailureReason.DIGEST),
    )
