"""What commands print: lines, tables, JSON and errors.

Nothing from outside reaches a terminal as it came: control characters could move its cursor,
rename its window or hide a line. Everything else is shown as it is.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import typer

from casebell.errors import CasebellError, ConfigError
from casebell.json_text import printable
from casebell.times import local_time
from casebell.visible import visible

#: The columns of a listing by their headings: the name of a field, or what is made of an item.
Columns: TypeAlias = Mapping[str, str | Callable[[Mapping[str, Any]], object]]

#: Characters of one line, and of a cell of a listing where no terminal limits it.
MAX_LINE = 200_000
MAX_CELL = 200
#: Characters that the last column keeps on however narrow a terminal.
MIN_LAST_COLUMN = 16
#: Ends what was cut.
ELLIPSIS = "…"


class ReaderGone(Exception):
    """The reader of standard output has closed it, as `head` does."""


class OutputFailed(CasebellError):
    """The output cannot be written."""

    code = "output_failed"
    exit_code = 3


@contextlib.contextmanager
def output_errors(name: str = "Standard output") -> Iterator[None]:
    """Tells an error of the output as its own, and not as that of whatever was being read.

    Raises:
        ReaderGone, OutputFailed: instead of OSError.
    """
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OutputFailed(f"{name} cannot be written: {reason}.") from None


def plain(text: str) -> str:
    """The text as one line without control, format or surrogate characters; the rest verbatim."""
    return visible(text).replace("\n", " ")


def print_line(text: str = "") -> None:
    """Print one line; what would act on a terminal, or begin another line, is left out."""
    _print(_cut(plain(text[: MAX_LINE + 1]), MAX_LINE))


def print_answer(answer: Mapping[str, Any], sentences: Iterable[str], *, as_json: bool) -> None:
    """Print what there is to say of one thing: as JSON, or as lines for people."""
    if as_json:
        print_json(answer)
    else:
        for sentence in sentences:
            print_line(sentence)


def print_rows(
    items: Sequence[Mapping[str, Any]],
    columns: Columns,
    *,
    as_json: bool,
    empty: str,
    whole: bool = False,
) -> None:
    """Print a listing: one JSON object a line, or a table with headings.

    The last column is cut where the terminal ends; `whole` cuts nothing.
    """
    if as_json:
        for item in items:
            print_json(item)
        return
    if not items:
        print_line(empty)
        return
    limit = MAX_LINE if whole else MAX_CELL
    read = [itemgetter(one) if isinstance(one, str) else one for one in columns.values()]
    table = [list(columns), *([_cell(of(item), limit) for of in read] for item in items)]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns) - 1)]
    room = limit if whole else _room(sum(widths) + 2 * len(widths))
    for *cells, last in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        print_line("  ".join([*padded, _cut(last, room)]).rstrip())


def _room(used: int) -> int:
    """Characters for the last column."""
    if not sys.stdout.isatty():
        return MAX_CELL
    return max(shutil.get_terminal_size().columns - used, MIN_LAST_COLUMN)


def print_json(item: Mapping[str, Any]) -> None:
    """Print one object as one line of JSON."""
    _print(printable(item))


def print_error(error: CasebellError) -> int:
    """Print an error as one sentence and a hint; return the exit code."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            place = f"{problem.where}: " if problem.where else ""
            key = f"{problem.key}: " if problem.key else ""
            print_to_stderr(f"{place}{key}{problem.message}", problem.hint)
        if len(error.problems) > 1:
            print_to_stderr(f"{len(error.problems)} problems. {error.hint}")
        return error.exit_code
    print_to_stderr(f"Error: {error.message}", error.hint)
    return error.exit_code


def print_to_stderr(sentence: str, hint: str = "") -> None:
    """Print what went wrong, and what to do next, on standard error."""
    typer.echo(_cut(plain(sentence), MAX_LINE), err=True)
    if hint:
        typer.echo(f"  {plain(hint)}", err=True)


def print_looked_back(back: str, zone: str, *, noun: str | None = None) -> None:
    """Say on standard error how far back a listing looked, and how to look further.

    Args:
        noun: of a listing that has `--until` and an export.
    """
    print_to_stderr(
        f"Looked back to {local_time(back, zone)}; older ones may match.",
        f"Go on with `--until {back}`; `casebell {noun} export` looks through everything."
        if noun
        else "A larger `--limit` looks further back.",
    )


@contextlib.contextmanager
def status_line(*, shown: bool) -> Iterator[Callable[[str], None]]:
    """A line on standard error that says how far something is; cleared at the end."""
    last = ""

    def show(text: str) -> None:
        nonlocal last
        if shown and text != last:
            typer.echo(f"\r{text:<{len(last)}}", err=True, nl=False)
            last = text

    try:
        yield show
    finally:
        if last:
            typer.echo(f"\r{' ' * len(last)}\r", err=True, nl=False)


def _print(text: str) -> None:
    with output_errors():
        typer.echo(text)


def _cell(value: object, limit: int) -> str:
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    if value is None or value == "":
        return "-"
    return _cut(" ".join(plain(str(value)[: 4 * limit]).split()), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)] + ELLIPSIS
