"""Cells of a CSV file that no spreadsheet runs as a formula, and that can be read back.

Where the list separator is a semicolon, a spreadsheet splits our cells at it, and their line ends
end its rows: there, quotation marks in the middle of a line protect nothing. So each part of a text
that could become a cell of its own is made harmless, not only the beginning.
"""

import re

#: A sign that begins a formula, wide and small forms included, or an apostrophe, which is doubled.
_BEGINS = r"[=+\-@'\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
#: Before a cell, or a part of it, that is dangerous behind blanks and quotation marks.
_DANGEROUS = re.compile(
    rf"^(?=[\t\r\n])|(?:^|;|\t|\r\n|\r(?!\n)|\n)(?=(?:[^\S\t\r\n]|\")*{_BEGINS})"
)
#: What `escape` has put there: the apostrophe behind where a cell, or a part of it, begins.
_ESCAPED = re.compile(r"(^|;|\t|\r\n|\r|\n)'")
#: Without one of these a text is one cell everywhere.
_SEPARATES = re.compile(r"[;\t\r\n]")


def escape(text: str) -> str:
    """The text with an apostrophe before each part that a spreadsheet could run.

    `unescape` reads it back: docs/operations.md, "Lists and exports".
    """
    # Nearly every cell is such a one, and this is three times as fast.
    if (text[:1].isalnum() or text[:1] == "{") and not _SEPARATES.search(text):
        return text
    return _DANGEROUS.sub(r"\g<0>'", text)


def unescape(cell: str) -> str:
    """The text of a cell that `escape` has changed."""
    return _ESCAPED.sub(r"\1", cell)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a cell that begins so for a formula."""
    return re.match(_BEGINS, text) is not None
