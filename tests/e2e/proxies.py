"""Debian's proxies as real programs in front of Casebell, which end with the test."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.proxy_kinds import Place, ProxyKind
from e2e.recipients import free_port
from waiting import until

#: Debian has its servers where only root's PATH leads.
PROGRAMS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
#: Starts before a proxy is given up: a free port may be another program's by then.
STARTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A running one."""

    kind: ProxyKind
    port: int


@asynccontextmanager
async def running(kind: ProxyKind, folder: Path, upstream: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a port of this machine, with its log and its files in a folder.

    It is skipped where its program is missing, which CI makes a failure (`tests/conftest.py`).
    """
    if kind.program is None:
        yield Proxy(kind=kind, port=upstream)
        return
    program = shutil.which(kind.program, path=PROGRAMS)
    if program is None:
        pytest.skip(f"needs {kind.program}")
    for left in reversed(range(STARTS)):
        place = Place(folder=folder, port=free_port(), upstream=f"127.0.0.1:{upstream}")
        with (folder / "output.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *kind.configure(place),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={"PATH": PROGRAMS, "HOME": str(folder)},
                # Its workers end with it, and a proxy that signals its whole group leaves us alone.
                start_new_session=True,
            )
        try:
            if await _listens(process, place.port):
                yield Proxy(kind=kind, port=place.port)
                return
            assert left, f"{kind} did not start:\n{(folder / 'output.log').read_text()}"
        finally:
            await _end(process)


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until it takes connections; False where it ended instead."""

    async def listens_or_ended() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            return True
        return process.returncode is not None

    await until(listens_or_ended, "the proxy")
    return process.returncode is None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a proxy and all of its workers, those that outlived it included."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
