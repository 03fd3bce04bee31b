"""Commands as tests run them, without the second that each process of Python spends on imports.

A server is a process of its own, forked from one that has imported everything; other commands run
in this process. What is about the start itself, the environment or a library under the process runs
`python -m casebell`.
"""

import asyncio
import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import forkserver, get_context
from pathlib import Path

from casebell.cli.main import main, run

_ONE_AT_A_TIME = threading.Lock()
_CONTEXT = get_context("forkserver")


class Forked:
    """`casebell …` in a process of its own, which inherits the imports.

    Args:
        output: the file that its standard output and standard error are added to.
        entry: the program's main function; by default that of `casebell`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        environ: Mapping[str, str],
        output: Path,
        entry: Callable[[], None] = main,
    ) -> None:
        _have_forkserver()
        output.touch(mode=0o600)
        self._process = _CONTEXT.Process(
            target=_become,
            args=(entry, list(arguments), directory, dict(environ), output),
            # Nothing that a test starts outlives it.
            daemon=True,
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the signal that ended it as a negative number; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        return self.wait_sync()

    def wait_sync(self, within: float | None = None) -> int:
        """The same where no loop runs.

        Raises:
            TimeoutError: it runs on.
        """
        self._process.join(within)
        if self.returncode is None:
            raise TimeoutError
        return self.returncode


def _have_forkserver() -> None:
    """Start the process that others are forked from, unless it runs."""
    _CONTEXT.set_forkserver_preload(["preloaded"])
    # It finds the modules of tests by this alone.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _become(
    entry: Callable[[], None],
    arguments: list[str],
    directory: Path,
    environ: dict[str, str],
    output: Path,
) -> None:
    """Be that command."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    # Where the variables say.
    tempfile.tempdir = None
    sys.argv = ["casebell", *arguments]
    entry()


def run_here(*arguments: str, directory: Path) -> tuple[int, str, str]:
    """A command in this process, one at a time: exit code, standard output, standard error."""
    out, err = io.BytesIO(), io.BytesIO()
    with _ONE_AT_A_TIME, contextlib.chdir(directory), _printing_to(out, err):
        code = run(arguments)
    return code, out.getvalue().decode(), err.getvalue().decode()


@contextlib.contextmanager
def _printing_to(out: io.BytesIO, err: io.BytesIO) -> Iterator[None]:
    streams = [io.TextIOWrapper(one, encoding="utf-8") for one in (out, err)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        yield
    for stream in streams:
        # Flushes, and leaves what was written readable.
        stream.detach()
