"""Deliveries beside the event log: held (authentic, not understood) and refused (not authentic)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.errors import NotFound, Refusal
from casebell.events import HeldReason, Micros, VerifiedDelivery
from casebell.store import journal
from casebell.store.rows import words
from casebell.store.schema import held, refused

#: Rows of `refused` that are kept; the oldest go first.
REFUSED_LIMIT = 1_000


class HeldState(StrEnum):
    """What became of a held delivery."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What is kept of a delivery that did not authenticate: never its headers or its body."""

    at: Micros
    source: str
    #: The error's code, as the sender was told.
    error: str
    address: str
    request_id: str
    body_sha256: str
    body_size: int


async def hold(
    connection: AsyncConnection,
    verified: VerifiedDelivery,
    *,
    reason: HeldReason,
    detail: str,
    body_sha256: str,
    idempotency_key: str | None,
) -> int:
    """Keep a delivery that could not be understood; return its id.

    The same body again counts up; if it had been discarded, it is held anew.
    """
    delivery = verified.delivery
    row = (
        await connection.execute(
            select(held.c.id, held.c.times, held.c.state).where(
                held.c.source == delivery.source, held.c.body_sha256 == body_sha256
            )
        )
    ).one_or_none()
    if row is not None:
        held_id = int(row.id)
        anew = {
            "state": HeldState.HELD,
            "reason": reason,
            "detail": detail,
            "told_at": None,
            "resolved_at": None,
        }
        await connection.execute(
            held.update()
            .where(held.c.id == held_id)
            .values(times=row.times + 1, last_at=delivery.received_at)
            .values(anew if row.state == HeldState.DISCARDED else {})
        )
    else:
        inserted = await connection.execute(
            held.insert().returning(held.c.id),
            {
                "source": delivery.source,
                "reason": reason,
                "detail": detail,
                "state": HeldState.HELD,
                "received_at": delivery.received_at,
                "last_at": delivery.received_at,
                "times": 1,
                "body": delivery.body,
                "body_sha256": body_sha256,
                "flags": words(verified.flags),
                "secret_label": verified.secret_label,
                "address": delivery.address,
                "idempotency_key": idempotency_key,
                "request_id": delivery.request_id,
            },
        )
        held_id = int(inserted.scalar_one())
    await journal.append(
        connection,
        [
            journal.Entry(
                at=delivery.received_at,
                kind="delivery.held",
                actor=f"source:{delivery.source}",
                subject=f"held:{held_id}",
                data={
                    "reason": reason,
                    "body_sha256": body_sha256,
                    "secret": verified.secret_label,
                    "request_id": delivery.request_id,
                },
            )
        ],
    )
    return held_id


async def get_held(connection: AsyncConnection, held_id: int) -> Row[Any]:
    """A delivery that still waits to be released or discarded.

    Raises:
        NotFound: none has this id.
        Refusal: it has been released or discarded already.
    """
    row = (await connection.execute(select(held).where(held.c.id == held_id))).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no held delivery {held_id}.",
            hint="`casebell held list` shows those there are.",
        )
    if row.state != HeldState.HELD:
        raise Refusal(f"Held delivery {held_id} has been {row.state} already.")
    return row


async def resolve(
    connection: AsyncConnection,
    held_id: int,
    *,
    state: HeldState,
    now: Micros,
    actor: str,
    event_id: int | None = None,
) -> None:
    """Close a held delivery as released (into `event_id`) or discarded. Its body is kept."""
    await connection.execute(
        held.update()
        .where(held.c.id == held_id)
        .values(state=state, resolved_at=now, event_id=event_id)
    )
    await journal.append(
        connection,
        [
            journal.Entry(
                at=now,
                kind=f"delivery.{state}",
                actor=actor,
                subject=f"held:{held_id}",
                data={"event": event_id},
            )
        ],
    )


async def untold(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Held deliveries that operations have not been told of, counted by source and reason."""
    statement = (
        select(
            held.c.source,
            held.c.reason,
            func.count().label("count"),
            func.min(held.c.id).label("first"),
            func.max(held.c.id).label("last"),
        )
        .where(held.c.told_at.is_(None))
        .group_by(held.c.source, held.c.reason)
        .order_by(func.min(held.c.id))
    )
    return (await connection.execute(statement)).all()


async def mark_told(
    connection: AsyncConnection, *, source: str, reason: str, last: int, now: Micros
) -> None:
    """Note that operations were told of these."""
    await connection.execute(
        held.update()
        .where(
            held.c.told_at.is_(None),
            held.c.source == source,
            held.c.reason == reason,
            held.c.id <= last,
        )
        .values(told_at=now)
    )


async def refuse(
    connection: AsyncConnection, batch: Sequence[Refused], *, itemised: bool = True, more: int = 0
) -> None:
    """Keep the newest refusals, and journal them.

    Args:
        connection: the writing transaction.
        batch: what is kept of each.
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
            }
            for one in batch
        ],
    )
    newest = (await connection.execute(select(func.max(refused.c.id)))).scalar_one()
    await connection.execute(refused.delete().where(refused.c.id <= newest - REFUSED_LIMIT))
    entries = [_refusal(one) for one in batch] if itemised else [_tally(batch, more)]
    await journal.append(connection, entries)


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
