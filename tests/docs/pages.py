"""What this repository tells its readers, and the pieces of it that tests look at."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs/operations.md"
#: Every page, by its path from the root.
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (README, *sorted(ROOT.glob("C*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGES[page], re.DOTALL | re.MULTILINE)


def marked_block(marker: str, *, page: str = "README.md") -> str:
    """The block of a page that follows the line `<!-- marker -->`."""
    found = re.search(
        rf"^<!-- {marker} -->\n```\w+\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no block after <!-- {marker} -->"
    return found[1]


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level."""
    level = heading.split(" ", maxsplit=1)[0]
    return PAGES[page].split(f"\n{heading}\n", 1)[1].split(f"\n{level} ", 1)[0]


def first_column(text: str) -> Iterator[str]:
    """The first cell of each row of the tables in a text, headings and rules left out."""
    for row in re.findall(r"^\|(.*?)(?<!\\)\|", text, re.MULTILINE):
        if "`" in row:
            yield row.strip()


def code_in(text: str) -> list[str]:
    """Everything between backticks."""
    return re.findall(r"`([^`\n]+)`", text)
