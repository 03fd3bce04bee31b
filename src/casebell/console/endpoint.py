"""The console: who asks, what for, and the page that answers.

    request → where from → who → the page's right → read → ask → make the page
                 │           │         │            │       └ 404, 409, 503
                 └ 403       └ 303     └ 403        └ 400

An error is a page, too. Whoever is not signed in sees nothing but the doors that are open to all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from casebell.api.answers import bytes_answer, said_of, stream
from casebell.api.routing import CSV, JSON_LINES, PARTS, Routes
from casebell.api.slots import Turns
from casebell.clock import SECOND, Clock, new_request_id
from casebell.console import cookies, forms
from casebell.console.protection import (
    Reached,
    check_origin,
    is_of_a_browser,
    own_path,
    reached,
    sign_in_path,
)
from casebell.console.rendering import Rendering
from casebell.console.routing import Action, Door, Page, SeeOther, Shown
from casebell.console.said import said
from casebell.console.visit import Visit
from casebell.errors import (
    BadArgument,
    BodyTooLarge,
    CasebellError,
    CrossSite,
    Forbidden,
    NotSignedIn,
    NotThere,
    RequestError,
    ShuttingDown,
    StorageUnavailable,
    WrongMethod,
)
from casebell.http import addresses
from casebell.http.answers import Answer, Headers, error_answer, respond
from casebell.http.reading import SenderWentAway, discard
from casebell.http.throttle import LogThrottle
from casebell.service import Service
from casebell.service.formats import Format
from casebell.service.sessions import Asked, Session, Sessions
from casebell.settings import Settings
from casebell.telemetry import Log, Metrics

#: Where what is still asked for is given.
FINISH: Mapping[Asked, str] = {Asked.CODE: "/sign-in/code", Asked.ENROL: "/second-factor"}
#: The zone's word in its cookie; anything else is the firm's own.
UTC_ZONE = "utc"

_HTML = (b"content-type", b"text/html; charset=utf-8")
_NO_STORE = (b"cache-control", b"no-store")


@dataclass(kw_only=True, slots=True)
class _Request:
    """What became known of a request."""

    scope: Scope
    receive: Receive
    request_id: str
    since: float
    reached: Reached
    cookies: Mapping[str, str]
    route: Page | Action | Door | None = None
    session: Session | None = None
    #: Of a POST: where to go afterwards.
    form: forms.Fields = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The method, HEAD as GET."""
        method: str = self.scope["method"]
        return "GET" if method == "HEAD" else method

    @property
    def here(self) -> str:
        """The address with its parameters, as a path of ours."""
        query = self.scope["query_string"].decode("latin-1")
        path = quote(self.scope["path"], safe="/-._~")
        return own_path(f"{path}?{query}" if query else path)


class Console:
    """Answers each request with a page, counts and logs it.

    Args:
        pages, actions, doors: what there is.
        turns: shared with the API.
        note_elsewhere: told of a request that may have been meant as a delivery.
        settings: returns those in force.
    """

    def __init__(
        self,
        *,
        pages: Sequence[Page],
        actions: Sequence[Action],
        doors: Sequence[Door],
        service: Service,
        sessions: Sessions,
        rendering: Rendering,
        turns: Turns,
        note_elsewhere: Callable[[RequestError, Scope], None],
        settings: Callable[[], Settings],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._pages = pages
        routes: list[Page | Action | Door] = [*pages, *actions, *doors]
        self._routes: Routes[Page | Action | Door] = Routes(routes)
        #: The paths that it answers, with the names of their variable parts.
        self.paths = tuple(dict.fromkeys(f"/{route.path}" for route in routes))
        self._service = service
        self._sessions = sessions
        self.rendering = rendering
        self._turns = turns
        self._note_elsewhere = note_elsewhere
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._throttle = LogThrottle(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = reached(
            scope["headers"], scheme=scope["scheme"], public_url=self._settings().people_url
        )
        request = _Request(
            scope=scope,
            receive=receive,
            request_id=new_request_id(),
            since=self._clock.monotonic(),
            reached=found,
            cookies=cookies.read(scope["headers"], secure=found.secure),
        )
        outcome = ""
        try:
            value = await self._value(request)
            if isinstance(value, AsyncGenerator):
                await self._stream(send, value, request)
                return
            answer = await self._answer(value, request)
        except SenderWentAway:
            self._note(request, status=0, outcome="abandoned")
            return
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see _failure
            failure = self._failure(error, request)
            outcome = failure.code
            if isinstance(failure, CrossSite) and not is_of_a_browser(scope["headers"]):
                # A provider may have the address of a source wrong, such as the host alone.
                self._note_elsewhere(NotThere(), scope)
            answer = await self._error_answer(failure, request)
            unread = isinstance(failure, BodyTooLarge)
        else:
            unread = False
        self._note(request, status=answer.status, outcome=outcome)
        await respond(send, answer, last=not unread)
        if unread:
            await discard(receive)

    async def _value(self, request: _Request) -> Any:
        """What answers: a page to be made, another to go to, bytes, or lines."""
        scope, settings = request.scope, self._settings()
        if request.method == "POST":
            check_origin(scope["headers"], origin=request.reached.origin)
        methods, parts = self._routes.of(scope["path"][1:])
        if not methods:
            raise NotThere
        if request.method not in methods:
            raise WrongMethod(allow=", ".join(methods))
        request.route = route = methods[request.method]
        request.session = await self._session(request)
        if request.method == "POST":
            request.form = await forms.form_of(scope, request.receive)
        visit = self._visit(request, settings)
        if isinstance(route, Door) and route.open:
            return await route.serve(visit)
        if request.session is None:
            raise NotSignedIn
        if request.session.asked:
            finish = FINISH[request.session.asked]
            return SeeOther(to=f"{finish}?next={quote(self._back(request), safe='')}")
        if isinstance(route, Door):
            return await route.serve(visit)
        return await self._asked(route, parts, visit)

    async def _asked(self, route: Page | Action, parts: Mapping[str, str], visit: Visit) -> Any:
        actor = visit.actor
        if isinstance(route, Page) and not actor.may(route.right):
            raise Forbidden
        arguments: dict[str, Any] = {}
        for name, text in parts.items():
            value = PARTS[name](text)
            # A page has it by its name in the path.
            arguments |= {name: value} if isinstance(route, Page) else route.part(value)
        if isinstance(route, Page):
            arguments |= forms.understood(route.query, visit.query)
            visit = replace(visit, arguments=arguments)
            async with self._turns.reads.one(actor.name):
                values = await route.view(visit)
            if isinstance(values, SeeOther):
                return values
            return Shown(template=route.template, values={"title": route.title, **values})
        fields = {name: given for name, given in visit.form.items() if name != "next"}
        arguments |= forms.understood(route.form, fields)
        turns = self._turns.reads if route.file else self._turns.actions
        async with turns.one(actor.name):
            value = await self._service.ask(route.verb, arguments, actor=actor, raw=route.file)
        if route.file:
            return value
        assert visit.session is not None  # noqa: S101 - see `_value`
        await self._sessions.tell(visit.session, said(route.verb, value))
        return SeeOther(to=own_path(visit.value("next")))

    async def _session(self, request: _Request) -> Session | None:
        cookie = request.cookies.get(cookies.SESSION)
        if cookie is None:
            return None
        try:
            return await self._sessions.find(cookie)
        except NotSignedIn:
            return None

    def _visit(self, request: _Request, settings: Settings) -> Visit:
        local = settings.server.timezone
        return Visit(
            service=self._service.ask,
            session=request.session,
            here=request.here,
            query=forms.query_of(request.scope),
            form=request.form,
            zone="UTC" if request.cookies.get(cookies.ZONE) == UTC_ZONE else local,
            local_zone=local,
            now=self._clock.now(),
            address=addresses.client_of(request.scope, settings.server.trusted_proxies),
            reached=request.reached,
            cookies=request.cookies,
        )

    async def _answer(self, value: Any, request: _Request) -> Answer:
        if isinstance(value, SeeOther):
            headers = [(b"location", value.to.encode()), *value.headers]
            return Answer(303, self._headers(request, *headers), b"")
        if isinstance(value, bytes):
            name = request.scope["path"].strip("/").replace("/", "-")
            return bytes_answer(value, request.request_id, name=name)
        answer = await self._page(value, request)
        session = request.session
        if session is not None and session.told is not None and request.method == "GET":
            await self._sessions.said(session)
        return answer

    async def _page(self, shown: Shown, request: _Request) -> Answer:
        settings, now = self._settings(), self._clock.now()
        session, local = request.session, settings.server.timezone
        signed_in = session is not None and not session.asked
        zone = "UTC" if request.cookies.get(cookies.ZONE) == UTC_ZONE else local
        text = await self.rendering.page(
            shown.template,
            {
                "told": session.told if session and signed_in else None,
                "actor": session.actor if session and signed_in else None,
                "may": session.actor.may if session else lambda _: False,
                "navigation": [
                    page
                    for page in self._pages
                    if page.nav and session and signed_in and session.actor.may(page.right)
                ],
                "path": request.scope["path"],
                "here": request.here,
                "given": {name: one[0] for name, one in _query(request).items()},
                "zone": zone,
                "local_zone": local,
                "status": shown.status,
                "request_id": request.request_id,
                **shown.values,
            },
            zone=zone,
            now=now,
        )
        body = text.encode("utf-8", "backslashreplace")
        headers = self._headers(request, _HTML, *shown.headers)
        return Answer(shown.status, headers, body)

    def _headers(self, request: _Request, *more: tuple[bytes, bytes]) -> Headers:
        return [
            *more,
            *request.reached.headers,
            _NO_STORE,
            (b"x-request-id", request.request_id.encode()),
        ]

    async def _error_answer(self, error: CasebellError, request: _Request) -> Answer:
        """An error as a page; somebody who is not signed in is sent to do that."""
        if isinstance(error, NotSignedIn):
            return await self._answer(SeeOther(to=sign_in_path(self._back(request))), request)
        plain = error_answer(error, request.request_id)
        shown = Shown(
            template="error.html",
            status=plain.status,
            values={
                "title": _TITLES.get(plain.status, "Something went wrong"),
                "message": said_of(error) or (type(error).__doc__ or "").strip(),
                "back": self._back(request),
            },
            headers=[one for one in plain.headers if one[0] in _OF_ERRORS],
        )
        return await self._page(shown, request)

    def _back(self, request: _Request) -> str:
        """The page to go back to: the one that was asked for, or that a form stands on."""
        if request.method != "POST":
            return request.here
        return own_path((request.form.get("next") or ["/"])[0])

    async def _stream(
        self, send: Send, lines: AsyncGenerator[str, None], request: _Request
    ) -> None:
        """Send an export as a file; a failure ends the connection: it is not taken for whole."""
        as_csv = Format.CSV in request.form.get("format", ())
        noun = request.scope["path"].strip("/").partition("/")[0]
        day = datetime.fromtimestamp(self._clock.now() / SECOND, UTC).date()
        name = f"casebell-{noun}-{day}.{'csv' if as_csv else 'jsonl'}"
        disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode())
        outcome = ""
        try:
            await stream(
                send,
                request.receive,
                lines,
                request.request_id,
                media=CSV if as_csv else JSON_LINES,
                # It may take an hour, and whoever asked be signed out meanwhile.
                see_on=lambda: self._still(request),
                more=[disposition, *request.reached.headers],
            )
        except SenderWentAway:
            outcome = "abandoned"
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see _failure
            outcome = self._failure(error, request).code
        self._note(request, status=200, outcome=outcome)

    async def _still(self, request: _Request) -> None:
        if await self._session(request) is None:
            raise NotSignedIn

    def _failure(self, error: BaseException, request: _Request) -> CasebellError:
        if isinstance(error, StorageUnavailable):
            self._metrics.storage_errors.labels("console").inc()
        if isinstance(error, CasebellError):
            return error
        if isinstance(error, asyncio.CancelledError):
            return ShuttingDown()
        self._log.error(
            "console.defect", route=_template(request), request_id=request.request_id, error=error
        )
        return CasebellError()

    def _note(self, request: _Request, *, status: int, outcome: str = "") -> None:
        """Count and log a request; of failed ones a few lines a minute."""
        seconds = self._clock.monotonic() - request.since
        template = _template(request)
        method = request.method if request.route else ""
        self._metrics.console_requests.labels(method, template, str(status)).inc()
        self._metrics.console_seconds.observe(seconds)
        left_out = self._throttle.line(outcome) if outcome else 0
        if left_out is None:
            return
        self._log.info(
            "console.request",
            route=template,
            method=method,
            status=status,
            ms=round(seconds * 1000, 3),
            request_id=request.request_id,
            **({"actor": request.session.actor.name} if request.session else {}),
            **({"outcome": outcome} if outcome else {}),
            **({"left_out": left_out} if left_out else {}),
        )


def _query(request: _Request) -> forms.Fields:
    """The parameters as they stand in the address; none where they cannot be read."""
    try:
        return forms.query_of(request.scope)
    except BadArgument:
        return {}


#: What an error's page is called.
_TITLES: Mapping[int, str] = {
    400: "This cannot be understood",
    403: "This is not for you",
    404: "There is nothing here",
    409: "This cannot be done now",
    429: "Too many attempts",
    503: "Not possible now",
}
#: Headers that an error's page has, too.
_OF_ERRORS = frozenset({b"retry-after", b"allow", b"connection"})


def _template(request: _Request) -> str:
    """The path of the route: the request's own may name a case."""
    return f"/{request.route.path}" if request.route else ""
