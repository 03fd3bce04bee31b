"""The pages of cases: their list, and one of them with its changes."""

from collections.abc import Iterator, Mapping
from typing import Any

from casebell.actors import Actor, Right
from casebell.case_file import Column
from casebell.case_file.cells import MAX_CHARACTERS
from casebell.case_file.columns import HEADINGS
from casebell.console.routing import SeeOther
from casebell.console.views.queue import shown
from casebell.console.visit import Visit
from casebell.console.words import headline
from casebell.errors import NotFound
from casebell.events import Status
from casebell.service.case_directory import GUARDED, may_edit, may_say_who_hears
from casebell.service.story import became, escalation_in_words, marks

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
        "imports": visit.may(Right.EDIT_CASES),
    }


async def import_form(_visit: Visit) -> Mapping[str, Any]:
    """The form for a list of cases; nothing is looked at yet."""
    return {
        "answer": None,
        "content": "",
        "headings": HEADINGS,
        # Where a form is posted to is the same page.
        "here": "/cases/import",
        "error": "",
    }


async def case(visit: Visit) -> Mapping[str, Any]:
    """A case with its changes, the newest first: who was told of each, and what is to be known.

    For whoever may, with a form for what the firm says of it.
    """
    try:
        found = await visit.ask("find_case", receipt=visit.arguments["receipt"])
    except NotFound:
        raise NotFound(_NONE_TO_SEE) from None
    was = {column: _as_typed(found[column]) for column in _editable(found, visit.actor)}
    return {
        "title": f"Case {found['receipt']}",
        "case": found,
        "changes": [_change(one, found, visit) for one in found["changes"]],
        "was": was,
        "typed": was,
        "most": MAX_CHARACTERS,
        # Where a form is posted to is the same page.
        "here": f"/cases/{found['receipt']}",
        "error": "",
    }


def _editable(found: Mapping[str, Any], actor: Actor) -> Iterator[Column]:
    """What somebody may change of a case."""
    owner, team = found["owner"] or "", found["team"] or ""
    if not may_edit(actor, owner=owner, team=team):
        return
    guarded = not may_say_who_hears(actor, owner=owner, confidential=found["confidential"])
    for column in Column:
        if column is not Column.RECEIPT and not (guarded and column in GUARDED):
            yield column


def _as_typed(fact: str | bool | None) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return fact or ""


def _change(one: Mapping[str, Any], found: Mapping[str, Any], visit: Visit) -> Mapping[str, Any]:
    text, owed = one["text"], one["owed"]
    return {
        **one,
        "owed": None if owed is None else shown(owed, visit),
        # Whether there is something to say of it: it is in the queue, or the present change.
        "open": owed["answered_at"] is None if owed else one["id"] == found["change"],
        "headline": headline(one),
        "marks": list(marks(one)),
        "text": text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…",
        "told": [{**alert, "became": became(alert)} for alert in one["told"]],
        "told_again": list(map(escalation_in_words, one["escalations"])),
    }
