"""One change, told once: however often, by whichever source and under whatever id it comes."""

import asyncio

from casebell.notify.render import FOOTER
from casebell.sandbox.expect import expect
from casebell.sandbox.stage import ATTORNEY, CHAT, TEAM, Stage
from casebell.sandbox.story.papers import OBSERVED, OBSERVED_LATER, RFE, RFE_AGAIN
from casebell.sandbox.story.step import (
    Account,
    Step,
    delivered,
    duration,
    expect_text,
    expect_titles,
    expect_told,
    when_told,
    why,
)

_AT_ONCE = 10


async def _good(stage: Stage) -> Account:
    answer = await delivered(stage, RFE, "200 stored", key="evt-1001")
    took = duration(answer.answered_at - answer.posted_at)
    yield "posted", f"a signed delivery, event evt-1001 → {answer}, on disk after {took}"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: Request for Evidence issued · IOE******0001")
    expect_text(arrivals, says=FOOTER, never=["IOE0912340001"])
    yield "told", when_told(arrivals, answer.posted_at)
    yield "message", f"“{arrivals[0].title}”, with the receipt number masked"
    story = await why(stage, "evt-1001")
    because = story["change"]["decision"]["because"]
    expect(
        "casebell why evt-1001",
        expected="matched: Answer owed to USCIS, Everything else",
        got=because,
    )
    yield "why", because


async def _duplicate(stage: Stage) -> Account:
    answer = await delivered(stage, RFE, "200 duplicate", key="evt-1001")
    yield "posted", f"the same once more → {answer}"
    await asyncio.gather(
        *(delivered(stage, RFE, "200 duplicate", key="evt-1001") for _ in range(_AT_ONCE))
    )
    yield "posted", f"the same {_AT_ONCE} times at once → each {answer}"
    expect_told(await stage.arrivals())
    yield "told", "nobody again"


async def _same_change(stage: Stage) -> Account:
    answer = await delivered(stage, RFE_AGAIN, "200 stored", key="evt-1002")
    yield "posted", f"type case.rfe.issued, event evt-1002 → {answer}"
    expect_told(await stage.arrivals())
    event = (await why(stage, "evt-1002"))["event"]
    expect("its decision", expected="same_change", got=event["decision"]["outcome"])
    yield "told", "nobody again"
    yield "why", event["decision"]["because"]


async def _without_id(stage: Stage) -> Account:
    key = "LIN2690045601@2026-03-02T15:04:05.000000Z"
    answer = await delivered(stage, OBSERVED, "200 stored", key=key)
    yield "posted", f"no id; its key is receipt and last_status_at → {answer}"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: Request for Evidence issued · LIN******5601")
    yield "told", when_told(arrivals, answer.posted_at)
    again = await delivered(stage, OBSERVED, "200 duplicate", key=key)
    later_key = "LIN2690045601@2026-03-02T18:04:05.000000Z"
    later = await delivered(stage, OBSERVED_LATER, "200 stored", key=later_key)
    expect_told(await stage.arrivals())
    yield "posted", f"the same → {again}; seen again three hours later → {later}"
    yield "told", "nobody again: it is the same change"


GOOD = Step(title="Parley reports a Request for Evidence", play=_good)
DUPLICATE = Step(title="The same delivery comes again", play=_duplicate)
SAME_CHANGE = Step(title="The same change under another type and id", play=_same_change)
WITHOUT_ID = Step(title="Torch reports a change without an event id", play=_without_id)
