"""Deliveries that did not authenticate: a bounded memory, from which a mended secret can readmit.

A body is kept only beside something that can be checked again: a signature, or the digest of a
shared secret. So `body IS NOT NULL` means "can be readmitted", here and in the indexes.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.clock import iso
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import keys, refused
from casebell.store.statements import Driver, TableRow, insert_new

#: Refusals that are remembered; of each bound, the oldest go first.
COUNT_LIMIT = 10_000
#: Bytes of all bodies that are kept.
BYTES_LIMIT = 64 * 1024**2
#: How long one is remembered: 7 days.
AGE_LIMIT: Micros = 7 * 86_400 * 1_000_000
#: Refusals of one source with something to check again that operations are told of.
RISE = 5
#: The key's name in `keys`.
_KEY = "refused"

#: Written as the partial indexes have it, so that they serve.
_KEPT = refused.c.body.is_not(None)


class _KeyRow(TableRow):
    name: str
    key: bytes


_NEW_KEYS = insert_new(keys, _KeyRow)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What is kept of a delivery that did not authenticate: never a header as it came."""

    at: Micros
    source: str
    #: The error's code, as the sender was told.
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
    #: None where neither of both is there.
    body: bytes | None = field(default=None, repr=False)


async def digest_key(connection: AsyncConnection) -> bytes:
    """The key of this database's secret digests; made at its first use, in a writing transaction.

    In the database and not in a file beside it: PostgreSQL has no "beside", all servers on one
    database need the same, and a backup without its key would hold digests that match nothing.
    """
    new = _KeyRow(name=_KEY, key=secrets.token_bytes(32))
    await (await Driver.of(connection)).run(_NEW_KEYS, [new])
    key = await connection.execute(select(keys.c.key).where(keys.c.name == _KEY))
    return bytes(key.scalar_one())


async def refuse(
    connection: AsyncConnection,
    batch: Sequence[Refused],
    *,
    now: Micros,
    itemised: bool = True,
    more: int = 0,
) -> None:
    """Remember refusals within the bounds, and journal them.

    Args:
        connection: the writing transaction.
        batch: what is kept of each.
        now: what the age is counted from.
        itemised: an entry for each; otherwise one that counts them, so that a flood of strangers
            cannot fill the journal.
        more: further ones, of which nothing is kept; they are counted.
    """
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
                "request_id": one.request_id,
                "body_sha256": one.body_sha256,
                "body_size": one.body_size,
                "idempotency_key": one.idempotency_key,
                "signature": one.signature,
                "secret_digest": one.secret_digest,
                "body": one.body,
            }
            for one in batch
        ],
    )
    newest = (await connection.execute(select(func.max(refused.c.id)))).scalar_one()
    last_to_go = max(newest - COUNT_LIMIT, await _first_too_much(connection))
    await connection.execute(refused.delete().where(refused.c.id <= last_to_go))
    await forget(connection, now=now)
    entries = [_refusal(one) for one in batch] if itemised else [_tally(batch, more)]
    await journal.append(connection, entries)


async def _first_too_much(connection: AsyncConnection) -> int:
    """The newest refusal whose body, with those of all newer ones, is more than is kept; or 0."""
    total = func.sum(refused.c.body_size).over(order_by=refused.c.id.desc())
    newer = select(refused.c.id, total.label("total")).where(_KEPT).subquery()
    statement = select(func.max(newer.c.id)).where(newer.c.total > BYTES_LIMIT)
    return int((await connection.execute(statement)).scalar_one() or 0)


async def any_too_old(connection: AsyncConnection, *, now: Micros) -> bool:
    """Whether `forget` would find something."""
    oldest = (await connection.execute(select(func.min(refused.c.at)))).scalar_one()
    return oldest is not None and oldest < now - AGE_LIMIT


async def forget(connection: AsyncConnection, *, now: Micros) -> None:
    """Remove what is too old."""
    await connection.execute(refused.delete().where(refused.c.at < now - AGE_LIMIT))


async def list_refused(
    connection: AsyncConnection,
    *,
    source: str | None = None,
    error: str | None = None,
    limit: int,
    before: int | None = None,
) -> list[dict[str, Any]]:
    """Refusals, newest first; without bodies and proofs."""
    columns = [c for c in refused.c if c.name not in ("body", "signature", "secret_digest")]
    statement = (
        select(*columns, _KEPT.label("readmittable")).order_by(refused.c.id.desc()).limit(limit)
    )
    if source is not None:
        statement = statement.where(refused.c.source == source)
    if error is not None:
        statement = statement.where(refused.c.error == error)
    if before is not None:
        statement = statement.where(refused.c.id < before)
    return [
        {
            "id": row.id,
            "at": iso(row.at),
            "source": row.source,
            "error": row.error,
            "address": row.address,
            "size": row.body_size,
            "body_sha256": row.body_sha256,
            "request_id": row.request_id,
            "readmittable": bool(row.readmittable),
            "readmitted_at": None if row.readmitted_at is None else iso(row.readmitted_at),
            "event": row.event_id,
            "held": row.held_id,
        }
        for row in (await connection.execute(statement)).all()
    ]


async def known(connection: AsyncConnection, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that are still remembered."""
    statement = select(refused.c.id).where(refused.c.id.in_(ids))
    return set((await connection.execute(statement)).scalars())


async def read_some(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Those of `ids` that are still remembered, whole, oldest first."""
    statement = select(refused).where(refused.c.id.in_(ids)).order_by(refused.c.id)
    return (await connection.execute(statement)).all()


async def readmittable(connection: AsyncConnection, *, source: str | None) -> list[int]:
    """The ids of all that can be checked again, oldest first."""
    statement = select(refused.c.id).where(_KEPT).order_by(refused.c.id)
    if source is not None:
        statement = statement.where(refused.c.source == source)
    return list((await connection.execute(statement)).scalars())


async def mark_readmitted(
    connection: AsyncConnection,
    refused_id: int,
    *,
    now: Micros,
    actor: str,
    event_id: int | None = None,
    held_id: int | None = None,
) -> None:
    """Close a refusal whose delivery is an event or held now; what had its body is that."""
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
            journal.Entry(
                at=now,
                kind="delivery.readmitted",
                actor=actor,
                subject=f"refused:{refused_id}",
                data={"event": event_id, "held": held_id},
            )
        ],
    )


async def rising(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Sources of which operations should hear: `source`, `number`, `last` (an id).

    Counted are refusals that carried a signature or a secret and that operations were not told of,
    however slowly they came: a source with few deliveries may have a wrong secret, too.
    """
    statement = (
        select(refused.c.source, func.count().label("number"), func.max(refused.c.id).label("last"))
        .where(refused.c.told_at.is_(None), _KEPT)
        .group_by(refused.c.source)
        .having(func.count() >= RISE)
    )
    return (await connection.execute(statement)).all()


async def mark_told(connection: AsyncConnection, *, source: str, last: int, now: Micros) -> None:
    """Note that operations were told of these."""
    await connection.execute(
        refused.update()
        .where(refused.c.told_at.is_(None), _KEPT, refused.c.source == source, refused.c.id <= last)
        .values(told_at=now)
    )


def _refusal(one: Refused) -> journal.Entry:
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


def _tally(batch: Sequence[Refused], more: int) -> journal.Entry:
    return journal.Entry(
        at=batch[-1].at,
        kind="deliveries.refused",
        actor="server",
        subject="sources",
        data={
            "count": len(batch) + more,
            "addresses": len({one.address for one in batch}),
            "sources": dict(Counter(one.source for one in batch)),
            "errors": dict(Counter(one.error for one in batch)),
            "since": batch[0].at,
        },
    )
