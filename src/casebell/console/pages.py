"""The one table of the console's pages: routing, navigation and tests are made of it."""

from casebell.actors import Right
from casebell.api.parameters import Events
from casebell.console.routing import Page
from casebell.console.views import events

PAGES: tuple[Page, ...] = (
    Page(
        path="events",
        title="Events",
        nav="Events",
        right=Right.CASES,
        query=Events,
        view=events.listing,
        template="events.html",
    ),
)
