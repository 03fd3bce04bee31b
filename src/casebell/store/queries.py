"""What is read beside the lists: one event and what became of it, what waits, names on record."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    and_,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import HeldState, Micros, Origin
from casebell.store import marks, sight
from casebell.store.lists import alert_columns, event_columns
from casebell.store.schema import (
    BY_HAND,
    OUTSTANDING,
    PROVEN,
    UNPROVEN,
    WAITING,
    alerts,
    attempts,
    changes,
    deliveries,
    events,
    held,
    journal,
    refused,
    targets,
    told_people,
)

#: By what a name is of, the columns in which it stands, with a condition: each begins an index.
_NAMES: Mapping[str, Sequence[tuple[Column[Any], ColumnElement[bool]]]] = MappingProxyType(
    {
        "source": (
            (events.c.source, true()),
            (held.c.source, true()),
            (refused.c.source, and_(true(), PROVEN)),
            (refused.c.source, and_(true(), UNPROVEN)),
        ),
        "channel": ((targets.c.channel, true()), (alerts.c.channel, and_(true(), WAITING))),
    }
)


_OF_FEW: Mapping[str, Column[Any]] = MappingProxyType(
    {"error": refused.c.error, "person": told_people.c.person}
)


async def names_on_record(connection: AsyncConnection, noun: str) -> set[str]:
    """Every name of a source, a channel, a person or an error that is stored."""
    if noun in _OF_FEW:
        # Few of these rows are kept.
        return set((await connection.execute(select(_OF_FEW[noun]).distinct())).scalars())
    found: set[str] = set()
    for column, condition in _NAMES[noun]:
        # From each name to the next: there are few, in millions of rows.
        asked = select(func.min(column)).where(condition)
        first = asked
        while (name := (await connection.execute(asked)).scalar_one()) is not None:
            found.add(name)
            asked = first.where(column > name)
    return found


async def find_events(
    connection: AsyncConnection, key: str, *, seen_by: Actor
) -> Sequence[Row[Any]]:
    """The events with a source's key, and the one with `key` as its id.

    A source may number its events, too: then both are found. Conflicting bodies under the same key
    follow their event.
    """
    statement = select(events.c.id).where(events.c.key == key)
    ids = list((await connection.execute(statement)).scalars())
    if key.isascii() and key.isdigit() and len(key) < 19:
        ids.append(int(key))
    meant = event_columns().where(
        or_(events.c.id.in_(ids), events.c.revision_of.in_(ids)),
        *sight.shown(sight.hidden_receipt(seen_by, events.c.receipt)),
    )
    found: Sequence[Row[Any]] = (await connection.execute(meant.order_by(events.c.id))).all()
    return found


async def find_event(
    connection: AsyncConnection, event_id: int, *, seen_by: Actor
) -> Row[Any] | None:
    """The event of a number; None where there is none that the actor may see."""
    shown = sight.shown(sight.hidden_receipt(seen_by, events.c.receipt))
    meant = event_columns().where(events.c.id == event_id, *shown)
    found: Row[Any] | None = (await connection.execute(meant)).one_or_none()
    return found


async def alert_with_event(
    connection: AsyncConnection, alert_id: int
) -> tuple[Row[Any], Row[Any] | None]:
    """An alert, and the event that it tells of, as listings have them, for a channel.

    Of a confidential case the alert is masked, and the event is left out.

    Raises:
        LookupError: no alert has this id.
    """
    found = alert_columns(masked=sight.confidential_alert()).where(alerts.c.id == alert_id)
    alert = (await connection.execute(found)).one_or_none()
    if alert is None:
        raise LookupError
    if alert.masked:
        return alert, None
    its_event = event_columns().where(events.c.id == alert.event_id)
    return alert, (await connection.execute(its_event)).one_or_none()


async def body_of(connection: AsyncConnection, event_id: int) -> bytes:
    """The body of an event."""
    body = await connection.execute(select(events.c.body).where(events.c.id == event_id))
    return bytes(body.scalar_one())


async def deliveries_of(connection: AsyncConnection, event_id: int) -> Sequence[Row[Any]]:
    """The deliveries of an event behind the first, which its own row tells of; oldest first."""
    statement = select(deliveries).where(deliveries.c.event_id == event_id)
    return (await connection.execute(statement.order_by(deliveries.c.id))).all()


async def find_change(connection: AsyncConnection, change_id: int) -> Row[Any] | None:
    """A change with its whole decision."""
    statement = select(changes).where(changes.c.id == change_id)
    return (await connection.execute(statement)).one_or_none()


async def events_of(connection: AsyncConnection, change_id: int) -> Sequence[int]:
    """The ids of the events that reported a change, oldest first."""
    statement = select(events.c.id).where(events.c.change_id == change_id)
    found: Sequence[int] = (
        (await connection.execute(statement.order_by(events.c.id))).scalars().all()
    )
    return found


async def attempts_of(connection: AsyncConnection, alert_id: int) -> Sequence[Row[Any]]:
    """Every attempt to send an alert, with the message it carried, oldest first."""
    statement = select(attempts).where(attempts.c.alert_id == alert_id)
    return (await connection.execute(statement.order_by(attempts.c.id))).all()


async def by_hand(connection: AsyncConnection, alert_id: int) -> Sequence[Row[Any]]:
    """What people did to an alert, oldest first: journal entries."""
    columns: list[Column[Any]] = [journal.c.at, journal.c.kind, journal.c.actor, journal.c.data]
    statement = select(*columns).where(journal.c.subject == f"alert:{alert_id}", BY_HAND)
    return (await connection.execute(statement.order_by(journal.c.seq))).all()


async def oldest_waiting(connection: AsyncConnection) -> dict[str, Micros]:
    """By channel, since when its oldest waiting alert has waited, or will have.

    That is when it was made, or retried; of one that waits for hours of its channel, their time.
    """
    since = func.min(func.coalesce(alerts.c.retried_at, alerts.c.due_at, alerts.c.created_at))
    statement = select(alerts.c.channel, since).where(WAITING).group_by(alerts.c.channel)
    return {channel: int(at) for channel, at in await connection.execute(statement)}


#: Events of a source among which its last delivery is looked for.
_RECENT = 1_000


async def last_deliveries(connection: AsyncConnection, sources: Iterable[str]) -> dict[str, Micros]:
    """By source, when the last delivery came that became an event or was held, or repeated one.

    Of repeats only those that a server noted: see `marks.HEARD`. What the provider's API told is no
    delivery: that it tells says nothing of webhooks.
    """
    noted = await marks.named(connection, marks.HEARD)
    found = {}
    for source in sources:
        last = await _last_delivery(connection, source)
        times = [at for at in (last, noted.get(source)) if at is not None]
        if times:
            found[source] = max(times)
    return found


async def keep_last_delivery(connection: AsyncConnection, source: str) -> None:
    """Note when a source last delivered, before what its API told is stored.

    So `last_deliveries` needs to look no further back than `_RECENT` events.
    """
    last = await _last_delivery(connection, source)
    if last is not None:
        await marks.advance(connection, f"{marks.HEARD}{source}", last)


async def _last_delivery(connection: AsyncConnection, source: str) -> Micros | None:
    """When the last of the recent deliveries came; None where none is recent."""
    recent = (
        select(events.c.id, events.c.received_at, events.c.origin)
        .where(events.c.source == source)
        .order_by(events.c.id.desc())
    )
    newest = (await connection.execute(recent.limit(1))).one_or_none()
    if newest is not None and newest.origin != Origin.WEBHOOK:
        some = recent.limit(_RECENT).subquery()
        by_webhook = select(some).where(some.c.origin == Origin.WEBHOOK)
        newest = (
            await connection.execute(by_webhook.order_by(some.c.id.desc()).limit(1))
        ).one_or_none()
    kept_back = (
        select(held.c.last_at)
        .where(held.c.source == source, held.c.origin == Origin.WEBHOOK)
        .order_by(held.c.id.desc())
        .limit(1)
    )
    times = [] if newest is None else [newest.received_at]
    times += (await connection.execute(kept_back)).scalars()
    return max(times, default=None)


async def undecided(connection: AsyncConnection, *, limit: int, seen_by: Actor) -> Sequence[int]:
    """The ids of the oldest events without a decision."""
    shown = sight.shown(sight.hidden_receipt(seen_by, events.c.receipt))
    statement = select(events.c.id).where(events.c.routed_at.is_(None), *shown)
    found: Sequence[int] = (
        (await connection.execute(statement.order_by(events.c.id).limit(limit))).scalars().all()
    )
    return found


async def count_held(connection: AsyncConnection) -> int:
    """How many deliveries are held."""
    statement = select(func.count()).select_from(held).where(held.c.state == HeldState.HELD)
    return int((await connection.execute(statement)).scalar_one())


async def backlog(connection: AsyncConnection) -> dict[str, int]:
    """Counts: undecided events, unsent alerts, failed ones outstanding, held deliveries."""
    counts = {
        "unrouted": select(func.count()).select_from(events).where(events.c.routed_at.is_(None)),
        "alerts": select(func.count()).select_from(alerts).where(WAITING),
        "failed": select(func.count()).select_from(alerts).where(OUTSTANDING),
    }
    found = {
        name: int((await connection.execute(statement)).scalar_one())
        for name, statement in counts.items()
    }
    return {**found, "held": await count_held(connection)}
