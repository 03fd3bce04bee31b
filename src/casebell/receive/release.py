"""Releases a held delivery with today's configuration."""

from casebell.errors import HeldDelivery, Refusal
from casebell.events import Flag, HeldState, Micros, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.settings import Settings
from casebell.store import held
from casebell.store.engine import Connection
from casebell.store.event_log import Appended, EventLog
from casebell.store.rows import decode_set, delivery_from_row


async def release(
    connection: Connection,
    held_id: int,
    *,
    settings: Settings,
    event_log: EventLog,
    now: Micros,
    actor: str,
) -> Appended:
    """Turn a held delivery into an event, inside the caller's transaction.

    Its origin was verified when it was received, and the operator vouches for its age: a delivery
    that is held for the time of its signature is released.

    Raises:
        NotFound, Refusal: there is no such held delivery, or its source is not configured.
        StillHeld: it still cannot be understood; nothing changes.
    """
    row = await held.get_held(connection, held_id)
    source = settings.sources.get(row.source)
    if source is None:
        raise Refusal(
            f"Source {row.source} is no longer in the configuration.",
            hint=f"Put [sources.{row.source}] back, or discard the delivery.",
        )
    delivery = delivery_from_row(row, received_at=row.received_at)
    verified = VerifiedDelivery(
        delivery=delivery,
        secret_label=row.secret_label,
        flags=decode_set(Flag, row.flags),
    )
    try:
        event = understand(verified, source)
    except HeldDelivery as error:
        raise StillHeld(
            f"Held delivery {held_id} still cannot be understood: {error.message}"
        ) from None
    (appended,) = await event_log.append_now(connection, [event])
    await held.resolve(
        connection,
        held_id,
        state=HeldState.RELEASED,
        now=now,
        actor=actor,
        event_id=appended.event_id,
    )
    return appended


class StillHeld(Refusal):
    """The delivery still cannot be understood, and stays held."""

    code = "still_held"
    hint = "Map the source's fields under [sources.NAME.fields], reload, and release it again."
