"""The demo's last step: the record, read back from the disk after everything else."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from casebell.clock import iso
from casebell.sandbox.demo_environment import DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.scenario_step import Lines
from casebell.sandbox.server_process import run_json

Event: TypeAlias = Mapping[str, Any]
_LIST_ALL = ("--limit", "1000")


async def read_back(demo: DemoEnvironment) -> Lines:
    """Everything that was acknowledged or found is there once, decided, and no more was told."""
    events, alerts, held = await asyncio.gather(
        run_json("events", "list", *_LIST_ALL, config=demo.config),
        run_json("alerts", "list", *_LIST_ALL, config=demo.config),
        run_json("held", "list", *_LIST_ALL, config=demo.config),
    )
    answers = demo.upstream.answers
    by_itself = [
        (str(one["event_id"]), str(answer["said"]))
        for one in await demo.provider.deliveries()
        for answer in one["answers"]
    ]
    acknowledged = sorted(
        [
            (outgoing.source, str(answer.content["event_id"]))
            for outgoing, answer in answers
            if answer.word == "stored"
        ]
        + [("parley", key) for key, said in by_itself if said == "stored"]
    )
    found = [event for event in events if event["origin"] == "reconciled"]
    told = [event for event in events if event["origin"] != "reconciled"]
    firsts = [event for event in told if event["key_basis"] != "revision"]
    kept = sorted((event["source"], event["key"]) for event in firsts)
    expect("casebell events list", expected=acknowledged, got=kept)
    words = Counter([answer.word for _, answer in answers] + [said for _, said in by_itself])
    expect("conflicting contents kept", expected=words["conflict"], got=len(told) - len(firsts))
    expect("deliveries held", expected=words["held"], got=len(held))
    deliveries = words["stored"] + words["duplicate"] + words["conflict"]
    expect("deliveries on record", expected=deliveries, got=sum(e["deliveries"] for e in events))
    undecided = [event["key"] for event in events if event["decision"] is None]
    expect("events without a decision", expected=[], got=undecided)
    each = f"{len(kept)} there, each once and with a decision"
    yield "events", f"{len(kept)} acknowledged as stored, {each}"
    _expect_every_movement(demo, events, found)
    yield "found", f"{len(found)} more by asking the API; of what it tells, nothing is missing"
    states = dict(Counter(alert["state"] for alert in alerts))
    expect("casebell alerts list", expected={"sent": len(alerts)}, got=states)
    yield "alerts", f"{len(alerts)}, all sent; {len(held)} deliveries held, for IT to look at"
    subscribed = demo.subscription_file.read_text().strip()
    log = demo.server.log.read_text()
    receipts = {event["receipt"] for event in events}
    texts = {event["text"] for event in events}
    for what, words_of in (
        ("secrets", [*demo.secrets.values(), demo.password, demo.provider.token, subscribed]),
        ("receipt numbers", receipts),
        ("official texts", texts),
        ("channel URLs", ("json://", "mailto:")),
    ):
        leaked = sum(words in log for words in words_of)
        expect(f"{what} in the server's log", expected=0, got=leaked)
    lines = log.count("\n")
    yield "log", f"{lines} lines without a secret, a full receipt number, a text or a channel's URL"


def _expect_every_movement(
    demo: DemoEnvironment, events: Sequence[Event], found: Sequence[Event]
) -> None:
    """What the API tells of the cases is on record, and what was found is what it tells."""
    movements = {
        (case.receipt, one.text, iso(one.at))
        for case in demo.provider.cases.values()
        for one in case.history
    }
    on_record = {_movement(event) for event in events}
    expect("changes that only the API knows", expected=[], got=sorted(movements - on_record))
    others = [event["key"] for event in found if _movement(event) not in movements]
    expect("changes found that the API does not know", expected=[], got=others)


def _movement(event: Event) -> tuple[str, str, str]:
    return event["receipt"], event["text"], event["occurred_at"]
