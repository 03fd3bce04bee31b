"""`casebell serve` and other commands as processes of their own, as a service manager runs them."""

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx2

from casebell.errors import ServerUnreachable
from casebell.sandbox.expect import StepFailed

#: Seconds for the server to start, and for any other command to end.
TIMEOUT = 30.0
#: Seconds for the log line of an answer: it is written right after the answer.
LOG_LINE_TIMEOUT = 10.0
_POLL = 0.01


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change a configuration or a loopback send."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CASEBELL_")}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


class ServerProcess:
    """A server that can be started, killed and stopped; killed when its `async with` block ends.

    Args:
        log: the file of its output; each start appends to it.
    """

    def __init__(self, *, config: Path, log: Path) -> None:
        self.url = ""
        self.log = log
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        # A connection that is kept would not survive a restart.
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        await self._client.__aexit__(None, None, None)

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> float:
        """Start, and wait until it serves; seconds taken.

        Raises:
            StepFailed: it ended, or did not serve in time.
        """
        began = time.monotonic()
        with self.log.open("ab") as output:
            seen = output.tell()
            self._process = await _run(
                "serve", "--config", str(self._config), stdout=output, stderr=output
            )
        while time.monotonic() - began < TIMEOUT:
            if (url := self._url_since(seen)) is not None:
                self.url = url
                return time.monotonic() - began
            if not self.runs:
                break
            await asyncio.sleep(_POLL)
        raise StepFailed(
            "casebell serve",
            expected=f"it serves within {TIMEOUT:g} s",
            got="it still starts" if self.runs else f"exit code {self._process.returncode}",
        )

    async def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        if self._process is not None and self.runs:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int | None:
        """Ask it to end (SIGTERM); its exit code, None if it does not end."""
        if self._process is None or not self.runs:
            return None
        self._process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await self._process.wait()
        return self._process.returncode

    async def metrics(self) -> str:
        """What `/metrics` shows.

        Raises:
            ServerUnreachable: nothing answers.
        """
        try:
            return (await self._client.get(f"{self.url}/metrics")).text
        except httpx2.HTTPError:
            raise ServerUnreachable from None

    async def logged(self, request_id: str, *, within: float = LOG_LINE_TIMEOUT) -> None:
        """Wait until the log has the line of a delivery that was answered.

        The server writes the lines of one turn of its loop when that turn ends: after its answers.
        A server that has ended writes no more, and is not waited for.

        Raises:
            StepFailed: the line did not come in time.
        """
        deadline = time.monotonic() + within
        while self.runs and not self._has_line_of(request_id):
            if time.monotonic() > deadline:
                raise StepFailed(
                    "the server's log",
                    expected=f"the line of {request_id} within {within:g} s of the answer",
                    got="no such line",
                )
            await asyncio.sleep(_POLL)

    def tail(self, count: int) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text(errors="replace").splitlines()[-count:]

    def _has_line_of(self, request_id: str) -> bool:
        """Whether there is one, whole."""
        _, found, rest = self.log.read_bytes().partition(f'"{request_id}"'.encode())
        return bool(found) and b"\n" in rest

    def _url_since(self, offset: int) -> str | None:
        """The address from its own announcement, whole lines only."""
        for line in self.log.read_bytes()[offset:].splitlines(keepends=True):
            if line.endswith(b"\n") and b'"server.started"' in line:
                return str(json.loads(line)["url"])
        return None


async def run_json(*words: str, config: Path, typed: str = "") -> list[dict[str, Any]]:
    """The rows that a command prints, from its JSON.

    Args:
        typed: what it reads from standard input.

    Raises:
        StepFailed: it failed, or did not end.
    """
    command = " ".join(("casebell", *words))
    process = await _run(
        *words,
        "--json",
        "--config",
        str(config),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await process.communicate(typed.encode())
    except TimeoutError:
        raise StepFailed(command, expected="an answer", got=f"none in {TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        got = f"exit code {process.returncode}: {errors.decode(errors='replace').strip()}"
        raise StepFailed(command, expected="exit code 0", got=got)
    return [json.loads(line) for line in output.splitlines()]


async def _run(
    *words: str, stdout: Any, stderr: Any, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        # No module may be imported from the folder in which the demo is started.
        "-P",
        "-m",
        "casebell",
        *words,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=clean_environment(),
        # Ctrl-C at the terminal is for the demo; it ends its processes itself.
        process_group=0,
    )
