"""What operators read: the filters of events and alerts, one event and what became of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    func,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import AlertState
from casebell.events import Flag, Micros, Status, Tag
from casebell.store.schema import (
    BY_HAND,
    OUTSTANDING,
    WAITING,
    alerts,
    attempts,
    changes,
    deliveries,
    events,
    held,
    journal,
    refused,
)
from casebell.store.walk import Filter

#: By what a name is of, the columns in which it stands.
_NAMES: Mapping[str, Sequence[Column[Any]]] = MappingProxyType(
    {
        "source": (events.c.source, held.c.source, refused.c.source),
        "channel": (alerts.c.channel,),
        "error": (refused.c.error,),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter(Filter):
    """The conditions of a listing of events; `since` and `until` are of their receipt."""

    table: ClassVar[Table] = events
    time: ClassVar[Column[Any]] = events.c.received_at

    source: str | None = None
    status: Status | None = None
    tag: Tag | None = None
    flag: Flag | None = None
    receipt: str | None = None
    #: Case-insensitive substring of the official text.
    text: str | None = None

    def columns(self) -> Select[Any]:
        """Everything but the body."""
        return _event_columns()

    def few(self) -> list[ColumnElement[bool]]:
        """The events of a receipt: those of its changes, and those that are undecided.

        A case has a few dozen events; a few thousand if it is polled for years.
        """
        if self.receipt is None:
            return []
        decided = select(events.c.id).where(events.c.change_id.in_(_changes_of(self.receipt)))
        waiting = select(events.c.id).where(
            events.c.routed_at.is_(None), events.c.receipt == self.receipt
        )
        return [events.c.id.in_(decided.union_all(waiting))]

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """Status and source."""
        if self.status is not None:
            yield events.c.status, self.status
        if self.source is not None:
            yield events.c.source, self.source

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Tag, flag and text."""
        given = []
        if self.tag is not None:
            given.append(events.c.tags.contains(f" {self.tag} ", autoescape=True))
        if self.flag is not None:
            given.append(events.c.flags.contains(f" {self.flag} ", autoescape=True))
        if self.text is not None:
            given.append(events.c.text.icontains(self.text, autoescape=True))
        return given


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter(Filter):
    """The conditions of a listing of alerts; `since` and `until` are of when each was made."""

    table: ClassVar[Table] = alerts
    time: ClassVar[Column[Any]] = alerts.c.created_at

    state: AlertState | None = None
    channel: str | None = None
    #: Of the case that it tells of.
    receipt: str | None = None
    change_id: int | None = None
    #: Failed, no test, and not dismissed: what somebody still has to look at.
    outstanding: bool = False

    def columns(self) -> Select[Any]:
        """Each with its event's key and receipt."""
        return select(
            alerts, events.c.key.label("event_key"), events.c.receipt.label("receipt")
        ).outerjoin(events, events.c.id == alerts.c.event_id)

    def few(self) -> list[ColumnElement[bool]]:
        """Those of a change, of a receipt, and what is outstanding."""
        given: list[ColumnElement[bool]] = []
        if self.change_id is not None:
            given.append(alerts.c.change_id == self.change_id)
        if self.receipt is not None:
            given.append(alerts.c.change_id.in_(_changes_of(self.receipt)))
        if self.outstanding:
            given.append(and_(true(), OUTSTANDING))
        return given

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """State."""
        if self.state is not None:
            yield alerts.c.state, self.state

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Channel."""
        return [] if self.channel is None else [alerts.c.channel == self.channel]


def _changes_of(receipt: str) -> Select[Any]:
    return select(changes.c.id).where(changes.c.receipt == receipt)


def _event_columns() -> Select[Any]:
    """Selects all of an event but its body: a page of large ones would not fit into memory.

    `extra_deliveries` counts those behind the first; `decision` is that of the event's change,
    which `deciding_event` founded.
    """
    extra = (
        select(func.coalesce(func.sum(deliveries.c.times), 0))
        .where(deliveries.c.event_id == events.c.id)
        .scalar_subquery()
        .label("extra_deliveries")
    )
    columns = [column for column in events.c if column is not events.c.body]
    return select(
        *columns, extra, changes.c.decision, changes.c.event_id.label("deciding_event")
    ).outerjoin(changes, changes.c.id == events.c.change_id)


async def names_on_record(connection: AsyncConnection, noun: str) -> set[str]:
    """Every name of a source, a channel or an error that is stored; goes through whole indexes."""
    found = union(*(select(column) for column in _NAMES[noun]))
    return set((await connection.execute(found)).scalars())


async def find_events(connection: AsyncConnection, key: str) -> Sequence[Row[Any]]:
    """The events with a source's key, and the one with `key` as its id.

    A source may number its events, too: then both are found. Conflicting bodies under the same key
    follow their event.
    """
    statement = select(events.c.id).where(events.c.key == key)
    ids = list((await connection.execute(statement)).scalars())
    if key.isascii() and key.isdigit() and len(key) < 19:
        ids.append(int(key))
    meant = _event_columns().where(or_(events.c.id.in_(ids), events.c.revision_of.in_(ids)))
    found: Sequence[Row[Any]] = (await connection.execute(meant.order_by(events.c.id))).all()
    return found


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
    """By channel, since when its oldest waiting alert has waited: its making, or its retry."""
    since = func.min(func.coalesce(alerts.c.retried_at, alerts.c.created_at))
    statement = select(alerts.c.channel, since).where(WAITING).group_by(alerts.c.channel)
    return {channel: int(at) for channel, at in await connection.execute(statement)}


async def last_deliveries(connection: AsyncConnection, sources: Iterable[str]) -> dict[str, Micros]:
    """By source, when the last delivery came that became an event or was held."""
    found = {}
    for source in sources:
        last = [
            select(table.c[column]).where(table.c.source == source).order_by(table.c.id.desc())
            for table, column in ((events, "received_at"), (held, "last_at"))
        ]
        times = [at for one in last for at in (await connection.execute(one.limit(1))).scalars()]
        if times:
            found[source] = max(times)
    return found


async def backlog(connection: AsyncConnection) -> dict[str, int]:
    """Counts: undecided events, unsent alerts, failed ones outstanding, held deliveries."""
    counts = {
        "unrouted": select(func.count()).select_from(events).where(events.c.routed_at.is_(None)),
        "alerts": select(func.count()).select_from(alerts).where(WAITING),
        "failed": select(func.count()).select_from(alerts).where(OUTSTANDING),
        "held": select(func.count()).select_from(held).where(held.c.state == "held"),
    }
    return {
        name: int((await connection.execute(statement)).scalar_one())
        for name, statement in counts.items()
    }
