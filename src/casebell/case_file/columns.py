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

#: The headings of each column, beside its own name, in any case and with any punctuation. Of
#: several in one file the first counts: an export may have an attorney and a paralegal.
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


#: By heading, what it means and how many others count before it.
_COLUMNS: Mapping[str, tuple[Column, int]] = {
    _bare(heading): (column, rank)
    for column, headings in HEADINGS.items()
    # Of two that are one without punctuation, the first.
    for rank, heading in reversed(list(enumerate((column, *headings))))
}
_APOSTROPHES = _bare(APOSTROPHES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Headings:
    """The first row of a file, as far as it means something here."""

    #: Where each column stands in a row.
    places: Mapping[Column, int]
    #: Where our own exports say what they have escaped; None in any other file.
    apostrophes: int | None
    #: The headings that mean nothing here, and those before which another counts.
    ignored: Sequence[str]
    #: Cells of the row.
    width: int


def known(cells: Sequence[str]) -> int:
    """How many cells are headings of ours."""
    return sum(_bare(cell) in _COLUMNS for cell in cells)


def headings_of(cells: Sequence[str]) -> Headings:
    """The columns of a file.

    Raises:
        UnusableCaseFile: no column has the receipt numbers, or two have one heading.
    """
    if len(cells) > MAX_COLUMNS:
        raise UnusableCaseFile(f"The list has more than {MAX_COLUMNS} columns.")
    ignored: list[str] = []
    apostrophes = None
    found: dict[Column, list[tuple[int, int]]] = {}
    for place, cell in enumerate(cells):
        if (meant := _COLUMNS.get(_bare(cell))) is not None:
            column, rank = meant
            found.setdefault(column, []).append((rank, place))
        elif _bare(cell) == _APOSTROPHES:
            apostrophes = place
        else:
            ignored.append(_named(cell) or f"column {place + 1}")
    places: dict[Column, int] = {}
    for column, ranked in found.items():
        (first, place), *others = sorted(ranked)
        if others and others[0][0] == first:
            raise UnusableCaseFile(
                f"Two columns have the heading “{_named(cells[place])}”.",
                hint="Take one of them out, or give it another heading.",
            )
        places[column] = place
        ignored += (
            f"{_named(cells[other])} (the {column} is in {_named(cells[place])})"
            for _, other in others
        )
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
