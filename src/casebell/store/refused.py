"""Refused deliveries, kept within bounds, so that their cause can be found.

Those with a proof, which is a signature or the digest of a shared secret, can be readmitted with a
corrected secret. They have bounds of their own: strangers without a proof cannot push them out.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    TextClause,
    case,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.clock import iso
from casebell.events import Micros
from casebell.networks import network_of
from casebell.store import journal, own_keys, pushed_out
from casebell.store.lists import READMITTABLE
from casebell.store.schema import PROVEN, UNPROVEN, refused

#: For how long one is kept: 7 days.
AGE_LIMIT: Micros = 7 * 86_400 * 1_000_000
#: Refusals of one source, with a credential to check again, at which operations are told.
RISE = 5
#: The kind of a journal entry that counts many.
TALLY_KIND = "deliveries.refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What is kept of one group."""

    of: TextClause
    count: int
    #: Bytes of all bodies.
    size: int
    #: Bytes of one body.
    bytes_of: ColumnElement[int]


#: With a proof there is always a body, and the index alone has its size.
PROVEN_BOUNDS = Bounds(of=PROVEN, count=10_000, size=64 * 1024**2, bytes_of=refused.c.body_size)
UNPROVEN_BOUNDS = Bounds(
    of=UNPROVEN,
    count=2_000,
    size=16 * 1024**2,
    bytes_of=case((refused.c.body.is_not(None), refused.c.body_size), else_=0),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The kept data of a refused delivery: never a whole header."""

    at: Micros
    source: str
    #: The error's code, as in the answer.
    error: str
    address: str
    request_id: str
    body_sha256: str
    body_size: int
    idempotency_key: str | None = None
    #: The signature alone, as `kinds.signature` writes it.
    signature: str | None = None
    #: Hex, under `digest_key`.
    secret_digest: str | None = None
    #: JSON: the names of the headers that came, and what else may name the cause.
    seen: str = "{}"
    #: None where too many bodies waited to be written.
    body: bytes | None = field(default=None, repr=False)


async def digest_key(connection: AsyncConnection) -> bytes:
    """The key of this database's secret digests; made at its first use, in a writing transaction.

    A backup without it would hold digests that match nothing.
    """
    return await own_keys.own_key(connection, own_keys.REFUSED)


async def existing_digest_key(connection: AsyncConnection) -> bytes | None:
    """The key of this database's secret digests, without making one."""
    return await own_keys.existing_key(connection, own_keys.REFUSED)


async def refuse(
    connection: AsyncConnection,
    batch: Sequence[Refused],
    *,
    now: Micros,
    entries: Sequence[journal.Entry] = (),
) -> None:
    """Keep refusals within the bounds.

    Args:
        connection: the writing transaction.
        batch: the refusals.
        now: for their age.
        entries: what the journal says of these, or of earlier ones.
    """
    if entries:
        await journal.append(connection, entries)
    if not batch:
        return
    await connection.execute(
        refused.insert(),
        [
            {
                "at": one.at,
                "source": one.source,
                "error": one.error,
                "address": one.address,
                "network": network_of(one.address),
                "request_id": one.request_id,
                "body_sha256": one.body_sha256,
                "body_size": one.body_size,
                "idempotency_key": one.idempotency_key,
                "signature": one.signature,
                "secret_digest": one.secret_digest,
                "body": one.body,
                "seen": one.seen,
            }
            for one in batch
        ],
    )
    await forget(connection, now=now)
    await pushed_out.record(connection, await _remove_over(connection, PROVEN_BOUNDS), now=now)
    await _remove_over(connection, UNPROVEN_BOUNDS)


async def _remove_over(connection: AsyncConnection, bounds: Bounds) -> Counter[str]:
    """Remove what is over a bound: the oldest of those networks that hold most of a source.

    Returns:
        How many were removed, by source.
    """
    held = select(func.count(), func.coalesce(func.sum(bounds.bytes_of), 0)).where(bounds.of)
    removed: Counter[str] = Counter()
    number, size = (await connection.execute(held)).one()
    if number > bounds.count:
        removed += await _remove(connection, _over_count(bounds))
        number, size = (await connection.execute(held)).one()
    if size > bounds.size:
        removed += await _remove(connection, _over_size(bounds))
    return removed


async def _remove(connection: AsyncConnection, over: Select[tuple[int]]) -> Counter[str]:
    removed = refused.delete().where(refused.c.id.in_(over)).returning(refused.c.source)
    return Counter((await connection.execute(removed)).scalars())


def _over_count(bounds: Bounds) -> Select[tuple[int]]:
    return _over(bounds, each=literal(1), limit=bounds.count)


def _over_size(bounds: Bounds) -> Select[tuple[int]]:
    return _over(bounds, each=bounds.bytes_of, limit=bounds.size)


def _over(bounds: Bounds, *, each: ColumnElement[int], limit: int) -> Select[tuple[int]]:
    """The ids to remove, so that the sum of `each` is within the limit.

    Each refusal has a rank within its network: the sum up to it, from the newest. What has the
    lowest ranks is kept. So all networks keep about as much, and one with little keeps all.
    """
    network = (refused.c.source, refused.c.network)
    rank = func.sum(each).over(partition_by=network, order_by=refused.c.id.desc())
    ranked = (
        select(refused.c.id, each.label("each"), rank.label("rank")).where(bounds.of).subquery()
    )
    order = (ranked.c.rank, ranked.c.id.desc())
    kept = select(ranked.c.id, func.sum(ranked.c.each).over(order_by=order).label("sum")).subquery()
    return select(kept.c.id).where(kept.c.sum > limit)


async def any_too_old(connection: AsyncConnection, *, now: Micros) -> bool:
    """Whether `forget` would remove a refusal."""
    oldest = (await connection.execute(select(func.min(refused.c.at)))).scalar_one()
    return oldest is not None and oldest < now - AGE_LIMIT


async def forget(connection: AsyncConnection, *, now: Micros) -> None:
    """Remove refusals that are too old."""
    await connection.execute(refused.delete().where(refused.c.at < now - AGE_LIMIT))


async def known(connection: AsyncConnection, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that are still kept."""
    statement = select(refused.c.id).where(refused.c.id.in_(ids))
    return set((await connection.execute(statement)).scalars())


async def read_some(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """The whole rows of those of `ids` that are still kept, oldest first."""
    statement = select(refused, READMITTABLE).where(refused.c.id.in_(ids)).order_by(refused.c.id)
    return (await connection.execute(statement)).all()


async def readmittable(connection: AsyncConnection, *, source: str | None) -> list[int]:
    """The ids of all refusals that can be checked again, oldest first."""
    statement = select(refused.c.id).where(PROVEN)
    if source is not None:
        statement = statement.where(refused.c.source == source)
    # Ordered here, so that the index alone is read.
    return sorted((await connection.execute(statement)).scalars())


async def mark_readmitted(
    connection: AsyncConnection,
    refused_id: int,
    *,
    now: Micros,
    actor: Actor,
    event_id: int | None = None,
    held_id: int | None = None,
) -> None:
    """Close a refusal whose delivery is an event or held now, and remove its body here."""
    await connection.execute(
        refused.update()
        .where(refused.c.id == refused_id)
        .values(
            readmitted_at=now,
            event_id=event_id,
            held_id=held_id,
            body=None,
            signature=None,
            secret_digest=None,
        )
    )
    await journal.append(
        connection,
        [
            journal.Entry.of(
                actor,
                at=now,
                kind="delivery.readmitted",
                subject=f"refused:{refused_id}",
                data={"event": event_id, "held": held_id},
            )
        ],
    )


async def rising(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Sources with refusals to tell operations of: `source`, `number`, `last` (an id).

    Counted are refusals with a signature or a secret of which operations were not told, whatever
    their rate, and whatever was authentic meanwhile: of two secrets one may be wrong.
    """
    statement = (
        select(refused.c.source, func.count().label("number"), func.max(refused.c.id).label("last"))
        .where(refused.c.notified_at.is_(None), PROVEN)
        .group_by(refused.c.source)
        .having(func.count() >= RISE)
    )
    return (await connection.execute(statement)).all()


async def mark_told(connection: AsyncConnection, *, source: str, last: int, now: Micros) -> None:
    """Record that operations were told of these."""
    await connection.execute(
        refused.update()
        .where(
            refused.c.notified_at.is_(None),
            PROVEN,
            refused.c.source == source,
            refused.c.id <= last,
        )
        .values(notified_at=now)
    )


def single_entry(one: Refused) -> journal.Entry:
    """The journal entry of one refusal."""
    return journal.Entry(
        at=one.at,
        kind="delivery.refused",
        actor=f"address:{one.address}",
        subject=f"source:{one.source}",
        data={
            "error": one.error,
            "request_id": one.request_id,
            "body_sha256": one.body_sha256,
        },
    )


def tally_entry(
    counted: Mapping[tuple[str, str], int], *, addresses: int, since: Micros, at: Micros
) -> journal.Entry:
    """The journal entry of many, counted by source and error."""
    by_source: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (source, error), number in counted.items():
        by_source[source][error] = number
    return journal.Entry(
        at=at,
        kind=TALLY_KIND,
        actor="server",
        subject="sources",
        data={
            "count": sum(counted.values()),
            "refused": dict(by_source),
            "addresses": addresses,
            "since": iso(since),
        },
    )
