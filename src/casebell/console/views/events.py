"""The pages of events: their list, and one of them with everything that became of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from casebell.actors import Right
from casebell.alerts import AlertState
from casebell.api.parameters import EventFilters, NotGiven, Truth
from casebell.api.parameters import Events as ApiEvents
from casebell.console.forms import narrowed
from casebell.console.visit import Visit
from casebell.console.words import headline
from casebell.events import Flag, Status, Tag
from casebell.notify.render import FOOTER, USCIS_STATUS_PAGE
from casebell.service.story import marked, notes, occurred, story

#: The filters that held and refused deliveries have, too.
OF_ALL = frozenset({"source", "since", "until"})


class Events(ApiEvents):
    """A page of events, and of what came in beside them."""

    others: Truth = False
    """With held and refused deliveries."""
    # Of all three lists it has a place in each.
    cursor: Annotated[str, Field(pattern="^[0-9_-]{1,120}$")] | NotGiven = None


async def listing(visit: Visit) -> Mapping[str, Any]:
    """A page of events; with held and refused deliveries for who may see them and asks for them."""
    arguments = dict(visit.arguments)
    others = arguments.pop("others")
    of_filter = narrowed(EventFilters, arguments)
    of_events = sorted(of_filter.keys() - OF_ALL)
    if others and visit.may(Right.OPERATIONS) and not of_events:
        found = await visit.ask("list_arrivals", **arguments)
    else:
        found = await visit.ask("list_events", **arguments)
        found = {**found, "items": [{"event": event} for event in found["items"]]}
    return {
        "found": found,
        "marked": marked,
        "of_events": of_events if others else [],
        "filter": of_filter,
        "words": {"status": Status, "tag": Tag, "flag": Flag},
    }


async def event(visit: Visit) -> Mapping[str, Any]:
    """What an alert's link leads to: what happened, in which case; then all that became of it."""
    explanation = await visit.ask("explain_event", number=visit.arguments["id"])
    told = explanation["event"]
    cases = await visit.ask("list_cases", receipt=told["receipt"], limit=1)
    said = headline(told)
    return {
        "title": f"{said.title} · {told['receipt']}",
        "headline": said,
        "event": told,
        "case": next(iter(cases["items"]), None),
        "change": explanation["change"],
        "told_of_it": _told(explanation["alerts"]),
        "occurred": occurred(told),
        "notes": list(notes(told)),
        "story": list(story(explanation, in_short=True)),
        "delivered": explanation["delivered"],
        "notice": FOOTER,
        "look_up": USCIS_STATUS_PAGE,
    }


def _told(alerts: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """How many alerts there are of a change, and how many of them were sent."""
    sent = sum(one["state"] == AlertState.SENT for one in alerts)
    return {"sent": sent, "of": len(alerts)}
