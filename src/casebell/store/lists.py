"""What can be listed: a filter for each noun."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)

from casebell.actors import Right
from casebell.alerts import AlertKind, AlertState
from casebell.events import Flag, HeldState, Status, Tag
from casebell.store import sight
from casebell.store.schema import (
    OUTSTANDING,
    PROVEN,
    alerts,
    changes,
    deliveries,
    events,
    held,
    journal,
    refused,
)
from casebell.store.text_search import contains
from casebell.store.walk import Filter, beside

#: Of a refused delivery: whether it brought something that can be checked again.
READMITTABLE = type_coerce(PROVEN, Boolean).label("readmittable")


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
    #: Whether each comes with its exact body.
    bodies: bool = False

    def columns(self) -> Select[Any]:
        """Everything; the body where it is asked for."""
        return event_columns(bodies=self.bodies)

    def size(self, row: Row[Any]) -> int:
        """Of its official text."""
        return len(row.text)

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
        given = sight.shown(sight.hidden_receipt(self.seen_by, events.c.receipt))
        if self.tag is not None:
            given.append(events.c.tags.contains(f" {self.tag} ", autoescape=True))
        if self.flag is not None:
            given.append(events.c.flags.contains(f" {self.flag} ", autoescape=True))
        if self.text is not None:
            given.append(contains(events.c.text, self.text))
        return given


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter(Filter):
    """The conditions of a listing of alerts; `since` and `until` are of when each was made."""

    table: ClassVar[Table] = alerts
    time: ClassVar[Column[Any]] = alerts.c.created_at

    state: AlertState | None = None
    kind: AlertKind | None = None
    channel: str | None = None
    #: The safe label of a target.
    target: str | None = None
    #: The id of who is told by name.
    person: str | None = None
    #: Of the case that it tells of.
    receipt: str | None = None
    change_id: int | None = None
    #: Failed, no test, and not dismissed: what somebody still has to look at.
    outstanding: bool = False

    def columns(self) -> Select[Any]:
        """Each with its event's key and receipt, and whether the case is to be masked."""
        return alert_columns(masked=sight.hidden_alert(self.seen_by))

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
        """Kind, channel, target and person."""
        hidden = sight.hidden_alert(self.seen_by)
        given = sight.shown(hidden)
        if hidden is not None and self.seen_by.sees_failed_of_all and not self._names_a_case:
            given = [or_(~hidden, alerts.c.state == AlertState.FAILED)]
        if self.kind is not None:
            given.append(alerts.c.kind == self.kind)
        if self.channel is not None:
            given.append(alerts.c.channel == self.channel)
        if self.target is not None:
            given.append(alerts.c.target == self.target)
        if self.person is not None:
            given.append(alerts.c.person == self.person)
        return given

    @property
    def _names_a_case(self) -> bool:
        """Whether the filter says of which case a masked alert would be."""
        return self.receipt is not None or self.change_id is not None


def _changes_of(receipt: str) -> Select[Any]:
    return select(changes.c.id).where(changes.c.receipt == receipt)


def alert_columns(*, masked: ColumnElement[bool] | None) -> Select[Any]:
    """Selects alerts with the key and the receipt of their events.

    Args:
        masked: of which one may only be told that it failed; None where all may be told whole.
    """
    return select(
        alerts,
        events.c.key.label("event_key"),
        events.c.receipt.label("receipt"),
        (false() if masked is None else masked).label("masked"),
    ).outerjoin(events, events.c.id == alerts.c.event_id)


def event_columns(*, bodies: bool = False) -> Select[Any]:
    """Selects all of an event; without its body a page of large ones fits into memory.

    `extra_deliveries` counts those behind the first; `decision` is that of the event's change,
    which `deciding_event` founded.
    """
    extra = (
        select(func.coalesce(func.sum(deliveries.c.times), 0))
        .where(deliveries.c.event_id == events.c.id)
        .scalar_subquery()
        .label("extra_deliveries")
    )
    columns = [column for column in events.c if bodies or column is not events.c.body]
    return select(
        *columns, extra, changes.c.decision, changes.c.event_id.label("deciding_event")
    ).outerjoin(changes, changes.c.id == events.c.change_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldFilter(Filter):
    """The conditions of a listing of held deliveries."""

    table: ClassVar[Table] = held
    time: ClassVar[Column[Any]] = held.c.received_at
    time_indexed: ClassVar[bool] = False
    chunk: ClassVar[int] = 10

    state: HeldState | None = None
    source: str | None = None
    #: Whether each comes without its body.
    in_short: bool = False

    def columns(self) -> Select[Any]:
        """All; of a released one the body is that of an event, for whoever may see those."""
        others = select(*(column for column in held.c if column is not held.c.body))
        if self.in_short:
            return others
        if self.seen_by.may(Right.EVIDENCE):
            return select(held)
        body = case((held.c.state == HeldState.RELEASED, literal(b"")), else_=held.c.body)
        return others.add_columns(body.label("body"))

    def size(self, row: Row[Any]) -> int:
        """Of its body."""
        return 0 if self.in_short else len(row.body)

    def few(self) -> list[ColumnElement[bool]]:
        """None."""
        return []

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """State."""
        if self.state is not None:
            yield held.c.state, self.state

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Source: its index is that of bodies, too."""
        return [] if self.source is None else [beside(held.c.source) == self.source]


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedFilter(Filter):
    """The conditions of a listing of refused deliveries, of which few are kept."""

    table: ClassVar[Table] = refused
    time: ClassVar[Column[Any]] = refused.c.at

    source: str | None = None
    error: str | None = None

    def columns(self) -> Select[Any]:
        """All but bodies and credentials."""
        kept_back = ("body", "seen", "signature", "secret_digest")
        return select(*(c for c in refused.c if c.name not in kept_back), READMITTABLE)

    def few(self) -> list[ColumnElement[bool]]:
        """None."""
        return []

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """None."""
        return iter(())

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Source and error."""
        given = []
        if self.source is not None:
            given.append(refused.c.source == self.source)
        if self.error is not None:
            given.append(refused.c.error == self.error)
        return given


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalFilter(Filter):
    """The conditions of a listing of the journal; `since` and `until` are of an entry's time.

    It has no index but that of its numbers, since each delivery would pay for another. Times cannot
    be searched for in halves either: they do not rise with the numbers where the clock was set
    back. So a page looks at a bounded number of entries, and the next one goes on behind them.
    """

    table: ClassVar[Table] = journal
    time: ClassVar[Column[Any]] = journal.c.at
    time_indexed: ClassVar[bool] = False

    kind: str | None = None
    actor: str | None = None
    subject: str | None = None

    @property
    def ids(self) -> Column[Any]:
        """Its sequence."""
        return journal.c.seq

    def columns(self) -> Select[Any]:
        """All."""
        return select(journal)

    def size(self, row: Row[Any]) -> int:
        """Of its data."""
        return len(row.data)

    def few(self) -> list[ColumnElement[bool]]:
        """None."""
        return []

    def equal(self) -> Iterator[tuple[Column[Any], object]]:
        """None."""
        return iter(())

    def unindexed(self) -> list[ColumnElement[bool]]:
        """Kind, actor and subject."""
        asked = {
            journal.c.kind: self.kind,
            journal.c.actor: self.actor,
            journal.c.subject: self.subject,
        }
        return [beside(column) == value for column, value in asked.items() if value is not None]
