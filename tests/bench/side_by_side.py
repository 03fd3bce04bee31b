"""Two installations up at once and loaded in turn, so that the machine's drift meets both.

    python tests/bench/side_by_side.py BEFORE=venv/bin/python AFTER=other/bin/python
    python tests/bench/side_by_side.py --slices 9 --seconds 1 --connections 64,1 …

Each is the Python of an environment in which a version is installed; a bare Starlette is loaded
beside them. Prints medians of the slices, and the ratios of neighbouring slices to the first.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.corpus import write_corpus
from bench.run import REFERENCE
from bench.serving import SECRET, Bench, Row, Running

#: Requests that all slices of one server may use.
_REQUESTS = 240_000


def main() -> None:
    """Load them in turn and print what came of it."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("pythons", nargs="+", metavar="NAME=PYTHON")
    options.add_argument("--slices", type=int, default=9)
    options.add_argument("--seconds", type=float, default=1)
    options.add_argument("--connections", default="64,1")
    asked = options.parse_args()
    pythons = dict(one.split("=", 1) for one in asked.pythons)
    with tempfile.TemporaryDirectory(prefix="casebell-bench-") as name, ExitStack() as stack:
        bench = Bench(Path(name), seconds=asked.seconds)
        corpus = bench.directory / "corpus.tsv"
        write_corpus(corpus, secret=SECRET, count=_REQUESTS)
        rows = {
            one: Row(name=one, command=(python, "-m", "casebell", "serve"))
            for one, python in pythons.items()
        }
        servers = {
            row.name: stack.enter_context(Running.of(bench, row, corpus))
            for row in [*rows.values(), REFERENCE]
        }
        for server in servers.values():
            server.slice(connections=8)
        for connections in map(int, asked.connections.split(",")):
            found: dict[str, list[dict[str, Any]]] = {one: [] for one in servers}
            for _ in range(asked.slices):
                for one, server in servers.items():
                    found[one].append(server.slice(connections=connections))
            print_table(f"{connections} connections", found)


def print_table(title: str, found: Mapping[str, list[dict[str, Any]]]) -> None:
    """Medians, and the median of the ratios to the first server's slice of the same turn."""
    print(
        f"\n| {title} | accepted/s | ratio | processor us each | ratio | p50 ms | p99 ms "
        "| memory MB |\n|---|---|---|---|---|---|---|---|"
    )
    first = next(iter(found.values()))
    for name, slices in found.items():

        def median(key: str, of: list[dict[str, Any]] = slices) -> float:
            return statistics.median(float(one[key]) for one in of)

        def ratio(key: str, of: list[dict[str, Any]] = slices) -> float:
            pairs = zip(of, first, strict=True)
            return statistics.median(float(one[key]) / float(other[key]) for one, other in pairs)

        print(
            f"| {name} | {median('accepted_per_s'):,.0f} | {ratio('accepted_per_s'):.2f} "
            f"| {median('cpu_us'):.0f} | {ratio('cpu_us'):.2f} | {median('p50_us') / 1000:.1f} "
            f"| {median('p99_us') / 1000:.1f} | {median('rss_mb'):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
