"""The targets of the channels: when each was last reached, and what last failed.

A row for each, written with the attempt: a log of millions of alerts has no index by target.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Insert, Row, func, literal_column, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import AlertKind, FailureReason, SendResult
from casebell.events import Micros
from casebell.store import grouping
from casebell.store.schema import FOR_HOURS, WAITING, alerts, targets, told_people
from casebell.store.statements import Driver, TableRow, Write, insert_new, upsert


class ToldRow(TableRow):
    """A target that was told of a case, in a message that counts."""

    channel: str
    target: str
    told_at: str


class ToldPersonRow(TableRow):
    """Somebody who was told by name."""

    person: str
    since: Micros


class SentRow(TableRow):
    """A target that was reached."""

    channel: str
    target: str
    last_sent_at: Micros


class FailedRow(TableRow):
    """A target that was not."""

    channel: str
    target: str
    failed_at: Micros
    reason: str | None
    detail: str


#: Characters of `told_at`: ten times of 16 digits, which microseconds have until 2286.
_TOLD_AT_LIMIT = str(grouping.MOST_SINGLY * 17)


def _earlier_behind(backend: str) -> Insert:
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[backend]
    new = dialect.insert(targets)
    earlier: Any = literal_column("coalesce(',' || targets.told_at, '')")
    latest = func.substr(
        new.excluded.told_at.concat(earlier), literal_column("1"), literal_column(_TOLD_AT_LIMIT)
    )
    updated: Insert = new.on_conflict_do_update(
        index_elements=["channel", "target"], set_={"told_at": latest}
    )
    return updated


_SENT = upsert(targets, SentRow)
_FAILED = upsert(targets, FailedRow)
_TOLD = Write(ToldRow, _earlier_behind)
_TOLD_PEOPLE = insert_new(told_people, ToldPersonRow)


async def record(
    connection: AsyncConnection,
    *,
    channel: str,
    target: str,
    result: SendResult,
    at: Micros,
    counts: bool = False,
    people: Collection[str] = (),
) -> None:
    """Note what an attempt came to.

    One that ended with its process is not noted: it says nothing of the target. Nor is a reminder
    that did not have to go; nor one in pilot mode, but that its message came.

    Args:
        counts: whether its message is one of those that `grouping` counts.
        people: the ids of those who were meant by name.
    """
    driver = await Driver.of(connection)
    if people:
        await driver.run(_TOLD_PEOPLE, [ToldPersonRow(person=one, since=at) for one in people])
    if counts and result.delivered:
        await driver.run(_TOLD, [ToldRow(channel=channel, target=target, told_at=str(at))])
    if result.diverted or result.reason is FailureReason.ACKNOWLEDGED:
        return
    if result.delivered:
        await driver.run(_SENT, [SentRow(channel=channel, target=target, last_sent_at=at)])
        return
    failed = FailedRow(
        channel=channel, target=target, failed_at=at, reason=result.reason, detail=result.detail
    )
    await driver.run(_FAILED, [failed])


async def known(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every target over which an attempt was made, also of channels that are gone."""
    row = targets.c
    statement = (
        select(row.channel, row.target, row.last_sent_at, row.failed_at, row.reason, row.detail)
        .where(or_(row.last_sent_at.is_not(None), row.failed_at.is_not(None)))
        .order_by(row.channel, row.target)
    )
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


class Waiting(NamedTuple):
    """How many alerts of a target wait."""

    alerts: int = 0
    #: Of these, on purpose: for the hours of its channel, or its digest.
    for_hours: int = 0


async def waiting(connection: AsyncConnection) -> dict[tuple[str, str], Waiting]:
    """By channel and target, how many alerts wait; costs what waits.

    A digest that was put ahead is none of them: there always is one.
    """
    statement = (
        select(
            alerts.c.channel,
            alerts.c.target,
            func.count().label("alerts"),
            func.count().filter(FOR_HOURS).label("for_hours"),
        )
        .where(WAITING, or_(alerts.c.kind != AlertKind.DIGEST, alerts.c.attempts > 0))
        .group_by(alerts.c.channel, alerts.c.target)
        .order_by(alerts.c.channel, alerts.c.target)
    )
    found = (await connection.execute(statement)).all()
    return {
        (row.channel, row.target): Waiting(alerts=row.alerts, for_hours=row.for_hours)
        for row in found
    }
