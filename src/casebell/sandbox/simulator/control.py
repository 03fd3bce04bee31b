"""The control endpoints: they move cases, and set what goes wrong."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from casebell.clock import SECOND, iso
from casebell.sandbox.simulator.deliveries import State
from casebell.sandbox.simulator.faults import Faults, Switches
from casebell.sandbox.simulator.models import (
    ANY_OBJECT,
    MAX_MOVES,
    RECEIPT_SCHEMA,
    ClockIn,
    LimitsIn,
    Move,
    Moves,
    ScenarioIn,
    SecretsIn,
    TorchWebhookIn,
)
from casebell.sandbox.simulator.operations import Call, Operation, Parameter, Result, Side
from casebell.sandbox.simulator.parley import known_case, receipt_of, time_of
from casebell.sandbox.simulator.problems import Problem
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.subscriptions import check_url
from casebell.sandbox.simulator.world import World
from casebell.settings.values import nearest

#: Deliveries of one answer at most.
MAX_SHOWN = 10_000
#: Seconds that an answer may wait until nothing is pending.
MAX_WAIT = 60
#: Seconds between two looks meanwhile.
_LOOK = 0.02


def command_of(receipt: str, move: Move) -> dict[str, Any]:
    """A movement as the command has it."""
    at = None if move.at is None else time_of(move.at, "at") // SECOND * SECOND
    said = {"text": move.text, "at": at, "category": move.category, "quiet": move.quiet}
    kept = {name: value for name, value in said.items() if value}
    if at is not None:
        kept["at"] = at
    return {"receipt": receipt, "status": move.status, **kept}


def move_cases(world: World, moves: Sequence[dict[str, Any]]) -> int:
    """Move cases now; how many deliveries that makes."""
    made_at = world.clock.machine.now() // SECOND
    made: int = world.perform("move", moves=list(moves), made_at=made_at)
    return made


def set_scenario(world: World, name: str) -> str:
    """Begin a scenario; the new secret of one that replaces it, else "".

    Raises:
        Problem: there is none of this name.
    """
    if name not in SCENARIOS:
        raise Problem.invalid("There is no such scenario.", nearest(name, SCENARIOS))
    secret = secrets.token_urlsafe(32) if SCENARIOS[name].rotates else ""
    world.perform("set_scenario", name=name, secret=secret)
    return secret


def set_faults(world: World, faults: Faults) -> None:
    """Set what goes wrong from now on."""
    on_record = faults.model_dump(exclude_defaults=True, exclude={"api"})
    world.perform("set_faults", faults=on_record)
    # What is wrong with the APIs may be for so many requests, which are not on record.
    world.use_faults(faults)


async def move(call: Call) -> Result:
    """`POST /control/cases/{receipt}`."""
    receipt = receipt_of(call.request.path_params["receipt"])
    made = move_cases(call.simulator.world, [command_of(receipt, call.body(Move))])
    return Result(content={"receipt_number": receipt, "deliveries": made})


async def move_many(call: Call) -> Result:
    """`POST /control/cases`."""
    asked = call.body(Moves)
    moves = [command_of(one.receipt, one) for one in asked.moves]
    if asked.series is not None:
        letters, number = asked.series.first[:3], int(asked.series.first[3:])
        if number + asked.series.count > 10**10:
            raise Problem.invalid("There are not so many receipt numbers after the first.")
        sample = command_of(asked.series.first, asked.series)
        moves += [
            {**sample, "receipt": f"{letters}{number + place:010d}"}
            for place in range(asked.series.count)
        ]
    if not 0 < len(moves) <= MAX_MOVES:
        raise Problem.invalid(f"Name from 1 to {MAX_MOVES} movements, in moves or by a series.")
    made = move_cases(call.simulator.world, moves)
    return Result(content={"moved": len(moves), "deliveries": made})


async def case(call: Call) -> Result:
    """`GET /control/cases/{receipt}`."""
    found = known_case(call.simulator.world, receipt_of(call.request.path_params["receipt"]))
    history = [
        {"status": str(one.status), "text": one.text, "at": iso(one.at)} for one in found.history
    ]
    return Result(
        content={
            "receipt_number": found.receipt,
            "label": found.label or None,
            "registered": found.registered,
            "history": history,
        }
    )


async def get_faults(call: Call) -> Result:
    """`GET /control/faults`."""
    return Result(content=faults_shown(call.simulator.world))


async def change_faults(call: Call) -> Result:
    """`POST /control/faults`: what is named is set, and null is as by default."""
    if not isinstance(call.value, dict):
        raise Problem.invalid("The body must be an object.")
    world = call.simulator.world
    set_faults(world, world.faults.with_(call.value))
    return Result(content=faults_shown(world))


def faults_shown(world: World) -> dict[str, Any]:
    """Every switch as it is, and the scenario that set them at first."""
    return {"scenario": world.scenario, "faults": world.faults.model_dump()}


async def scenarios(call: Call) -> Result:
    """`GET /control/scenario`."""
    lines = {name: one.line for name, one in SCENARIOS.items()}
    return Result(content={"scenario": call.simulator.world.scenario, "scenarios": lines})


async def change_scenario(call: Call) -> Result:
    """`POST /control/scenario`: whatever else was set is as it was at first."""
    world = call.simulator.world
    secret = set_scenario(world, call.body(ScenarioIn).name)
    return Result(content={**faults_shown(world), "parley_secret": secret or None})


async def deliveries(call: Call) -> Result:
    """`GET /control/deliveries`, newest first."""
    world = call.simulator.world
    state = call.one("state")
    if state is not None and state not in set(State):
        raise Problem.invalid("There is no such state.", nearest(state, list(State)))
    receipt = call.one("receipt")
    receipt = None if receipt is None else receipt_of(receipt)
    limit = call.whole("limit", least=0, most=MAX_SHOWN, default=100)
    wait = call.whole("wait", least=0, most=MAX_WAIT, default=0)
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while True:
        if not world.outbox.counts[State.PENDING] or loop.time() >= end:
            break
        await asyncio.sleep(_LOOK)
    shown: list[dict[str, Any]] = []
    for one in reversed(world.outbox.deliveries.values()):
        if len(shown) >= limit:
            break
        if state in {None, one.state} and receipt in {None, one.receipt}:
            shown.append(one.shown())
    counts = {str(state): world.outbox.counts[state] for state in State}
    return Result(content={"counts": counts, "deliveries": shown})


async def subscriptions(call: Call) -> Result:
    """`GET /control/subscriptions`: where webhooks go, without secrets."""
    world = call.simulator.world
    hook = world.torch_webhook
    return Result(
        content={
            "subscriptions": [
                {
                    "id": one.id,
                    "url": one.url,
                    "events": list(one.events),
                    "created_at": iso(one.created_at),
                    "own_secret": bool(one.secret),
                }
                for one in world.subscriptions
            ],
            "torch_webhook": hook and {"url": hook.url, "header": hook.header},
        }
    )


async def unsubscribe(call: Call) -> Result:
    """`DELETE /control/subscriptions/{id}`: what a person does on Parley's side."""
    world, asked = call.simulator.world, call.request.path_params["id"]
    if not any(one.id == asked for one in world.subscriptions):
        raise Problem(404, "There is no such subscription.")
    world.perform("unsubscribe", subscription=asked)
    return await subscriptions(call)


async def torch_webhook(call: Call) -> Result:
    """`POST /control/torch-webhook`: what a person does on Torch's side."""
    world, asked = call.simulator.world, call.body(TorchWebhookIn)
    set_torch_webhook(world, url=asked.url, header=asked.header, secret=asked.secret)
    return await subscriptions(call)


def set_torch_webhook(world: World, *, url: str | None, header: str, secret: str | None) -> None:
    """Have Torch's webhook posted there, or nowhere.

    Raises:
        Problem: it may not be.
    """
    if url is not None:
        check_url(url)
    world.perform(
        "set_torch_webhook", url=url or "", header=header, secret=secret or world.secrets.torch
    )


async def change_secrets(call: Call) -> Result:
    """`POST /control/secrets`: what is null stays."""
    asked = call.body(SecretsIn)
    call.simulator.world.perform(
        "set_secrets",
        parley=asked.parley or "",
        torch=asked.torch or "",
        overlap=asked.overlap,
    )
    return Result(content={"signing": len(call.simulator.world.secrets.parley)})


async def limits(call: Call) -> Result:
    """`GET /control/limits`."""
    asked = {" ".join(one): count for one, count in sorted(call.simulator.asked.items())}
    return Result(content={**limits_shown(call.simulator.world), "asked": asked})


async def change_limits(call: Call) -> Result:
    """`POST /control/limits`."""
    world, asked = call.simulator.world, call.body(LimitsIn)
    world.perform("set_limits", api=asked.api, per_minute=asked.per_minute, per_day=asked.per_day)
    return Result(content=limits_shown(world))


def limits_shown(world: World) -> dict[str, Any]:
    """What both APIs take, and what was used of it."""
    now = world.clock.now()
    return {api: budget.shown(now) for api, budget in world.budgets.items()}


async def clock(call: Call) -> Result:
    """`GET /control/clock`."""
    return Result(content=clock_shown(call.simulator.world))


async def change_clock(call: Call) -> Result:
    """`POST /control/clock`."""
    world, asked = call.simulator.world, call.body(ClockIn)
    world.perform("set_clock", speed=asked.speed, advance=asked.advance)
    return Result(content=clock_shown(world))


def clock_shown(world: World) -> dict[str, Any]:
    """The simulated time, and how fast it runs."""
    return {"now": iso(world.clock.now()), "speed": world.clock.speed}


_OBJECT = {200: ANY_OBJECT}
_RECEIPT = Parameter(name="receipt", about="only of this receipt number", schema=RECEIPT_SCHEMA)


def _control(method: str, path: str, summary: str, handler: Any, **values: Any) -> Operation:
    return Operation(
        method=method,
        path=f"/control/{path}",
        side=Side.CONTROL,
        summary=summary,
        handler=handler,
        **{"answers": _OBJECT, **values},
    )


OPERATIONS = (
    _control("POST", "cases", "Move many cases.", move_many, body=Moves),
    _control("POST", "cases/{receipt}", "Move a case; make it if it is new.", move, body=Move),
    _control("GET", "cases/{receipt}", "A case as it is.", case, problems=(404,)),
    _control("GET", "faults", "Every switch as it is.", get_faults),
    _control("POST", "faults", "Set what goes wrong.", change_faults, body=Switches),
    _control("GET", "scenario", "The scenarios, and the one that began.", scenarios),
    _control("POST", "scenario", "Begin a scenario.", change_scenario, body=ScenarioIn),
    _control(
        "GET",
        "deliveries",
        "Deliveries, newest first, and how many there are of each state.",
        deliveries,
        parameters=(
            Parameter(
                name="state",
                about="only those",
                schema={"type": "string", "enum": [str(one) for one in State]},
            ),
            _RECEIPT,
            Parameter(
                name="limit",
                about="how many are listed",
                schema={"type": "integer", "minimum": 0, "maximum": MAX_SHOWN, "default": 100},
            ),
            Parameter(
                name="wait",
                about="seconds to wait until nothing is pending",
                schema={"type": "integer", "minimum": 0, "maximum": MAX_WAIT, "default": 0},
            ),
        ),
    ),
    _control("GET", "subscriptions", "Where webhooks go.", subscriptions),
    _control(
        "DELETE",
        "subscriptions/{id}",
        "End a subscription, and what is still to be made for it.",
        unsubscribe,
        problems=(404,),
    ),
    _control(
        "POST", "torch-webhook", "Where Torch's webhook goes.", torch_webhook, body=TorchWebhookIn
    ),
    _control("POST", "secrets", "Replace secrets.", change_secrets, body=SecretsIn),
    _control("GET", "limits", "What the APIs take, and what was used.", limits),
    _control("POST", "limits", "Set what an API takes.", change_limits, body=LimitsIn),
    _control("GET", "clock", "The simulated time.", clock),
    _control(
        "POST", "clock", "Speed the clock up, or move it forward.", change_clock, body=ClockIn
    ),
)
