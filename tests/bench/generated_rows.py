"""The rows of a part of a store: each event's template with its own numbers, names and times."""

import dataclasses
import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import structs

from bench.case_histories import event_id, receipt_number
from bench.schedule import Numbers, Schedule
from bench.templates import Columns, Entry, Template
from casebell.store import journal
from casebell.uscis.receipts import mask

#: In the order in which rows may refer to others.
TABLES = ("events", "deliveries", "changes", "cases", "alerts", "attempts", "journal")
#: Microseconds from a delivery to its decision, and to the end of its first attempt.
_DECIDED, _TRIED = 3_000, 12_000
#: Events whose rows are written in one go.
_BATCH = 2_000

_CHANGE = re.compile(r"(?<=change )\d+")


def write_chunk(schedule: Schedule, chunk: int, directory: Path) -> Path:
    """Write a chunk into a database of its own, in tables without indexes or constraints."""
    path = directory / f"chunk-{chunk}.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        events = schedule.events(chunk)
        generator = _RowGenerator(schedule, schedule.before[chunk])
        for first in events[::_BATCH]:
            rows = generator.rows(range(first, min(first + _BATCH, events.stop)))
            connection.execute("BEGIN")
            for table, of_table in rows.items():
                _insert(connection, table, of_table)
            connection.execute("COMMIT")
    assert generator.last == schedule.before[chunk + 1], "the schedule counted other rows"
    return path


def _insert(connection: sqlite3.Connection, table: str, rows: list[Columns]) -> None:
    names = ", ".join(f'"{name}"' for name in rows[0])
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({names})")
    marks = ", ".join("?" * len(rows[0]))
    connection.executemany(
        f"INSERT INTO {table} VALUES ({marks})", [tuple(row.values()) for row in rows]
    )


class _RowGenerator:
    """Makes rows, one event after the other."""

    def __init__(self, schedule: Schedule, last: Numbers) -> None:
        self._schedule = schedule
        self.last = last

    def rows(self, events: range) -> Mapping[str, list[Columns]]:
        """The rows of some events, by table; each has its table's columns in their order."""
        made: dict[str, list[Columns]] = defaultdict(list)
        entries: list[journal.Entry] = []
        changes, alerts, attempts = self.last.changes, self.last.alerts, self.last.attempts
        deliveries = self.last.deliveries
        for event in events:
            template = self._schedule.template(event)
            here = _EventRows(self._schedule, event, template)
            made["events"].append(here.event())
            for repeat in template.repeats:
                deliveries += 1
                made["deliveries"].append(here.repeat(repeat, deliveries))
            if template.change is not None:
                changes += 1
                made["changes"].append(here.change(template.change, changes))
            if template.case is not None:
                made["cases"].append(here.case(*template.case))
            digests = []
            first_alert = alerts + 1
            for alert, tried in template.alerts:
                alerts += 1
                made["alerts"].append(here.alert(alert, alerts))
                for attempt in tried:
                    attempts += 1
                    row = here.attempt(attempt, number=attempts, alert=alerts)
                    made["attempts"].append(row)
                    digests.append(journal.digest(f"{row['title']}\n{row['body']}"))
            entries += here.entries(first_alert, digests)
        made["journal"] = [
            structs.asdict(row) for row in journal.rows(entries, after=self.last.journal)
        ]
        self.last = dataclasses.replace(
            self.last,
            events=events.stop,
            changes=changes,
            alerts=alerts,
            attempts=attempts,
            deliveries=deliveries,
            journal=self.last.journal + len(entries),
        )
        return made


class _EventRows:
    """The rows of one event: its template with its own values."""

    def __init__(self, schedule: Schedule, event: int, template: Template) -> None:
        self._template = template
        self._row = template.event
        self._id = event + 1
        case = schedule.case[event]
        self._changes = schedule.change_of
        self._base = schedule.base[case]
        self._at = schedule.received_at(event)
        self._receipt = receipt_number(case)
        self._request_id = f"req_{event * 0x9E3779B97F4A7C15F39CC061 % 2**96:024x}"
        row = self._row
        body: bytes = row["body"].replace(row["receipt"].encode(), self._receipt.encode())
        if row["key_basis"] == "id":
            self._key = event_id(event + 2**40, at=self._at)
            body = body.replace(row["key"].encode(), self._key.encode())
        else:
            self._key = row["key"].replace(row["receipt"], self._receipt)
        self._body = body
        self._sha256 = hashlib.sha256(body).hexdigest()

    def event(self) -> Columns:
        return {
            **self._row,
            "id": self._id,
            "key": self._key,
            "receipt": self._receipt,
            "receipt_raw": self._receipt,
            "received_at": self._at,
            "body": self._body,
            "body_sha256": self._sha256,
            "idempotency_key": f"{self._id:032x}",
            "request_id": self._request_id,
            "routed_at": self._at + _DECIDED,
            "change_id": self._change(self._template.founder),
            "fold_reason": _CHANGE.sub(self._named, self._row["fold_reason"]),
        }

    def repeat(self, row: Columns, number: int) -> Columns:
        return {
            **row,
            "id": number,
            "event_id": self._id,
            "at": self._at + 1,
            "idempotency_key": f"{self._id:032x}",
            "request_id": self._request_id,
            "body_sha256": self._sha256,
        }

    def change(self, row: Columns, number: int) -> Columns:
        return {
            **row,
            "id": number,
            "receipt": self._receipt,
            "event_id": self._id,
            "decided_at": self._at + _DECIDED,
        }

    def case(self, row: Columns, founder: int) -> Columns:
        return {
            **row,
            "receipt": self._receipt,
            "change_id": self._change(founder),
            "updated_at": self._at + _DECIDED,
        }

    def alert(self, row: Columns, number: int) -> Columns:
        change = self._change(self._template.founder)
        ended = self._at + _TRIED
        return {
            **row,
            "id": number,
            "subject": f"change:{change}",
            "change_id": change,
            "event_id": self._id,
            "created_at": self._at + _DECIDED,
            "not_before": ended,
            "finished_at": ended,
            "sent_at": row["sent_at"] and ended,
        }

    def attempt(self, row: Columns, *, number: int, alert: int) -> Columns:
        old, new = mask(self._row["receipt"]), mask(self._receipt)
        named = f"event {self._row['id']}\n", f"event {self._id}\n"
        return {
            **row,
            "id": number,
            "alert_id": alert,
            "started_at": self._at + _DECIDED,
            "finished_at": self._at + _TRIED,
            "title": row["title"].replace(old, new),
            "body": row["body"].replace(old, new).replace(*named),
        }

    def entries(self, alert: int, digests: list[str]) -> Iterator[journal.Entry]:
        """Its entries in the journal.

        Args:
            alert: the number of its first alert.
            digests: of what its attempts said.
        """
        tried = iter(digests)
        for entry in self._template.entries:
            if entry.about == "event":
                yield self._entry(entry, self._at, f"event:{self._id}")
            elif entry.about == "change":
                subject = f"change:{self._change(self._template.founder)}"
                yield self._entry(entry, self._at + _DECIDED, subject)
            else:
                said = {"message_sha256": next(tried)}
                yield self._entry(entry, self._at + _TRIED, f"alert:{alert}", said)
                alert += 1

    def _entry(
        self, entry: Entry, at: int, subject: str, more: Mapping[str, Any] | None = None
    ) -> journal.Entry:
        own = {
            "key": self._key,
            "receipt": self._receipt,
            "body_sha256": self._sha256,
            "request_id": self._request_id,
            "event": self._id,
            **(more or {}),
        }
        data = {name: own.get(name, value) for name, value in entry.data.items()}
        return journal.Entry(at=at, kind=entry.kind, actor=entry.actor, subject=subject, data=data)

    def _change(self, step: int) -> int:
        return self._changes[self._base + step]

    def _named(self, found: re.Match[str]) -> str:
        return str(self._change(self._template.named[int(found[0])]))
