"""Reads the corpora: tables of texts and of what each says."""

import csv
from pathlib import Path

from casebell.events import Tag

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a corpus; lines that start with # are remarks."""
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        kept = (line for line in lines if not line.startswith("#"))
        return list(csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE))


def tags(cell: str) -> frozenset[Tag]:
    """A cell's tags."""
    return frozenset(map(Tag, filter(None, cell.split(","))))
