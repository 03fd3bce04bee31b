"""Templates of rows: what Casebell itself writes when each case history is delivered once.

Deliveries go through the receiver, the router and the dispatcher, alerts to servers on the
loopback. Then the tables are read, and all rows that one delivery brought are put together.
"""

import asyncio
import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case_histories import CaseHistory, Step, case_histories
from casebell.events import Delivery
from casebell.runtime import Runtime
from casebell.sandbox.deliveries import headers_for
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import load
from casebell.store import queries
from casebell.telemetry import configure_logging

#: What the store was made with and a server on it is given; `{office}` and `{gone}` are ports.
RULES = """
[sources.parley]
kind = "parley"
secrets = ["benchmark-secret-of-thirty-two-b"]
[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["benchmark-secret-of-thirty-two-b"]
[channels.office]
url = "json://127.0.0.1:{office}/"
pace = "0s"
[channels.gone]
url = "json://127.0.0.1:{gone}/"
pace = "0s"
[[rules]]
name = "Answer owed to USCIS"
when = [{{ status = ["rfe_issued"] }}, {{ tags = ["deadline"] }}]
notify = ["office"]
urgent = true
[[rules]]
name = "Denied"
when = {{ status = ["denied"] }}
notify = ["office"]
[[rules]]
name = "To a channel that is gone"
when = {{ status = ["rfe_received"], source = ["torch"] }}
notify = ["gone"]
[[rules]]
name = "Everything else"
when = {{}}
notify = []
"""
SECRET = "benchmark-secret-of-thirty-two-b"

Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of the journal: what it is about is the event, its change or its alert."""

    kind: str
    actor: str
    about: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """Everything that one delivery of a history brought, with its repeats."""

    event: Columns
    #: The step of this history that began the event's change: often this one.
    founder: int
    #: Change ids in the event's reason -> the step that began that change.
    named: Mapping[int, int]
    repeats: Sequence[Columns]
    #: Where it began a change.
    change: Columns | None
    alerts: Sequence[tuple[Columns, Sequence[Columns]]]
    entries: Sequence[Entry]
    #: With the last of its history: the row of the case, and the step whose change it names.
    case: tuple[Columns, int] | None


async def make_templates() -> list[list[Template]]:
    """The templates of each history, step by step."""
    histories = case_histories()
    with tempfile.TemporaryDirectory(prefix="casebell-templates-") as name:
        directory = Path(name)
        async with HttpSink() as office, HttpSink() as gone:
            gone.answer(HttpAnswer(status=404))
            await _deliver_all(
                directory, histories, RULES.format(office=office.port, gone=gone.port)
            )
        with closing(sqlite3.connect(directory / "templates.db")) as connection:
            return _read(connection, histories)


async def _deliver_all(directory: Path, histories: Sequence[CaseHistory], rules: str) -> None:
    config = directory / "config.toml"
    config.write_text(f'[storage]\nurl = "sqlite:///templates.db"\n{rules}')
    config.chmod(0o600)
    with (directory / "log").open("w") as log:
        configure_logging(log)
        runtime = Runtime(load(config))
        async with runtime.running():
            for place in range(max(len(history.steps) for history in histories)):
                due = [history.steps[place] for history in histories if place < len(history.steps)]
                await asyncio.gather(*(_deliver(runtime, step) for step in due))
                await _settled(runtime)


async def _deliver(runtime: Runtime, step: Step) -> None:
    source = runtime.in_force.settings().sources[step.source]
    for _ in range(1 + step.again):
        now = runtime.clock.now()
        headers = headers_for(
            source, step.body, secret=SECRET, at=now // 1_000_000, idempotency_key="template"
        )
        accepted = await runtime.receiver.accept(
            Delivery(
                source=step.source,
                body=step.body,
                headers=tuple((k.lower().encode(), v.encode()) for k, v in headers.items()),
                address="203.0.113.7",
                received_at=now,
                request_id="template",
            )
        )
        assert accepted.status in ("stored", "duplicate"), accepted


async def _settled(runtime: Runtime) -> None:
    while True:
        async with runtime.store.read() as connection:
            waiting = await queries.backlog(connection)
        if not waiting["unrouted"] and not waiting["alerts"]:
            return
        await asyncio.sleep(0.002)


def _read(connection: sqlite3.Connection, histories: Sequence[CaseHistory]) -> list[list[Template]]:
    connection.row_factory = sqlite3.Row

    def table(name: str) -> list[Columns]:
        return [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1")]

    def by(column: str, rows: list[Columns]) -> dict[Any, list[Columns]]:
        grouped = defaultdict(list)
        for row in rows:
            grouped[row[column]].append(row)
        return grouped

    of_receipt = by("receipt", table("events"))
    changes = {row["event_id"]: row for row in table("changes")}
    cases = {row["receipt"]: row for row in table("cases")}
    repeats, alerts = by("event_id", table("deliveries")), by("event_id", table("alerts"))
    attempts, journal = by("alert_id", table("attempts")), by("subject", table("journal"))

    def template(rows: list[Columns], place: int) -> Template:
        event = rows[place]
        step_of = {
            changes[row["id"]]["id"]: at for at, row in enumerate(rows) if row["id"] in changes
        }
        entries = _entries(journal[f"event:{event['id']}"], "event")
        of_change = [
            entry
            for entry in journal[f"change:{event['change_id']}"]
            if json.loads(entry["data"])["event"] == event["id"]
        ]
        entries += _entries(of_change, "change")
        for alert in alerts[event["id"]]:
            entries += _entries(journal[f"alert:{alert['id']}"], "alert")
        case = cases[event["receipt"]]
        return Template(
            event=event,
            founder=step_of[event["change_id"]],
            named=step_of,
            repeats=repeats[event["id"]],
            change=changes.get(event["id"]),
            alerts=[(alert, attempts[alert["id"]]) for alert in alerts[event["id"]]],
            entries=entries,
            case=(case, step_of[case["change_id"]]) if place == len(rows) - 1 else None,
        )

    made = [of_receipt[history.receipt] for history in histories]
    assert [len(rows) for rows in made] == [len(history.steps) for history in histories]
    return [[template(rows, place) for place in range(len(rows))] for rows in made]


def _entries(rows: list[Columns], about: str) -> list[Entry]:
    return [
        Entry(kind=row["kind"], actor=row["actor"], about=about, data=json.loads(row["data"]))
        for row in rows
    ]
