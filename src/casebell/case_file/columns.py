"""What a list of cases can say of a case, and under which headings other products say it."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from casebell.errors import UnusableCaseFile
from casebell.visible import visible


class Column(StrEnum):
    """The columns, as we write them ourselves."""

    RECEIPT = "receipt"
    LABEL = "label"
    MATTER = "matter"
    OWNER = "owner"
    OWNER_EMAIL = "owner_email"
    TEAM = "team"
    FORM = "form"
    CONFIDENTIAL = "confidential"


#: What the firm says of a case: only what it names.
Facts: TypeAlias = Mapping[Column, str | bool]

#: The column in which our exports name those whose cells have apostrophes that are not theirs.
APOSTROPHES = "apostrophes_in"

#: The headings of each column, beside its own name, in any case and with any punctuation.
HEADINGS: Mapping[Column, Sequence[str]] = MappingProxyType(
    {
        Column.RECEIPT: (
            *("receipt number", "receipt no", "receipt #", "uscis receipt", "case number"),
            "number",
        ),
        Column.MATTER: (
            *("matter number", "matter no", "matter id", "display number", "custom number"),
            *("file no", "file reference", "client reference"),
        ),
        Column.OWNER: (
            *("attorney", "responsible attorney", "responsible lawyer", "assigned to"),
            *("case manager", "paralegal"),
        ),
        Column.OWNER_EMAIL: (),
        Column.TEAM: ("group", "office"),
        Column.LABEL: ("description", "title"),
        Column.FORM: ("form type",),
        Column.CONFIDENTIAL: ("1367", "vawa"),
    }
)

#: Columns of a file, and characters of a heading that is named.
MAX_COLUMNS = 300
_MAX_NAMED = 60


def _bare(heading: str) -> str:
    """A heading without what makes no difference: case, width, blanks, punctuation."""
    folded = unicodedata.normalize("NFKC", heading[:200]).casefold()
    return "".join(filter(str.isalnum, folded))


_COLUMNS: Mapping[str, Column] = {
    _bare(heading): column
    for column, headings in HEADINGS.items()
    for heading in (column, *headings)
}
_APOSTROPHES = _bare(APOSTROPHES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Headings:
    """The first row of a file, as far as it means something here."""

    #: Where each column stands in a row.
    places: Mapping[Column, int]
    #: Where our own exports say what they have escaped; None in any other file.
    apostrophes: int | None
    #: The headings that mean nothing here.
    ignored: Sequence[str]
    #: Cells of the row.
    width: int


def known(cells: Sequence[str]) -> int:
    """How many cells are headings of ours."""
    return sum(_bare(cell) in _COLUMNS for cell in cells)


def headings_of(cells: Sequence[str]) -> Headings:
    """The columns of a file.

    Raises:
        UnusableCaseFile: no column has the receipt numbers, or two mean the same.
    """
    if len(cells) > MAX_COLUMNS:
        raise UnusableCaseFile(f"The list has more than {MAX_COLUMNS} columns.")
    places: dict[Column, int] = {}
    ignored: list[str] = []
    apostrophes = None
    for place, cell in enumerate(cells):
        column = _COLUMNS.get(_bare(cell))
        if column in places:
            raise UnusableCaseFile(
                f"Two columns mean the same, the {column}: “{_named(cells[places[column]])}” and "
                f"“{_named(cell)}”.",
                hint="Take one of them out, or give it another heading.",
            )
        if column is not None:
            places[column] = place
        elif _bare(cell) == _APOSTROPHES:
            apostrophes = place
        else:
            ignored.append(_named(cell) or f"column {place + 1}")
    if Column.RECEIPT not in places:
        # Nothing of the row is said: it may be a client's.
        raise UnusableCaseFile(
            "No column of the first row is the receipt number."
            if places
            else "The first row has no headings that mean something here.",
            hint="Write headings into the first row. That of the receipt numbers is one of: "
            f"{', '.join((Column.RECEIPT, *HEADINGS[Column.RECEIPT]))}.",
        )
    return Headings(places=places, apostrophes=apostrophes, ignored=ignored, width=len(cells))


def _named(heading: str) -> str:
    text = " ".join(visible(heading[: 4 * _MAX_NAMED]).split())
    return text if len(text) <= _MAX_NAMED else f"{text[: _MAX_NAMED - 1]}…"
