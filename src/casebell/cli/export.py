"""`casebell events`, `alerts` and `cases export`: lines into a file, or to standard output."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import typer

from casebell.cli.local_service import store_for_reading, this_user
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import output_errors, plain, print_to_stderr, status_line
from casebell.clock import SystemClock
from casebell.errors import BadArgument, CasebellError
from casebell.service import Service
from casebell.service.exporting import Exporting
from casebell.service.formats import Format
from casebell.settings import load_stored
from casebell.store.journal import Entry
from casebell.store.new_file import new_file
from casebell.times import counted

#: Rows between two looks at the progress.
_STEP = 500


def export(
    config: Path | None,
    of: str,
    *,
    how: Mapping[str, Any],
    out: Path | None,
    by: str | None,
    countable: bool,
    filters: Mapping[str, Any],
) -> None:
    """Write everything that matches, oldest first, to a new file or to standard output.

    Args:
        of: `events`, `alerts` or `cases`.
        how: the arguments of the verb beside the filters; `format` among them.
        by: who does this, as claimed.
        countable: whether the rows can be counted before, in much less time than they take.

    Raises:
        BadParameter: a filter cannot be understood.
        Refusal: the file is there already, or cannot be made.
        OutputFailed: writing stopped half-way; nothing is left of a file.
        ReaderGone: of standard output.
    """
    record = _Record(config, by=by)

    async def write() -> None:
        async with _service(config, record) as service:
            await _write(service, of, how=how, out=out, by=by, countable=countable, filters=filters)

    try:
        asyncio.run(write())
    except BadArgument as error:
        raise typer.BadParameter(error.message) from None
    finally:
        record.tell()


class _Record:
    """Has the running server, or else the store, put the export on record.

    An export by the shell goes on without: whoever may read the database may copy it, too.
    """

    def __init__(self, config: Path | None, *, by: str | None) -> None:
        self._config = config
        self._by = by
        self._fault: CasebellError | None = None

    async def __call__(self, entry: Entry) -> None:
        if self._fault is None:
            # It may open the store by itself, in a loop of its own.
            await asyncio.to_thread(self._put, entry)

    def _put(self, entry: Entry) -> None:
        what = {"kind": entry.kind, "subject": entry.subject, "data": entry.data}
        try:
            ServiceClient(self._config).do("record_export", by=self._by, **what)
        except CasebellError as error:
            self._fault = error

    def tell(self) -> None:
        """Say what is not on record, once the export has ended."""
        if self._fault is not None:
            print_to_stderr(
                f"That this was exported is not wholly on record: {self._fault.message}"
            )


@asynccontextmanager
async def _service(config: Path | None, record: _Record) -> AsyncIterator[Service]:
    settings = load_stored(config)
    async with store_for_reading(settings) as store:
        exporting = Exporting(
            store=store, settings=lambda: settings, clock=SystemClock(), record=record
        )
        yield Service(exporting.verbs())


async def _write(
    service: Service,
    of: str,
    *,
    how: Mapping[str, Any],
    out: Path | None,
    by: str | None,
    countable: bool,
    filters: Mapping[str, Any],
) -> None:
    actor = this_user(by=by)
    watched = sys.stderr.isatty() and (out is not None or not sys.stdout.isatty())
    name = "Standard output" if out is None else str(out)
    noun = of.removesuffix("s")
    total = ""
    with _opened(out) as file, status_line(shown=watched) as show:
        given = {**how, **filters}
        lines = await service.ask(f"export_{of}", given, actor=actor, raw=True)
        async with contextlib.aclosing(lines):
            if watched and countable:
                total = f" of {await service.ask(f'count_{of}', filters, actor=actor):,}"
            # A file holds the text as it is; a terminal would act on parts of a cell.
            shown = _on_terminal if file.isatty() else str
            # Behind the heading of a table, and before the last line, which is none.
            done = -1 if how["format"] is Format.JSONL else -2
            async for line in lines:
                with output_errors(name):
                    file.write(shown(line))
                done += 1
                if done > 0 and done % _STEP == 0:
                    show(f"{done:,}{total} {noun}s")
            with output_errors(name):
                file.flush()
    if watched:
        print_to_stderr(f"Wrote {counted(done, noun)}.")


def _on_terminal(line: str) -> str:
    return plain(line.rstrip("\r\n")) + "\n"


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Where the export goes; a new file has its name once it is whole."""
    if out is None:
        yield sys.stdout
        return
    with new_file(out) as part:
        file = part.open("w", encoding="utf-8", newline="")
        try:
            yield file
        finally:
            # What could not be written is not tried again.
            with contextlib.suppress(OSError):
                file.close()
