"""The benchmark: bare Starlette and Casebell in turn, on one core, the load on another.

    python tests/bench/run.py            the table, medians of three interleaved runs
    python tests/bench/run.py --seconds 2 --rounds 1    a quick look

Needs gcc and two cores. Absolute figures mean little on a shared machine; read the ratios.
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.corpus import write_corpus

HERE = Path(__file__).parent
SECRET = "benchmark-secret-of-thirty-two-b"
#: Requests one run may use; runs take them one after another, so that all stay unique.
SHARE = 120_000

CONFIG = """
[server]
port = {port}
[storage]
url = "sqlite:///bench.db"
[sources.parley]
kind = "parley"
secrets = ["{secret}"]
[[rules]]
name = "Everything"
when = {{}}
notify = []
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    server: str
    connections: int
    environment: Mapping[str, str] = field(default_factory=dict)


ROWS = (
    Row(name="bare Starlette, 64 connections", server="bare", connections=64),
    Row(name="Casebell, 64 connections, routing behind", server="casebell", connections=64),
    Row(name="Casebell, one delivery at a time", server="casebell", connections=1),
    Row(
        name="Casebell, 64 connections, 5 ms added to each fsync",
        server="casebell",
        connections=64,
        environment={"SLOWSYNC_US": "5000"},
    ),
)


def main() -> None:
    """Run it and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    if shutil.which("gcc") is None or (os.cpu_count() or 1) < 2:
        sys.exit("The benchmark needs gcc and two cores.")
    with tempfile.TemporaryDirectory(prefix="casebell-bench-") as name:
        bench = Bench(Path(name), seconds=asked.seconds)
        found: dict[str, list[dict[str, Any]]] = {row.name: [] for row in ROWS}
        for _ in range(asked.rounds):
            for row in ROWS:
                found[row.name].append(bench.measure(row))
    print_table(found)


class Bench:
    """The tools, built once, and a directory to work in."""

    def __init__(self, directory: Path, *, seconds: float) -> None:
        self._directory = directory
        self._seconds = seconds
        self._loadgen = directory / "loadgen"
        self._slowsync = directory / "slowsync.so"
        self._corpus = directory / "corpus.tsv"
        compile_c = ["gcc", "-O2", "-o"]
        subprocess.run([*compile_c, self._loadgen, HERE / "loadgen.c"], check=True)
        shared = ["-shared", "-fPIC", str(HERE / "slowsync.c"), "-ldl"]
        subprocess.run([*compile_c, str(self._slowsync), *shared], check=True)
        write_corpus(self._corpus, secret=SECRET, count=SHARE)

    def measure(self, row: Row) -> dict[str, Any]:
        """One run on a fresh database; the load generator's line, and memory."""
        port = free_port()
        with self._serving(row, port) as process:
            before = processor_seconds(process.pid)
            report = self._load(row, port)
            report["drained_s"] = drained(port) if row.server == "casebell" else 0.0
            used = processor_seconds(process.pid) - before
            report["cpu_us"] = used / max(1, report["acked_total"]) * 1e6
            report["rss_mb"] = resident(process.pid)
        return report

    @contextmanager
    def _serving(self, row: Row, port: int) -> Iterator["subprocess.Popen[bytes]"]:
        work = Path(tempfile.mkdtemp(dir=self._directory))
        (work / "config.toml").write_text(CONFIG.format(port=port, secret=SECRET))
        command = [sys.executable, "-m", "casebell", "serve"]
        if row.server == "bare":
            command = [sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(HERE)]
            command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
            command += ["--log-level", "warning", "--port", str(port)]
        environment = dict(os.environ)
        if row.environment:
            environment |= {**row.environment, "LD_PRELOAD": str(self._slowsync)}
        with (work / "log").open("wb") as log:
            process = subprocess.Popen(
                ["taskset", "-c", "0", *command],
                cwd=work,
                stdout=log,
                stderr=log,
                env=environment,
            )
            try:
                wait_for(port)
                yield process
            finally:
                process.terminate()
                process.wait(15)

    def _load(self, row: Row, port: int) -> dict[str, Any]:
        headers = (
            "Authorization: Parley-Signature=t={t},v1={sig}",
            "Idempotency-Key: {key}",
        )
        command: list[str | Path] = [self._loadgen, "--port", str(port), "--cpu", "1"]
        command += ["--corpus", self._corpus, "-c", str(row.connections)]
        command += ["-d", str(self._seconds), "--warmup", "1"]
        if row.server == "bare":
            command.append("--wrap")
        for header in headers:
            command += ["--header", header]
        done = subprocess.run(command, check=True, capture_output=True)
        report: dict[str, Any] = json.loads(done.stdout)
        return report


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("The server did not start.")


def drained(port: int) -> float:
    """Seconds until every event has its decision."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        if 'casebell_waiting{what="unrouted"} 0.0' in metrics:
            break
        time.sleep(0.05)
    return time.monotonic() - began


def resident(pid: int) -> float:
    """Memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(pid: int) -> float:
    """What a process and all its threads have used of the processor, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def print_table(found: Mapping[str, list[dict[str, Any]]]) -> None:
    """Medians, and the ratio to the reference of the same rounds."""

    def median(name: str, key: str) -> float:
        return statistics.median(float(report[key]) for report in found[name])

    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        "| what | accepted/s | ratio | processor us each | p50 ms | p99 ms | memory MB "
        "| drained s | other answers |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    reference = median(ROWS[0].name, "accepted_per_s")
    for row in ROWS:
        others = sum(report["non2xx"] + report["errors"] for report in found[row.name])
        rate = median(row.name, "accepted_per_s")
        print(
            f"| {row.name} | {rate:,.0f} | {rate / reference:.2f} "
            f"| {median(row.name, 'cpu_us'):.0f} "
            f"| {median(row.name, 'p50_us') / 1000:.1f} | {median(row.name, 'p99_us') / 1000:.1f} "
            f"| {median(row.name, 'rss_mb'):.0f} | {median(row.name, 'drained_s'):.1f} | {others} |"
        )


if __name__ == "__main__":
    main()
