"""The simulator as an application: its settings, its state, its routes."""

import asyncio
import logging
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from casebell.clock import Clock, SystemClock, new_request_id
from casebell.errors import BadArgument, Refusal
from casebell.events import Micros
from casebell.sandbox.posting import Backoff
from casebell.sandbox.simulator import control, parley, torch
from casebell.sandbox.simulator.answering import (
    Answering,
    JsonAnswer,
    endpoint,
    problem_answer,
)
from casebell.sandbox.simulator.clock import SimulatedClock
from casebell.sandbox.simulator.courier import Courier
from casebell.sandbox.simulator.description import description
from casebell.sandbox.simulator.journal import Journal
from casebell.sandbox.simulator.operations import Operation
from casebell.sandbox.simulator.page import Page
from casebell.sandbox.simulator.problems import Problem
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.secrets_in_use import TORCH_HEADER, Secrets
from casebell.sandbox.simulator.world import World
from casebell.settings.values import nearest

#: Defects go to standard error: nothing else is said there.
_defects = logging.getLogger(__name__)
#: Simulated seconds from the first try of a webhook to the second, and at most between two.
FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0
_PREFIX = re.compile("(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,4}")
#: The name of a header.
_HEADER = re.compile("[A-Za-z][A-Za-z0-9-]{0,63}")
#: Tries of a webhook: some hours of them.
MAX_TRIES = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorSettings:
    """What a simulator begins with; "" is made at random."""

    #: Of both APIs and of the control endpoints.
    token: str = field(default="", repr=False)
    parley_secret: str = field(default="", repr=False)
    torch_secret: str = field(default="", repr=False)
    #: Where Torch's webhook goes from the start; "" is nowhere.
    torch_webhook: str = ""
    #: The header with its secret.
    torch_header: str = TORCH_HEADER
    #: What stands before Torch's paths: "may be version-prefixed", says its page.
    torch_prefix: str = ""
    scenario: str = "calm"
    #: How many simulated seconds a second has.
    speed: float = 1.0
    #: Keeps the state over a restart; None is in memory alone.
    state: Path | None = None
    #: Decides losses, repeats and ids; "" is at random.
    seed: str = ""
    #: The machine's clock.
    clock: Clock = field(default_factory=SystemClock)


class Simulator(Starlette):
    """Parley and Torch, simulated. Its lifespan posts the webhooks."""

    def __init__(
        self, *, token: str, world: World, courier: Courier, torch_prefix: str = ""
    ) -> None:
        self.token = token
        self.world = world
        self.courier = courier
        #: Requests of each operation, by method and path, with those that were over a limit.
        self.asked: Counter[tuple[str, str]] = Counter()
        of_torch = [replace(one, path=torch_prefix + one.path) for one in torch.OPERATIONS]
        operations = (*parley.OPERATIONS, *of_torch, *control.OPERATIONS)
        self.description = description(operations)
        super().__init__(
            routes=[*self._routes(operations), *self._pages()],
            exception_handlers={HTTPException: _unroutable, Exception: _defect},
            lifespan=self._lifespan,
        )
        # A path with a slash too many is none of ours, and not one to be sent on to.
        self.router.redirect_slashes = False

    def _routes(self, operations: Sequence[Operation]) -> Iterator[Route]:
        """One for each path, which knows all of its methods."""
        of_path: dict[str, dict[str, Operation]] = {}
        for one in operations:
            of_path.setdefault(one.path, {})[one.method] = one
        for path, methods in of_path.items():
            answers = {method: endpoint(self, one) for method, one in methods.items()}
            yield Route(path, _by_method(answers), methods=list(methods))

    def _pages(self) -> list[Route]:
        async def openapi(_request: Request) -> Response:
            return JsonAnswer(self.description, headers={"X-Request-Id": new_request_id()})

        return [Route("/openapi.json", openapi), *Page(self).routes()]

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self.courier.run())
        task.add_done_callback(_ended)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.world.journal.close()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        _defects.error("No webhook is posted any more.", exc_info=task.exception())


def _by_method(answers: Mapping[str, Answering]) -> Answering:
    async def answer(request: Request) -> Response:
        return await answers["GET" if request.method == "HEAD" else request.method](request)

    return answer


def build(settings: SimulatorSettings) -> Simulator:
    """A simulator that is ready to be served.

    Raises:
        Refusal: there is no such scenario, or the state file cannot be used.
        BadArgument: a secret, a header or an address cannot be used.
    """
    if settings.scenario not in SCENARIOS:
        raise Refusal(
            "There is no such scenario.",
            hint=nearest(settings.scenario, SCENARIOS)
            or "`casebell sandbox scenarios` lists them.",
        )
    for what, text in (("token", settings.token), ("Torch secret", settings.torch_secret)):
        if not (text.isascii() and text.isprintable() and " " not in text):
            raise BadArgument(f"The {what} must be of visible ASCII characters, without blanks.")
    if not _HEADER.fullmatch(settings.torch_header):
        raise BadArgument("This is no name of a header.", argument="torch_header")
    prefix = settings.torch_prefix
    if prefix and (not _PREFIX.fullmatch(prefix) or prefix in {"/v1", "/control", "/page"}):
        raise BadArgument(
            "Torch's paths cannot have this prefix.",
            hint="Give one such as /v2 or /torch/v1; /v1 is Parley's.",
            argument="torch_prefix",
        )
    journal = Journal(settings.state)
    try:
        return _built(settings, journal)
    except Problem as problem:
        journal.close()
        raise BadArgument(problem.message) from None
    except BaseException:
        journal.close()
        raise


def _built(settings: SimulatorSettings, journal: Journal) -> Simulator:
    clock = SimulatedClock(settings.clock, speed=settings.speed)
    records = journal.read()
    begun = records[0] if records else {}
    token = settings.token or begun.get("token") or secrets.token_urlsafe(24)
    seed = begun.get("seed") or settings.seed or secrets.token_hex(8)
    parley_secret = settings.parley_secret or begun.get("parley_secret") or _secret()
    torch_secret = settings.torch_secret or begun.get("torch_secret") or _secret()
    world = World(
        clock=clock,
        journal=journal,
        seed=seed,
        secrets=Secrets(parley=(parley_secret,), torch=torch_secret),
        backoff=Backoff(first=FIRST_RETRY, longest=LONGEST_RETRY),
        max_tries=MAX_TRIES,
    )
    if not records:
        made = {"token": token, "parley_secret": parley_secret, "torch_secret": torch_secret}
        journal.write({"do": "begin", "at": clock.now(), "seed": seed, **made}, durable=True)
    for record in records[1:]:
        world.apply(record)
    if records:
        clock.not_before(max(_time_of(one) for one in records))
    courier = Courier(world=world, clock=clock)
    simulator = Simulator(
        token=token, world=world, courier=courier, torch_prefix=settings.torch_prefix
    )
    world.wake = courier.wake
    if not records and settings.scenario != "calm":
        control.set_scenario(world, settings.scenario)
    if settings.torch_webhook and world.torch_webhook is None:
        control.set_torch_webhook(
            world, url=settings.torch_webhook, header=settings.torch_header, secret=None
        )
    return simulator


def _time_of(record: Mapping[str, Any]) -> Micros:
    return int(record["at"])


def _secret() -> str:
    return secrets.token_urlsafe(32)


async def _unroutable(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    allow = (getattr(error, "headers", None) or {}).get("Allow", "")
    said = "This path does not take that method." if status == 405 else "There is nothing here."
    return problem_answer(Problem(status, said, allow=allow), new_request_id())


async def _defect(_request: Request, error: Exception) -> Response:
    _defects.error("A request failed.", exc_info=error)
    return problem_answer(Problem(500, "Something unforeseen went wrong."), new_request_id())
