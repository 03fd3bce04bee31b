"""What is left at the end: the record on the disk, against what the upstream was told."""

import asyncio
from collections import Counter

from casebell.sandbox.expect import expect
from casebell.sandbox.server import ask
from casebell.sandbox.stage import Stage
from casebell.sandbox.story.step import Account, Step

_LIMIT = ("--limit", "1000")


async def _read_back(stage: Stage) -> Account:
    events, alerts, held = await asyncio.gather(
        ask("events", "list", *_LIMIT, config=stage.config),
        ask("alerts", "list", *_LIMIT, config=stage.config),
        ask("held", "list", *_LIMIT, config=stage.config),
    )
    answers = stage.upstream.answers
    acknowledged = sorted(
        (outgoing.source, str(answer.content["event_id"]))
        for outgoing, answer in answers
        if answer.word == "stored"
    )
    firsts = [event for event in events if event["key_basis"] != "revision"]
    kept = sorted((event["source"], event["key"]) for event in firsts)
    expect("casebell events list", expected=acknowledged, got=kept)
    words = Counter(answer.word for _, answer in answers)
    expect("conflicting contents kept", expected=words["conflict"], got=len(events) - len(firsts))
    expect("deliveries held", expected=words["held"], got=len(held))
    deliveries = words["stored"] + words["duplicate"] + words["conflict"]
    expect("deliveries on record", expected=deliveries, got=sum(e["deliveries"] for e in events))
    undecided = [event["key"] for event in events if event["decision"] is None]
    expect("events without a decision", expected=[], got=undecided)
    yield (
        "events",
        (f"{len(kept)} acknowledged as stored, {len(kept)} there, each once and with a decision"),
    )
    states = dict(Counter(alert["state"] for alert in alerts))
    expect("casebell alerts list", expected={"sent": len(alerts)}, got=states)
    yield "alerts", f"{len(alerts)}, all sent; {len(held)} deliveries held, for IT to look at"
    log = stage.server.log.read_text()
    receipts = {event["receipt"] for event in events}
    texts = {event["text"] for event in events}
    for what, words_of in (
        ("secrets", stage.secrets.values()),
        ("receipt numbers", receipts),
        ("official texts", texts),
        ("channel URLs", ("json://", "mailto:")),
    ):
        leaked = sum(words in log for words in words_of)
        expect(f"{what} in the server's log", expected=0, got=leaked)
    lines = log.count("\n")
    yield "log", f"{lines} lines without a secret, a full receipt number, a text or a channel's URL"


RECORD = Step(title="The record, read back from the disk", play=_read_back)
