"""The real server as a subprocess: a directory of its own, real sockets, real signals."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx2

from contracts.stores import store_in
from processes import Forked, run_here
from waiting import TIMEOUT, until

#: Seconds for a process to end; far more than any needs, for a machine that is busy.
PROCESS_TIMEOUT = 20.0
#: Two secrets no test has to hide.
PARLEY_SECRET = "parley-signing-secret-for-tests"
TORCH_SECRET = "torch-shared-secret-for-tests"

SOURCES = """
[sources.parley]
kind = "parley"
secrets = ["${PARLEY_WEBHOOK_SECRET}"]

[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["${TORCH_WEBHOOK_SECRET}"]
"""

#: One that takes nothing old.
STRICT = """
[sources.strict]
kind = "parley"
strict = true
secrets = ["${PARLEY_WEBHOOK_SECRET}"]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """Its `--json` output."""
        return [json.loads(line) for line in self.out.splitlines()]


class Server:
    """Casebell in a directory: configure it, start it, stop it, kill it, ask its command line.

    `config` is the TOML without `[server]` and `[storage]`; `server` the lines of `[server]`;
    `storage` is `storage.url`.
    """

    #: Whether its processes begin as Python does, and not forked from one with all imports.
    apart = False

    def __init__(
        self,
        directory: Path,
        config: str = SOURCES,
        *,
        server: str = "",
        storage: str = "sqlite:///casebell.db",
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.storage = storage
        self.config = directory / "config.toml"
        self.database = directory / "casebell.db"
        self.log = directory / "casebell.log"
        #: What it was started with before `serve`, like --debug.
        self.options: Sequence[str] = ()
        #: Variables it is started with beside this process's own.
        self.variables: dict[str, str] = {}
        self.url = ""
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._read_from = 0
        directory.mkdir(parents=True, exist_ok=True)
        values = {
            "PARLEY_WEBHOOK_SECRET": PARLEY_SECRET,
            "TORCH_WEBHOOK_SECRET": TORCH_SECRET,
            **(secrets or {}),
        }
        env = directory / ".env"
        env.touch(mode=0o600)
        env.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
        self.configure(config, server=server)
        if storage == "sqlite:///casebell.db":
            # With its tables, so that nobody is told of a first start.
            store_in(directory)

    def configure(self, config: str, *, server: str = "") -> None:
        """Write the configuration that the next start reads."""
        port = "" if "port" in server else "port = 0\n"
        self.config.write_text(
            f'[server]\n{port}{server}\n[storage]\nurl = "{self.storage}"\n{config}'
        )
        self.config.chmod(0o600)

    async def start(self) -> "Server":
        """Start, and return once it serves."""
        await self.launch()
        return await self.start_up()

    async def start_up(self) -> "Server":
        """Wait until what was launched serves."""
        try:
            started = await self.logged("server.started")
        except AssertionError:
            raise AssertionError(f"the server did not start:\n{self.text()}") from None
        self.url = started[-1]["url"]
        return self

    async def launch(self) -> None:
        """Start without waiting for anything."""
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        if not (self.variables or self.apart):
            arguments = [*self.options, "serve", "--config", str(self.config)]
            self._process = Forked(
                arguments, directory=self.directory, environ=environment(), output=self.log
            )
            return
        # What lies under a process has to be there from its beginning.
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command("serve", options=self.options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=environment() | self.variables,
            )

    def command(self, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """A command line of this installation and this configuration."""
        return [
            sys.executable,
            "-m",
            "casebell",
            *options,
            *arguments,
            "--config",
            str(self.config),
        ]

    async def run(self, *arguments: str) -> CommandResult:
        """Run a command to its end, in this process unless the server's are apart."""
        if self.apart:
            return await self.run_apart(*arguments)
        given = (*arguments, "--config", str(self.config))
        code, out, err = await asyncio.to_thread(run_here, *given, directory=self.directory)
        return CommandResult(code=code, out=out, err=err)

    async def run_apart(self, *arguments: str, within: float = PROCESS_TIMEOUT) -> CommandResult:
        """Run a command to its end as a process of its own, where that makes a difference."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.directory,
            env=environment(),
        )
        async with asyncio.timeout(within):
            out, err = await process.communicate()
        assert process.returncode is not None
        return CommandResult(code=process.returncode, out=out.decode(), err=err.decode())

    @property
    def process(self) -> asyncio.subprocess.Process | Forked:
        """The running process, or the last one."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """SIGKILL: what a power failure looks like to the process."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        async with asyncio.timeout(PROCESS_TIMEOUT):
            return await self.process.wait()

    async def gone(self) -> None:
        """Make sure that nothing is left running."""
        if self._process is not None:
            await self.kill()

    def text(self) -> str:
        """Everything it wrote to standard output and standard error, all starts together."""
        return self.log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one kind since the last start."""
        with self.log.open("rb") as log:
            log.seek(self._read_from)
            lines = log.read().decode().splitlines(keepends=True)
        # The last one may not be whole yet.
        read = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
        return [line for line in read if line.get("event") == name]

    async def logged(
        self, name: str, *, count: int = 1, where: Callable[[dict[str, Any]], bool] | None = None
    ) -> list[dict[str, Any]]:
        """Wait until that many log lines of one kind were written since the last start."""

        def found() -> list[dict[str, Any]]:
            if self.process.returncode is not None and name != "server.stopped":
                raise AssertionError(f"the server ended:\n{self.text()}")
            lines = [line for line in self.events(name) if where is None or where(line)]
            return lines if len(lines) >= count else []

        lines: list[dict[str, Any]] = await until(found, f"{name} in the log")
        return lines

    async def logged_request(self, request_id: str) -> None:
        """Wait for the log line of a delivery: it is written after the answer."""
        await self.logged("delivery.received", where=lambda line: line["request_id"] == request_id)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the database, beside the server."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, *statements: str) -> None:
        """Change the database while no server runs: to prepare or to lift a fault."""
        assert self._process is None or self._process.returncode is not None
        with closing(sqlite3.connect(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    async def storage_failed(self, stage: str) -> None:
        """Wait until a stage (`route`, `notify`) has met a storage failure, as /metrics counts."""
        # A stage that has met none may be shown with 0.
        counted = re.compile(
            rf'^casebell_storage_errors_total{{stage="{stage}"}} [1-9]', re.MULTILINE
        )

        async def met() -> bool:
            async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
                shown = await client.get(f"{self.url}/metrics", timeout=TIMEOUT)
            return counted.search(shown.text) is not None

        await until(met, f"a storage failure of {stage}")

    async def settled(self) -> None:
        """Wait until every event has its decision and every alert has ended."""
        waiting = (
            "SELECT (SELECT count(*) FROM events WHERE routed_at IS NULL) + "
            "(SELECT count(*) FROM alerts WHERE state NOT IN ('sent', 'failed'))"
        )
        await until(lambda: self.rows(waiting) == [(0,)], "every decision, and every alert to end")


class MakeServer(Protocol):
    """Makes a server that is not started yet."""

    def __call__(
        self,
        config: str = SOURCES,
        *,
        server: str = "",
        storage: str = "sqlite:///casebell.db",
        secrets: Mapping[str, str] | None = None,
    ) -> Server:
        """The arguments of `Server`."""
        ...


def environment() -> dict[str, str]:
    """This process's environment, without what would change the configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CASEBELL_")}
