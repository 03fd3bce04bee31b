"""The page for people: what there is, what was delivered, and forms that make something happen."""

import base64
import hashlib
import heapq
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from casebell.console.protection import check_origin
from casebell.errors import CrossSite
from casebell.events import Status
from casebell.sandbox.simulator import control
from casebell.sandbox.simulator.answering import check_host, read_body
from casebell.sandbox.simulator.bodies import stamp
from casebell.sandbox.simulator.deliveries import State
from casebell.sandbox.simulator.models import Move
from casebell.sandbox.simulator.problems import Problem
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.world import World
from casebell.uscis.receipts import ReceiptError, canonical
from casebell.visible import visible

if TYPE_CHECKING:
    from casebell.sandbox.simulator.app import Simulator

#: Rows of a table.
ROWS = 50
_STYLE = (resources.files("casebell.sandbox.simulator") / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: Nothing but the page's own style, and forms that lead here.
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Page:
    """Its routes. A POST acts only where a page of the sandbox itself has asked for it."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        environment = Environment(
            loader=PackageLoader("casebell.sandbox.simulator", ""),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
        )
        self._template = environment.get_template("page.html")

    def routes(self) -> list[Route]:
        """The page, and where its forms lead."""
        return [
            Route("/", self._look, methods=["GET"]),
            Route("/page/move", self._move, methods=["POST"]),
            Route("/page/scenario", self._scenario, methods=["POST"]),
        ]

    async def _look(self, request: Request) -> Response:
        try:
            check_host(request)
        except Problem as problem:
            return self._wrong(problem)
        return self._page()

    async def _move(self, request: Request) -> Response:
        receipt = ""
        try:
            fields = await _fields(request)
            receipt = fields.get("receipt", "").strip()
            given = {name: fields[name] for name in ("text", "at") if fields.get(name, "").strip()}
            quiet = fields.get("quiet") == "yes"
            if fields.get("status") not in set(Status):
                raise Problem.invalid("There is no such status.")
            try:
                move = Move.model_validate({"status": fields["status"], "quiet": quiet, **given})
            except ValueError:
                raise Problem.invalid("A text or a time is too long.") from None
            command = control.command_of(_typed(receipt), move)
            control.move_cases(self._simulator.world, [command])
        except Problem as problem:
            return self._wrong(problem, receipt=receipt)
        return RedirectResponse("/", status_code=303, headers=_HEADERS)

    async def _scenario(self, request: Request) -> Response:
        try:
            fields = await _fields(request)
            secret = control.set_scenario(self._simulator.world, fields.get("name", ""))
        except Problem as problem:
            return self._wrong(problem)
        if secret:
            # The one page that shows it.
            return self._page(said=f"Parley's new signing secret: {secret}")
        return RedirectResponse("/", status_code=303, headers=_HEADERS)

    def _wrong(self, problem: Problem, *, receipt: str = "") -> Response:
        """What is wrong, on the page; alone where it is not known to be read by its own user."""
        if problem.status in (403, 421):
            # A site whose name leads here could read it.
            return PlainTextResponse(problem.message, status_code=problem.status, headers=_HEADERS)
        return self._page(wrong=problem.message, status=problem.status, receipt=receipt)

    def _page(
        self, *, wrong: str = "", said: str = "", status: int = 200, receipt: str = ""
    ) -> Response:
        world = self._simulator.world
        moved = heapq.nlargest(ROWS, world.cases.values(), key=lambda one: one.current.number)
        latest = [
            one
            for one, _ in zip(reversed(world.outbox.deliveries.values()), range(ROWS), strict=False)
        ]
        content = self._template.render(
            style=Markup(_STYLE),  # noqa: S704 - a file of ours
            wrong=wrong,
            said=said,
            receipt=receipt,
            scenario=world.scenario,
            line=SCENARIOS[world.scenario].line,
            scenarios={name: one.line for name, one in SCENARIOS.items()},
            statuses=list(Status),
            now=stamp(world.clock.now()),
            speed=world.clock.speed,
            next=list(_next(world)),
            faults=world.faults.changed,
            cases=moved,
            case_count=len(world.cases),
            hooks=list(_hooks(world)),
            counts={str(state): world.outbox.counts[state] for state in State},
            deliveries=latest,
            limits=control.limits_shown(world),
            stamp=stamp,
        )
        return HTMLResponse(content, status_code=status, headers=_HEADERS)


def _shown(value: Any) -> Any:
    """Of every text in the page: without what cannot be seen."""
    return value if isinstance(value, Markup) else visible(str(value))


def _typed(receipt: str) -> str:
    """A receipt number as people type it.

    Raises:
        Problem: it is none.
    """
    try:
        return canonical(receipt)
    except ReceiptError as error:
        raise Problem.invalid(f"The receipt number is {error}.") from None


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form of the page itself.

    Raises:
        Problem: it is of another page, or no form.
    """
    check_host(request)
    try:
        check_origin(request.scope["headers"], origin=f"http://{request.headers.get('host', '')}")
    except CrossSite as error:
        raise Problem(403, f"{error.message} {error.hint}") from None
    text = (await read_body(request)).decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise Problem.invalid("This form cannot be read.") from None
    return dict(pairs)


def _next(world: World) -> Iterator[str]:
    """What somebody who rehearses has not done yet."""
    if not any(one.registered for one in world.cases.values()):
        yield "Register receipt numbers: POST /v1/receipts, as Casebell or by hand."
    if not world.subscriptions and world.torch_webhook is None:
        yield "Subscribe: POST /v1/subscriptions with the address of Casebell's webhook."
    if not world.outbox.deliveries:
        yield "Move a registered case to rfe_issued, and see below what was delivered."
    elif world.outbox.counts[State.GAVE_UP] or any(
        one.answers and not one.answers[-1].good for one in world.outbox.deliveries.values()
    ):
        yield "A delivery was not taken: its last answer says why, and so does Casebell's log."
    if world.scenario == "calm":
        yield "Begin a scenario, such as lossy, and move cases again: nothing may be lost."
    else:
        yield "Move cases, see what Casebell makes of it, and begin calm when you are done."


def _hooks(world: World) -> Iterator[str]:
    for one in world.subscriptions:
        yield f"Parley: {one.url} ({', '.join(one.events)})"
    if world.torch_webhook is not None:
        yield f"Torch: {world.torch_webhook.url}, with {world.torch_webhook.header}"
