"""The unit of work of one writing transaction: what it read, and what it will write.

`load` reads with five statements, whatever the number of events. Everything is decided in memory.
`write` writes with one statement for each table.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TypeAlias

from msgspec.structs import replace
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Decided, NewAlert
from casebell.events import (
    NOBODY_IS_AWAY,
    Absences,
    AppendOutcome,
    Case,
    CaseEvent,
    Change,
    Flag,
    Micros,
    Origin,
    Undecided,
)
from casebell.store import absences, escalations, journal, outbox, outcomes, queue, wordings
from casebell.store.repeats import Repeats
from casebell.store.rows import (
    AlertRow,
    AnsweredRow,
    AskedRow,
    CaseRow,
    ChangeRow,
    ConflictRow,
    DecidedRow,
    Ends,
    EscalationRow,
    EventRow,
    FlagsRow,
    KnownCase,
    KnownChange,
    SpanRow,
    StoredEvent,
    alert_row,
    case_from_row,
    change_from_row,
    change_row,
    decode_set,
    encode_set,
    event_from_row,
    event_row,
)
from casebell.store.schema import cases, changes, conflicts, events
from casebell.store.schema import journal as journal_table
from casebell.store.statements import (
    Driver,
    Query,
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


def _ends(_backend: str) -> Select[tuple[int, int, int]]:
    numbers = {"event": events.c.id, "entry": journal_table.c.seq, "change": changes.c.id}
    return select(
        *(select(highest(column)).scalar_subquery().label(name) for name, column in numbers.items())
    )


_KNOWN = Query(
    StoredEvent,
    lambda backend: select(*columns_of(events, StoredEvent)).where(among(events.c.key, backend)),
)
_ENDS = Query(Ends, _ends)
_HISTORY = Query(
    KnownChange,
    lambda backend: select(*columns_of(changes, KnownChange)).where(
        among(changes.c.receipt, backend)
    ),
)
_CASES = Query(
    KnownCase,
    lambda backend: select(*columns_of(cases, KnownCase)).where(among(cases.c.receipt, backend)),
)
_NEW_EVENTS = insert(events, EventRow)
_NEW_CONFLICTS = insert(conflicts, ConflictRow)
_NEW_CHANGES = insert(changes, ChangeRow)
_MOVED_CASES = upsert(cases, CaseRow)
_SPANS = Write(
    SpanRow,
    lambda _: (
        changes.update()
        .where(changes.c.id == bindparam("of_change"))
        .values(at=bindparam("at"), seen_until=bindparam("seen_until"))
    ),
)
_FLAGS = Write(
    FlagsRow,
    lambda _: (
        events.update().where(events.c.id == bindparam("of_event")).values(flags=bindparam("flags"))
    ),
)
_DECIDED = Write(
    DecidedRow,
    lambda _: (
        events.update()
        .where(events.c.id == bindparam("of_event"))
        .values(
            {name: bindparam(name) for name in DecidedRow.__struct_fields__ if name != "of_event"}
        )
    ),
)


#: Kinds of journal entries of deliveries.
_KINDS = {outcome: f"delivery.{outcome}" for outcome in AppendOutcome}
#: The kind of the entry of what the provider's API told.
RECONCILED = "event.reconciled"


class UnitOfWork:
    """The events of one transaction: `load`, decide, `write`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        #: By source and key; including the new events of this transaction.
        self.known: dict[Name, StoredEvent] = {}
        self._unread: dict[str, list[KnownChange]] = defaultdict(list)
        self._histories: dict[str, dict[int, Change]] = defaultdict(dict)
        self._cases: dict[str, Case] = {}
        #: Who is away, those who are back among them.
        self.absences: Absences = NOBODY_IS_AWAY
        self._ends = Ends(event=0, entry=0, change=0)
        self._new_events: dict[int, Undecided] = {}
        self._decided: dict[int, DecidedRow] = {}
        #: Deliveries after the first of their event.
        self.repeats = Repeats(driver)
        self._flags: dict[int, FlagsRow] = {}
        self._conflicts: list[ConflictRow] = []
        self._new_changes: dict[int, ChangeRow] = {}
        self._spans: dict[int, SpanRow] = {}
        self._moved: dict[str, CaseRow] = {}
        self._asked: list[AskedRow] = []
        self._answered: list[AnsweredRow] = []
        self._escalations: list[EscalationRow] = []
        self._wordings: list[wordings.WordingRow] = []
        self._alerts: list[AlertRow] = []
        self._entries: list[journal.Entry] = []

    async def load(self, batch: Sequence[CaseEvent]) -> None:
        """Read the stored events with these keys, and the histories of their cases."""
        receipts = {event.receipt for event in batch}
        _, (self._ends,), history, known_cases, away = await self._driver.read_all(
            self.look_up((event.source, event.key) for event in batch),
            self._driver.fetch(_ENDS),
            self._driver.fetch(_HISTORY, among=receipts),
            self._driver.fetch(_CASES, among=receipts),
            self._driver.fetch(absences.KNOWN),
        )
        if away:
            self.absences = absences.as_absences(away)
        for change in history:
            self._unread[change.receipt].append(change)
        self._cases = {case.receipt: case_from_row(case) for case in known_cases}

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
        known = sorted(self._histories[receipt].values(), key=attrgetter("at"), reverse=True)
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
            key_basis=event.key_basis._value_,
            flags=encode_set(event.flags),
            body=event.body,
            body_sha256=event.body_sha256,
        )
        return event_id

    def add_conflict(
        self, revision: CaseEvent, *, first: StoredEvent, fields: Sequence[str]
    ) -> int:
        """Add a body whose content conflicts with that of its key's event; returns its id."""
        event_id = self.add_event(revision, revision_of=first.id)
        self._conflicts.append(
            ConflictRow(
                event_id=event_id,
                first_event=first.id,
                source=revision.source,
                fields=json.dumps(fields),
            )
        )
        return event_id

    def mark_conflict(self, stored: StoredEvent) -> None:
        """Flag an event whose key came with other content."""
        known = decode_set(Flag, stored.flags)
        if Flag.CONFLICT in known:
            return
        flags = known | {Flag.CONFLICT}
        if (new := self._new_events.get(stored.id)) is None:
            self._flags[stored.id] = FlagsRow(of_event=stored.id, flags=encode_set(flags))
        else:
            self._new_events[stored.id] = replace(new, event=replace(new.event, flags=flags))

    def journal_delivery(
        self, event: CaseEvent, *, event_id: int, outcome: AppendOutcome, repeats: int | None = None
    ) -> None:
        """Add a delivery's journal entry; `repeats` is how many came after the event's first."""
        self._entries.append(
            journal.Entry(
                at=event.received_at,
                kind=_KINDS[outcome] if event.origin is Origin.WEBHOOK else RECONCILED,
                actor=f"source:{event.source}",
                subject=f"event:{event_id}",
                data={
                    "body_sha256": event.body_sha256,
                    "key": event.key,
                    "receipt": event.receipt,
                    "request_id": event.request_id,
                    "secret": event.secret_label,
                    **({} if repeats is None else {"repeats": repeats}),
                },
            )
        )

    def decide(self, decided: Decided, *, now: Micros) -> None:
        """Add the decision about an event, a new or a stored one, and its alerts.

        The steps that may fail come first, so that a decision is added whole or not at all.
        """
        event, change = decided.event, decided.change
        alerts = [alert_row(alert, now=now) for alert in decided.alerts]
        entry = _entry(decided, now=now)
        if wording := wordings.row_of(decided):
            self._wordings.append(wording)
        if asked := queue.asked_row(decided):
            self._asked.append(asked)
        if answered := queue.answered_row(decided, now=now):
            self._answered.append(answered)
        self._escalations += escalations.new_rows(decided, now=now)
        if decided.decision is not None:
            days = None
            if change.status in outcomes.DECISIONS:
                days = outcomes.days_to(change, history=self.history(event.receipt))
            self._new_changes[change.id] = change_row(decided, days=days, now=now)
        elif (new := self._new_changes.get(change.id)) is not None:
            self._new_changes[change.id] = replace(new, at=change.at, seen_until=change.seen_until)
        else:
            self._spans[change.id] = SpanRow(
                of_change=change.id, at=change.at, seen_until=change.seen_until
            )
        self._histories[event.receipt][change.id] = change
        if decided.current:
            self._moved[event.receipt] = CaseRow(
                receipt=event.receipt,
                status=event.status._value_,
                text=event.text,
                at=decided.at,
                change_id=change.id,
                updated_at=now,
            )
        self._decided[decided.id] = DecidedRow(
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
        self._alerts += [alert_row(alert, now=now) for alert in new]

    async def write(self) -> None:
        """Write all of it."""
        run = self._driver.run
        new = [
            event_row(
                one.event,
                id=one.id,
                revision_of=one.revision_of,
                decided=self._decided.pop(one.id, None),
            )
            for one in self.undecided
        ]
        await run(_NEW_EVENTS, new)
        await self.repeats.write()
        await run(_NEW_CONFLICTS, self._conflicts)
        await run(_FLAGS, list(self._flags.values()))
        await run(_NEW_CHANGES, list(self._new_changes.values()))
        await run(queue.NEW, self._asked)
        # What was asked in this transaction may be answered in it.
        await run(queue.ANSWERED, self._answered)
        await run(escalations.NEW, self._escalations)
        await run(_SPANS, list(self._spans.values()))
        await run(_MOVED_CASES, list(self._moved.values()))
        # Only of events that were stored before: a new event has its decision in its row.
        await run(_DECIDED, list(self._decided.values()))
        await run(wordings.COUNTED, self._wordings)
        await run(outbox.NEW_ALERTS, self._alerts)
        await run(journal.NEW_ENTRIES, journal.rows(self._entries, after=self._ends.entry))


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


async def read_undecided(
    connection: AsyncConnection, *, after: int, limit: int
) -> tuple[list[Undecided], dict[int, Exception]]:
    """The oldest undecided events whose id is higher than `after`.

    Also the ids of rows that cannot be read (a word of a later release, damage), with the errors.
    """
    statement = (
        select(events)
        .where(events.c.routed_at.is_(None), events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    found: list[Undecided] = []
    broken: dict[int, Exception] = {}
    for row in await connection.execute(statement):
        try:
            event = event_from_row(row)
        except Exception as error:  # noqa: BLE001 - of any kind: operations are told
            broken[row.id] = error
        else:
            found.append(Undecided(id=row.id, event=event, revision_of=row.revision_of))
    return found, broken


async def any_undecided(connection: AsyncConnection) -> bool:
    """Whether an event is undecided."""
    statement = select(events.c.id).where(events.c.routed_at.is_(None)).limit(1)
    return (await connection.execute(statement)).first() is not None
