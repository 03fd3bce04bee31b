"""The one table of what the API has: routing, parsing, description and tests are made of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from typing_extensions import TypedDict

from casebell.actors import GRANTS
from casebell.api.parameters import (
    MAX_NUMBER,
    Alerts,
    Cases,
    Events,
    ExportAlerts,
    ExportEvents,
    HeldOnes,
    Journal,
    Months,
    Note,
    Parameters,
    Readmit,
    RefusedOnes,
    Release,
)
from casebell.errors import BadArgument, NotFound
from casebell.service.cases import Case, CaseWithChanges
from casebell.service.done import (
    AlertsDone,
    ChannelTested,
    HeldDiscarded,
    Readmitted,
    Released,
    Reloaded,
)
from casebell.service.explained import RefusalExplained
from casebell.service.filters import receipt_number
from casebell.service.outcomes import Report
from casebell.service.rights import RIGHTS
from casebell.service.standing import Channel, Server
from casebell.shapes import (
    Alert,
    Event,
    EventWithDeliveries,
    Explanation,
    Held,
    JournalEntry,
    Refused,
    described,
)

#: The description of all this, made by `openapi.py`.
DESCRIPTION = Path(__file__).with_name("openapi.json")

#: The types of answers.
JSON = "application/json"
BYTES = "application/octet-stream"
JSON_LINES = "application/x-ndjson"
CSV = "text/csv; charset=utf-8"

T = TypeVar("T")
#: What a part of the path is to the verb.
Arguments: TypeAlias = Callable[[Any], Mapping[str, Any]]

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)
_PART = re.compile(r"\{(\w+)\}")


@described
class Listing(TypedDict, Generic[T]):
    """A page, newest first."""

    items: list[T]
    next: str | None
    """The `cursor` of the next page; null behind the last row."""


def _number(text: str) -> int:
    """The number of a row.

    Raises:
        NotFound: no row can have it.
    """
    number = int(text) if _DIGITS.fullmatch(text) else 0
    if not 1 <= number <= MAX_NUMBER:
        raise NotFound("There is nothing of this number.")
    return number


def _receipt(text: str) -> str:
    """A receipt number in any spelling.

    Raises:
        NotFound: it is none.
    """
    try:
        return receipt_number(text)
    except BadArgument:
        raise NotFound("There is no case of this receipt number.") from None


#: How each part of a path is read.
PARTS: Mapping[str, Callable[[str], Any]] = {"id": _number, "name": str, "receipt": _receipt}


def _ids(number: int) -> Mapping[str, Any]:
    return {"ids": [number]}


def _as(argument: str) -> Arguments:
    return lambda value: {argument: value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    #: Behind the prefix, with the names of its variable parts: `events/{id}/why`.
    path: str
    #: What the service is asked; "" for the description, which the API itself has.
    verb: str
    #: The type of its answer.
    answer: Any
    #: What it does, as a sentence.
    summary: str
    #: What the variable part of the path is to the verb.
    part: Arguments = dict
    #: Its parameters.
    query: type[Parameters] = Parameters
    #: Its JSON body; None where it takes none.
    body: type[Parameters] | None = None
    #: Whether a body must be there.
    needs_body: bool = False
    #: Statuses that it can have beside those of all.
    statuses: frozenset[int] = frozenset()
    #: What its answer can be where it is not JSON.
    media: tuple[str, ...] = (JSON,)

    @property
    def raw(self) -> bool:
        """Whether its answer is bytes or lines."""
        return self.media != (JSON,)

    @property
    def may_be(self) -> frozenset[int]:
        """Every status that it can have."""
        found = {200, 400, 401, 429, 503} | self.statuses
        if self.verb and not all(RIGHTS[self.verb] in rights for rights in GRANTS.values()):
            found.add(403)
        if self.part_names:
            found.add(404)
        if self.body is not None:
            found |= {408, 413, 415}
        return frozenset(found)

    @property
    def part_names(self) -> list[str]:
        """The names of the variable parts of its path."""
        return _PART.findall(self.path)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches its paths."""
        return re.compile(_PART.sub(r"(?P<\1>[^/]+)", self.path.replace(".", r"\.")))


_STATE = frozenset({409})
_ROWS = frozenset({404, 409})

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="events",
        verb="list_events",
        query=Events,
        answer=Listing[Event],
        summary="Events, newest first.",
    ),
    Route(
        method="GET",
        path="events/{id}",
        verb="find_event",
        part=_as("number"),
        answer=EventWithDeliveries,
        summary="One event with every delivery of it.",
    ),
    Route(
        method="GET",
        path="events/{id}/why",
        verb="explain_event",
        part=_as("number"),
        answer=Explanation,
        summary="Everything that became of an event: who was told, and why nobody else was.",
    ),
    Route(
        method="GET",
        path="events/{id}/body",
        verb="event_body",
        part=_as("number"),
        answer=bytes,
        media=(BYTES,),
        summary="The exact bytes of an event's first delivery. Goes on record.",
    ),
    Route(
        method="POST",
        path="events/export",
        verb="export_events",
        body=ExportEvents,
        answer=str,
        media=(JSON_LINES, CSV),
        summary="Every event that matches, oldest first; without its last line it is cut off. "
        "Goes on record.",
    ),
    Route(
        method="GET",
        path="alerts",
        verb="list_alerts",
        query=Alerts,
        answer=Listing[Alert],
        summary="Alerts, newest first.",
    ),
    Route(
        method="POST",
        path="alerts/{id}/retry",
        verb="retry_alerts",
        part=_ids,
        body=Note,
        answer=AlertsDone,
        statuses=_STATE,
        summary="Send a failed alert again.",
    ),
    Route(
        method="POST",
        path="alerts/{id}/dismiss",
        verb="dismiss_alerts",
        part=_ids,
        body=Note,
        answer=AlertsDone,
        statuses=_STATE,
        summary="Say of a failed alert that nothing remains to be done.",
    ),
    Route(
        method="POST",
        path="alerts/export",
        verb="export_alerts",
        body=ExportAlerts,
        answer=str,
        media=(JSON_LINES, CSV),
        summary="Every alert that matches, oldest first; without its last line it is cut off. "
        "Goes on record.",
    ),
    Route(
        method="GET",
        path="cases",
        verb="list_cases",
        query=Cases,
        answer=Listing[Case],
        summary="Cases of which something was received, that with the newest change first.",
    ),
    Route(
        method="GET",
        path="cases/{receipt}",
        verb="find_case",
        part=_as("receipt"),
        answer=CaseWithChanges,
        summary="One case with its latest changes, and who was told.",
    ),
    Route(
        method="GET",
        path="reports/outcomes",
        verb="outcomes",
        query=Months,
        answer=Report,
        summary="Receipts, requests for evidence and decisions by month.",
    ),
    Route(
        method="GET",
        path="held",
        verb="list_held",
        query=HeldOnes,
        answer=Listing[Held],
        summary="Authentic deliveries that could not be understood, newest first. Goes on record.",
    ),
    Route(
        method="POST",
        path="held/{id}/release",
        verb="release_held",
        part=_ids,
        answer=Released,
        statuses=_STATE,
        summary="Try again to understand a held delivery, with today's configuration.",
    ),
    Route(
        method="POST",
        path="held/{id}/discard",
        verb="discard_held",
        part=_as("held_id"),
        answer=HeldDiscarded,
        statuses=_STATE,
        summary="Close a held delivery without acting on it; its body is kept.",
    ),
    Route(
        method="POST",
        path="held/release",
        verb="release_held",
        body=Release,
        needs_body=True,
        answer=Released,
        statuses=_ROWS,
        summary="Try again to understand several held deliveries.",
    ),
    Route(
        method="GET",
        path="refused",
        verb="list_refused",
        query=RefusedOnes,
        answer=Listing[Refused],
        summary="Deliveries that did not authenticate, newest first; the newest are kept.",
    ),
    Route(
        method="GET",
        path="refused/{id}/why",
        verb="why_refused",
        part=_as("refused_id"),
        answer=RefusalExplained,
        summary="The likely cause of a refusal, and what to do about it.",
    ),
    Route(
        method="POST",
        path="refused/readmit",
        verb="readmit_refused",
        body=Readmit,
        needs_body=True,
        answer=Readmitted,
        statuses=frozenset({404}),
        summary="Check refused deliveries again with today's secrets.",
    ),
    Route(
        method="GET",
        path="channels",
        verb="list_channels",
        answer=Listing[Channel],
        summary="The channels, whole: whom each reached, and what waits.",
    ),
    Route(
        method="POST",
        path="channels/{name}/test",
        verb="test_channel",
        part=_as("name"),
        answer=ChannelTested,
        summary="Send a marked test message to each target of a channel.",
    ),
    Route(
        method="GET",
        path="servers",
        verb="list_servers",
        answer=Listing[Server],
        summary="The servers that run on this database, whole, and whose settings differ.",
    ),
    Route(
        method="GET",
        path="journal",
        verb="list_journal",
        query=Journal,
        answer=Listing[JournalEntry],
        summary="The record of everything that happened, newest first. Goes on record.",
    ),
    Route(
        method="POST",
        path="reload",
        verb="reload",
        answer=Reloaded,
        statuses=_STATE,
        summary="Read the configuration again; one that cannot be used changes nothing.",
    ),
    Route(
        method="GET",
        path=DESCRIPTION.name,
        verb="",
        answer=dict[str, Any],
        summary="This description.",
    ),
)


class Routes:
    """Finds the route of a request.

    A path that is written out goes before one with a variable part: `events/export` is no event.
    """

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._of: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in sorted(routes, key=lambda one: bool(one.part_names)):
            _, methods = self._of.setdefault(route.path, (route.pattern, {}))
            methods[route.method] = route

    def of(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """The routes of a path by method, and its variable parts as they stand in it."""
        for pattern, methods in self._of.values():
            if found := pattern.fullmatch(path):
                return methods, found.groupdict()
        return {}, {}
