"""Steps of the demo: the provider's API tracks the firm's cases, delivers, and is asked."""

import asyncio
import stat
from collections.abc import Iterable, Mapping
from typing import Any

from casebell.clock import SystemClock
from casebell.sandbox import fixtures
from casebell.sandbox.demo_environment import IT, DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.scenario_step import (
    Lines,
    expect_recipients,
    expect_text,
    expect_titles,
    recipients_and_times,
    urgent_alerts,
    why,
)
from casebell.sandbox.server_process import run_json
from casebell.sandbox.simulator.vocabulary import EVENT_TYPES

#: The case that moves at the provider's.
_RECEIPT = fixtures.ROUTINE_RECEIPT


async def registered(demo: DemoEnvironment) -> Lines:
    """The API tracks every case of the directory, and delivers to this server."""
    events, number = await asyncio.gather(
        run_json("events", "list", "--limit", "1000", config=demo.config),
        demo.register_cases(),
    )
    receipts = sorted({event["receipt"] for event in events})
    expect("casebell upstream register", expected=len(receipts), got=number)
    tracked = sorted(one.receipt for one in demo.provider.cases.values() if one.registered)
    expect("the cases that the API tracks", expected=receipts, got=tracked)
    labels = [one.label for one in demo.provider.cases.values() if one.label]
    expect("the labels that the API was told", expected=[], got=labels)
    yield "tracked", f"{len(receipts)} cases, by their receipt numbers alone"
    await demo.provider.knows(_histories(events))
    (made,) = await run_json("upstream", "subscribe", config=demo.config)
    (known,) = await demo.provider.subscriptions()
    url = f"{demo.server.url}/webhooks/parley"
    expect("where the subscription delivers to", expected=url, got=known["url"])
    expect("its types of events", expected=sorted(EVENT_TYPES), got=sorted(known["events"]))
    expect("whether it has a secret of its own", expected=True, got=known["own_secret"])
    mode = stat.filemode(demo.subscription_file.stat().st_mode)
    expect("the mode of the file with the secret", expected="-rw-------", got=mode)
    expect_recipients(await demo.arrivals())
    yield "delivers", f"all {len(EVENT_TYPES)} types of events, to {made['url']}"
    yield "secret", "made here and in a file for the server alone, before the API was asked"


async def looked_at(demo: DemoEnvironment) -> Lines:
    """What is known of the cases is told nobody again; one summary goes to operations."""
    found = await _reconciled(demo)
    looks = {"first_looks": len(demo.provider.cases), "found": 0}
    expect("the first looks", expected=looks, got={name: found[name] for name in looks})
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, IT)
    title = "First look at cases; these ask for something: 0"
    expect_titles(arrivals, f"Casebell operations: {title}")
    yield "compared", f"{found['checked']} cases: webhooks missed nothing; older history is kept"
    yield "told", f"it-desk, once: “{title}”; nobody else"


async def delivered(demo: DemoEnvironment) -> Lines:
    """The API delivers by two types, which are proven by the secret and are one change."""
    began = SystemClock().now()
    expect("deliveries made", expected=2, got=await demo.provider.move(_RECEIPT, "rfe_issued"))
    made = await _deliveries(demo)
    answers = [(one["type"], _answer(one)) for one in made]
    stored = [(name, "200 stored") for name in ("case.status.updated", "case.rfe.issued")]
    expect("the HTTP answers", expected=stored, got=answers)
    arrivals = await urgent_alerts(demo, "RFE issued · IOE…0002")
    stories = await asyncio.gather(*(why(demo, one["event_id"]) for one in made))
    proven = [one["secret"] for story in stories for one in story["delivered"]]
    expect("which secret proves them", expected=["subscription"] * 2, got=proven)
    for name, answer in answers:
        yield "delivered", f"{name}, signed with the subscription's secret → {answer}"
    yield "told", f"{recipients_and_times(arrivals, began)}; once"


async def missed(demo: DemoEnvironment) -> Lines:
    """Nobody hears of a change whose webhooks are lost, until the API is asked; and then once."""
    await demo.provider.lose_deliveries(1.0)
    expect("deliveries made", expected=2, got=await demo.provider.move(_RECEIPT, "denied"))
    states = [one["state"] for one in (await _deliveries(demo))[-2:]]
    expect("what became of them", expected=["dropped"] * 2, got=states)
    await demo.provider.lose_deliveries(0.0)
    expect_recipients(await demo.arrivals())
    yield "lost", "a denial: neither of its two webhooks is sent, and nobody hears of it"
    expect("changes found", expected=1, got=(await _reconciled(demo))["found"])
    arrivals = await urgent_alerts(
        demo, "Case denied · IOE…0002", ops="Webhooks of parley miss changes"
    )
    says = "Found by reconciliation: no webhook delivered this change."
    expect_text([one for one in arrivals if one.recipient != IT], says=says)
    yield "found", "by asking the API; told: chat, rfe-team, jchan"
    yield "message", f"“{says}”"
    yield "told", "it-desk as well, that webhooks miss changes"
    expect("changes found again", expected=0, got=(await _reconciled(demo))["found"])
    expect_recipients(await demo.arrivals())
    yield "again", "the API is asked once more: nothing is found, nobody is told"


async def _reconciled(demo: DemoEnvironment) -> dict[str, Any]:
    """What a reconciliation came to, every case looked at."""
    (found,) = await run_json("upstream", "reconcile", config=demo.config)
    left = {name: found[name] for name in ("failed", "remaining")}
    expect("cases not looked at", expected={"failed": 0, "remaining": 0}, got=left)
    return found


async def _deliveries(demo: DemoEnvironment) -> list[dict[str, Any]]:
    """Those of the case, oldest first."""
    made = await demo.provider.deliveries()
    return [one for one in made if one["receipt_number"] == _RECEIPT]


def _answer(delivery: Mapping[str, Any]) -> str:
    """The answer to its last try."""
    *_, last = delivery["answers"]
    return f"{last['status']} {last['said']}"


def _histories(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the provider's webhooks have told, each change once."""
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for event in sorted(events, key=lambda one: str(one["occurred_at"])):
        receipt, status, text = event["receipt"], event["status"], event["text"]
        first.setdefault(
            (receipt, status, text),
            {"receipt": receipt, "status": status, "text": text, "at": event["occurred_at"]},
        )
    return list(first.values())
