"""Cells that no spreadsheet runs, and that are read back as they were."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.csv_cells import escape, unescape

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
#: Texts of what makes a difference.
TEXTS = st.text(st.sampled_from(f"{SIGNS}';,\t\r\n\" \u00a0ab1")) | st.text()


def read_back(cell: str) -> str:
    """As the page on operations says, by its own expression."""
    (expression,) = re.findall(r're\.sub\(r"(.*?)", r"\\1", cell\)', PAGE.read_text("utf-8"))
    return re.sub(expression, r"\1", cell)


def cells_with_semicolons(line: str) -> list[str]:
    """What a spreadsheet makes of a CSV file where the list separator is a semicolon.

    A quotation mark counts at the beginning of a cell alone; within others it is text.
    """
    rows = csv.reader(io.StringIO(line, newline=""), delimiter=";")
    unquoted = re.split(r"[;\r\n]", line)
    return [cell for row in rows for cell in row] + unquoted


@given(TEXTS)
def test_a_text_is_read_back(text: str) -> None:
    """Whatever it holds, apostrophes of its own included."""
    assert read_back(escape(text)) == unescape(escape(text)) == text


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_no_part_of_a_line_is_a_formula(texts: list[str]) -> None:
    """Neither where commas separate cells, nor semicolons, nor tabs; blanks and quotes aside."""
    file = io.StringIO(newline="")
    csv.writer(file).writerow([1, *map(escape, texts)])
    line = file.getvalue()
    (row,) = csv.reader(io.StringIO(line, newline=""))
    cells = [*row, *cells_with_semicolons(line)]
    for part in (part for cell in cells for part in (cell, *cell.split("\t"))):
        assert not part.lstrip(' "\u00a0').startswith(tuple(SIGNS)), part


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("Request for Evidence, sent; see I-797", "Request for Evidence, sent; see I-797"),
        ("", ""),
        ("-5", "'-5"),
        ("'tis", "''tis"),
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1"', 'a;\' "=1+1"'),
        ("a\r\n@b", "a\r\n'@b"),
        ("a\n+b\r-c", "a\n'+b\r'-c"),
        ("a, =b - c", "a, =b - c"),
        ("\ttext", "'\ttext"),
    ],
)
def test_only_what_is_dangerous_changes(text: str, cell: str) -> None:
    """An ordinary text is as it was."""
    assert escape(text) == cell


def test_a_hostile_text_takes_no_time() -> None:
    """The work grows with the text alone."""
    for hostile in ("\t" * 200_000, "; " * 100_000, ' "' * 100_000, ";" + " " * 200_000):
        assert read_back(escape(hostile)) == hostile
