"""The one table of the console's pages: routing, navigation and tests are made of it."""

from casebell.actors import Right
from casebell.api.parameters import Cases, Journal
from casebell.console.routing import Page
from casebell.console.views import cases, events, journal

PAGES: tuple[Page, ...] = (
    Page(
        path="events",
        title="Events",
        nav="Events",
        right=Right.CASES,
        query=events.Events,
        view=events.listing,
        template="events.html",
    ),
    Page(
        path="events/{id}",
        title="Event",
        right=Right.CASES,
        view=events.event,
        template="event.html",
    ),
    Page(
        path="cases",
        title="Cases",
        nav="Cases",
        right=Right.CASES,
        query=Cases,
        view=cases.listing,
        template="cases.html",
    ),
    Page(
        path="cases/{receipt}",
        title="Case",
        right=Right.CASES,
        view=cases.case,
        template="case.html",
    ),
    Page(
        path="audit",
        title="Journal",
        nav="Journal",
        right=Right.EVIDENCE,
        query=Journal,
        view=journal.listing,
        template="audit.html",
    ),
)
