"""The one table of the console's pages: routing, navigation and tests are made of it."""

from casebell.actors import Right
from casebell.api.parameters import Alerts, Cases, HeldOnes, Journal, RefusedOnes
from casebell.console.routing import Page
from casebell.console.views import cases, events, journal, operations
from casebell.console.views.today import today

PAGES: tuple[Page, ...] = (
    Page(
        path="",
        title="Today",
        nav="Today",
        right=Right.CASES,
        view=today,
        template="today.html",
    ),
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
        path="alerts",
        title="Alerts",
        nav="Alerts",
        right=Right.CASES,
        query=Alerts,
        view=operations.alerts,
        template="alerts.html",
    ),
    Page(
        path="channels",
        title="Channels",
        nav="Channels",
        right=Right.OPERATIONS,
        view=operations.channels,
        template="channels.html",
    ),
    Page(
        path="held",
        title="Held deliveries",
        nav="Held",
        right=Right.OPERATIONS,
        query=HeldOnes,
        view=operations.held,
        template="held.html",
    ),
    Page(
        path="refused",
        title="Refused deliveries",
        nav="Refused",
        right=Right.OPERATIONS,
        query=RefusedOnes,
        view=operations.refused,
        template="refused.html",
    ),
    Page(
        path="refused/{id}",
        title="Refused delivery",
        right=Right.OPERATIONS,
        view=operations.why_refused,
        template="why_refused.html",
    ),
    Page(
        path="servers",
        title="Servers",
        nav="Servers",
        right=Right.OPERATIONS,
        view=operations.servers,
        template="servers.html",
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
