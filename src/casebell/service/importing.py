"""An import of a list of cases: read, put a few rows at a time, and summed up.

It runs where the file is. With a server the command line reads it and has the server put the rows,
so that a large file takes the server no more time than its rows do.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from casebell.case_file import CaseFile, Column, Problem, Row, read
from casebell.service.formats import CsvLines

#: Rows of one write, for which deliveries wait that come meanwhile: some three milliseconds. With
#: four times as many a list is in no sooner, and one delivery of a hundred waits for 90 ms.
ROWS_A_WRITE = 50
#: Rows that are read before deliveries have a turn.
_ROWS_A_TURN = 25
#: Problems that an answer names.
MAX_PROBLEMS = 1_000

#: Puts rows into the directory, or only looks at what they would change; answers as `CasesPut`.
Put: TypeAlias = Callable[[Sequence[Row]], Awaitable[Mapping[str, Any]]]


@dataclass(kw_only=True, slots=True)
class Import:
    """One import, and how far it is."""

    file: CaseFile
    sha256: str
    dry_run: bool
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def rows(self) -> int:
        """How many are put, or would be."""
        return self.new + self.changed + self.unchanged

    def figures(self) -> dict[str, Any]:
        """What goes on record of it: neither a text nor a heading of the file."""
        return {
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "left_out": len(self.problems),
            "sha256": self.sha256,
        }

    def answer(self, *, most: int | None = MAX_PROBLEMS) -> dict[str, Any]:
        """What it came to, as `CasesImported`.

        Args:
            most: problems that are named.
        """
        return {
            **self.figures(),
            "dry_run": self.dry_run,
            "problems": [{"line": one.line, "reason": one.reason} for one in self.problems[:most]],
            "altered": self.file.altered,
            "ignored": list(self.file.ignored),
            "encoding": self.file.encoding,
        }

    def problem_lines(self) -> Iterator[str]:
        """The lines that were left out as a list that can be mended and imported."""
        columns = self.file.columns
        table = CsvLines(["reason", "line", *columns])
        yield table.heading()
        for one in self.problems:
            cells = {str(column): one.cells.get(column, "") for column in columns}
            yield table.row({"reason": one.reason, "line": one.line, **cells})


async def carry_out(
    content: bytes,
    *,
    put: Put,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Import:
    """Put every row of a file.

    Args:
        progress: told how many were put.

    Raises:
        UnusableCaseFile: it is no list of cases; nothing is put then.
        CasebellError: as `put` raises it; the rows before stay.
    """
    # Of a large file both take longer than a delivery may wait.
    file, sha256 = await asyncio.to_thread(lambda: (read(content), _sha256(content)))
    one = Import(file=file, sha256=sha256, dry_run=dry_run)
    waiting: list[Row] = []

    async def put_waiting() -> None:
        answer = await put(waiting)
        one.new += answer["new"]
        one.changed += answer["changed"]
        one.unchanged += answer["unchanged"]
        cells = {row.line: _cells(row) for row in waiting}
        one.problems += [Problem(**left, cells=cells[left["line"]]) for left in answer["problems"]]
        waiting.clear()
        progress(one.rows)

    for number, line in enumerate(one.file.lines()):
        if isinstance(line, Problem):
            one.problems.append(line)
        elif line is not None:
            waiting.append(line)
        if len(waiting) == ROWS_A_WRITE:
            await put_waiting()
        if number % _ROWS_A_TURN == 0:
            await asyncio.sleep(0)
    if waiting:
        await put_waiting()
    one.problems.sort(key=lambda problem: problem.line)
    return one


def list_of(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Rows as a list that says the same: a line for each case, nothing of other columns."""
    of_case: dict[str, dict[Column, str]] = {}
    for row in rows:
        of_case.setdefault(row.receipt, {}).update(_cells(row))
    table = CsvLines(list(columns))
    return table.heading() + "".join(
        table.row({column: cells.get(column, "") for column in columns})
        for cells in of_case.values()
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cells(row: Row) -> Mapping[Column, str]:
    """A row as the cells of its line."""
    said = {
        column: {True: "yes", False: "no", "": "-"}.get(fact, str(fact))
        for column, fact in row.facts.items()
    }
    return {Column.RECEIPT: row.receipt, **said}
