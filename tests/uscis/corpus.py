"""Reads the corpora: tables of texts and of what each says."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

from casebell.events import Tag

HERE = Path(__file__).parent

#: Form names that hold words of decisions.
FORMS = (
    "Form I-129, Petition for a Nonimmigrant Worker",
    "Form I-824, Application for Action on an Approved Application or Petition",
    "Form I-212, Application for Permission to Reapply for Admission After Deportation or Removal",
    "Form N-336, Request for a Hearing on a Decision in Naturalization (Under Section 336)",
    "Form I-360, Petition for Amerasian, Widow(er), or Special Immigrant",
    "Form I-290B, Notice of Appeal or Motion",
    "Form I-765",
)
DATES = ("October 14, 2025", "May 2, 2025")


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a corpus; lines that start with # are remarks."""
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        kept = (line for line in lines if not line.startswith("#"))
        return list(csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE))


def tags(cell: str) -> frozenset[Tag]:
    """A cell's tags."""
    return frozenset(map(Tag, filter(None, cell.split(","))))


def descriptions() -> Iterator[tuple[str, str]]:
    """(title, description) with every form and date filled in."""
    for row, form, date in itertools.product(rows("descriptions.tsv"), FORMS, DATES):
        yield (
            row["title"],
            row["description"].format(
                form=form,
                formulario=form.replace("Form ", "Formulario "),
                receipt="IOE0912345678",
                date=date,
                fecha="14 de mayo de 2025",
                later="June 13, 2025",
            ),
        )
