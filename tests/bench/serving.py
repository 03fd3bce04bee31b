"""A server under load: started on one core, loaded from another, and looked at."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECRET = "benchmark-secret-of-thirty-two-b"
#: What Parley sends, for the load generator to fill in.
PARLEY = ("Authorization: Parley-Signature=t={t},v1={sig}", "Idempotency-Key: {key}")

CONFIG = """
[server]
port = {port}
[storage]
url = "sqlite:///bench.db"
[sources.parley]
kind = "parley"
secrets = ["benchmark-secret-of-thirty-two-b"]
# As a firm has one; no delivery of the benchmark is told.
[channels.unused]
url = "json://127.0.0.1:9/"
[[rules]]
name = "Denied"
when = { status = "denied" }
notify = ["unused"]
[[rules]]
name = "Everything"
when = {}
notify = []
"""
BARE = [
    *(sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(HERE)),
    *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    *("--port", "{port}"),
]
CASEBELL = [sys.executable, "-m", "casebell", "serve"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table of speed."""

    name: str
    connections: int = 64
    #: The server's command line; `{port}` is its port.
    command: Sequence[str] = tuple(CASEBELL)
    #: Its configuration file; in it `{port}`, too. The environment has PORT.
    config: str = CONFIG
    #: What it answers with 200 once it serves.
    health: str = "/health"
    #: Added to the server's environment.
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/webhooks/parley"
    headers: Sequence[str] = PARLEY
    #: Whether it tells on /metrics what has no decision.
    decides: bool = True
    #: Whether deliveries may come twice, where nothing is remembered.
    wrap: bool = False


class Bench:
    """The tools, built once, and a directory to work in."""

    def __init__(self, directory: Path, *, seconds: float) -> None:
        self.directory = directory
        self.seconds = seconds
        self.slowsync = directory / "slowsync.so"
        self._loadgen = directory / "loadgen"
        compile_c = ["gcc", "-O2", "-o"]
        subprocess.run([*compile_c, self._loadgen, HERE / "loadgen.c"], check=True)
        shared = ["-shared", "-fPIC", str(HERE / "slowsync.c"), "-ldl"]
        subprocess.run([*compile_c, str(self.slowsync), *shared], check=True)

    def measure(
        self, row: Row, corpus: Path, *, offset: int = 0, work: Path | None = None
    ) -> dict[str, Any]:
        """One run, on a fresh database unless `work` has one; the load generator's line and more.

        Added are `cpu_us` for each accepted delivery, `rss_mb` and `drained_s`.
        """
        work = work or Path(tempfile.mkdtemp(dir=self.directory))
        port = free_port()
        with self.serving(row, work, port=port) as process:
            before = processor_seconds(process.pid)
            report = self.load_row(row, port, corpus, offset)
            report["drained_s"] = drained(port) if row.decides else 0.0
            used = processor_seconds(process.pid) - before
            report["cpu_us"] = used / max(1, report["acked_total"]) * 1e6
            report["rss_mb"] = resident(process.pid)
        return report

    @contextmanager
    def serving(self, row: Row, work: Path, *, port: int) -> Iterator["subprocess.Popen[bytes]"]:
        """A row's server on the first core, in a directory, from the moment it serves."""
        (work / "config.toml").write_text(row.config.replace("{port}", str(port)))
        environment = {**os.environ, "PORT": str(port), "SECRET": SECRET, **row.environment}
        if "SLOWSYNC_US" in row.environment:
            environment["LD_PRELOAD"] = str(self.slowsync)
        command = [word.replace("{port}", str(port)) for word in row.command]
        with (work / "log").open("wb") as log:
            process = subprocess.Popen(
                ["taskset", "-c", "0", *command],
                cwd=work,
                stdout=log,
                stderr=log,
                env=environment,
            )
            try:
                wait_for(f"http://127.0.0.1:{port}{row.health}", process)
                yield process
            finally:
                process.terminate()
                process.wait(30)

    def load(self, port: int, corpus: Path, *arguments: str) -> dict[str, Any]:
        """Run the load generator on the second core; its line."""
        command: list[str | Path] = [self._loadgen, "--port", str(port), "--cpu", "1"]
        done = subprocess.run(
            [*command, "--corpus", corpus, *arguments], check=True, capture_output=True
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def load_row(
        self, row: Row, port: int, corpus: Path, offset: int, *, warmup: float = 1
    ) -> dict[str, Any]:
        arguments = ["-c", str(row.connections), "-d", str(self.seconds), "--warmup", str(warmup)]
        arguments += ["--path", row.path, "--offset", str(offset)]
        if row.wrap:
            arguments.append("--wrap")
        for header in row.headers:
            arguments += ["--header", header]
        return self.load(port, corpus, *arguments)


class Running:
    """A row's server that stays up, loaded in slices."""

    def __init__(
        self, bench: Bench, row: Row, corpus: Path, *, process: "subprocess.Popen[bytes]", port: int
    ) -> None:
        self._bench = bench
        self._row = row
        self._corpus = corpus
        self._process = process
        self._port = port
        #: Requests of the corpus that were used.
        self._used = 0

    @classmethod
    @contextmanager
    def of(cls, bench: Bench, row: Row, corpus: Path) -> Iterator["Running"]:
        """Start it on a fresh database, and end it with the block."""
        work, port = Path(tempfile.mkdtemp(dir=bench.directory)), free_port()
        with bench.serving(row, work, port=port) as process:
            yield cls(bench, row, corpus, process=process, port=port)

    def slice(self, *, connections: int) -> dict[str, Any]:
        """Load it for as long as the benchmark has a slice last; as `Bench.measure`."""
        pid = self._process.pid
        row = replace(self._row, connections=connections)
        before = processor_seconds(pid)
        report = self._bench.load_row(row, self._port, self._corpus, self._used, warmup=0)
        if row.decides:
            drained(self._port)
        if not row.wrap:
            self._used += report["used"]
        used = processor_seconds(pid) - before
        return report | {
            "cpu_us": used / max(1, report["acked_total"]) * 1e6,
            "rss_mb": resident(pid),
        }


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Until a server answers well."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    sys.exit(f"The server did not start: {process.args!r}")


def page(port: int, path: str) -> str:
    """A page of a server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return str(answer.read().decode())


def drained(port: int) -> float:
    """Seconds until every event has its decision."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        if 'casebell_waiting{what="unrouted"} 0.0' in page(port, "/metrics"):
            break
        time.sleep(0.05)
    return time.monotonic() - began


def resident(pid: int) -> float:
    """Memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(pid: int) -> float:
    """What a process, its threads and its ended children have used of the processor, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
