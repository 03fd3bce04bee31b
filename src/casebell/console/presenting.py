"""Makes the answer of what a request came to: a page, another to go to, or an error's page."""

from collections.abc import Callable, Mapping, Sequence

from casebell.clock import Clock
from casebell.console import words
from casebell.console.protection import sign_in_path
from casebell.console.rendering import Rendering
from casebell.console.request import Request
from casebell.console.routing import Page, SeeOther, Shown
from casebell.errors import CasebellError, NotSignedIn
from casebell.http.answers import Answer, Headers, error_answer
from casebell.settings import Settings

#: What an error's page is called.
_TITLES: Mapping[int, str] = {
    400: "This cannot be understood",
    403: "Not allowed",
    404: "There is nothing here",
    409: "This cannot be done now",
    429: "Too many attempts",
    502: "The provider does not answer as it should",
    503: "Not possible now",
}
#: Headers that an error's page has, too.
_OF_ERRORS = frozenset({b"retry-after", b"allow", b"connection"})


class Presenting:
    """Answers with the templates.

    Args:
        pages: those of the navigation are shown to whoever may see them.
        settings: returns those in force.
    """

    def __init__(
        self,
        *,
        rendering: Rendering,
        pages: Sequence[Page],
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._rendering = rendering
        self._pages = pages
        self._settings = settings
        self._clock = clock

    async def page(self, shown: Shown, request: Request) -> Answer:
        """A page."""
        local = self._settings().server.timezone
        session, zone = request.signed_in, request.zone(local)
        may = session.actor.may if session else lambda _: False
        text = await self._rendering.page(
            shown.template,
            {
                "told": session and session.told,
                "actor": session and session.actor,
                "may": may,
                "navigation": [page for page in self._pages if page.nav and may(page.right)],
                "path": request.scope["path"],
                "here": request.here,
                "given": {name: one[0] for name, one in request.query.items()},
                "zone": zone,
                "local_zone": local,
                "status": shown.status,
                "request_id": request.request_id,
                **shown.values,
            },
            zone=zone,
            now=self._clock.now(),
        )
        headers = [(b"content-type", b"text/html; charset=utf-8"), *shown.headers]
        body = text.encode("utf-8", "backslashreplace")
        return _answer(shown.status, headers, body, request)

    def elsewhere(self, to: SeeOther, request: Request) -> Answer:
        """The way to another page."""
        headers = [(b"location", to.to.encode()), *to.headers]
        return _answer(303, headers, b"", request)

    async def error(self, error: CasebellError, request: Request) -> Answer:
        """An error as a page; somebody who is not signed in is sent to do that."""
        if isinstance(error, NotSignedIn):
            return self.elsewhere(SeeOther(to=sign_in_path(request.back)), request)
        plain = error_answer(error, request.request_id)
        shown = Shown(
            template="error.html",
            status=plain.status,
            values={
                "title": _TITLES.get(plain.status, "Something went wrong"),
                "message": words.why(error),
                "back": request.back,
            },
            headers=[one for one in plain.headers if one[0] in _OF_ERRORS],
        )
        return await self.page(shown, request)


def _answer(status: int, headers: Headers, body: bytes, request: Request) -> Answer:
    more = [
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request.request_id.encode()),
    ]
    own = {name for name, _ in headers}
    of_all = [one for one in request.reached.headers if one[0] not in own]
    return Answer(status, [*headers, *of_all, *more], body)
