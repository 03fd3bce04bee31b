"""`/api/v1`: who asks, what for, and the service's answer.

    request → authenticate → find the route → read parameters and body → ask → answer
                  │                │                   │                  └ 403, 404, 409, 503
                  └ 401, 429       └ 404, 405          └ 400, 413, 415

A stranger learns nothing: every path is 401 without a good token, whether or not anything is there.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from casebell.actors import Actor
from casebell.api.answers import (
    bytes_answer,
    problem_answer,
    stream,
    value_answer,
    written_answer,
)
from casebell.api.parameters import Parameters
from casebell.api.requests import arguments_of, body_of, csv_of, query_of
from casebell.api.routes import ROUTES
from casebell.api.routing import CSV, DESCRIPTION, JSON_LINES, PARTS, Route, Routes
from casebell.api.slots import Turns
from casebell.clock import Clock, new_request_id
from casebell.errors import (
    NotThere,
    Unauthorized,
    WrongMethod,
)
from casebell.http import addresses
from casebell.http.answers import Answer, respond
from casebell.http.reading import SenderWentAway, refuse
from casebell.http.request_log import Facts, RequestLog
from casebell.http.webhook import API
from casebell.service import Service
from casebell.service.access import Access
from casebell.service.formats import Format
from casebell.settings.models import ServerSettings
from casebell.telemetry import Log, Metrics

#: RFC 9110: case does not matter to a scheme's name.
_BEARER = re.compile(rb"bearer +(.+)", re.IGNORECASE)


@dataclass(kw_only=True, slots=True)
class _Request:
    """What became known of a request, for its log line."""

    scope: Scope
    receive: Receive
    request_id: str
    since: float
    actor: Actor | None = None
    route: Route | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """What is said of it."""
        return Facts(
            route=f"{API}/{self.route.path}" if self.route else "",
            method=self.scope["method"],
            request_id=self.request_id,
            since=self.since,
            actor=self.actor,
        )


class Api:
    """Answers each request as docs/contract.md says, counts and logs it.

    Args:
        turns: shared with the pages for people.
        limits: returns the settings in force.
    """

    def __init__(
        self,
        *,
        service: Service,
        access: Access,
        turns: Turns,
        limits: Callable[[], ServerSettings],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._service = service
        self._access = access
        self._limits = limits
        self._clock = clock
        self._requests = RequestLog(
            counted=metrics.api_requests,
            took=metrics.api_seconds,
            storage_fails=metrics.storage_errors.labels("api").inc,
            say=lambda **said: log.info("api.request", **said),
            defect=lambda **said: log.error("api.defect", **said),
            clock=clock,
        )
        self._routes = Routes(ROUTES)
        self._turns = turns
        self._description = DESCRIPTION.read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = _Request(
            scope=scope,
            receive=receive,
            request_id=new_request_id(),
            since=self._clock.monotonic(),
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
            answer = problem_answer(failure, request.request_id)
            self._requests.note(request.facts, status=answer.status, outcome=failure.code)
            await refuse(send, request.receive, answer, failure)
        else:
            self._requests.note(request.facts, status=answer.status)
            await respond(send, answer)

    async def _answer(self, value: Any, request: _Request) -> Answer:
        if request.route is not None and not request.route.verb:
            return written_answer(self._description, request.request_id)
        if isinstance(value, bytes):
            name = "-".join(request.scope["path"].removeprefix(API).strip("/").split("/")[:-1])
            return bytes_answer(value, request.request_id, name=name)
        return await value_answer(value, request.request_id)

    async def _stream(
        self, send: Send, lines: AsyncGenerator[str, None], request: _Request
    ) -> None:
        """Send an export."""
        media = CSV if request.arguments.get("format") == Format.CSV else JSON_LINES
        lines_sent = stream(
            send,
            request.receive,
            lines,
            request.request_id,
            media=media,
            # It may take an hour, and a token be revoked meanwhile.
            see_on=lambda: self._bearer(request.scope),
        )
        await self._requests.stream(lines_sent, request.facts)

    async def _value(self, request: _Request) -> Any:
        """What the service answers, None for the description; raises what went wrong."""
        scope = request.scope
        request.actor = actor = await self._bearer(scope)
        path = scope["path"].removeprefix(API).removeprefix("/")
        methods, parts = self._routes.of(path)
        if not methods:
            raise NotThere
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in methods:
            raise WrongMethod(allow=_allowed(methods))
        request.route = route = methods[method]
        arguments = dict(arguments_of(route.query, query_of(scope), in_address=True))
        for name, text in parts.items():
            arguments |= route.part(PARTS[name](text))
        if route.takes_csv:
            # Not megabytes of whoever may not.
            self._service.allow(route.verb, actor=actor)
            arguments["content"] = await csv_of(scope, request.receive)
        elif method != "GET":
            given = await body_of(scope, request.receive, needed=route.needs_body)
            arguments |= arguments_of(route.body or Parameters, given)
        request.arguments = arguments
        if not route.verb:
            return None
        async with (self._turns.reads if method == "GET" else self._turns.actions).one(actor.name):
            value = await self._service.ask(route.verb, arguments, actor=actor, raw=route.raw)
        return _listing(value)

    async def _bearer(self, scope: Scope) -> Actor:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        found = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
        if found is None:
            raise Unauthorized
        address = addresses.client_of(scope, self._limits().trusted_proxies)
        return await self._access.bearer(found[1].decode("latin-1"), address=address)


def _listing(value: Any) -> Any:
    """A page, and a list that is whole, as docs/contract.md has a listing; others as they are."""
    if isinstance(value, list):
        return {"items": value, "next": None}
    if isinstance(value, Mapping) and "looked_back_to" in value:
        # A page with a `next` says the same.
        return {name: one for name, one in value.items() if name != "looked_back_to"}
    return value


def _allowed(methods: Mapping[str, Route]) -> str:
    names = [*methods, "HEAD"] if "GET" in methods else [*methods]
    return ", ".join(names)
