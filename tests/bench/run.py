"""The benchmark: bare Starlette and Casebell in turn, on one core, the load on another.

    python tests/bench/run.py                           the tables, medians of three rounds
    python tests/bench/run.py --rounds 1 --seconds 2    a quick look
    python tests/bench/run.py --rows casebell           only rows whose name has this
    python tests/bench/run.py --growth 10000000         make a store of so many events; its tables
    python tests/bench/run.py --growth DIRECTORY        the same with what load_store.py made

Needs gcc and two cores. Absolute figures mean little on a shared machine; read the ratios.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench import growth, paging, sending
from bench.corpus import write_corpus
from bench.peers.rows import installed
from bench.serving import BARE, SECRET, Bench, Row

#: Requests one run may use.
_SHARE = 120_000

REFERENCE = Row(
    name="bare Starlette, 64 connections",
    command=BARE,
    decides=False,
    wrap=True,
)
ROWS = (
    REFERENCE,
    Row(name="Casebell, 64 connections"),
    Row(name="Casebell, one delivery at a time", connections=1),
    Row(
        name="Casebell, 64 connections, 5 ms added to each fsync",
        environment={"SLOWSYNC_US": "5000"},
    ),
)


def main() -> None:
    """Run what was asked for and print its tables."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rows", default="", metavar="WORDS")
    options.add_argument("--growth", default="", metavar="N|DIRECTORY")
    options.add_argument("--paging", default="", metavar="N|DIRECTORY")
    asked = options.parse_args()
    if shutil.which("gcc") is None or (os.cpu_count() or 1) < 2:
        sys.exit("The benchmark needs gcc and two cores.")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(prefix="casebell-bench-") as name:
        bench = Bench(Path(name), seconds=asked.seconds)
        if asked.growth:
            large = growth.store_of(asked.growth, bench.directory)
            growth.measure(bench, large, rounds=asked.rounds)
            return
        if asked.paging:
            paging.measure(bench, growth.store_of(asked.paging, bench.directory))
            return
        corpus = bench.directory / "corpus.tsv"
        write_corpus(corpus, secret=SECRET, count=_SHARE)
        rows = [*ROWS, *installed()]
        speed(bench, corpus, [row for row in rows if asked.rows.lower() in row.name.lower()], asked)
        if not asked.rows:
            told(bench, corpus, rounds=asked.rounds)


def speed(bench: Bench, corpus: Path, rows: Sequence[Row], asked: argparse.Namespace) -> None:
    """Measure rows in turn and print the table; the reference is always among them."""
    rows = [REFERENCE, *(row for row in rows if row is not REFERENCE)]
    found: dict[str, list[dict[str, Any]]] = {row.name: [] for row in rows}
    for _ in range(asked.rounds):
        for row in rows:
            found[row.name].append(bench.measure(row, corpus))
    print_table(found)


def print_table(found: Mapping[str, list[dict[str, Any]]]) -> None:
    """Medians, and the ratio to the reference of the same rounds."""

    def median(name: str, key: str) -> float:
        return statistics.median(float(report[key]) for report in found[name])

    print(
        "| what | accepted/s | ratio | processor us each | p50 ms | p99 ms | memory MB "
        "| drained s | other answers |\n|---|---|---|---|---|---|---|---|---|"
    )
    reference = median(REFERENCE.name, "accepted_per_s")
    for name, reports in found.items():
        others = sum(report["non2xx"] + report["errors"] for report in reports)
        rate = median(name, "accepted_per_s")
        print(
            f"| {name} | {rate:,.0f} | {rate / reference:.2f} | {median(name, 'cpu_us'):.0f} "
            f"| {median(name, 'p50_us') / 1000:.1f} | {median(name, 'p99_us') / 1000:.1f} "
            f"| {median(name, 'rss_mb'):.0f} | {median(name, 'drained_s'):.1f} | {others} |"
        )


def told(bench: Bench, corpus: Path, *, rounds: int) -> None:
    """Measure the way to a sink and print it."""
    runs = [sending.measure(bench, corpus, one_by_one=200, together=500) for _ in range(rounds)]
    p50, p99, rate = (
        statistics.median(run[key] for run in runs) for key in ("p50_ms", "p99_ms", "told")
    )
    print("\n| from a delivery to its message at a loopback sink | figure |\n|---|---|")
    print(f"| to an idle server, from the answer on, p50 / p99 ms | {p50:.1f} / {p99:.1f} |")
    print(f"| 500 deliveries at 64 connections, one channel, events told a second | {rate:,.0f} |")


if __name__ == "__main__":
    main()
