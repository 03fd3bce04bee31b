"""What the case directory costs a decision: processor time with 100,000 cases, listed and not.

    python tests/bench/deciding.py                      five runs of each, in turn
    python tests/bench/deciding.py --cases 2000 --events 5000

Events are appended and decided by the server's own code on SQLite, sixteen in a transaction, each
with one alert: to an address that the channel names, or to the owner of the case. A store with as
many cases that only deliveries named, and an empty one, tell the directory from its size; another
such store has an escalation that asks for a third of the events. All are open at once and take
turns of a few hundred events: the drift of a shared machine meets all of them.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.case_histories import receipt_number
from casebell.clock import SystemClock
from casebell.events import CaseEvent
from casebell.route.router import Router
from casebell.settings import load
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.schema import cases
from casebell.telemetry import Metrics
from casebell.wiring import InForce, Wiring
from contracts.case_events import case_event, json_content
from contracts.clock_and_log import RecordingLog
from contracts.writing import writing

#: Appends and decides events.
Take: TypeAlias = Callable[[Sequence[CaseEvent]], Awaitable[None]]
#: Events of a transaction, about as many as at 64 connections.
_TOGETHER = 16
#: Events of a turn.
_TURN = 480
#: Events before the first turn.
_WARM_UP = 4_800
_PEOPLE = 200
#: The stores, in the order of their first turn.
_STORES = ("empty", "none listed", "all listed", "with an escalation")
_CONFIG = """
[sources.parley]
kind = "parley"
secrets = ["0123456789abcdef"]
[channels.mail]
url = "mailtos://smtp.example.com?from=casebell@example.com"
to = {to}
{more}
[[rules]]
name = "Everything"
when = {{}}
notify = ["mail"]
"""
#: Of a third of the events.
_ESCALATION = """
[[escalations]]
name = "RFE unseen"
when = { status = ["rfe_issued"] }
steps = [ { after = "2h", notify = ["mail"] } ]
"""
_PERSON = '[people.p{0}]\nname = "Person {0}"\nemail = "p{0}@example.com"\nteams = ["t{1}"]\n'
_TEXTS = (
    ("approved", "Case Was Approved. We approved your Form I-140 and mailed the notice."),
    ("rfe_issued", "We sent you a request for evidence for your Form I-129."),
    ("received", "Case Was Received and a receipt notice was emailed."),
)


def main() -> None:
    """Run both in turn and print the medians."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--cases", type=int, default=100_000)
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--runs", type=int, default=5)
    asked = options.parse_args()
    found: dict[str, list[float]] = {name: [] for name in _STORES}
    for _ in range(asked.runs):
        with tempfile.TemporaryDirectory(prefix="casebell-deciding-") as folder:
            for name, figure in asyncio.run(_run(Path(folder), asked)).items():
                found[name].append(figure)
    print("| cases | processor us an event, each run | median |\n|---|---|---|")
    for name, figures in found.items():
        each = ", ".join(f"{figure:.0f}" for figure in figures)
        print(f"| {name} | {each} | {statistics.median(figures):.0f} |")
    print()
    for name in ("all listed", "with an escalation"):
        pairs = zip(found[name], found["none listed"], strict=True)
        ratio = statistics.median(map(_ratio, pairs))
        print(f"{name} to none listed, median of neighbours: {ratio:.3f}")


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


async def _run(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Microseconds of processor time an event, by store."""
    events = _events(asked)
    used = dict.fromkeys(_STORES, 0.0)
    async with AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(_side(folder / name, name, asked))
            for name in _STORES
        }
        for take in sides.values():
            # Each combination of facts is decided once; a server goes on for weeks.
            await take(events[:_WARM_UP])
        for turn, at in enumerate(range(_WARM_UP, len(events), _TURN)):
            shift = turn % len(_STORES)
            for name in (*_STORES[shift:], *_STORES[:shift]):
                began = time.process_time()
                await sides[name](events[at : at + _TURN])
                used[name] += time.process_time() - began
    return {name: seconds / (len(events) - _WARM_UP) * 1e6 for name, seconds in used.items()}


@asynccontextmanager
async def _side(folder: Path, name: str, asked: argparse.Namespace) -> AsyncIterator[Take]:
    """A store that appends and decides events."""
    escalated = name == "with an escalation"
    file = _configured(folder, listed=name == "all listed", escalated=escalated)
    settings = load(file, environ={})
    in_force = InForce(Wiring.of(settings, clock=SystemClock()))
    async with Store(f"sqlite:///{folder / 'casebell.db'}") as store:
        number = 0 if name == "empty" else asked.cases
        await _store_cases(store, number, listed=name == "all listed")
        router = Router(
            store=store,
            rulebook=in_force.rulebook,
            clock=SystemClock(),
            metrics=Metrics(),
            log=RecordingLog().log,
        )
        log = EventLog(store=store, content_of=json_content, decide=router.decide)

        async def take(events: Sequence[CaseEvent]) -> None:
            for at in range(0, len(events), _TOGETHER):
                batch = events[at : at + _TOGETHER]
                router.committed(await store.transact(partial(log.append_now, batch=batch)))

        yield take


def _configured(folder: Path, *, listed: bool, escalated: bool) -> Path:
    to = '["@owner"]' if listed else '["all@example.com"]'
    more = 'unassigned = ["rfe@example.com"]' if listed else ""
    people = "".join(_PERSON.format(number, number % 20) for number in range(_PEOPLE))
    folder.mkdir()
    file = folder / "config.toml"
    escalation = _ESCALATION if escalated else ""
    file.write_text(_CONFIG.format(to=to, more=more) + escalation + people)
    file.chmod(0o600)
    return file


async def _store_cases(store: Store, number: int, *, listed: bool) -> None:
    """As a first delivery leaves them; or as the firm lists them, one in fifty confidential."""
    rows = [
        {"receipt": receipt_number(one), "updated_at": 1}
        | (_listed(one) if listed else {"status": "received", "text": _TEXTS[2][1], "at": 1})
        for one in range(number)
    ]
    for at in range(0, number, 1_000):
        async with writing(store) as connection:
            await connection.execute(cases.insert(), rows[at : at + 1_000])


def _listed(number: int) -> dict[str, object]:
    owner, team = f"Person {number % _PEOPLE}", f"t{number % 20}"
    return {
        "listed_at": 1,
        "label": f"Client {number}",
        "matter": f"2026-{number}",
        "owner": owner,
        "owner_key": owner.casefold(),
        "team": team,
        "team_key": team,
        "confidential": number % 50 == 0,
    }


def _events(asked: argparse.Namespace) -> Sequence[CaseEvent]:
    chance = random.Random(7)
    return [
        case_event(
            f"evt_{number}",
            receipt=receipt_number(chance.randrange(asked.cases)),
            type="case.status.updated",
            delivered_status=_TEXTS[number % 3][0],
            text=_TEXTS[number % 3][1],
        )
        for number in range(asked.events)
    ]


if __name__ == "__main__":
    main()
