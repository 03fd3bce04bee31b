"""A cached decision is the one that the rules would give again."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import NOBODY_IS_AWAY, Case, ClassifiedEvent, Flag, Status, Tag
from casebell.route.decide import decide
from casebell.route.match import match
from casebell.route.rulebook import MAX_CACHED, DecisionCache
from casebell.route.rules import compile_rules
from casebell.settings import Rule
from contracts.case_events import classified_event
from contracts.rosters import roster_of

ROSTER = roster_of(
    {"slack": ("general",), "email": ("a@example.com", "b@example.com"), "ops": ("it",)},
    ops=("ops",),
)
RULES: tuple[dict[str, Any], ...] = (
    {"name": "RFE", "when": {"status": ["rfe_issued"]}, "notify": ["slack", "email"]},
    {"name": "Partner", "when": {"owner": ["Ng*"], "tags": ["deadline"]}, "notify": ["email"]},
    {"name": "Odd", "when": [{"flags": ["late"]}, {"type": ["case.odd"]}], "notify": ["slack"]},
    {
        "name": "Team",
        "when": {"team": ["removal"], "source": ["torch"]},
        "notify": [],
        "urgent": True,
    },
    {"name": "Matter", "when": {"matter": ["2026-*"], "label": ["*"]}, "notify": ["slack"]},
)


def decisions(rules: Sequence[dict[str, Any]] = RULES) -> DecisionCache:
    """By these rules."""
    compiled = compile_rules(Rule.model_validate(rule) for rule in rules)
    return DecisionCache(compiled, roster=ROSTER)


few = st.sampled_from
events = st.builds(
    classified_event,
    source=few(["parley", "torch"]),
    type=few(["", "case.odd", "case.rfe.issued"]),
    status=few(Status),
    tags=st.frozensets(few(Tag), max_size=3),
    flags=st.frozensets(few([Flag.LATE, Flag.REPEAT, Flag.UNKNOWN_WORDING]), max_size=2),
)
cases = st.builds(
    Case,
    receipt=few(["IOE0912345678"]),
    label=few(["", "Ng, A."]),
    matter=few(["", "2026-1"]),
    owner=few(["", "Ng", "Ortiz"]),
    team=few(["", "removal"]),
)


@given(st.lists(st.tuples(events, cases), min_size=2, max_size=12))
def test_they_are_what_the_rules_say(told: list[tuple[ClassifiedEvent, Case]]) -> None:
    """Whatever was decided before, an event gets the decision that its own facts ask for."""
    cache = decisions()
    rules = compile_rules(Rule.model_validate(rule) for rule in RULES)
    for event, case in told * 2:
        matching = match(rules, event, case)
        fresh = decide(event, case, matching, roster=ROSTER, away=NOBODY_IS_AWAY)
        decided = cache.decide(event, case)
        assert decided.decision == fresh
        assert decided.record == fresh.as_record()


def test_what_must_not_be_missed_is_told_apart() -> None:
    """Also where no rule asks for flags: a known wording may go to nobody, a new one may not."""
    cache = decisions([{"name": "RFE", "when": {"status": ["rfe_issued"]}, "notify": ["slack"]}])
    case = Case(receipt="IOE0912345678")
    told = [
        [
            one.channel
            for one in cache.decide(
                classified_event(status=Status.OTHER, tags=frozenset(), flags=flags), case
            ).decision.recipients
        ]
        for flags in (frozenset[Flag](), frozenset({Flag.UNKNOWN_WORDING}), frozenset[Flag]())
    ]
    assert told == [[], ["ops"], []]


@pytest.mark.parametrize("when", [{"text": ["interview"]}, {"receipt": ["IOE*"]}])
def test_what_is_particular_is_asked_each_time(when: dict[str, Any]) -> None:
    """A rule that reads the text or the receipt is asked for every event."""
    cache = decisions([*RULES, {"name": "Particular", "when": when, "notify": ["slack"]}])
    case = Case(receipt="IOE0912345678")
    told = [
        cache.decide(classified_event(text=text, receipt=receipt), case)
        .decision.matching.results[-1]
        .matched
        for text, receipt in (
            ("An interview was scheduled", "IOE0912345678"),
            ("Nothing of it", "EAC9999103404"),
        )
    ]
    assert told == [True, False]


def test_strangers_words_do_not_fill_the_memory() -> None:
    """A source that invents types is forgotten in time."""
    cache = decisions()
    case = Case(receipt="IOE0912345678")
    for number in range(2 * MAX_CACHED):
        cache.decide(classified_event(type=f"case.{number}"), case)
    assert len(cache._cache) <= MAX_CACHED
