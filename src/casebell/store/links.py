"""The links by which one person says that they have seen a change; what stands in one is not kept.

A row says of which change and to whom a link is; its address has 128 random bits, of which the
digest is here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.clock import DAY
from casebell.events import Micros
from casebell.store.schema import RUNNING, alerts, attempts, escalations, links, queue

#: How long a link can be used.
OPEN_FOR: Final[Micros] = 14 * DAY
#: How long its row stays after that: until then its page says that it is too late.
KEPT_FOR: Final[Micros] = 90 * DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link that stands in a message."""

    digest: str
    change_id: int
    #: The alert whose message has it.
    alert_id: int
    #: The id of to whom it is sent.
    person: str
    expires_at: Micros


async def add(connection: AsyncConnection, new: Sequence[Link], *, now: Micros) -> None:
    """Keep links that are about to be sent; those that expired long ago are removed."""
    await connection.execute(links.delete().where(links.c.expires_at < now - KEPT_FOR))
    await connection.execute(links.insert(), [asdict(one) for one in new])


async def with_digests(
    connection: AsyncConnection, digests: Collection[str]
) -> Mapping[str, Row[Any]]:
    """The links of some digests, each with its event and when its change was answered."""
    statement = (
        select(links, alerts.c.event_id, queue.c.answered_at)
        .join(alerts, alerts.c.id == links.c.alert_id)
        .outerjoin(queue, queue.c.change_id == links.c.change_id)
        .where(links.c.digest.in_(digests))
    )
    return {row.digest: row for row in await connection.execute(statement)}


async def use(connection: AsyncConnection, digest: str, *, now: Micros) -> None:
    """Keep that somebody acknowledged by a link, the first time."""
    unused = links.c.acknowledged_at.is_(None)
    await connection.execute(
        links.update().where(links.c.digest == digest, unused).values(acknowledged_at=now)
    )


async def told_by(connection: AsyncConnection, alert_id: int) -> Row[Any, Any] | None:
    """Title and body that an alert's last attempt carried; None where none is on record."""
    statement = (
        select(attempts.c.title, attempts.c.body)
        .where(attempts.c.alert_id == alert_id, attempts.c.title != "")
        .order_by(attempts.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


async def answered(connection: AsyncConnection, change_ids: Collection[int]) -> set[int]:
    """Of some changes those that are answered: nothing is to be acknowledged of them."""
    statement = select(queue.c.change_id).where(
        queue.c.change_id.in_(sorted(change_ids)), queue.c.answered_at.is_not(None)
    )
    return set((await connection.execute(statement)).scalars())


async def awaited(connection: AsyncConnection, change_ids: Collection[int]) -> set[int]:
    """Of some changes those that are in the queue, or are being escalated."""
    numbers = sorted(change_ids)
    is_open = select(queue.c.change_id).where(
        queue.c.change_id.in_(numbers), queue.c.answered_at.is_(None)
    )
    runs = select(escalations.c.change_id).where(escalations.c.change_id.in_(numbers), RUNNING)
    return set((await connection.execute(is_open.union(runs))).scalars())
