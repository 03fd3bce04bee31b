"""The pages of cases: their list, and one of them with its changes."""

from collections.abc import Mapping
from typing import Any

from casebell.console.routing import SeeOther
from casebell.console.visit import Visit
from casebell.console.words import headline
from casebell.errors import NotFound
from casebell.events import Status
from casebell.service.story import became, marks

#: Of a receipt number that leads to no case, or to none that one may see.
_NONE_TO_SEE = (
    "Casebell has received nothing of this receipt number that you may see. That does not mean "
    "that nothing happened: see that the number is right, and look at USCIS."
)
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
    return {
        "found": await visit.ask("list_cases", **visit.arguments),
        "statuses": Status,
        "empty": _NONE_TO_SEE if receipt else "No case matches.",
    }


async def case(visit: Visit) -> Mapping[str, Any]:
    """A case with its changes, the newest first: who was told of each, and what is to be known."""
    try:
        found = await visit.ask("find_case", receipt=visit.arguments["receipt"])
    except NotFound:
        raise NotFound(_NONE_TO_SEE) from None
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
