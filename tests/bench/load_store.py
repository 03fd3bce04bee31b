"""Makes a large store quickly: what Casebell itself would have left, in minutes instead of hours.

    python tests/bench/load_store.py DIRECTORY                  ten million events
    python tests/bench/load_store.py DIRECTORY --events 2000    a small one

The directory gets `casebell.db` and a `config.toml` that fits it. The tables are made by the
migrations; the rows are cast after those that deliveries through the real server left (see
`templates.py`), by several processes; indexes are dropped and made again word for word. Held and
refused deliveries are stored by the store's own functions at the end.
"""

import argparse
import asyncio
import hashlib
import importlib
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.generated_rows import TABLES, write_chunk
from bench.schedule import Schedule
from bench.templates import RULES, make_templates
from casebell.clock import SystemClock
from casebell.events import Delivery, HeldReason, HeldState, Micros, VerifiedDelivery
from casebell.store import held, refused
from casebell.store.engine import Connection, Store
from contracts.actors import ADMIN
from contracts.writing import writing

#: Its tables have what the migration makes of rows that were there before.
_MIGRATION = importlib.import_module("casebell.store.migrations.versions.0002_field")

_CONFIG = '[server]\nport = 0\n[storage]\nurl = "sqlite:///casebell.db"\n'


def main() -> None:
    """Make one and say how long it took."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("directory", type=Path)
    options.add_argument("--events", type=int, default=10_000_000)
    asked = options.parse_args()
    if (asked.directory / "casebell.db").exists():
        sys.exit(f"{asked.directory} has a store already.")
    began = time.monotonic()
    load_store(asked.directory, events=asked.events)
    size = (asked.directory / "casebell.db").stat().st_size
    took = time.monotonic() - began
    print(f"{asked.events:,} events, {size / 1e9:.2f} GB, in {took:.0f} s")


def load_store(directory: Path, *, events: int) -> None:
    """Make a store of that many events, and its configuration, in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "config.toml"
    # Nobody listens on these: nothing waits to be sent.
    config.write_text(_CONFIG + RULES.format(office=9, gone=9))
    config.chmod(0o600)
    database = directory / "casebell.db"
    end = SystemClock().now() - 60_000_000
    templates = asyncio.run(make_templates())
    chunk = min(100_000, max(1, events // 4))
    schedule = Schedule(templates, count=events, chunk=chunk, end=end)
    _say("scheduled")
    asyncio.run(_migrate(database))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        _in_a_hurry(connection, events)
        with _without_indexes(connection):
            _write(connection, schedule, directory)
        began = time.monotonic()
        connection.execute(_MIGRATION.TARGETS_SO_FAR)
        _say(f"targets, in {time.monotonic() - began:.1f} s")
    asyncio.run(_refuse_and_hold(database, count=max(20, events // 1_000), end=end))
    _say("held and refused")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


async def _migrate(database: Path) -> None:
    async with Store(f"sqlite:///{database}"):
        pass


def _in_a_hurry(connection: sqlite3.Connection, events: int) -> None:
    """Nothing here survives a crash, and nothing need: who is interrupted begins again."""
    # Sorting needs as much again as an index; beside the database there is room.
    os.environ["SQLITE_TMPDIR"] = str(
        Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent
    )
    for setting in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        f"cache_size = -{min(3_000_000, 20_000 + events // 3)}",
        f"threads = {os.cpu_count() or 1}",
    ):
        connection.execute(f"PRAGMA {setting}")


@contextmanager
def _without_indexes(connection: sqlite3.Connection) -> Iterator[None]:
    """Drop the indexes of the tables that are filled, and make them again as they were."""
    marks = ", ".join("?" * len(TABLES))
    dropped = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        f"AND tbl_name IN ({marks})",
        TABLES,
    ).fetchall()
    for name, _ in dropped:
        connection.execute(f"DROP INDEX {name}")
    yield
    for name, sql in dropped:
        connection.execute(sql)
        _say(name)


def _write(connection: sqlite3.Connection, schedule: Schedule, directory: Path) -> None:
    """Have chunks written by as many processes as there are processors, and take them in."""
    with tempfile.TemporaryDirectory(prefix="chunks-", dir=directory) as name:
        chunks = Path(name)
        # Children share the schedule as it lies in memory.
        with multiprocessing.get_context("fork").Pool(
            os.cpu_count(), initializer=_remember, initargs=(schedule,)
        ) as pool:
            paths = pool.imap(partial(_one, directory=chunks), range(schedule.chunks))
            for number, path in enumerate(paths, start=1):
                _take_in(connection, path)
                if number % 10 == 0 or number == schedule.chunks:
                    _say(f"{number * schedule.chunk:,} events")
        assert not list(chunks.iterdir())


_schedule: Schedule


def _remember(schedule: Schedule) -> None:
    global _schedule  # noqa: PLW0603 - a process of the pool has one
    _schedule = schedule


def _one(chunk: int, directory: Path) -> Path:
    return write_chunk(_schedule, chunk, directory)


def _take_in(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("ATTACH ? AS chunk", (str(path),))
    there = {name for (name,) in connection.execute("SELECT name FROM chunk.sqlite_master")}
    connection.execute("BEGIN")
    for table in TABLES:
        if table in there:
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM chunk.{table}")
    connection.execute("COMMIT")
    connection.execute("DETACH chunk")
    path.unlink()


async def _refuse_and_hold(database: Path, *, count: int, end: Micros) -> None:
    """Refusals and held deliveries of the last days; of the latter most are discarded."""
    async with Store(f"sqlite:///{database}") as store:
        for first in range(0, count, 500):
            async with writing(store) as connection:
                for number in range(first, min(first + 500, count)):
                    await _hold(connection, number, count=count, end=end)
                batch = [_refusal(number, end) for number in range(first, min(first + 500, count))]
                entries = [refused.single_entry(one) for one in batch]
                await refused.refuse(connection, batch, now=end, entries=entries)
                await _tell(connection, end)


async def _tell(connection: Connection, now: Micros) -> None:
    """Operations were told of all of it."""
    for row in await held.unnotified(connection):
        await held.mark_told(
            connection, source=row.source, reason=row.reason, last=row.last, now=now
        )
    for source in ("parley", "torch"):
        await refused.mark_told(connection, source=source, last=10**9, now=now)


async def _hold(connection: Connection, number: int, *, count: int, end: Micros) -> None:
    body = b'{"broken": %d' % number
    at = end - (count - number) * 60_000
    verified = VerifiedDelivery(
        delivery=Delivery(
            source="parley",
            body=body,
            headers=(),
            address="203.0.113.7",
            received_at=at,
            request_id=f"req_{number:024x}",
        ),
        secret_label="secret-1",
    )
    kept = await held.hold(
        connection,
        verified,
        reason=HeldReason.INVALID_JSON,
        detail="The body is not JSON.",
        body_sha256=hashlib.sha256(body).hexdigest(),
        idempotency_key=None,
    )
    if number % 50:
        await held.resolve(
            connection, kept.held_id, state=HeldState.DISCARDED, now=at + 1, actor=ADMIN
        )


def _refusal(number: int, end: Micros) -> refused.Refused:
    body = b'{"forged": %d}' % number
    return refused.Refused(
        at=end,
        source=("parley", "torch")[number % 2],
        error="signature_mismatch",
        address="198.51.100.9",
        request_id=f"req_{number:024x}",
        body_sha256=hashlib.sha256(body).hexdigest(),
        body_size=len(body),
        signature="t=1,v1=00",
        body=body,
    )


if __name__ == "__main__":
    main()
