"""The composition root: settings in, a server that is ready to run out.

`runtime` wires the store and the loops, `verbs` what can be done; here they go behind HTTP: one
route table.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Lifespan

from casebell.actors import Actor
from casebell.admin import AdminSocket
from casebell.api.endpoint import Api
from casebell.api.slots import Turns
from casebell.clock import Clock
from casebell.console.accounts import AccountDoors
from casebell.console.actions import ACTIONS
from casebell.console.case_doors import CaseDoors
from casebell.console.endpoint import Console
from casebell.console.feeds import FeedEndpoint
from casebell.console.link_doors import LinkDoors
from casebell.console.own_account import OwnAccountDoors
from casebell.console.pages import PAGES
from casebell.console.protection import is_of_a_browser
from casebell.console.provider_doors import ProviderDoors
from casebell.console.rendering import Rendering
from casebell.console.routing import Door
from casebell.console.second_factor import SecondFactorDoors
from casebell.console.signing_in import SigningIn
from casebell.console.static_files import static_files
from casebell.errors import NotThere, WrongMethod
from casebell.http.answers import RequestIds, on_defect, on_http_exception
from casebell.http.certificate import LiveCertificate
from casebell.http.health import StatusPages
from casebell.http.webhook import API, Entrance, WebhookEndpoint
from casebell.notify.heartbeat import Heartbeat
from casebell.reload import Reloader
from casebell.runtime import Runtime
from casebell.service import Service, Verb
from casebell.service.feeds import PATH
from casebell.service.oidc.sign_in import SignInByProvider
from casebell.service.otherwise import DecidingAgain
from casebell.service.subscribing import Subscribing
from casebell.settings import Settings
from casebell.settings.sources import WEBHOOKS
from casebell.telemetry import Metrics
from casebell.verbs import verbs_of
from casebell.wiring import Wiring

#: Seconds that requests under way are given when the server ends, before sends are.
REQUEST_GRACE = 4


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    url: str | None = None,
    started: Callable[[], None] = lambda: None,
    read: Callable[[], Settings] | None = None,
    hangup: asyncio.Event | None = None,
) -> Entrance:
    """The server as an ASGI application; its lifespan opens and closes everything.

    Args:
        metrics: what else of the process is shown with ours; by default nothing.
        url: where it is reached; the command line's socket tells it, and is left out without it.
        started: called once everything runs.
        read: reads the configuration anew; by default it stays as it is.
        hangup: set to have the configuration read anew.
    """
    read = read or (lambda: settings)
    runtime = Runtime(settings, clock=clock, metrics=metrics)
    in_force = runtime.in_force
    endpoint = WebhookEndpoint(
        receiver=runtime.receiver,
        limits=in_force.server,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )
    certificate = _certificate(settings, runtime)

    async def loops_turn() -> bool:
        return (
            runtime.loops_turn() and reloader.turns and (certificate is None or certificate.turns)
        )

    pages = StatusPages(
        store=runtime.store,
        checks={
            "storage": runtime.storage_answers,
            "loops": loops_turn,
            "settings": runtime.settings_agree,
        },
        metrics=runtime.metrics,
        metrics_from=lambda: in_force.server().metrics_from,
        settings=in_force.settings,
        came=runtime.receiver.last_delivery,
        clock=runtime.clock,
    )
    heartbeat = Heartbeat(
        ops=lambda: in_force.settings().ops,
        failing=pages.failing,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )

    def swap(wiring: Wiring) -> None:
        runtime.swap(wiring)
        heartbeat.wake()
        if certificate is not None:
            certificate.wake()

    reloader = Reloader(
        in_force=in_force.settings,
        read=read,
        prepare=runtime.prepare,
        swap=swap,
        store=runtime.store,
        dispatcher=runtime.dispatcher,
        hangup=hangup or asyncio.Event(),
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )

    async def doubts() -> Mapping[str, str]:
        return {"untrusted_proxy": endpoint.untrusted_proxy()}

    async def warnings() -> Sequence[str]:
        return in_force.wiring.warnings

    async def address() -> Mapping[str, str | None]:
        return {"url": url, "certificate": certificate.pem if certificate else None}

    of_this_server: Mapping[str, Verb] = {
        "reload": reloader.reload,
        "checks": _whoever_asks(pages.checks),
        "doubts": _whoever_asks(doubts),
        "warnings": _whoever_asks(warnings),
        "storage": _whoever_asks(runtime.alarm.state),
        "heartbeat": _whoever_asks(heartbeat.state),
        "address": _whoever_asks(address),
        **({"certificate": _whoever_asks(certificate.answer)} if certificate else {}),
    }
    deciding_again = DecidingAgain(
        store=runtime.store,
        file=lambda: runtime.prepare(read()),
        in_force=lambda: in_force.wiring,
        clock=runtime.clock,
    )
    subscribing = Subscribing(
        store=runtime.store,
        settings=in_force.settings,
        connections=runtime.connections,
        clock=runtime.clock,
        reload=reloader.reload,
        servers=runtime.liveness.known,
    )
    service = Service(
        *verbs_of(runtime),
        deciding_again.verbs(),
        subscribing.verbs(),
        of_this_server,
        people=in_force.people,
    )
    admin = AdminSocket(
        path=settings.socket,
        service=service,
        timezone=in_force.timezone,
        log=runtime.log,
    )

    turns = Turns()
    api = Api(
        service=service,
        access=runtime.access,
        turns=turns,
        limits=in_force.server,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with (
            runtime.running(),
            reloader,
            certificate or nullcontext(),
            admin if url is not None else nullcontext(),
            heartbeat,
        ):
            for warning in in_force.wiring.warnings:
                runtime.log.warning("config.warning", message=warning)
            started()
            yield

    console = _console(runtime, service, turns, endpoint) if settings.console.enabled else None
    apart = bool(settings.console.listen)
    feeds = FeedEndpoint(
        feeds=runtime.feeds,
        turns=turns,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )
    app = _entrance(endpoint, pages, api, console, feeds, lifespan=lifespan, apart=apart)
    app.tls = certificate.context if certificate else None
    return app


def _whoever_asks(call: Callable[[], Awaitable[Any]]) -> Verb:
    """A verb whose answer is the same for every actor."""

    async def verb(*, actor: Actor) -> Any:  # noqa: ARG001
        return await call()

    return verb


def _certificate(settings: Settings, runtime: Runtime) -> LiveCertificate | None:
    """The certificate of our own TLS; None where a proxy's is used, or none."""
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None:
        return None
    return LiveCertificate(
        cert=cert,
        key=key,
        store=runtime.store,
        ops=runtime.in_force.ops,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
        followed=runtime.dispatcher.wake,
    )


def _console(
    runtime: Runtime, service: Service, turns: Turns, endpoint: WebhookEndpoint
) -> Console:
    """The pages for people."""
    return Console(
        pages=PAGES,
        actions=ACTIONS,
        doors=_doors(runtime),
        service=service,
        sessions=runtime.access.sessions,
        rendering=Rendering(),
        turns=turns,
        note_elsewhere=endpoint.note_elsewhere,
        settings=runtime.in_force.settings,
        clock=runtime.clock,
        metrics=runtime.metrics,
        log=runtime.log,
    )


def _doors(runtime: Runtime) -> Sequence[Door]:
    """What answers by itself."""
    access = runtime.access
    by_provider = SignInByProvider(
        store=runtime.store,
        settings=runtime.in_force.settings,
        access=access,
        clock=runtime.clock,
    )
    provider = ProviderDoors(
        sign_in=by_provider, sessions=access.sessions, clock=runtime.clock, log=runtime.log
    )
    return (
        *SigningIn(access=access, provider=by_provider.offered).doors(),
        *provider.doors(),
        *SecondFactorDoors(access=access).doors(),
        *OwnAccountDoors(sessions=access.sessions).doors(),
        *AccountDoors(sessions=access.sessions).doors(),
        *CaseDoors(sessions=access.sessions).doors(),
        *LinkDoors(links=runtime.seen_links).doors(),
    )


def _entrance(
    endpoint: WebhookEndpoint,
    pages: StatusPages,
    api: Api,
    console: Console | None,
    feeds: FeedEndpoint,
    *,
    lifespan: Lifespan[Starlette],
    apart: bool,
) -> Entrance:
    """What is at which path.

    Args:
        apart: whether people and programs have an address of their own.
    """
    of_people = [Route(API, api), Route(API + "/{path:path}", api)]
    if console is not None:
        of_people += [Route(path, console) for path in console.paths]
        of_people.append(Route("/static/{name}", static_files(console.rendering)))
        of_people.append(Route(PATH + "{rest:path}", feeds))
    of_all = [Route("/health", pages.health)]
    of_providers = [
        Route(WEBHOOKS + "{source}", endpoint),
        *of_all,
        Route("/ready", pages.ready),
        Route("/metrics", pages.metrics),
    ]

    async def leads_nowhere(request: Request, error: Exception) -> Response:
        if console is not None and request.method == "GET" and is_of_a_browser(request.headers.raw):
            # A person mistyped an address, and is shown that as a page.
            return cast("Response", console)
        response = await on_http_exception(request, error)
        # Somebody may have the address of a source wrong.
        wrong = WrongMethod() if response.status_code == 405 else NotThere()
        endpoint.note_elsewhere(wrong, request.scope)
        return response

    alike: dict[str, Any] = {
        "middleware": [Middleware(RequestIds)],
        "exception_handlers": {HTTPException: leads_nowhere, Exception: on_defect},
    }
    routes = of_providers if apart else [*of_providers, *of_people]
    app = Entrance(endpoint, routes=routes, lifespan=lifespan, **alike)
    if apart:
        app.people = Starlette(routes=[*of_all, *of_people], **alike)
    for one in filter(None, (app, app.people)):
        # A redirect to the address without its slash would tell a stranger what is there.
        one.router.redirect_slashes = False
    return app
