"""The console: who asks, what for, and the page that answers.

    request → where from → who → the page's right → read → ask → make the page
                 │           │         │            │       └ 404, 409, 503
                 └ 403       └ 303     └ 403        └ 400

An error is a page, too. Whoever is not signed in sees nothing but the doors that are open to all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from casebell.api.answers import bytes_answer, stream
from casebell.api.requests import MAX_BODY
from casebell.api.routing import CSV, JSON_LINES, PARTS, Routes
from casebell.api.slots import Turns
from casebell.clock import SECOND, Clock
from casebell.console import cookies, forms
from casebell.console.presenting import Presenting
from casebell.console.protection import (
    check_origin,
    is_of_a_browser,
    own_path,
)
from casebell.console.rendering import Rendering
from casebell.console.request import Request, request_log
from casebell.console.routing import Action, Door, Page, SeeOther, Shown
from casebell.console.said import said
from casebell.console.visit import Visit
from casebell.errors import (
    CrossSite,
    Forbidden,
    NotSignedIn,
    NotThere,
    RequestError,
    WrongMethod,
)
from casebell.http import addresses
from casebell.http.answers import Answer, respond
from casebell.http.reading import SenderWentAway, refuse
from casebell.service import Service
from casebell.service.formats import Format
from casebell.service.sessions import Asked, Session, Sessions
from casebell.settings import Settings
from casebell.telemetry import Log, Metrics

#: Where what is still asked for is given.
FINISH: Mapping[Asked, str] = {Asked.CODE: "/sign-in/code", Asked.ENROL: "/second-factor"}


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
        self._presenting = Presenting(
            rendering=rendering, pages=pages, settings=settings, clock=clock
        )
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
        self._requests = request_log(metrics=metrics, log=log, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(
            scope=scope,
            receive=receive,
            since=self._clock.monotonic(),
            public_url=self._settings().people_url,
        )
        try:
            value = await self._value(request)
            if isinstance(value, AsyncGenerator):
                await self._stream(send, value, request)
                return
            answer = await self._answer(value, request)
        except SenderWentAway:
            self._requests.note(request.facts, status=0, outcome="abandoned")
            return
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see RequestLog.failure
            failure = self._requests.failure(error, request.facts)
            if isinstance(failure, CrossSite) and not is_of_a_browser(scope["headers"]):
                # A provider may have the address of a source wrong, such as the host alone.
                self._note_elsewhere(NotThere(), scope)
            answer = await self._presenting.error(failure, request)
            self._requests.note(request.facts, status=answer.status, outcome=failure.code)
            await refuse(send, receive, answer, failure)
        else:
            self._requests.note(request.facts, status=answer.status)
            await respond(send, answer)

    async def _value(self, request: Request) -> Any:
        """What answers: a page to be made, another to go to, bytes, or lines."""
        scope, settings = request.scope, self._settings()
        if request.method == "POST":
            check_origin(scope["headers"], origin=request.reached.origin)
        methods, parts = self._routes.of(scope["path"][1:])
        request.session = await self._session(request)
        if not methods:
            raise NotThere
        if request.method not in methods:
            raise WrongMethod(allow=", ".join(methods))
        request.route = route = methods[request.method]
        if request.method == "POST":
            most = _max_form(route, request.signed_in)
            request.form = await forms.form_of(scope, request.receive, max_body=most)
        visit = self._visit(request, settings)
        if isinstance(route, Door):
            arguments = {name: PARTS[name](text) for name, text in parts.items()}
            visit = replace(visit, arguments=arguments)
            if route.open:
                return await route.serve(visit)
        if request.session is None:
            raise NotSignedIn
        if request.session.asked:
            finish = FINISH[request.session.asked]
            return SeeOther(to=f"{finish}?next={quote(request.back, safe='')}")
        if isinstance(route, Door):
            if route.right is not None and not visit.may(route.right):
                raise Forbidden
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

    async def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(cookies.SESSION)
        if cookie is None:
            return None
        try:
            return await self._sessions.find(cookie)
        except NotSignedIn:
            return None

    def _visit(self, request: Request, settings: Settings) -> Visit:
        local = settings.server.timezone
        return Visit(
            service=self._service.ask,
            session=request.session,
            here=request.here,
            query=forms.query_of(request.scope),
            form=request.form.fields,
            files=request.form.files,
            zone=request.zone(local),
            local_zone=local,
            now=self._clock.now(),
            address=addresses.client_of(request.scope, settings.server.trusted_proxies),
            reached=request.reached,
            cookies=request.cookies,
            people=settings.people,
        )

    async def _answer(self, value: Any, request: Request) -> Answer:
        if isinstance(value, SeeOther):
            return self._presenting.elsewhere(value, request)
        if isinstance(value, bytes):
            name = request.scope["path"].strip("/").replace("/", "-")
            return bytes_answer(value, request.request_id, name=name)
        answer = await self._presenting.page(value, request)
        session = request.session
        if session is not None and session.told is not None and request.method == "GET":
            await self._sessions.said(session)
        return answer

    async def _stream(self, send: Send, lines: AsyncGenerator[str, None], request: Request) -> None:
        """Send an export as a file."""
        as_csv = Format.CSV in request.form.fields.get("format", ())
        noun = request.scope["path"].strip("/").partition("/")[0]
        day = datetime.fromtimestamp(self._clock.now() / SECOND, UTC).date()
        name = f"casebell-{noun}-{day}.{'csv' if as_csv else 'jsonl'}"
        disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode())
        lines_sent = stream(
            send,
            request.receive,
            lines,
            request.request_id,
            media=CSV if as_csv else JSON_LINES,
            # It may take an hour, and whoever asked be signed out meanwhile.
            see_on=lambda: self._still(request),
            more=[disposition, *request.reached.headers],
        )
        await self._requests.stream(lines_sent, request.facts)

    async def _still(self, request: Request) -> None:
        """See that whoever asked is still signed in, as the same."""
        session = await self._session(request)
        if session is None or request.session is None or session.actor != request.session.actor:
            raise NotSignedIn


def _max_form(route: Page | Action | Door, session: Session | None) -> int:
    """Bytes of a form: more only of whoever may send a file there."""
    if isinstance(route, Door) and route.right and session and session.actor.may(route.right):
        return route.max_body
    return MAX_BODY
