"""The unit of work of one writing transaction: what it read, and what it will write.

`load` reads with four statements, whatever the number of events. Everything is decided in memory.
`write` writes with one statement for each table.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec.structs import replace
from sqlalchemy import Select, bindparam, select

from casebell.events import (
    AppendOutcome,
    Case,
    CaseEvent,
    Change,
    Decided,
    Flag,
    Micros,
    NewAlert,
    Undecided,
)
from casebell.json_text import canonical
from casebell.store import journal, outbox
from casebell.store.rows import (
    EventRow,
    case_from_row,
    change_from_row,
    decode_set,
    encode_set,
    event_row,
)
from casebell.store.schema import cases, changes, deliveries, events
from casebell.store.schema import journal as journal_table
from casebell.store.statements import (
    Driver,
    Query,
    TableRow,
    Write,
    among,
    columns_of,
    highest,
    insert,
    upsert,
)

#: Changes of one receipt that are compared; a case has a few dozen in its life.
HISTORY_LIMIT = 500

#: A source and its key.
Name: TypeAlias = tuple[str, str]


class StoredEvent(TableRow):
    """A stored event: the columns that distinguish a repeat from a conflict."""

    id: int
    source: str
    key: str
    flags: str
    body: bytes
    body_sha256: str


class _Ends(TableRow):
    """The highest ids; 0 for an empty table."""

    event: int
    entry: int
    change: int


class _KnownChange(TableRow):
    id: int
    receipt: str
    status: str
    tags: str
    text_key: str
    at: Micros
    seen_until: Micros


class _KnownCase(TableRow):
    receipt: str
    label: str
    matter: str
    owner: str
    team: str
    confidential: bool


class _DeliveryRow(TableRow):
    event_id: int
    at: Micros
    outcome: str
    idempotency_key: str | None
    address: str
    secret_label: str
    request_id: str
    flags: str
    body_sha256: str
    body: bytes | None


class _ChangeRow(TableRow):
    id: int
    receipt: str
    status: str
    tags: str
    text_key: str
    at: Micros
    seen_until: Micros
    event_id: int
    late: bool
    decided_at: Micros
    decision: str


class _SpanRow(TableRow):
    of_change: int
    at: Micros
    seen_until: Micros


class _CaseRow(TableRow):
    receipt: str
    status: str
    text: str
    at: Micros
    change_id: int
    updated_at: Micros


class _FlagsRow(TableRow):
    of_event: int
    flags: str


class _DecidedRow(TableRow):
    of_event: int
    status: str
    tags: str
    flags: str
    routed_at: Micros
    change_id: int
    fold_reason: str


def _ends(_backend: str) -> Select[tuple[int, int, int]]:
    numbers = {"event": events.c.id, "entry": journal_table.c.seq, "change": changes.c.id}
    return select(
        *(select(highest(column)).scalar_subquery().label(name) for name, column in numbers.items())
    )


_KNOWN = Query(
    StoredEvent,
    lambda backend: select(*columns_of(events, StoredEvent)).where(among(events.c.key, backend)),
)
_ENDS = Query(_Ends, _ends)
_HISTORY = Query(
    _KnownChange,
    lambda backend: select(*columns_of(changes, _KnownChange)).where(
        among(changes.c.receipt, backend)
    ),
)
_CASES = Query(
    _KnownCase,
    lambda backend: select(*columns_of(cases, _KnownCase)).where(among(cases.c.receipt, backend)),
)
_NEW_EVENTS = insert(events, EventRow)
_NEW_DELIVERIES = insert(deliveries, _DeliveryRow)
_NEW_CHANGES = insert(changes, _ChangeRow)
_MOVED_CASES = upsert(cases, _CaseRow)
_SPANS = Write(
    _SpanRow,
    lambda _: (
        changes.update()
        .where(changes.c.id == bindparam("of_change"))
        .values(at=bindparam("at"), seen_until=bindparam("seen_until"))
    ),
)
_FLAGS = Write(
    _FlagsRow,
    lambda _: (
        events.update().where(events.c.id == bindparam("of_event")).values(flags=bindparam("flags"))
    ),
)
_DECIDED = Write(
    _DecidedRow,
    lambda _: (
        events.update()
        .where(events.c.id == bindparam("of_event"))
        .values(
            {name: bindparam(name) for name in _DecidedRow.__struct_fields__ if name != "of_event"}
        )
    ),
)
#: Kinds of journal entries of deliveries.
_KINDS = {outcome: f"delivery.{outcome}" for outcome in AppendOutcome}


class UnitOfWork:
    """The events of one transaction: `load`, decide, `write`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        #: By source and key; including the new events of this transaction.
        self.known: dict[Name, StoredEvent] = {}
        self._unread: dict[str, list[_KnownChange]] = defaultdict(list)
        self._histories: dict[str, dict[int, Change]] = defaultdict(dict)
        self._cases: dict[str, Case] = {}
        self._ends = _Ends(event=0, entry=0, change=0)
        self._new_events: dict[int, Undecided] = {}
        self._decided: dict[int, _DecidedRow] = {}
        self._deliveries: list[_DeliveryRow] = []
        self._flags: dict[int, _FlagsRow] = {}
        self._new_changes: dict[int, _ChangeRow] = {}
        self._spans: dict[int, _SpanRow] = {}
        self._moved: dict[str, _CaseRow] = {}
        self._alerts: list[outbox.AlertRow] = []
        self._entries: list[journal.Entry] = []

    async def load(self, batch: Sequence[CaseEvent]) -> None:
        """Read the stored events with these keys, and the histories of their cases."""
        receipts = {event.receipt for event in batch}
        await self.look_up((event.source, event.key) for event in batch)
        (self._ends,) = await self._driver.fetch(_ENDS)
        for change in await self._driver.fetch(_HISTORY, among=receipts):
            self._unread[change.receipt].append(change)
        self._cases = {
            case.receipt: case_from_row(case)
            for case in await self._driver.fetch(_CASES, among=receipts)
        }

    async def look_up(self, names: Iterable[Name]) -> None:
        """Read those of these events that are stored."""
        asked = set(names)
        for event in await self._driver.fetch(_KNOWN, among=sorted({key for _, key in asked})):
            # Another source may use the same key.
            if (event.source, event.key) in asked:
                self.known[event.source, event.key] = event

    def history(self, receipt: str) -> Sequence[Change]:
        """The changes known of a receipt, those of this transaction included; the latest ones.

        Raises:
            ValueError: one of them has a word of a later release. Its events can be stored still.
        """
        if receipt in self._unread:
            before = {row.id: change_from_row(row) for row in self._unread[receipt]}
            self._histories[receipt] = before | self._histories[receipt]
            del self._unread[receipt]
        known = sorted(self._histories[receipt].values(), key=lambda change: -change.at)
        return known[:HISTORY_LIMIT]

    def case(self, receipt: str) -> Case:
        """The firm's data of a receipt; an empty case without any."""
        return self._cases.get(receipt) or Case(receipt=receipt)

    @property
    def next_change(self) -> int:
        """The id of the next new change."""
        return self._ends.change + len(self._new_changes) + 1

    @property
    def undecided(self) -> list[Undecided]:
        """The new events, in order of arrival."""
        return list(self._new_events.values())

    def add_event(self, event: CaseEvent, *, revision_of: int | None = None) -> int:
        """Add an event; returns its id."""
        event_id = self._ends.event + len(self._new_events) + 1
        self._new_events[event_id] = Undecided(id=event_id, event=event, revision_of=revision_of)
        self.known[event.source, event.key] = StoredEvent(
            id=event_id,
            source=event.source,
            key=event.key,
            flags=encode_set(event.flags),
            body=event.body,
            body_sha256=event.body_sha256,
        )
        return event_id

    def add_delivery(self, event: CaseEvent, *, of: StoredEvent, outcome: AppendOutcome) -> None:
        """Add a delivery after the first of its event."""
        self._deliveries.append(
            _DeliveryRow(
                event_id=of.id,
                at=event.received_at,
                outcome=outcome._value_,
                idempotency_key=event.idempotency_key,
                address=event.address,
                secret_label=event.secret_label,
                request_id=event.request_id,
                flags=encode_set(event.flags),
                body_sha256=event.body_sha256,
                body=None if event.body_sha256 == of.body_sha256 else event.body,
            )
        )

    def mark_conflict(self, stored: StoredEvent) -> None:
        """Flag an event whose key came with other content."""
        flags = decode_set(Flag, stored.flags) | {Flag.CONFLICT}
        if (new := self._new_events.get(stored.id)) is None:
            self._flags[stored.id] = _FlagsRow(of_event=stored.id, flags=encode_set(flags))
        else:
            self._new_events[stored.id] = replace(new, event=replace(new.event, flags=flags))

    def journal_delivery(self, event: CaseEvent, *, event_id: int, outcome: AppendOutcome) -> None:
        """Add a delivery's journal entry."""
        self._entries.append(
            journal.Entry(
                at=event.received_at,
                kind=_KINDS[outcome],
                actor=f"source:{event.source}",
                subject=f"event:{event_id}",
                data={
                    "body_sha256": event.body_sha256,
                    "key": event.key,
                    "receipt": event.receipt,
                    "request_id": event.request_id,
                    "secret": event.secret_label,
                },
            )
        )

    def decide(self, decided: Decided, *, now: Micros) -> None:
        """Add the decision about an event, a new or a stored one, and its alerts.

        The steps that may fail come first, so that a decision is added whole or not at all.
        """
        event, change = decided.event, decided.change
        alerts = [outbox.row_of(alert, now=now) for alert in decided.alerts]
        entry = _entry(decided, now=now)
        if decided.decision is not None:
            self._new_changes[change.id] = _new_change(decided, now=now)
        elif (new := self._new_changes.get(change.id)) is not None:
            self._new_changes[change.id] = replace(new, at=change.at, seen_until=change.seen_until)
        else:
            self._spans[change.id] = _SpanRow(
                of_change=change.id, at=change.at, seen_until=change.seen_until
            )
        self._histories[event.receipt][change.id] = change
        if decided.current:
            self._moved[event.receipt] = _CaseRow(
                receipt=event.receipt,
                status=event.status._value_,
                text=event.text,
                at=decided.at,
                change_id=change.id,
                updated_at=now,
            )
        self._decided[decided.id] = _DecidedRow(
            of_event=decided.id,
            status=event.status._value_,
            tags=encode_set(event.tags),
            flags=encode_set(event.flags),
            routed_at=now,
            change_id=change.id,
            fold_reason=decided.reason,
        )
        self._alerts += alerts
        self._entries.append(entry)

    def add_alerts(self, new: Sequence[NewAlert], *, now: Micros) -> None:
        """Put alerts into the outbox; those already there stay as they are."""
        self._alerts += [outbox.row_of(alert, now=now) for alert in new]

    async def write(self) -> None:
        """Write all of it."""
        run = self._driver.run
        new = [_event_row(one, self._decided.pop(one.id, None)) for one in self.undecided]
        await run(_NEW_EVENTS, new)
        await run(_NEW_DELIVERIES, self._deliveries)
        await run(_FLAGS, list(self._flags.values()))
        await run(_NEW_CHANGES, list(self._new_changes.values()))
        await run(_SPANS, list(self._spans.values()))
        await run(_MOVED_CASES, list(self._moved.values()))
        # Only of events that were stored before: a new event has its decision in its row.
        await run(_DECIDED, list(self._decided.values()))
        await run(outbox.NEW_ALERTS, self._alerts)
        await run(journal.NEW_ENTRIES, journal.rows(self._entries, after=self._ends.entry))


def _event_row(new: Undecided, decided: _DecidedRow | None) -> EventRow:
    row = event_row(new.event, id=new.id, revision_of=new.revision_of)
    if decided is None:
        return row
    return replace(
        row,
        status=decided.status,
        tags=decided.tags,
        flags=decided.flags,
        routed_at=decided.routed_at,
        change_id=decided.change_id,
        fold_reason=decided.fold_reason,
    )


def _new_change(decided: Decided, *, now: Micros) -> _ChangeRow:
    change = decided.change
    return _ChangeRow(
        id=change.id,
        receipt=change.receipt,
        status=change.status._value_,
        tags=encode_set(change.tags),
        text_key=change.text_key,
        at=change.at,
        seen_until=change.seen_until,
        event_id=decided.id,
        late=decided.late,
        decided_at=now,
        decision=canonical(decided.decision),
    )


def _entry(decided: Decided, *, now: Micros) -> journal.Entry:
    about = {"event": decided.id, "status": decided.event.status}
    if decided.decision is None:
        kind, data = "change.corroborated", about
    else:
        kind, data = (
            "decision.made",
            {
                **decided.decision,
                **about,
                "receipt": decided.event.receipt,
            },
        )
    return journal.Entry(
        at=now, kind=kind, actor="router", subject=f"change:{decided.change.id}", data=data
    )
