"""`casebell events export` and `alerts export`: everything that matches, as JSON lines or CSV."""

import asyncio
import contextlib
import csv
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import typer

from casebell import shapes
from casebell.cli.alerts import Filters as AlertFilters
from casebell.cli.csv_cells import escape
from casebell.cli.events import Filters as EventFilters
from casebell.cli.local_service import open_reading, this_user
from casebell.cli.options import Format
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
from casebell.service.reading import Export, Reading
from casebell.settings import Settings
from casebell.store.new_file import new_file

#: The last column of a CSV export: the names of the columns whose cells are not verbatim.
ESCAPED = "apostrophes_in"

#: Rows between two looks at the progress.
_STEP = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class _Exported:
    """What is written: its rows, and how many there will be where that can be told at once."""

    noun: str
    fields: Sequence[str]
    rows: Callable[[Reading], Awaitable[Export]]
    count: Callable[[Reading], Awaitable[int]] | None


def export_events(
    settings: Settings, *, written: Format, out: Path | None, filters: EventFilters
) -> None:
    """Write every event that matches, oldest first, to a new file or to standard output.

    Raises:
        BadParameter: a filter cannot be understood.
        Refusal: the file is there already, or cannot be made.
        OutputFailed: writing stopped half-way; nothing is left of a file.
        ReaderGone: of standard output.
    """
    # Counting by what no index has takes as long as the export.
    countable = all(filters[name] is None for name in ("tag", "flag", "text"))
    exported = _Exported(
        noun="event",
        fields=tuple(shapes.Event.__annotations__),
        rows=lambda found: found.export_events(actor=this_user(), **filters),
        count=(lambda found: found.count_events(actor=this_user(), **filters))
        if countable
        else None,
    )
    _export(settings, exported, written=written, out=out)


def export_alerts(
    settings: Settings,
    *,
    written: Format,
    out: Path | None,
    outstanding: bool,
    filters: AlertFilters,
) -> None:
    """The same of alerts."""
    exported = _Exported(
        noun="alert",
        fields=tuple(shapes.Alert.__annotations__),
        rows=lambda found: found.export_alerts(
            actor=this_user(), outstanding=outstanding, **filters
        ),
        count=lambda found: found.count_alerts(
            actor=this_user(), outstanding=outstanding, **filters
        ),
    )
    _export(settings, exported, written=written, out=out)


def _export(settings: Settings, exported: _Exported, *, written: Format, out: Path | None) -> None:
    async def export() -> None:
        async with open_reading(settings) as found:
            await _write(found, exported, written=written, out=out)

    try:
        asyncio.run(export())
    except BadArgument as error:
        raise typer.BadParameter(error.message) from None


async def _write(found: Reading, exported: _Exported, *, written: Format, out: Path | None) -> None:
    watched = sys.stderr.isatty() and (out is not None or not sys.stdout.isatty())
    name = "Standard output" if out is None else str(out)
    # Before a file is made: a filter may be none.
    async with contextlib.aclosing(await exported.rows(found)) as rows:
        total = await exported.count(found) if watched and exported.count else None
        with _opened(out) as file, status_line(shown=watched) as show:
            with output_errors(name):
                write = _writer(written, file, exported.fields)
            done = 0
            async for row in rows:
                with output_errors(name):
                    write(row)
                done += 1
                if done % _STEP == 0:
                    of = "" if total is None else f" of {total:,}"
                    show(f"{done:,}{of} {exported.noun}s")
            with output_errors(name):
                file.flush()
    if watched:
        print_to_stderr(f"Wrote {counted(done, exported.noun)}.")


def _writer(
    written: Format, file: TextIO, fields: Sequence[str]
) -> Callable[[Mapping[str, Any]], object]:
    if written is Format.JSONL:
        return lambda row: file.write(json_text(row) + "\n")
    table = csv.writer(file)
    table.writerow((*fields, ESCAPED))
    # A file holds the text as it came; a terminal would act on parts of it.
    shown = plain if file.isatty() else str

    def write_row(row: Mapping[str, Any]) -> None:
        texts = [_text(row[name]) for name in fields]
        cells = list(map(escape, texts))
        escaped = [
            name for name, text, cell in zip(fields, texts, cells, strict=True) if cell != text
        ]
        table.writerow((*map(shown, cells), " ".join(escaped)))

    return write_row


def _text(value: object) -> str:
    """A value as the text of a cell; empty for null."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return encode(value)
    return "" if value is None else str(value)


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
