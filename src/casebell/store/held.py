"""Held deliveries: authentic, not understood, until a person releases or discards them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.clock import MINUTE
from casebell.errors import NotFound, Refusal
from casebell.events import HeldReason, HeldState, Micros, Origin, VerifiedDelivery
from casebell.store import journal
from casebell.store.repeats import ITEMISED_REPEATS
from casebell.store.rows import encode_set
from casebell.store.schema import held


class Hold(NamedTuple):
    """A delivery that is held."""

    held_id: int
    #: Whether the same came before.
    repeat: bool


async def hold(
    connection: AsyncConnection,
    verified: VerifiedDelivery,
    *,
    reason: HeldReason,
    detail: str,
    body_sha256: str,
    idempotency_key: str | None,
    shape: str | None = None,
) -> Hold:
    """Keep a delivery that could not be understood.

    A repeat of the same body is counted; a discarded one is held again. What the API told and a
    webhook brings is the webhook's from then on. A provider's test is closed
    at once. Of a body that came a hundred times there is a journal entry a minute: who has a
    delivery can post it without end. Of tests of one shape a hundred are kept one by one; all later
    ones share the last row: a provider may test each minute, with the time in the body.

    Args:
        shape: of a provider's test.
    """
    delivery = verified.delivery
    test = reason is HeldReason.PROVIDER_TEST
    held_now = {
        "state": HeldState.CLOSED if test else HeldState.HELD,
        "reason": reason,
        "detail": detail,
        "resolved_at": delivery.received_at if test else None,
    }
    came = {
        "body": delivery.body,
        "body_sha256": body_sha256,
        "flags": encode_set(verified.flags),
        "secret_label": verified.secret_label,
        "address": delivery.address,
        "idempotency_key": idempotency_key,
        "request_id": delivery.request_id,
        "origin": verified.origin,
    }
    row = await _same(connection, source=delivery.source, body_sha256=body_sha256)
    repeat = row is not None
    by_webhook = verified.origin is Origin.WEBHOOK
    if row is not None and row.origin != verified.origin:
        if not by_webhook:
            # What a webhook brought stays so; that the API tells it, too, is no delivery.
            return Hold(held_id=int(row.id), repeat=True)
        # No first look may silence a delivery.
        await connection.execute(held.update().where(held.c.id == row.id).values(**came))
    if row is None and shape is not None:
        row = await last_test(connection, source=delivery.source, shape=shape)
    counted = row is not None and (not repeat or row.times > ITEMISED_REPEATS)
    if row is not None:
        held_id = int(row.id)
        anew = row.state not in (HeldState.RELEASED, held_now["state"])
        held_again = {**held_now, "notified_at": None}
        await connection.execute(
            held.update()
            .where(held.c.id == held_id)
            .values(times=row.times + 1, last_at=delivery.received_at)
            .values(held_again if anew else {} if repeat else came)
        )
        if counted and not anew and row.last_at // MINUTE == delivery.received_at // MINUTE:
            return Hold(held_id=held_id, repeat=repeat)
    else:
        inserted = await connection.execute(
            held.insert().returning(held.c.id),
            {
                **held_now,
                **came,
                "source": delivery.source,
                "received_at": delivery.received_at,
                "last_at": delivery.received_at,
                "times": 1,
                "shape": shape,
            },
        )
        held_id = int(inserted.scalar_one())
    await journal.append(
        connection,
        [
            journal.Entry(
                at=delivery.received_at,
                kind="delivery.held" if by_webhook else "event.held",
                actor=f"source:{delivery.source}",
                subject=f"held:{held_id}",
                data={
                    "reason": reason,
                    "body_sha256": body_sha256,
                    "secret": verified.secret_label,
                    "request_id": delivery.request_id,
                    **({"times": row.times + 1} if row is not None and counted else {}),
                },
            )
        ],
    )
    return Hold(held_id=held_id, repeat=repeat)


_COUNTED = select(held.c.id, held.c.times, held.c.state, held.c.last_at, held.c.origin)


async def _same(connection: AsyncConnection, *, source: str, body_sha256: str) -> Any:
    """The row of the same body."""
    statement = _COUNTED.where(held.c.source == source, held.c.body_sha256 == body_sha256)
    return (await connection.execute(statement)).one_or_none()


async def last_test(connection: AsyncConnection, *, source: str, shape: str) -> Any:
    """The row that counts tests of a shape; None while each has a row of its own."""
    of_shape = (held.c.source == source, held.c.shape == shape, held.c.shape.is_not(None))
    statement = _COUNTED.where(*of_shape).order_by(held.c.id.desc()).limit(ITEMISED_REPEATS)
    rows = (await connection.execute(statement)).all()
    return rows[0] if len(rows) == ITEMISED_REPEATS else None


async def get_held(connection: AsyncConnection, held_id: int) -> Row[Any]:
    """A held delivery that was neither released nor discarded.

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


async def waiting(connection: AsyncConnection, *, reason: HeldReason | None) -> list[int]:
    """The ids of all held deliveries, of one reason or of any, oldest first."""
    statement = select(held.c.id).where(held.c.state == HeldState.HELD).order_by(held.c.id)
    if reason is not None:
        statement = statement.where(held.c.reason == reason)
    return list((await connection.execute(statement)).scalars())


async def resolve(
    connection: AsyncConnection,
    held_id: int,
    *,
    state: HeldState,
    now: Micros,
    actor: Actor,
    event_id: int | None = None,
) -> None:
    """Close a held delivery, perhaps as event `event_id`; its body is kept."""
    await connection.execute(
        held.update()
        .where(held.c.id == held_id)
        .values(state=state, resolved_at=now, event_id=event_id)
    )
    await journal.append(
        connection,
        [
            journal.Entry.of(
                actor,
                at=now,
                kind=f"delivery.{state}",
                subject=f"held:{held_id}",
                data={"event": event_id},
            )
        ],
    )


async def discard(connection: AsyncConnection, held_id: int, *, now: Micros, actor: Actor) -> None:
    """Close a held delivery without an event; its body is kept. Raises as `get_held` does."""
    await get_held(connection, held_id)
    await resolve(connection, held_id, state=HeldState.DISCARDED, now=now, actor=actor)


async def unnotified(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Held deliveries of which operations were not told, counted by source and reason.

    Each count has the detail of its first delivery.
    """
    groups = (
        select(
            held.c.source,
            held.c.reason,
            func.count().label("number"),
            func.min(held.c.id).label("first"),
            func.max(held.c.id).label("last"),
        )
        .where(held.c.notified_at.is_(None))
        .group_by(held.c.source, held.c.reason)
        .subquery()
    )
    statement = select(groups, held.c.detail).join(held, held.c.id == groups.c.first)
    return (await connection.execute(statement.order_by(groups.c.first))).all()


async def mark_told(
    connection: AsyncConnection, *, source: str, reason: str, last: int, now: Micros
) -> None:
    """Record that operations were told of these."""
    await connection.execute(
        held.update()
        .where(
            held.c.notified_at.is_(None),
            held.c.source == source,
            held.c.reason == reason,
            held.c.id <= last,
        )
        .values(notified_at=now)
    )
