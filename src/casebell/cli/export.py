"""`casebell events export`: everything that matches, as JSON lines or CSV."""

import asyncio
import contextlib
import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import typer

from casebell.cli.events import Filters, Format
from casebell.cli.local_service import open_reading
from casebell.cli.terminal import (
    counted,
    json_text,
    output_errors,
    plain,
    print_to_stderr,
    status_line,
)
from casebell.errors import BadArgument
from casebell.json_text import encode
from casebell.service.reading import Reading
from casebell.settings import Settings
from casebell.store.new_file import new_file

#: Columns of a CSV export: the fields of an event in docs/contract.md.
CSV_FIELDS = (
    "id",
    "source",
    "key",
    "key_basis",
    "type",
    "receipt",
    "status",
    "delivered_status",
    "tags",
    "text",
    "occurred_at",
    "received_at",
    "flags",
    "change",
    "decision",
    "deliveries",
    "body_sha256",
)

#: Spreadsheets run a cell that begins like this as a formula; some read the wide forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

#: Events between two looks at the progress.
_STEP = 500


def export_to(settings: Settings, *, written: Format, out: Path | None, filters: Filters) -> None:
    """Write every event that matches, oldest first, to a new file or to standard output.

    Raises:
        BadParameter: a filter cannot be understood.
        Refusal: the file is there already, or cannot be made.
        OutputFailed: writing stopped half-way; nothing is left of a file.
        ReaderGone: of standard output.
    """

    async def export() -> None:
        async with open_reading(settings) as found:
            await _write(found, written=written, out=out, filters=filters)

    try:
        asyncio.run(export())
    except BadArgument as error:
        raise typer.BadParameter(error.message) from None


async def _write(found: Reading, *, written: Format, out: Path | None, filters: Filters) -> None:
    watched = sys.stderr.isatty() and (out is not None or not sys.stdout.isatty())
    # Counting by what no index has takes as long as the export.
    countable = watched and filters["tag"] is None and filters["text"] is None
    total = await found.count_events(**filters) if countable else None
    name = "Standard output" if out is None else str(out)
    # Before a file is made: a filter may be none.
    async with contextlib.aclosing(found.export_events(**filters)) as events:
        with _opened(out) as file, status_line(shown=watched) as show:
            with output_errors(name):
                write = _writer(written, file)
            done = 0
            async for event in events:
                with output_errors(name):
                    write(event)
                done += 1
                if done % _STEP == 0:
                    of = "" if total is None else f" of {total:,}"
                    show(f"{done:,}{of} events")
            with output_errors(name):
                file.flush()
    if watched:
        print_to_stderr(f"Wrote {counted(done, 'event')}.")


def _writer(written: Format, file: TextIO) -> Callable[[Mapping[str, Any]], object]:
    if written is Format.JSONL:
        return lambda event: file.write(json_text(event) + "\n")
    table = csv.writer(file)
    table.writerow(CSV_FIELDS)
    # A file holds the text as it came; a terminal would act on parts of it.
    shown = plain if file.isatty() else str

    def write_row(event: Mapping[str, Any]) -> None:
        table.writerow([_csv_cell(event[name], shown) for name in CSV_FIELDS])

    return write_row


def _csv_cell(value: object, shown: Callable[[str], str]) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, dict):
        value = encode(value)
    if not isinstance(value, str):
        return value
    return shown("'" + value if value.startswith(_FORMULA) else value)


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Where the export goes; a new file has its name once it is whole."""
    if out is None:
        yield sys.stdout
        return
    with new_file(out) as part:
        file = part.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        try:
            yield file
        finally:
            # What could not be written is not tried again.
            with contextlib.suppress(OSError):
                file.close()
