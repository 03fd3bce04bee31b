"""The decisions of one batch of events: read together, worked out in memory, written together.

A router that asked the database for each event would be the slowest part of the way: every
statement is a switch of threads or a round trip. So the docket reads the histories and cases of a
batch's receipts in three statements, keeps them as they change while the batch is decided, and
writes everything in one transaction of a few statements.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, Change, Flag, Micros, Status, Tag
from casebell.store import journal, outbox
from casebell.store.cases import table_rows
from casebell.store.rows import case_from_row, change_from_row, words
from casebell.store.schema import alerts, cases, changes, events
from casebell.store.schema import journal as journal_table
from casebell.store.tables import Tables, by_position

#: Changes of one receipt that are looked at; a case has a few dozen in its life.
HISTORY_LIMIT = 500

_CONFLICT = frozenset({Flag.CONFLICT})
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

#: A conflict is all that may come to an event between reading it and writing its decision.
_FLAGGED: ColumnElement[bool] = literal_column(f"events.flags LIKE '% {Flag.CONFLICT} %'")
_MARK = (
    events.update()
    .where(events.c.id == bindparam("of_event"))
    .values(
        status=bindparam("status"),
        tags=bindparam("tags"),
        flags=case((_FLAGGED, bindparam("flags_in_conflict")), else_=bindparam("flags")),
        routed_at=bindparam("routed_at"),
        change_id=bindparam("change_id"),
        fold_reason=bindparam("fold_reason"),
    )
)
_SPAN = (
    changes.update()
    .where(changes.c.id == bindparam("of_change"))
    .values(at=bindparam("at"), seen_until=bindparam("seen_until"))
)


class Record:
    """A decision as it is written: encoded once, however often it is taken.

    Args:
        decision: as JSON values, with the keys of `route.decide.Decision.as_record`.
    """

    def __init__(self, decision: Mapping[str, Any]) -> None:
        #: As a change's row holds it.
        self.text = _JSON.encode(decision)
        parts = {name: journal.encode_data(value) for name, value in decision.items()}
        self._begins = {name: f'"{name}":{parts.get(name, "")}' for name in (*parts, *_OF_CHANGE)}
        self._names = sorted(self._begins)

    def entry(self, *, event_id: int, receipt: str, status: Status) -> str:
        """The data of the journal's entry about it, in canonical JSON."""
        own = {"event": str(event_id), "receipt": f'"{receipt}"', "status": f'"{status._value_}"'}
        pieces = [self._begins[name] + own.get(name, "") for name in self._names]
        return f"{{{','.join(pieces)}}}"


#: What an entry about a decision says beside it.
_OF_CHANGE = ("event", "receipt", "status")


class Docket:
    """One batch. `load` it, decide, `write` it."""

    def __init__(
        self, *, changes: Iterable[Change], cases: Iterable[Case], last_change: int
    ) -> None:
        self._changes: dict[str, dict[int, Change]] = defaultdict(dict)
        for change in changes:
            self._changes[change.receipt][change.id] = change
        self._cases = {case.receipt: case for case in cases}
        self._last_change = last_change
        self._new: dict[int, dict[str, Any]] = {}
        self._moved: dict[str, dict[str, Any]] = {}
        self._spans: dict[int, Change] = {}
        self._marks: list[dict[str, Any]] = []
        self._alerts: list[dict[str, Any]] = []
        #: Kind, subject, time and data of entries.
        self._entries: list[tuple[str, str, Micros, str]] = []

    @classmethod
    async def load(cls, connection: AsyncConnection, receipts: Iterable[str]) -> "Docket":
        """What is known of these receipts."""
        asked = sorted(set(receipts))
        known = await connection.execute(
            select(
                changes.c.id,
                changes.c.receipt,
                changes.c.status,
                changes.c.tags,
                changes.c.text_key,
                changes.c.at,
                changes.c.seen_until,
            ).where(changes.c.receipt.in_(asked))
        )
        rows = await connection.execute(select(cases).where(cases.c.receipt.in_(asked)))
        last = await connection.execute(select(func.coalesce(func.max(changes.c.id), 0)))
        return cls(
            changes=[change_from_row(row) for row in known],
            cases=[case_from_row(row) for row in rows],
            last_change=int(last.scalar_one()),
        )

    @classmethod
    def load_at_once(cls, bare: sqlite3.Connection, receipts: Iterable[str]) -> "Docket":
        """`load` on a bare SQLite connection."""
        asked = sorted(set(receipts))
        (last,) = bare.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()
        return cls(
            changes=map(change_from_row, table_rows(bare, changes, "receipt", asked)),
            cases=map(case_from_row, table_rows(bare, cases, "receipt", asked)),
            last_change=last,
        )

    def history(self, receipt: str) -> Sequence[Change]:
        """The changes known of a receipt, those of this batch included; the latest ones."""
        known = sorted(self._changes[receipt].values(), key=lambda change: -change.at)
        return known[:HISTORY_LIMIT]

    def case(self, receipt: str) -> Case:
        """What the firm told us of a receipt; an empty case when nothing."""
        return self._cases.get(receipt) or Case(receipt=receipt)

    def add_change(
        self,
        *,
        receipt: str,
        status: Status,
        tags: frozenset[Tag],
        text_key: str,
        at: Micros,
        seen_until: Micros,
        event_id: int,
        late: bool,
        now: Micros,
        decision: Record,
    ) -> int:
        """Found a change, with its decision; return its id."""
        self._last_change += 1
        number = self._last_change
        self._changes[receipt][number] = Change(
            id=number,
            receipt=receipt,
            status=status,
            tags=tags,
            text_key=text_key,
            at=at,
            seen_until=seen_until,
        )
        self._new[number] = {
            "id": number,
            "receipt": receipt,
            "status": status.value,
            "tags": words(tags),
            "text_key": text_key,
            "at": at,
            "seen_until": seen_until,
            "event_id": event_id,
            "late": late,
            "decided_at": now,
            "decision": decision.text,
        }
        self._note(
            "decision.made",
            number,
            now,
            decision.entry(event_id=event_id, receipt=receipt, status=status),
        )
        return number

    def corroborate(
        self,
        *,
        receipt: str,
        change_id: int,
        event_id: int,
        status: Status,
        at: Micros,
        seen_until: Micros,
        now: Micros,
    ) -> None:
        """Note that one more event reported a known change, perhaps for another time."""
        old = self._changes[receipt][change_id]
        new = Change(
            id=old.id,
            receipt=receipt,
            status=old.status,
            tags=old.tags,
            text_key=old.text_key,
            at=min(old.at, at),
            seen_until=max(old.seen_until, seen_until),
        )
        self._changes[receipt][change_id] = new
        if change_id in self._new:
            self._new[change_id] |= {"at": new.at, "seen_until": new.seen_until}
        else:
            self._spans[change_id] = new
        told = journal.encode_data({"event": event_id, "status": status})
        self._note("change.corroborated", change_id, now, told)

    def move_case(
        self,
        *,
        receipt: str,
        status: Status,
        text: str,
        at: Micros,
        change_id: int,
        now: Micros,
    ) -> None:
        """Set a case's current status."""
        self._moved[receipt] = {
            "receipt": receipt,
            "status": status.value,
            "text": text,
            "at": at,
            "change_id": change_id,
            "updated_at": now,
        }

    def mark_routed(
        self,
        *,
        event_id: int,
        change_id: int,
        status: Status,
        tags: frozenset[Tag],
        flags: frozenset[Flag],
        reason: str,
        now: Micros,
    ) -> None:
        """Note that an event has its verdict and decision: it is not picked up again.

        `flags` are all that it has now.
        """
        self._marks.append(
            {
                "of_event": event_id,
                "status": status.value,
                "tags": words(tags),
                "flags": words(flags),
                "flags_in_conflict": words(flags | _CONFLICT),
                "routed_at": now,
                "change_id": change_id,
                "fold_reason": reason,
            }
        )

    def tell(self, new: Sequence[outbox.NewAlert], *, now: Micros) -> None:
        """Put alerts into the outbox; those already there stay as they are."""
        self._alerts += [outbox.row_of(alert, now=now) for alert in new]

    def write(self, tables: Tables) -> None:
        """Write all of it inside the caller's transaction."""
        if self._new:
            tables.insert(changes, *by_position(list(self._new.values())))
        if self._spans:
            tables.run(
                _SPAN,
                [
                    {"of_change": number, "at": change.at, "seen_until": change.seen_until}
                    for number, change in self._spans.items()
                ],
            )
        if self._moved:
            # A case that is new here may have been made meanwhile, by somebody who labels cases.
            tables.upsert(cases, list(self._moved.values()))
        if self._alerts:
            tables.insert_new(alerts, self._alerts)
        if self._marks:
            tables.run(_MARK, self._marks)
        if self._entries:
            _, last_seq = tables.last()
            entries = [
                journal.row(seq=seq, at=at, kind=kind, actor="router", subject=subject, data=data)
                for seq, (kind, subject, at, data) in enumerate(self._entries, start=last_seq + 1)
            ]
            tables.insert(journal_table, journal.COLUMNS, entries)

    def _note(self, kind: str, change_id: int, now: Micros, data: str) -> None:
        self._entries.append((kind, f"change:{change_id}", now, data))
