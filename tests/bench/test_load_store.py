"""The large store that benchmarks are run on: that it is what Casebell itself would have left."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.templates import RULES, SECRET
from casebell.alerts import AlertState
from casebell.cli.main import run
from casebell.events import CaseEvent, Delivery, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.route.classification import Meanings, classify_event
from casebell.runtime import Runtime
from casebell.settings import SourceSettings, load
from casebell.store import journal
from casebell.store.engine import Store
from casebell.store.integrity import inspect_copy
from casebell.store.rows import encode_set, event_row
from contracts.decisions import append_undecided
from contracts.writing import writing
from e2e.sender import deliver
from e2e.server import PARLEY_SECRET, Server

#: It belongs to the benchmarks, which no user runs.
pytestmark = pytest.mark.slow

EVENTS = 2_000


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small one; not to be written to."""
    directory = tmp_path_factory.mktemp("loaded")
    command: list[str | Path] = [
        sys.executable,
        Path(__file__).with_name("load_store.py"),
        directory,
    ]
    subprocess.run([*command, "--events", str(EVENTS)], check=True, capture_output=True)
    return directory


@pytest.fixture
def directory(loaded: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(loaded, tmp_path / "copy")
    return tmp_path / "copy"


def rows(database: Path, statement: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement)]


async def test_tables_are_those_of_the_migrations(loaded: Path, tmp_path: Path) -> None:
    """Every table and index is there, spelt as a migrated store has it."""
    async with Store(f"sqlite:///{tmp_path}/migrated.db"):
        pass
    master = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert rows(loaded / "casebell.db", master) == rows(tmp_path / "migrated.db", master)


def test_contents(loaded: Path) -> None:
    """It is whole, and holds of everything some."""
    contents = inspect_copy(loaded / "casebell.db")
    assert (contents.events, contents.waiting) == (EVENTS, 0)
    database = loaded / "casebell.db"
    assert rows(database, "PRAGMA foreign_key_check") == []
    for table in ("deliveries", "changes", "cases", "attempts", "refused"):
        assert rows(database, f"SELECT count(*) AS n FROM {table}")[0]["n"] > 10, table
    of_case = Counter(row["receipt"] for row in rows(database, "SELECT receipt FROM events"))
    assert (min(of_case.values()), max(of_case.values())) == (1, 30)
    states = {row["state"] for row in rows(database, "SELECT state FROM alerts")}
    assert states == {AlertState.SENT, AlertState.FAILED}
    assert {row["state"] for row in rows(database, "SELECT state FROM held")} == {
        "held",
        "discarded",
    }


def test_journal(loaded: Path) -> None:
    """The journal runs without gaps, each entry with its own leaf, and tells of every row."""
    entries = rows(loaded / "casebell.db", "SELECT * FROM journal ORDER BY seq")
    for number, entry in enumerate(entries, start=1):
        leaf = entry.pop("leaf")
        assert entry["seq"] == number
        assert leaf == journal.leaf_hash(journal.entry_bytes(**entry))
    told = Counter(entry["kind"] for entry in entries)
    for kind, table in (
        ("delivery.stored", "events"),
        ("delivery.duplicate", "deliveries"),
        ("decision.made", "changes"),
        ("alert.attempted", "attempts"),
        ("delivery.held", "held"),
        ("delivery.refused", "refused"),
    ):
        assert told[kind] == rows(loaded / "casebell.db", f"SELECT count(*) n FROM {table}")[0]["n"]


def test_events_are_what_is_understood(loaded: Path) -> None:
    """Each event is what its body is understood to be, and classified as it would be today."""
    sources = load(loaded / "config.toml").sources
    for row in rows(loaded / "casebell.db", "SELECT * FROM events"):
        event = understood(row, sources)
        taken_for = classify_event(event, Meanings())
        made = structs.asdict(event_row(event, id=row["id"], revision_of=row["revision_of"]))
        made |= {"status": taken_for.status, "tags": encode_set(taken_for.tags)}
        # Folding adds flags.
        flags = set(made.pop("flags").split()) | {str(flag) for flag in taken_for.flags}
        assert flags <= set(row["flags"].split())
        for name in ("routed_at", "change_id", "fold_reason"):
            del made[name]
        assert made == {name: row[name] for name in made}


async def test_decisions_are_the_routers(loaded: Path, tmp_path: Path) -> None:
    """A store with the same events alone is routed to the same changes, cases and alerts."""
    (tmp_path / "config.toml").write_text((loaded / "config.toml").read_text())
    (tmp_path / "config.toml").chmod(0o600)
    settings = load(tmp_path / "config.toml")
    runtime = Runtime(settings)
    async with runtime.opened():
        for chunk in in_chunks(rows(loaded / "casebell.db", "SELECT * FROM events ORDER BY id")):
            events = [understood(row, settings.sources) for row in chunk]
            async with writing(runtime.store) as connection:
                await append_undecided(connection, events)
            await runtime.router.decide_again()
    own = {
        "events": "id, status, tags, change_id, fold_reason, flags, revision_of",
        "changes": "id, receipt, status, tags, text_key, at, seen_until, event_id, late, decision",
        "cases": "receipt, status, text, at, change_id, label, confidential",
        "alerts": "subject, channel, target, rules, priority, change_id, event_id, note",
    }
    for table, columns in own.items():
        statement = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
        routed = rows(tmp_path / "casebell.db", statement)
        assert rows(loaded / "casebell.db", statement) == routed, table


def understood(row: dict[str, Any], sources: Mapping[str, SourceSettings]) -> CaseEvent:
    """What is made of an event's body today."""
    delivery = Delivery(
        source=row["source"],
        body=row["body"],
        headers=((b"idempotency-key", row["idempotency_key"].encode()),),
        address=row["address"],
        received_at=row["received_at"],
        request_id=row["request_id"],
    )
    verified = VerifiedDelivery(delivery=delivery, secret_label=row["secret_label"])
    return understand(verified, sources[row["source"]])


def in_chunks(all_rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(all_rows), 100):
        yield all_rows[first : first + 100]


async def test_the_real_server_goes_on_with_it(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server starts on it and takes a delivery; the command line reads old and new alike."""
    config = RULES.format(office=9, gone=9).replace(SECRET, PARLEY_SECRET)
    server = Server(directory, config)

    async def ask(*arguments: str) -> list[str]:
        """What a command prints."""
        given = [*arguments, "--config", str(server.config)]
        # In this process, which has loaded what commands need; in a thread, for it has a loop.
        assert await asyncio.to_thread(run, given) == 0, arguments
        return capsys.readouterr().out.splitlines()

    try:
        await server.start()
        # About a case that is known: it is folded into its history.
        ((receipt,),) = server.rows("SELECT receipt FROM events WHERE id = 5")
        news = {"normalized_status": "received", "raw_status_text": "Case Was Received"}
        answer = await deliver(server, receipt_number=receipt, **news)
        assert answer["row"] == EVENTS + 1
        await server.settled()
        listed = [json.loads(line) for line in await ask("events", "list", "--json")]
        assert [one["id"] for one in listed] == list(range(EVENTS + 1, EVENTS - 49, -1))
        of_case = await ask("events", "list", "--json", "--receipt", receipt)
        assert {EVENTS + 1, 5} <= {json.loads(line)["id"] for line in of_case}
        for number in (1, EVENTS, EVENTS + 1):
            (shown,) = await ask("events", "show", str(number), "--json")
            assert json.loads(shown)["id"] == number
            assert (await ask("why", str(number)))[0].startswith(f"Event {number} from ")
        *exported, last = await ask("events", "export")
        assert len(exported) == json.loads(last)["export"]["rows"] == EVENTS + 1
        assert (await ask("backup", str(directory / "copy.db")))[0].startswith("Wrote ")
        assert await server.stop() == 0
    finally:
        await server.gone()
