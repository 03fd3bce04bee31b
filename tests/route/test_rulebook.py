"""What an event is taken for, and that it is written with its decision."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from casebell.alerts import DecisionOutcome
from casebell.events import Case, Flag, Status, Undecided
from casebell.route.classification import Meanings
from casebell.route.rules import compile_rules
from casebell.settings import Rule, When
from casebell.store.engine import Store
from casebell.store.schema import changes, events, journal
from contracts.case_events import case_event
from contracts.stores import read_table, store_undecided
from contracts.writing import writing
from route.harness import HOUR, RouterHarness, rulebook


async def test_written_with_the_decision(store: Store) -> None:
    """The event has its status, tags and flags with its decision; the journal has it."""
    harness = RouterHarness(store)
    await harness.stored(
        case_event("evt_1", type="case.rfe.issued", delivered_status="approved", text=""),
        case_event("evt_2"),
    )
    assert [(row.status, row.tags, row.flags) for row in await read_table(store, events)] == [
        ("rfe_issued", " deadline ", " status_conflict "),
        ("rfe_issued", " deadline ", ""),
    ]
    told = {
        row.kind: json.loads(row.data)
        for row in await read_table(store, journal)
        if row.actor == "router"
    }
    assert told["decision.made"]["status"] == "rfe_issued"
    assert told["change.corroborated"] == {"event": 2, "status": "rfe_issued"}


async def test_after_a_restart_it_is_the_same(store: Store) -> None:
    """Read back from the table or decided when it was stored, it is weighed alike."""
    told = [
        case_event(
            f"evt_{number}",
            receipt=f"IOE{number:010d}",
            delivered_status=status,
            delivered_category=category,
            text="",
        )
        for number, (status, category) in enumerate(
            [("received", "Request for Evidence"), ("Rejected", None), (None, None)]
        )
    ]
    harness = RouterHarness(store)
    await harness.stored(*told)
    outcomes = [(row.status, row.tags, row.flags) for row in await read_table(store, events)]
    async with writing(store) as connection:
        await connection.execute(
            text("UPDATE events SET routed_at = NULL, status = '', tags = '', flags = ''")
        )
        await connection.execute(text("DELETE FROM queue"))
        await connection.execute(text("DELETE FROM changes"))
    await RouterHarness(store).route()
    assert outcomes == [
        ("rfe_issued", " deadline ", " status_conflict "),
        ("other", " rejected ", ""),
        ("other", "", ""),
    ]
    again = [(row.status, row.tags, row.flags) for row in await read_table(store, events)]
    assert again == outcomes


async def test_new_meanings(store: Store) -> None:
    """What the operator says of words and receipts counts from the next event on."""
    harness = RouterHarness(store)
    for number, meanings in enumerate(
        (
            Meanings(),
            Meanings(categories={"parley": {"closed": Status.DENIED}}),
            Meanings(test_receipts=("IOE*",)),
        )
    ):
        harness.rulebook = rulebook(meanings=meanings)
        await store_undecided(
            store,
            case_event(
                f"evt_{number}",
                receipt=f"IOE{number:010d}",
                delivered_status="Closed",
                text="",
            ),
        )
        await harness.route()
    assert [(row.status, row.tags) for row in await read_table(store, events)] == [
        ("other", ""),
        ("denied", " adverse decision "),
        ("other", " test "),
    ]


class Broken:
    """A pattern with a defect: there is no text by which a real one could be made to fail here."""

    def search(self, text: str) -> object:
        raise ValueError(text)


async def test_a_rule_that_cannot_be_decided_is_told(store: Store) -> None:
    """It counts as matching, the decision says so, and operations hear, once an hour."""
    (rule,) = compile_rules([Rule(name="RFE", when=(When(text=("x",)),), notify=("slack",))])
    ((clause,),) = rule.when
    broken = replace(rule, when=((replace(clause, patterns=(Broken(),)),),))
    await store_undecided(store, case_event("evt_1"), case_event("evt_2", receipt="IOE0000000002"))
    harness = RouterHarness(store)
    harness.rulebook = rulebook(compiled=[broken])
    await harness.route()
    assert await harness.told() == [("slack", "general", True)] * 2
    (first, _) = await read_table(store, changes)
    (result,) = json.loads(first.decision)["rules"]
    assert result["why"] == "it could not be decided, and so counts as matching"
    (note,) = await harness.notes()
    assert note.startswith("Rule “RFE” could not be decided for event 1")
    harness.clock.advance(HOUR)
    await store_undecided(store, case_event("evt_3", receipt="IOE0000000003"))
    await harness.route()
    assert len(await harness.notes()) == 2


@pytest.mark.parametrize("found", [Flag.BASELINE, Flag.HISTORY])
def test_what_was_there_alerts_nobody(found: Flag) -> None:
    """The state at the first look waits in the queue; what was before it asks for nothing."""
    ours = rulebook(rules=[{"name": "All", "when": {}, "notify": ["slack"]}])
    case = Case(receipt="IOE0912345678")
    given: Any = {"history": (), "case": case, "next_change": 1, "now": HOUR}
    for flags in (frozenset({found}), frozenset({found, Flag.UNKNOWN_WORDING})):
        one = Undecided(id=1, event=case_event(flags=flags), revision_of=None)
        decided = ours.decide(one, **given)
        assert decided.outcome is DecisionOutcome.NOBODY
        assert decided.alerts == ()
        assert decided.escalations == ()
        assert (decided.asked is not None) == (found is Flag.BASELINE)
    told = ours.decide(Undecided(id=1, event=case_event(), revision_of=None), **given)
    assert told.outcome is DecisionOutcome.NOTIFIED


def test_decided_again() -> None:
    """What deciding had found is found anew: of the flags only those of receiving stay."""
    rules = [
        {"name": "New", "when": {"flags": ["unknown_wording"]}, "notify": ["slack"]},
        {"name": "Late", "when": {"flags": ["late"]}, "notify": ["email"]},
        {"name": "Stale", "when": {"flags": ["stale_signature"]}, "notify": ["ops"]},
    ]
    ours = rulebook(rules=rules)
    every = frozenset(Flag) - {Flag.BASELINE, Flag.HISTORY}
    case = Case(receipt="IOE0912345678")
    again = ours.decide_again(case_event(flags=every), late=False, case=case)
    found = {Flag.UNKNOWN_WORDING, Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT, Flag.REPEAT, Flag.LATE}
    assert again.event.flags == every - found
    assert [one["channel"] for one in again.decision["notify"]] == ["ops"]
    strange = case_event(delivered_status="other", text="A wording that nobody has read.")
    again = ours.decide_again(strange, late=True, case=case)
    assert again.event.flags == {Flag.UNKNOWN_WORDING, Flag.LATE}
    assert [one["channel"] for one in again.decision["notify"]] == ["slack", "email", "email"]
