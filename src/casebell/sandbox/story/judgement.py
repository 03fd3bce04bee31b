"""Who is told, and in which words: what the rules, the classifier and the order of events make."""

from casebell.sandbox.expect import expect
from casebell.sandbox.stage import ATTORNEY, CHAT, IT, TEAM, Stage
from casebell.sandbox.story.papers import (
    APPROVED,
    INTERVIEW,
    OLDER_RFE,
    REJECTED,
    ROUTINE,
    SAME_ID,
)
from casebell.sandbox.story.step import (
    Account,
    Step,
    delivered,
    expect_text,
    expect_titles,
    expect_told,
    when_told,
    why,
)


async def _rejected(stage: Stage) -> Account:
    answer = await delivered(stage, REJECTED, "200 stored", key="evt-2001")
    yield "posted", f"category “Rejected”, with the shared secret → {answer}"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: Filing rejected · WAC******2301")
    says = "USCIS sent the filing back without deciding it. This is not a denial."
    expect_text(arrivals, says=says, never=["denied"])
    yield "told", when_told(arrivals, answer.posted_at)
    yield "message", f"“{says}”"


async def _nobody(stage: Stage) -> Account:
    answer = await delivered(stage, ROUTINE, "200 stored", key="evt-1003")
    yield "posted", f"“Case Was Received” → {answer}"
    expect_told(await stage.arrivals())
    decision = (await why(stage, "evt-1003"))["change"]["decision"]
    expect("its decision", expected="nobody", got=decision["outcome"])
    yield "told", "nobody, and that is on record as well"
    yield "why", decision["because"]


async def _out_of_order(stage: Stage) -> Account:
    answer = await delivered(stage, APPROVED, "200 stored", key="evt-1008")
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT)
    expect_titles(arrivals, "Case approved · IOE******0005")
    yield "posted", f"an approval → {answer}; told: {CHAT}, as its rule says"
    answer = await delivered(stage, OLDER_RFE, "200 stored", key="evt-1007")
    yield "posted", f"the Request for Evidence of two days before it → {answer}"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: Request for Evidence issued · IOE******0005")
    says = "Arrived late: a later status (approved) is already known."
    expect_text(arrivals, says=says)
    yield "told", when_told(arrivals, answer.posted_at)
    yield "message", f"“{says}” The case stays approved"


async def _conflict(stage: Stage) -> Account:
    answer = await delivered(stage, INTERVIEW, "200 stored", key="evt-1009")
    expect_told(await stage.arrivals(), CHAT)
    yield "posted", f"an interview, event evt-1009 → {answer}; told: {CHAT}"
    answer = await delivered(stage, SAME_ID, "200 conflict", key="evt-1009")
    yield "posted", f"a denial under the same id → {answer}; both are kept"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY, IT)
    alerts = [arrival for arrival in arrivals if arrival.recipient != IT]
    expect_titles(alerts, "URGENT: Case denied · IOE******0006")
    expect_text(alerts, says="The source sent differing content for the same event; check both.")
    to_it = [arrival for arrival in arrivals if arrival.recipient == IT]
    expect_titles(to_it, "Casebell operations: Conflicting delivery from parley")
    yield "told", when_told(arrivals, answer.posted_at)
    yield "message", f"“{to_it[0].title}”"


REJECTION = Step(title="Torch reports a rejected filing, which is not a denial", play=_rejected)
NOBODY = Step(title="Routine news that no rule sends anywhere", play=_nobody)
OUT_OF_ORDER = Step(title="Out of order: an approval overtakes an older RFE", play=_out_of_order)
CONFLICT = Step(title="The same id comes with another content", play=_conflict)
