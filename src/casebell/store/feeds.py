"""The private calendars of due dates: who may read which, and the dates that they show."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.errors import NotFound, Refusal
from casebell.events import Micros
from casebell.store import digests as digests_of
from casebell.store import journal
from casebell.store.schema import OPEN, cases, changes, feeds, queue
from casebell.store.statements import Query, among, columns_of

#: Most dates that a feed shows: the newest changes.
MAX_DATES = 1_000
#: Feeds of one person that are not revoked.
MAX_FEEDS = 20


class FeedRow(digests_of.DigestRow):
    """What a request asks of its feed."""

    id: int
    person: str
    last_read_at: Micros | None
    revoked_at: Micros | None


_OF_DIGESTS = Query(
    FeedRow,
    lambda backend: select(*columns_of(feeds, FeedRow)).where(among(feeds.c.digest, backend)),
)


async def add(
    connection: AsyncConnection, *, digest: str, person: str, now: Micros, actor: Actor
) -> int:
    """Add a feed; its number.

    Raises:
        Refusal: the person has as many as anybody may.
    """
    there = [row for row in await every(connection, person=person) if row.revoked_at is None]
    if len(there) >= MAX_FEEDS:
        raise Refusal(
            f"There are {len(there)} feeds of {person} already.",
            hint="Revoke those that nothing reads: `casebell feeds list` says when each was read.",
        )
    added = feeds.insert().values(
        digest=digest, person=person, created_at=now, created_by=actor.name
    )
    number = int((await connection.execute(added.returning(feeds.c.id))).scalar_one())
    await _record(connection, "feed.added", number, person, now=now, actor=actor)
    return number


async def revoke(
    connection: AsyncConnection, number: int, *, of: str | None = None, now: Micros, actor: Actor
) -> None:
    """Revoke a feed, for good.

    Args:
        of: whose it must be.

    Raises:
        NotFound: there is none of this number, or it is somebody else's.
        Refusal: it is revoked already.
    """
    found = select(feeds.c.person, feeds.c.revoked_at).where(feeds.c.id == number)
    row = (await connection.execute(found)).one_or_none()
    if row is None or (of is not None and row.person != of):
        raise NotFound("There is no feed of this number.", hint="`casebell feeds list` shows all.")
    if row.revoked_at is not None:
        raise Refusal(f"Feed {number} has been revoked already.")
    await connection.execute(feeds.update().where(feeds.c.id == number).values(revoked_at=now))
    await _record(connection, "feed.revoked", number, row.person, now=now, actor=actor)


async def every(connection: AsyncConnection, *, person: str | None = None) -> Sequence[Row[Any]]:
    """All of them or those of a person, the revoked ones too, without their digests."""
    columns = [column for column in feeds.c if column is not feeds.c.digest]
    statement = select(*columns).order_by(feeds.c.id)
    if person is not None:
        statement = statement.where(feeds.c.person == person)
    return (await connection.execute(statement)).all()


async def with_digests(
    connection: AsyncConnection, digests: Collection[str]
) -> Mapping[str, FeedRow]:
    """The feeds of these digests, by their digests; they may be revoked."""
    return await digests_of.with_digests(connection, _OF_DIGESTS, digests)


async def record_read(connection: AsyncConnection, number: int, *, now: Micros) -> None:
    """Note that a feed was read; a later time stays."""
    earlier = or_(feeds.c.last_read_at.is_(None), feeds.c.last_read_at < now)
    await connection.execute(
        feeds.update().where(feeds.c.id == number, earlier).values(last_read_at=now)
    )


async def dates(
    connection: AsyncConnection, *, owners: Collection[str], teams: Collection[str]
) -> Sequence[Row[Any]]:
    """The dates of what is not answered, of cases with one of these owners or teams.

    Of each change the newest `MAX_DATES`; never of a confidential case.

    Args:
        owners, teams: as texts are compared.
    """
    entered = (queue.c.due, queue.c.due_entered_at, queue.c.due_confirmed_at, queue.c.deadline)
    of_case = (cases.c.receipt, changes.c.status, changes.c.tags, changes.c.event_id)
    statement = (
        select(queue.c.change_id, *entered, *of_case)
        .join(cases, cases.c.receipt == queue.c.receipt)
        .join(changes, changes.c.id == queue.c.change_id)
        .where(
            OPEN,
            queue.c.due.is_not(None),
            ~cases.c.confidential,
            or_(cases.c.owner_key.in_(sorted(owners)), cases.c.team_key.in_(sorted(teams))),
        )
        .order_by(queue.c.change_id.desc())
        .limit(MAX_DATES)
    )
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


async def _record(
    connection: AsyncConnection, kind: str, number: int, person: str, *, now: Micros, actor: Actor
) -> None:
    entry = journal.Entry.of(
        actor, at=now, kind=kind, subject=f"feed:{number}", data={"person": person}
    )
    await journal.append(connection, [entry])
