"""Reads a list of cases: a row for each receipt number, or a problem for each line without one."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Self, TypeAlias

from casebell.case_file.cells import (
    CellError,
    fact_of,
    receipts_of,
    swallows_rows,
    undone,
)
from casebell.case_file.columns import Column, Facts, Headings, headings_of, known
from casebell.case_file.text import decode
from casebell.csv_cells import unescape
from casebell.errors import UnusableCaseFile

#: Bytes of a file, its lines that say something, and characters of a line and of one cell.
MAX_BYTES = 32 * 1024 * 1024
MAX_ROWS = 200_000
MAX_LINE = 200_000
MAX_CELL = 10_000
#: Empty rows before the headings.
_MAX_EMPTY = 1_000
#: The first cell of the last row of our exports.
SUMMARY = "# export"
#: What separates cells, and how a first line says so to Excel.
_SEPARATORS = (",", ";", "\t")
_SAYS_SEPARATOR = "sep="
#: Characters in which the first row that is not empty must end.
_MAX_HEAD = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A case that a line names, with what it says of it."""

    line: int
    receipt: str
    facts: Facts


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A line that is left out."""

    line: int
    #: A sentence; never what a cell holds.
    reason: str
    #: The cells of the columns that mean something here, so that the line can be mended.
    cells: Mapping[Column, str] = field(default_factory=dict[Column, str])
    #: The receipt numbers of the line, where it says that they are of confidential cases.
    confidential: Sequence[str] = ()


#: A record of the file: the line it begins in, and its cells or why it has none.
_Record: TypeAlias = tuple[int, Sequence[str] | str]


class CaseFile:
    """A list of cases whose headings are understood; its lines are read once.

    Args:
        records: the lines behind the headings.
        separator: how the export that made it separates cells.
    """

    def __init__(
        self, *, headings: Headings, records: Iterator[_Record], separator: str, encoding: str
    ) -> None:
        self._headings = headings
        self._records = records
        self.separator = separator
        self.encoding = encoding
        #: Headings that mean nothing here.
        self.ignored = headings.ignored
        #: The columns that are there.
        self.columns = tuple(column for column in Column if column in headings.places)
        #: Lines of which a text was cut, or lost characters that cannot be seen.
        self.altered = 0

    def lines(self) -> Iterator[Row | Problem | None]:
        """What each line comes to: a row for each receipt number of it, a problem, or nothing.

        At the end come cases that a line which is left out says are confidential: that is taken,
        whatever else is wrong with it. Otherwise a chat would hear of them.
        """
        marked: dict[str, Row] = {}
        for one in self._judged():
            yield one
            if isinstance(one, Problem):
                marked |= {receipt: _mark(receipt, line=one.line) for receipt in one.confidential}
        yield from marked.values()

    def _judged(self) -> Iterator[Row | Problem | None]:
        """The lines; None of an empty one: spreadsheets write those by the million."""
        seen: dict[str, Row] = {}
        rows = 0
        for line, cells in self._records:
            if not any(map(str.strip, cells)):
                yield None
                continue
            rows += 1
            if rows > MAX_ROWS:
                yield Problem(
                    line=line, reason=f"The file goes on after {MAX_ROWS:,} lines: divide it."
                )
                return
            if isinstance(cells, str):
                yield Problem(line=line, reason=cells)
                continue
            for one in self._line(line, cells):
                if isinstance(one, Problem):
                    yield one
                    continue
                before = seen.setdefault(one.receipt, one)
                if before is one:
                    yield one
                elif before.facts != one.facts:
                    yield Problem(
                        line=line,
                        reason=f"Line {before.line} says something else of the same receipt number "
                        "already.",
                        cells=self._known(cells),
                        confidential=[one.receipt] if one.facts.get(Column.CONFIDENTIAL) else (),
                    )

    def _line(self, line: int, cells: Sequence[str]) -> Iterator[Row | Problem]:
        shown = self._known(cells)
        if shown[Column.RECEIPT] == SUMMARY:
            return
        receipts: Sequence[str] = ()
        try:
            self._expect_whole(cells, shown)
            receipts = receipts_of(shown[Column.RECEIPT])
            facts = self._facts(shown)
        except CellError as error:
            is_secret = fact_of(Column.CONFIDENTIAL, shown.get(Column.CONFIDENTIAL, ""))
            confidential = receipts if is_secret else ()
            yield Problem(line=line, reason=str(error), cells=shown, confidential=confidential)
            return
        for receipt in receipts:
            yield Row(line=line, receipt=receipt, facts=facts)

    def _expect_whole(self, cells: Sequence[str], shown: Mapping[Column, str]) -> None:
        """Refuse a line of which cells may stand in the place of others."""
        if any(cell.strip() for cell in cells[self._headings.width :]):
            raise CellError(
                "The line has more cells than there are headings: is a text with a separator in it "
                "without quotation marks?"
            )
        if any(len(cell) > MAX_CELL for cell in shown.values()):
            raise CellError(f"A cell has more than {MAX_CELL:,} characters.")
        for column, cell in shown.items():
            if column is not Column.RECEIPT and swallows_rows(cell):
                raise CellError(
                    f"The {column} holds other lines: a quotation mark may be missing its pair."
                )

    def _facts(self, shown: Mapping[Column, str]) -> Facts:
        facts: dict[Column, str | bool] = {}
        altered = False
        for column, cell in shown.items():
            if column is Column.RECEIPT:
                continue
            fact = fact_of(column, cell)
            if fact is not None:
                facts[column] = fact
            altered |= isinstance(fact, str) and fact not in ("", " ".join(cell.split()))
        self.altered += altered
        return facts

    def _known(self, cells: Sequence[str]) -> Mapping[Column, str]:
        """The cells of the columns that mean something here, as they were meant."""
        place = self._headings.apostrophes
        escaped = None if place is None else _at(cells, place).split()
        found: dict[Column, str] = {}
        for column, at in self._headings.places.items():
            cell = _at(cells, at)
            if escaped is None:
                found[column] = undone(cell)
            else:
                found[column] = unescape(cell) if column in escaped else cell
        return found


def read(content: bytes) -> CaseFile:
    """Find out how a file is written, and what its columns are.

    Raises:
        UnusableCaseFile: it is no list of cases.
    """
    if len(content) > MAX_BYTES:
        raise UnusableCaseFile(f"The file has more than {MAX_BYTES // 1024**2} MiB: divide it.")
    decoded = decode(content)
    separator = _separator(decoded.text[:_MAX_HEAD])
    records = _records(decoded.text, separator)
    for _, cells in islice(records, _MAX_EMPTY):
        if isinstance(cells, str):
            raise UnusableCaseFile("The first row cannot be read.", hint=cells)
        if _is_blank(cells):
            continue
        return CaseFile(
            headings=headings_of(cells),
            records=records,
            separator=separator,
            encoding=decoded.encoding,
        )
    raise UnusableCaseFile("The file has no headings.")


def _mark(receipt: str, *, line: int) -> Row:
    return Row(line=line, receipt=receipt, facts={Column.CONFIDENTIAL: True})


def _separator(text: str) -> str:
    """That by which the first row has most headings of ours."""
    first = text.lstrip()
    if first[:4].lower() == _SAYS_SEPARATOR and first[4:5] in _SEPARATORS:
        return first[4]
    found = {one: _first_row(text, one) for one in _SEPARATORS}
    return max(_SEPARATORS, key=lambda one: (known(found[one]), len(found[one])))


def _first_row(text: str, separator: str) -> Sequence[str]:
    for _, cells in islice(_records(text, separator), _MAX_EMPTY):
        if isinstance(cells, str):
            return ()
        if not _is_blank(cells):
            return cells
    return ()


def _is_blank(cells: Sequence[str]) -> bool:
    """Whether a row before the headings says nothing, or only what separates cells."""
    first = next((cell for cell in cells if cell.strip()), "").strip()
    return not first or first[:5].lower() in {f"{_SAYS_SEPARATOR}{one}" for one in ("", *",;\t")}


def _records(text: str, separator: str) -> Iterator[_Record]:
    """The records of a CSV; one that cannot be read as the reason."""
    source = _Lines(text)
    reader = csv.reader(source, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        source.left = MAX_LINE
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error:
            last = reader.line_num
            lines = "This line" if last <= line else f"Lines {line} to {last}"
            reason = (
                f"{lines} cannot be read: a quotation mark stands within a cell or is missing its "
                "pair, or it is far too long."
            )
            yield line, reason


class _Lines:
    """The lines of a text, of which one record of it may have so many characters."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.left = MAX_LINE

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """The next line; raises as a reader does where it is too long."""
        line = next(self._lines)
        self.left -= len(line)
        if self.left < 0:
            raise csv.Error
        return line


def _at(cells: Sequence[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""
