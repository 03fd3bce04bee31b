"""The page of the journal."""

from collections.abc import Mapping
from typing import Any

from casebell.console.visit import Visit
from casebell.json_text import printable

#: Characters of an entry's data that are shown; the API has all.
MAX_DATA = 2_000


async def listing(visit: Visit) -> Mapping[str, Any]:
    """A page of entries; that it was looked at is one, too."""
    found = await visit.ask("list_journal", **visit.arguments)
    return {"found": found, "data": [_data(entry) for entry in found["items"]]}


def _data(entry: Mapping[str, Any]) -> str:
    text = printable(entry["data"])
    return text if len(text) <= MAX_DATA else f"{text[:MAX_DATA]}…"
