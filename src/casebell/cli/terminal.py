"""What a person at a terminal sees: rows, sentences, errors; and the exit codes.

Nothing from outside reaches a terminal as it came: control characters could move its cursor,
rename its window or hide a line.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer

from casebell.errors import CasebellError, ConfigError
from casebell.notify.plain_text import inert, one_line

#: Characters of one cell of a listing.
CELL = 48


def line(text: str = "") -> None:
    """Print one line or several, made inert."""
    typer.echo(inert(text, limit=200_000))


def rows(
    items: Iterable[Mapping[str, Any]],
    columns: Sequence[tuple[str, Callable[[Mapping[str, Any]], object]]],
    *,
    as_json: bool,
    empty: str,
) -> None:
    """Print a listing: one JSON object a line, or a table with headings."""
    listed = list(items)
    if as_json:
        for item in listed:
            json_line(item)
        return
    if not listed:
        line(empty)
        return
    table = [[heading for heading, _ in columns]]
    table += [[_cell(read(item)) for _, read in columns] for item in listed]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    for row in table:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(padded).rstrip())


def json_line(item: Mapping[str, Any]) -> None:
    """Print one object as one line of JSON; ASCII, so that nothing in it acts on a terminal."""
    typer.echo(json.dumps(item))


def local_time(stamp: str | None, zone: str) -> str:
    """One of our ISO stamps as people read it; other text stays as it is."""
    if stamp is None:
        return "-"
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def fail(error: CasebellError) -> int:
    """Print an error as one sentence and a hint; return the exit code."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            place = f"{problem.where}: " if problem.where else ""
            key = f"{problem.key}: " if problem.key else ""
            _error(f"{place}{key}{problem.message}")
            if problem.hint:
                _error(f"  {problem.hint}")
        if len(error.problems) > 1:
            _error(f"{len(error.problems)} problems. {error.hint}")
        return error.exit_code
    _error(f"Error: {error.message}")
    if error.hint:
        _error(f"  {error.hint}")
    return error.exit_code


def _error(text: str) -> None:
    typer.echo(inert(text, limit=4_000), err=True)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        value = " ".join(str(part) for part in value) or "-"
    return one_line(str(value), limit=CELL)


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()
