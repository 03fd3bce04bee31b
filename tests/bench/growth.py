"""A large store beside an empty one: what delivering, looking and starting cost then.

The store is kept where it was made, and grows by what each run delivers.
"""

import asyncio
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case_histories import receipt_number
from bench.corpus import write_corpus
from bench.load_store import load_store
from bench.serving import (
    CONFIG,
    SECRET,
    Bench,
    Row,
    free_port,
    page,
    resident,
)
from casebell.alerts import AlertState
from casebell.clock import iso
from casebell.events import HeldState, Status, Tag
from casebell.service.reading import _explanation
from casebell.store import queries, walk
from casebell.store.engine import Connection, Store
from casebell.store.lists import AlertFilter, EventFilter, HeldFilter, RefusedFilter
from contracts.actors import ADMIN

_DAY = 86_400 * 1_000_000
#: Deliveries one run may use.
_SHARE = 60_000
CONFIG_OF_LARGE = CONFIG.replace("bench.db", "casebell.db")
ROW = Row(name="Casebell", config=CONFIG_OF_LARGE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One thing to look at: a page, in this process and as a command."""

    name: str
    query: Callable[[Connection], Awaitable[Any]]
    command: Sequence[str]


def measure(bench: Bench, large: Path, *, rounds: int) -> None:
    """Print the tables of growth for the store in a directory."""
    _delivering(bench, large, rounds=rounds)
    asyncio.run(_looking(large))
    _starting(bench, large)


def store_of(where: str, scratch: Path) -> Path:
    """The directory of the large store: made now, where `where` is a number of events."""
    if not where.isdigit():
        return Path(where)
    load_store(scratch / "large", events=int(where))
    return scratch / "large"


def _delivering(bench: Bench, large: Path, *, rounds: int) -> None:
    cases = asyncio.run(_count(large)) // 5

    def receipt(chance: random.Random) -> str:
        # Half of what comes is about a case that is known.
        return receipt_number(chance.randrange(2 * cases))

    print(
        "| 64 connections | accepted/s | ratio | processor us each | p50 ms | p99 ms | memory MB "
        "| drained s |\n|---|---|---|---|---|---|---|---|"
    )
    empty: list[dict[str, Any]] = []
    cold: list[dict[str, Any]] = []
    warm: list[dict[str, Any]] = []
    for number in range(rounds):
        corpus = bench.directory / f"growth-{number}.tsv"
        write_corpus(corpus, secret=SECRET, count=_SHARE, seed=time.time(), receipt=receipt)
        empty.append(bench.measure(ROW, corpus))
        _forget(large)
        cold.append(bench.measure(ROW, corpus, work=large))
        # The second half: the first is stored.
        _remember(large)
        warm.append(bench.measure(ROW, corpus, work=large, offset=_SHARE // 2))
        corpus.unlink()
    _print_line("an empty store", empty, empty)
    _print_line("the large store, cold", cold, empty)
    _print_line("the large store, warm", warm, empty)


def _forget(large: Path) -> None:
    """Have the system drop what it keeps of the file in memory."""
    with (large / "casebell.db").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _remember(large: Path) -> None:
    """Have the keys, histories and cases in memory, as a machine has that took so many."""
    with closing(sqlite3.connect(f"file:{large}/casebell.db?mode=ro", uri=True)) as connection:
        for statement in (
            "SELECT count(*) FROM events INDEXED BY sqlite_autoindex_events_1 WHERE key > ''",
            "SELECT count(*) FROM changes INDEXED BY ix_changes_receipt_at WHERE receipt > ''",
            "SELECT max(seen_until) FROM changes NOT INDEXED",
            "SELECT max(at) FROM cases NOT INDEXED",
            "SELECT count(*) FROM cases WHERE receipt > ''",
        ):
            connection.execute(statement).fetchone()


def _print_line(
    name: str, runs: Sequence[dict[str, Any]], reference: Sequence[dict[str, Any]]
) -> None:
    def median(key: str, of: Sequence[dict[str, Any]] = runs) -> float:
        return statistics.median(float(run[key]) for run in of)

    rate = median("accepted_per_s")
    print(
        f"| {name} | {rate:,.0f} | {rate / median('accepted_per_s', reference):.2f} "
        f"| {median('cpu_us'):.0f} | {median('p50_us') / 1000:.1f} | {median('p99_us') / 1000:.1f} "
        f"| {median('rss_mb'):.0f} | {median('drained_s'):.1f} |"
    )


async def _count(large: Path) -> int:
    store = await Store(f"sqlite:///{large}/casebell.db").open_for_reading()
    async with store.read() as connection:
        newest = (await walk.page_of(connection, EventFilter(), limit=1)).rows
    await store.close()
    return int(newest[0].id)


async def _looking(large: Path) -> None:
    print(
        "\n| look | first ms | then ms | the whole command ms |\n|---|---|---|---|",
    )
    count = await _count(large)
    for look in _looks(count):
        # A store of its own each time, so that the first look finds nothing in SQLite's memory.
        store = await Store(f"sqlite:///{large}/casebell.db").open_for_reading()
        times = []
        async with store.read() as connection:
            for _ in range(6):
                began = time.perf_counter()
                await look.query(connection)
                times.append((time.perf_counter() - began) * 1000)
        await store.close()
        whole = _run(large, look.command)
        print(
            f"| {look.name} | {times[0]:.1f} | {statistics.median(times[1:]):.1f} | {whole:.0f} |"
        )


def _run(large: Path, command: Sequence[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "casebell", *command, "--config", large / "config.toml"],
        check=False,
        capture_output=True,
    )
    # `doctor` finds that no server runs.
    assert done.returncode in (0, 3), done.stderr
    return (time.perf_counter() - began) * 1000


def _looks(count: int) -> list[Look]:
    now = time.time_ns() // 1000
    middle = now - 548 * _DAY
    looks = [
        _events("newest"),
        _events("`--limit 1000`", limit=1_000),
        _events("`--source torch`", source="torch"),
        _events("`--status denied`", status=Status.DENIED),
        _events("`--receipt`", receipt=receipt_number(4_321)),
        _events("`--since 24h`", since=now - _DAY),
        _events("`--until` in the middle", until=middle),
        _events("`--until` in the middle `--status denied`", until=middle, status=Status.DENIED),
        _events("`--tag deadline`", tag=Tag.DEADLINE),
        _events("`--tag rejected`: none there", tag=Tag.REJECTED),
        _events("`--text` that is rare", text="nowhere to be found"),
        _events(
            "`--status other --source torch --text` that is rare",
            status=Status.OTHER,
            source="torch",
            text="nowhere to be found",
        ),
        _events("`--since` three years `--tag rejected`", since=now - 900 * _DAY, tag=Tag.REJECTED),
    ]
    far = count // 2
    looks += [
        Look(
            name="events, a page by its cursor from the middle",
            query=lambda c: walk.page_of(c, EventFilter(), limit=50, after=(far,)),
            command=["events", "list"],
        ),
        Look(
            name="alerts list",
            query=lambda c: walk.page_of(c, AlertFilter(), limit=50),
            command=["alerts", "list"],
        ),
        Look(
            name="alerts list --state failed",
            query=lambda c: walk.page_of(c, AlertFilter(state=AlertState.FAILED), limit=50),
            command=["alerts", "list", "--state", "failed"],
        ),
        Look(
            name="alerts list --state pending",
            query=lambda c: walk.page_of(c, AlertFilter(state=AlertState.PENDING), limit=50),
            command=["alerts", "list", "--state", "pending"],
        ),
        Look(
            name="held list",
            query=lambda c: walk.page_of(c, HeldFilter(state=HeldState.HELD), limit=50),
            command=["held", "list"],
        ),
        Look(
            name="refused list",
            query=lambda c: walk.page_of(c, RefusedFilter(), limit=50),
            command=["refused", "list"],
        ),
        Look(
            name="refused list --source nobody",
            query=lambda c: walk.page_of(c, RefusedFilter(source="nobody"), limit=50),
            command=["refused", "list", "--source", "nobody"],
        ),
        Look(name="what waits (/metrics, doctor)", query=queries.backlog, command=["doctor"]),
        Look(name="why", query=lambda c: _stories(c, str(far)), command=["why", str(far)]),
    ]
    return looks


async def _stories(connection: Connection, key: str) -> list[Mapping[str, Any]]:
    return [
        await _explanation(connection, event, ADMIN, {}, lambda _: None)
        for event in await queries.find_events(connection, key, seen_by=ADMIN)
    ]


def _events(name: str, *, limit: int = 50, **given: Any) -> Look:
    where = EventFilter(**given)
    command = ["events", "list", "--limit", str(limit)]
    for option, value in given.items():
        text = iso(value) if option in ("since", "until") else str(value)
        command += [f"--{option}", text]
    return Look(
        name=f"events list {name}",
        query=lambda c: walk.page_of(c, where, limit=limit),
        command=command,
    )


def _starting(bench: Bench, large: Path) -> None:
    port = free_port()
    began = time.perf_counter()
    with bench.serving(ROW, large, port=port) as process:
        started = time.perf_counter() - began
        memory = resident(process.pid)
        print(f"\nStart-up {started:.2f} s, memory then {memory:.0f} MB.")
        for path in ("/ready", "/metrics"):
            times = []
            for _ in range(10):
                began = time.perf_counter()
                page(port, path)
                times.append((time.perf_counter() - began) * 1000)
                time.sleep(0.11)
            print(
                f"{path}: first {times[0]:.1f} ms, longest of ten {max(times):.1f} ms, "
                f"median {statistics.median(times):.1f} ms."
            )
    print(f"The database: {(large / 'casebell.db').stat().st_size / 1e9:.1f} GB.")
