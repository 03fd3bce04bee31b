"""Confidential cases: who may hear of them, and what becomes of those who may not."""

from typing import Any

import pytest

from casebell.alerts import OPERATIONS, UNASSIGNED, AlertKind, DecisionOutcome
from casebell.events import NOBODY_IS_AWAY, Absence, Absences, Case, Status, Tag
from casebell.people.roster import Recipients, Roster
from casebell.route.decide import Decision, decide
from casebell.route.match import match
from casebell.route.rulebook import DecisionCache
from casebell.route.rules import compile_rules
from casebell.settings import Rule
from casebell.settings.models import PersonSettings
from casebell.store.engine import Store
from casebell.store.schema import alerts, cases
from contracts.case_events import case_event, classified_event
from contracts.stores import read_table
from contracts.writing import writing
from route.harness import RouterHarness

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com"),
    "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com"),
}
CHANNELS = {
    "room": Recipients(to=("#immigration",)),
    "mail": Recipients(
        to=("@owner", "all@f.com"),
        unassigned=("rfe@f.com",),
        addresses={"jchan": "jchan@f.com", "kim": "kim@f.com"},
    ),
    "ops": Recipients(to=("it@f.com",)),
}
EVERYTHING = Rule.model_validate({"name": "All", "when": {}, "notify": ["room", "mail"]})
AWAY = {"jchan": Absence(10, "kim")}


def roster(*, ops: bool = True) -> Roster:
    """A room, the mail of people, and operations."""
    return Roster(people=PEOPLE, channels=CHANNELS, ops=[("ops", "it@f.com")] if ops else [])


def decided(
    *, owner: str = "jchan", ops: bool = True, away: Absences = NOBODY_IS_AWAY, **fields: Any
) -> Decision:
    """What is decided about a change of a confidential case."""
    case = Case(receipt="IOE0912345678", owner=owner, confidential=True)
    event = classified_event(**{"status": Status.RFE_ISSUED, **fields})
    matching = match(compile_rules([EVERYTHING]), event, case)
    return decide(event, case, matching, roster=roster(ops=ops), away=away)


def heard(decision: Decision) -> list[tuple[str, str]]:
    """The target of each, and how it is addressed."""
    return [(one.to.target, one.to.addressed_as) for one in decision.recipients]


def test_the_owner_alone() -> None:
    """Neither a room nor a shared mailbox hears, though rules name both."""
    decision = decided()
    assert heard(decision) == [("jchan@f.com", "@owner")]
    assert decision.because.endswith("only single persons hear: 2 other targets are left out")


def test_a_stand_in() -> None:
    """Who stands in for the owner is one person, too."""
    assert heard(decided(away=AWAY)) == [("jchan@f.com", "@owner"), ("kim@f.com", "@owner")]


def test_nobody_remains() -> None:
    """Then `unassigned` and operations hear that there is news."""
    decision = decided(owner="")
    assert heard(decision) == [("rfe@f.com", UNASSIGNED), ("it@f.com", OPERATIONS)]
    assert all(one.urgent for one in decision.recipients)
    assert "no single person to tell" in decision.because


def test_a_test_receipt() -> None:
    """Operations hear of it, as of any other."""
    decision = decided(tags=frozenset({Tag.TEST}))
    assert heard(decision) == [("it@f.com", OPERATIONS)]


def test_the_cache_tells_them_apart() -> None:
    """Owner, confidentiality and who is away are facts of a decision."""
    cache = DecisionCache(compile_rules([EVERYTHING]), roster=roster())
    event = classified_event(status=Status.RFE_ISSUED)

    def targets(away: Absences = NOBODY_IS_AWAY, **fields: Any) -> list[str]:
        case = Case(receipt="IOE0912345678", **fields)
        return [one.to.target for one in cache.decide(event, case, away).decision.recipients]

    for _ in range(2):
        assert targets(owner="jchan") == ["#immigration", "jchan@f.com", "all@f.com"]
        assert targets(owner="kim") == ["#immigration", "kim@f.com", "all@f.com"]
        assert targets(owner="kim", confidential=True) == ["kim@f.com"]
        assert targets(AWAY, owner="jchan", confidential=True) == ["jchan@f.com", "kim@f.com"]


@pytest.fixture
async def harness(store: Store) -> RouterHarness:
    """Rules that name plain targets, and one confidential case."""
    async with writing(store) as connection:
        await connection.execute(
            cases.insert().values(receipt="IOE0912345678", updated_at=1, confidential=True)
        )
    return RouterHarness(store)


async def test_on_record(harness: RouterHarness, store: Store) -> None:
    """A stored event: operations alone hear."""
    await harness.stored(
        case_event(type="case.approved", delivered_status="denied", text="Case Was Denied")
    )
    told = await read_table(store, alerts)
    of_case = [row for row in told if row.kind == AlertKind.CASE]
    assert [(row.target, row.addressed_as) for row in of_case] == [
        ("it@example-firm.com", OPERATIONS)
    ]
    assert await harness.outcomes() == [DecisionOutcome.NOTIFIED]
