"""How an export is written: each row as text, and a last line that sums up all before it."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from casebell.csv_cells import escape
from casebell.json_text import encode, printable

#: The last column of a CSV export: the names of the columns whose cells are not verbatim.
ESCAPED = "apostrophes_in"
#: The first cell of its last row, which is no event's or alert's number.
SUMMARY = "# export"


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


class Lines(ABC):
    """The text of an export, a row at a time; all of it can be encoded as UTF-8.

    Args:
        fields: the keys of each row.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = fields

    @abstractmethod
    def heading(self) -> str:
        """What comes first; "" for nothing."""

    @abstractmethod
    def row(self, item: Mapping[str, Any]) -> str:
        """One row."""

    @abstractmethod
    def last(self, summary: Mapping[str, Any]) -> str:
        """The last line, without a line end inside."""


class JsonLines(Lines):
    """An object a line; the last has the one key `export`."""

    def heading(self) -> str:
        """None."""
        return ""

    def row(self, item: Mapping[str, Any]) -> str:
        """Characters that could act on a terminal are escaped, lone surrogates too."""
        return printable(item) + "\n"

    def last(self, summary: Mapping[str, Any]) -> str:
        """The summary under its key."""
        return printable({"export": summary}) + "\n"


class CsvLines(Lines):
    """A table in which every row has as many cells, so that strict readers take it, too."""

    def heading(self) -> str:
        """The names of the columns."""
        return _line([*self.fields, ESCAPED])

    def row(self, item: Mapping[str, Any]) -> str:
        """Texts as they came, but for what a spreadsheet would run."""
        texts = [_text(item[name]) for name in self.fields]
        cells = list(map(escape, texts))
        escaped = [
            name for name, text, cell in zip(self.fields, texts, cells, strict=True) if cell != text
        ]
        return _line([*cells, " ".join(escaped)])

    def last(self, summary: Mapping[str, Any]) -> str:
        """The mark, then the summary as JSON; the other cells are empty."""
        # Without semicolons nothing of it could become a cell of its own.
        told = printable(summary).replace(";", "\\u003b")
        return _line([SUMMARY, told, *[""] * (len(self.fields) - 1)])


def lines_of(written: Format, fields: Sequence[str]) -> Lines:
    """The text of an export in a format."""
    return JsonLines(fields) if written is Format.JSONL else CsvLines(fields)


def _text(value: object) -> str:
    """A value as the text of a cell; empty for null."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return encode(value)
    return "" if value is None else str(value)


def _line(cells: Sequence[str]) -> str:
    table = io.StringIO(newline="")
    csv.writer(table).writerow(cells)
    # Half a surrogate pair as its escape: UTF-8 cannot carry it.
    return table.getvalue().encode("utf-8", "backslashreplace").decode()
