"""Servers that start in a fraction of the time, for a thousand starts: each is forked.

What it is forked from has imported what `casebell serve` imports, and done nothing else; from there
on the server is the same, and it is killed in the same way. Run as a program this is that process:
each line on its standard input is a start, each line it prints the number of a server.
"""

import asyncio
import contextlib
import gc
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any, cast

from e2e.server import Server, environment

_TESTS = Path(__file__).parents[1]


class ForkedProcess:
    """A server's process, as far as `Server` asks for it; its parent is not this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        self._gone = False

    @property
    def returncode(self) -> int | None:
        """None while it runs; how it ended nobody knows."""
        if not self._gone and select.select([self._handle], [], [], 0)[0]:
            os.close(self._handle)
            self._gone = True
        return -1 if self._gone else None

    def send_signal(self, number: int) -> None:
        """Any signal."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Until it is gone."""
        if not self._gone:
            await asyncio.to_thread(select.select, [self._handle], [], [])
        return self.returncode or 0


class ForkedServer(Server):
    """Casebell in a directory, forked from a process that has imported it; for `async with`."""

    async def __aenter__(self) -> "ForkedServer":
        self._parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "e2e.forked_server",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_TESTS,
            env=environment(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gone()
        self._parent.kill()
        await self._parent.wait()

    async def launch(self) -> None:
        """Start without waiting for anything."""
        self.log.touch(mode=0o600)
        self._read_from = self.log.stat().st_size
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        wanted = [str(self.directory), str(self.log), *self.command("serve")[3:]]
        self._parent.stdin.write(json.dumps(wanted).encode() + b"\n")
        pid = int(await self._parent.stdout.readline())
        self._process = cast(Any, ForkedProcess(pid))


def _serve(directory: str, log: str, *arguments: str) -> None:
    """In the child: from here on it is `casebell serve`."""
    from casebell.cli.main import run  # noqa: PLC0415 - it is there already

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(directory)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, to in enumerate((nothing, out, out)):
        os.dup2(to, number)
    os._exit(run(arguments))


def _warm_up() -> None:
    import asyncpg  # noqa: F401, PLC0415 - only in the process that is forked

    import casebell.cli.serve  # noqa: F401, PLC0415
    from casebell.notify.apprise_load import _plugins  # noqa: PLC0415
    from casebell.uscis.classify import classify_text  # noqa: PLC0415

    _plugins()
    classify_text("")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Fork a server for each line, until there are no more."""
    _warm_up()
    # Nobody waits for what is killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _serve(*json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
