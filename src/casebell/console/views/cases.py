"""The pages of cases: their list, and one of them with its changes."""

from collections.abc import Mapping
from typing import Any

from casebell.console.routing import SeeOther
from casebell.console.visit import Visit
from casebell.console.words import headline
from casebell.errors import NotFound
from casebell.events import Status
from casebell.service.story import became, marks

#: Characters of an official text that are shown of each change; its event has all.
MAX_TEXT = 300


async def listing(visit: Visit) -> Mapping[str, Any] | SeeOther:
    """A page of cases; a receipt number leads to its case."""
    if receipt := visit.arguments.get("receipt"):
        try:
            found = await visit.ask("find_case", receipt=receipt)
        except NotFound:
            pass
        else:
            return SeeOther(to=f"/cases/{found['receipt']}")
    return {"found": await visit.ask("list_cases", **visit.arguments), "statuses": Status}


async def case(visit: Visit) -> Mapping[str, Any]:
    """A case with its changes, the newest first: who was told of each, and what is to be known."""
    found = await visit.ask("find_case", receipt=visit.arguments["receipt"])
    return {
        "title": f"Case {found['receipt']}",
        "case": found,
        "changes": [_change(one) for one in found["changes"]],
    }


def _change(one: Mapping[str, Any]) -> Mapping[str, Any]:
    text = one["text"]
    return {
        **one,
        "headline": headline(one),
        "marks": list(marks(one)),
        "text": text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…",
        "told": [{**alert, "became": became(alert)} for alert in one["told"]],
    }
