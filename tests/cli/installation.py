"""An installation: its configuration, a database that real deliveries filled, and its commands."""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from sqlite3 import connect
from typing import Any, TypeVar

import pytest

from casebell.cli.main import run
from casebell.clock import SystemClock
from casebell.errors import RefusedDelivery
from casebell.events import Delivery
from casebell.runtime import Runtime
from casebell.sandbox.deliveries import headers_for
from casebell.sandbox.http_sink import HttpSink
from casebell.settings import load
from contracts.stores import store_in
from e2e.server import PARLEY_SECRET, PROCESS_TIMEOUT, TORCH_SECRET, CommandResult, environment
from processes import Forked
from waiting import until, until_sync

T = TypeVar("T")

#: `{sink}` is the address of an HTTP sink; nothing listens at port 9.
CONFIG = f"""
[server]
port = 0
timezone = "America/New_York"
public_url = "https://casebell.example-firm.com"

[sources.parley]
kind = "parley"
secrets = ["{PARLEY_SECRET}"]

[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["{TORCH_SECRET}"]

[channels.team]
url = "{{sink}}/team"
disclose = "full"
pace = "1ms"

[channels.broken]
url = "json://127.0.0.1:9/"
max_age = "1ms"
pace = "1ms"

[[rules]]
name = "Answer owed"
when = [{{{{ status = ["rfe_issued"] }}}}, {{{{ tags = ["deadline"] }}}}]
notify = ["team", "broken"]

[[rules]]
name = "Denied"
when = {{{{ status = ["denied"] }}}}
notify = ["team"]

[ops]
notify = ["team"]
"""

#: Everything a terminal, a reader or a spreadsheet must not be given as it is.
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07evil\u202etxt.exe\u200b\r\nTold\n  Nothing to see\x85here\u2028<b>@all"
)


def parley_body(key: str, **fields: Any) -> bytes:
    """A Parley body."""
    return json.dumps(
        {
            "id": key,
            "type": "case.status.updated",
            "receipt_number": "IOE0912345678",
            "normalized_status": "received",
            "raw_status_text": "Case Was Received",
            "occurred_at": "2025-10-14T19:22:03Z",
            **fields,
        }
    ).encode()


#: What the installation has received, in order: source and body.
RECEIVED: Sequence[tuple[str, bytes]] = (
    ("parley", parley_body("evt_received")),
    (
        "parley",
        parley_body("evt_rfe", normalized_status="rfe_issued", raw_status_text="RFE was sent"),
    ),
    (
        "torch",
        json.dumps(
            {
                "id": "obs_rfe",
                "type": "case.status.updated",
                "data": {
                    "receipt_number": "IOE0912345678",
                    "status_text": "RFE was sent",
                    "status_category": "Request for Evidence",
                    "last_status_at": "2025-10-14T20:00:00Z",
                },
            }
        ).encode(),
    ),
    (
        "parley",
        parley_body(
            "evt_hostile",
            receipt_number="WAC2190054321",
            normalized_status="denied",
            raw_status_text=HOSTILE,
        ),
    ),
    (
        "parley",
        parley_body(
            "evt_formula", receipt_number="LIN2290054321", raw_status_text="=1+1; Año, “sí”"
        ),
    ),
    ("parley", parley_body("evt_received")),
    ("parley", b'{"id": "evt_lost", "note": "\\u001b[2J\\nfake"}'),
    ("parley", b"\xff\xfe\x1b]0;owned\x07 no JSON"),
)


class Installation:
    """A directory with a configuration, in which commands are run."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str] | None) -> None:
        self.directory = directory
        self.config = directory / "config.toml"
        self.database = directory / "casebell.db"
        self._capture = capture

    def run(self, *arguments: str) -> CommandResult:
        """A command in this process, exactly from its arguments to its exit code.

        Without `capture`, as for several tests at once, its output is not kept.
        """
        if self._capture is None:
            return CommandResult(code=run(arguments), out="", err="")
        self._capture.readouterr()
        code = run(arguments)
        out, err = self._capture.readouterr()
        return CommandResult(code=code, out=out, err=err)

    def __call__(self, *arguments: str) -> CommandResult:
        """A command with this installation's configuration."""
        return self.run(*arguments, "--config", str(self.config))

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the database."""
        with closing(connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object) -> None:
        """Write to the database, while no server has it."""
        with closing(connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def undecide(self, number: int) -> None:
        """Have an event as it is when its decision has failed."""
        self.write(
            "UPDATE events SET status = '', tags = '', routed_at = NULL, change_id = NULL, "
            "fold_reason = NULL WHERE id = ?",
            number,
        )

    def files(self) -> dict[str, bytes]:
        """Every file here but SQLite's own beside the database, which belong to it."""
        return {
            path.name: path.read_bytes()
            for path in self.directory.iterdir()
            if not path.name.endswith(("-wal", "-shm"))
        }


@contextlib.contextmanager
def in_a_thread(entered: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What runs in a loop of its own: commands in this process run loops themselves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def hold() -> None:
        # Entered and left by one task.
        async with entered as given:
            begun.set_result(given)
            await ended.wait()

    begun: concurrent.futures.Future[T] = concurrent.futures.Future()
    ended = asyncio.Event()
    held = asyncio.run_coroutine_threadsafe(hold(), loop)
    try:
        either: list[Any] = [begun, held]
        concurrent.futures.wait(either, return_when=concurrent.futures.FIRST_COMPLETED)
        if held.done():
            held.result()
        yield begun.result()
    finally:
        loop.call_soon_threadsafe(ended.set)
        held.result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def fill_installation(directory: Path) -> None:
    """Receive, route and send everything in `RECEIVED` by the real runtime."""
    with in_a_thread(HttpSink()) as sink:
        (directory / "config.toml").write_text(CONFIG.format(sink=json_url(sink)))
        # With its tables, so that nobody is told of a first start.
        store_in(directory)
        (directory / "config.toml").chmod(0o600)
        asyncio.run(_fill(directory / "config.toml"))


def json_url(sink: HttpSink) -> str:
    """The sink as a channel's URL."""
    return sink.url.replace("http://", "json://")


async def _fill(config: Path) -> None:
    runtime = Runtime(load(config, environ={}))
    clock = SystemClock()
    async with runtime.running():
        for number, (source, body) in enumerate(RECEIVED):
            headers = headers_for(
                runtime.in_force.settings().sources[source],
                body,
                secret=PARLEY_SECRET if source == "parley" else TORCH_SECRET,
                at=clock.now() // 1_000_000,
                idempotency_key=f"key-{number}",
            )
            delivery = Delivery(
                source=source,
                body=body,
                headers=tuple((n.lower().encode(), v.encode()) for n, v in headers.items()),
                address="203.0.113.7",
                received_at=clock.now(),
                request_id=f"req_{number}",
            )
            with contextlib.suppress(RefusedDelivery):
                await runtime.receiver.accept(delivery)
        await _settled(config.with_name("casebell.db"))


async def _settled(database: Path) -> None:
    waiting = (
        "SELECT (SELECT count(*) FROM events WHERE routed_at IS NULL) + (SELECT count(*) FROM "
        "alerts WHERE state NOT IN ('sent', 'failed')) + (SELECT count(*) FROM held WHERE "
        "notified_at IS NULL)"
    )

    def over() -> bool:
        with closing(connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(waiting).fetchone() == (0,))

    await until(over, "every decision, alert and message to operations")


def copy_installation(origin: Path, directory: Path) -> Path:
    """The same installation once more."""
    shutil.copytree(origin, directory, dirs_exist_ok=True)
    return directory


def casebell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A command as a process of its own, where that makes a difference."""
    return subprocess.run(
        [sys.executable, "-m", "casebell", *arguments],
        check=False,
        **{
            "stdin": subprocess.DEVNULL if "input" not in options else None,
            "capture_output": True,
            "timeout": PROCESS_TIMEOUT,
            "env": environment(),
            **options,
        },
    )


@contextlib.contextmanager
def serving(installation: Installation) -> Iterator[str]:
    """`casebell serve` in this installation, until the block ends; gives its address."""
    log = installation.directory / "serve.log"
    log.unlink(missing_ok=True)
    process = Forked(
        ["serve", "--config", str(installation.config)],
        directory=Path.cwd(),
        environ=environment(),
        output=log,
    )
    try:
        yield _started(process, log)
        process.terminate()
        assert process.wait_sync(PROCESS_TIMEOUT) == 0, log.read_text()
    finally:
        process.kill()
        process.wait_sync()


def _started(process: Forked, log: Path) -> str:
    def url() -> str:
        assert process.returncode is None, f"the server did not start:\n{log.read_text()}"
        for text in log.read_text().splitlines(keepends=True):
            if '"server.started"' in text and text.endswith("\n"):
                return str(json.loads(text)["url"])
        return ""

    return str(until_sync(url, f"server.started in {log}"))


def run_on_terminal(*arguments: str, columns: int = 200) -> str:
    """What a person sees of a command: standard output and standard error on one terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    process = subprocess.Popen(
        [sys.executable, "-m", "casebell", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment(), "TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen = b""
    # Reading fails once the other end is closed.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    process.wait(PROCESS_TIMEOUT)
    return seen.decode().replace("\r\n", "\n")
