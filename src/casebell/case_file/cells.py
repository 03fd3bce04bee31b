"""What a cell says of a case."""

import re
from collections.abc import Mapping, Sequence

from casebell.case_file.columns import Column
from casebell.csv_cells import is_formula
from casebell.email_address import MAX_EMAIL, is_email_address
from casebell.spelling import spelling
from casebell.uscis.receipts import MAX_RAW, ReceiptError, canonical
from casebell.visible import visible

#: What clears a fact; an empty cell leaves it as it is.
CLEAR = "-"
#: Receipt numbers of one cell.
MAX_RECEIPTS = 50
#: Characters that are kept of each fact. What only people read is cut; an owner that is cut would
#: be somebody else.
MAX_CHARACTERS: Mapping[Column, int] = {
    Column.LABEL: 200,
    Column.MATTER: 100,
    Column.OWNER: MAX_EMAIL,
    Column.OWNER_EMAIL: MAX_EMAIL,
    Column.TEAM: 100,
    Column.FORM: 50,
}
_CUT = frozenset({Column.LABEL, Column.MATTER, Column.FORM})
#: What says that a case is not confidential, in any case.
_NO = frozenset({CLEAR, "no", "n", "false", "0"})

#: Excel's way to have a number taken for a text.
_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_NUMBER = re.compile(r"[0-9][0-9.,\s]*")
_BETWEEN = re.compile(r"[,;/|&+\n\r\t]+|\band\b")
#: A receipt number within a text.
_RECEIPT = re.compile(r"\b[A-Za-z]{3}[0-9]{10}\b", re.ASCII)


class CellError(ValueError):
    """A cell cannot be understood; says why as a sentence, and never what it holds."""


def undone(cell: str) -> str:
    """A cell without what spreadsheets put around a text so that it stays one."""
    text = cell.strip()
    if found := _AS_TEXT.fullmatch(text):
        text = found[1]
    # Before a sign of a formula; an apostrophe before a letter is a name's own.
    return text[1:] if text[:1] == "'" and is_formula(text[1:]) else text


def receipts_of(cell: str) -> Sequence[str]:
    """The receipt numbers of a cell, in one spelling.

    Raises:
        CellError: it has none, or something else beside them.
    """
    text = cell.strip().removeprefix("'").strip()
    if not text:
        raise CellError("There is no receipt number.")
    if _SCIENTIFIC.fullmatch(text):
        raise CellError(
            "The receipt number is a rounded number such as 3.09E+12: the spreadsheet has lost it. "
            "Format the column as text, fill it anew, and save as CSV again."
        )
    if _NUMBER.fullmatch(text):
        raise CellError("The receipt number has no letters: it is three letters and ten digits.")
    parts = [one for one in map(str.strip, _BETWEEN.split(text)) if one]
    if len(parts) == 1 and (len(text) > MAX_RAW or len(_RECEIPT.findall(text)) > 1):
        parts = text.split()
    if len(parts) > MAX_RECEIPTS:
        raise CellError(f"The cell has more than {MAX_RECEIPTS} receipt numbers.")
    try:
        found = [canonical(one.removeprefix("'")) for one in parts]
    except ReceiptError:
        raise CellError("The receipt number is not three letters and ten digits.") from None
    if not found:
        raise CellError("There is no receipt number.")
    return list(dict.fromkeys(found))


def swallows_rows(cell: str) -> bool:
    """Whether a cell holds lines that are rows: a quotation mark opens it and ends elsewhere."""
    return "\n" in visible(cell) and _RECEIPT.search(cell) is not None


def fact_of(column: Column, cell: str) -> str | bool | None:
    """What a cell says: "" clears; None, of an empty cell, leaves what is there.

    Raises:
        CellError: it cannot be understood, or is too long.
    """
    text = " ".join(visible(cell).split())
    if not text:
        return None
    if column is Column.CONFIDENTIAL:
        return spelling(text) not in _NO
    if text == CLEAR:
        return ""
    most = MAX_CHARACTERS[column]
    if len(text) > most:
        if column not in _CUT:
            raise CellError(f"The {column} has more than {most} characters.")
        text = f"{text[: most - 1].rstrip()}…"
    if column is Column.OWNER_EMAIL and not is_email_address(text):
        raise CellError("The owner_email is no e-mail address.")
    return text
