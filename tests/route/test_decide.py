"""Whom a change is told to, and the record of it."""

import json
from typing import Any

import pytest

from casebell.alerts import OPERATIONS, DecisionOutcome
from casebell.events import NOBODY_IS_AWAY, Case, Flag, Status, Tag
from casebell.people.roster import Addressee
from casebell.route.decide import Decision, Recipient, decide
from casebell.route.match import match
from casebell.route.rules import compile_rules
from casebell.settings import Rule
from contracts.case_events import classified_event
from contracts.rosters import roster_of

TARGETS = {
    "slack": ("general",),
    "email": ("jchan@example-firm.com", "rfe-team@example-firm.com"),
    "ops": ("it@example-firm.com",),
}
IT = Addressee(target="it@example-firm.com", addressed_as=OPERATIONS)
CASE = Case(receipt="IOE0912345678", owner="jchan@example-firm.com")


def rule(name: str, when: Any, notify: list[str], *, urgent: bool = False) -> Rule:
    """A rule as the configuration holds it."""
    return Rule(name=name, when=when, notify=tuple(notify), urgent=urgent)


EVERYTHING = rule("Everything", {}, ["slack"])


def decided(*rules: Rule, ops: tuple[str, ...] = ("ops",), **fields: Any) -> Decision:
    """What is decided about an event: a receipt of the case, unless told otherwise."""
    given = {"status": Status.RECEIVED, "tags": frozenset[Tag](), **fields}
    event = classified_event(**given)
    matching = match(compile_rules(rules), event, CASE)
    roster = roster_of(TARGETS, ops=ops)
    return decide(event, CASE, matching, roster=roster, away=NOBODY_IS_AWAY)


def test_every_target_of_a_channel_is_told() -> None:
    """A rule that names a channel reaches each of its targets, and says which rule it was."""
    decision = decided(rule("Team", {}, ["email", "slack"]))
    assert decision.outcome is DecisionOutcome.NOTIFIED
    assert decision.because == "matched: Team"
    assert decision.recipients == tuple(
        Recipient(channel=channel, to=Addressee(target=target), rules=("Team",), urgent=False)
        for channel, target in (
            ("email", "jchan@example-firm.com"),
            ("email", "rfe-team@example-firm.com"),
            ("slack", "general"),
        )
    )


def test_a_target_is_told_once_for_all_rules() -> None:
    """Rules that agree on a channel make one recipient, which names them all."""
    decision = decided(rule("One", {}, ["slack"]), rule("Two", {}, ["slack", "email"]))
    told = {(one.channel, one.to.target): one.rules for one in decision.recipients}
    assert told == {
        ("slack", "general"): ("One", "Two"),
        ("email", "jchan@example-firm.com"): ("Two",),
        ("email", "rfe-team@example-firm.com"): ("Two",),
    }
    assert len(decision.recipients) == len(told)


def test_urgency_is_each_recipients_own() -> None:
    """Only whom the urgent rule names is told urgently."""
    decision = decided(rule("Watch", {}, ["slack"]), rule("Partner", {}, ["email"], urgent=True))
    assert {one.channel: one.urgent for one in decision.recipients} == {
        "slack": False,
        "email": True,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.RFE_ISSUED},
        {"status": Status.OTHER, "tags": frozenset({Tag.DEADLINE})},
    ],
)
def test_a_deadline_is_urgent_for_everybody(fields: dict[str, Any]) -> None:
    """Where an answer is owed no rule need say that it is urgent."""
    decision = decided(EVERYTHING, rule("Team", {}, ["email"]), **fields)
    assert all(one.urgent for one in decision.recipients)


@pytest.mark.parametrize(
    ("rules", "because"),
    [
        ([], "no rule matched"),
        ([rule("RFE", {"status": ["rfe_issued"]}, ["slack"])], "no rule matched"),
        ([rule("Rest", {}, [])], "the rules that matched name no channel: Rest"),
        (
            [rule("Rest", {}, []), rule("More", {"source": ["parley"]}, [])],
            "the rules that matched name no channel: Rest, More",
        ),
    ],
)
def test_nobody_is_a_decision(rules: list[Rule], because: str) -> None:
    """Where nobody is told the decision says why."""
    decision = decided(*rules)
    assert (decision.outcome, decision.because) == (DecisionOutcome.NOBODY, because)
    assert decision.recipients == ()


#: What must not be missed: an answer owed, a step against the case, a filing sent back, and words
#: that may say any of these.
NEVER_MISSED: list[dict[str, Any]] = [
    {"status": Status.RFE_ISSUED, "tags": frozenset({Tag.DEADLINE})},
    {"status": Status.DENIED, "tags": frozenset({Tag.DECISION, Tag.ADVERSE})},
    {"status": Status.OTHER, "tags": frozenset({Tag.ADVERSE})},
    {"status": Status.OTHER, "tags": frozenset({Tag.REJECTED, Tag.ACTION})},
    {"status": Status.OTHER, "flags": frozenset({Flag.UNKNOWN_WORDING})},
    {"status": Status.APPROVED, "flags": frozenset({Flag.UNKNOWN_WORDING})},
]


class TestNeverMissed:
    """What no rule sends to anybody, and must reach somebody."""

    @pytest.mark.parametrize("fields", NEVER_MISSED)
    @pytest.mark.parametrize(
        ("rules", "because"),
        [
            ([], "no rule matched"),
            ([rule("Late", {"flags": ["late"]}, ["slack"])], "no rule matched"),
            ([rule("Rest", {}, [])], "the rules that matched name no channel: Rest"),
        ],
    )
    def test_it_goes_to_operations(
        self, rules: list[Rule], because: str, fields: dict[str, Any]
    ) -> None:
        """Urgently, and the decision says why they are told."""
        decision = decided(*rules, **fields)
        assert decision.recipients == (Recipient(channel="ops", to=IT, rules=(), urgent=True),)
        assert decision.outcome is DecisionOutcome.NOTIFIED
        assert decision.because == f"{because}; it must not be missed, so operations are told"

    @pytest.mark.parametrize("fields", NEVER_MISSED)
    def test_a_rule_that_tells_somebody_is_enough(self, fields: dict[str, Any]) -> None:
        """Operations are no recipients beside the people whom a rule names."""
        decision = decided(rule("Rest", {}, ["slack"]), rule("None", {}, []), **fields)
        assert [one.channel for one in decision.recipients] == ["slack"]

    @pytest.mark.parametrize("fields", NEVER_MISSED)
    def test_without_operations(self, fields: dict[str, Any]) -> None:
        """Nobody is told, and the decision names the setting that would change it."""
        decision = decided(ops=(), **fields)
        assert decision.outcome is DecisionOutcome.NOBODY
        assert decision.because == "no rule matched, and ops.notify is empty"

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": Status.APPROVED, "tags": frozenset({Tag.DECISION})},
            {"status": Status.OTHER, "flags": frozenset({Flag.LATE, Flag.CONFLICT})},
        ],
    )
    def test_anything_else_may_be_told_to_nobody(self, fields: dict[str, Any]) -> None:
        """The rules' silence counts."""
        assert decided(**fields).outcome is DecisionOutcome.NOBODY


def test_a_placeholder_is_no_news() -> None:
    """A text that says nothing is told to nobody, whatever the rules ask for."""
    decision = decided(EVERYTHING, status=Status.OTHER, tags=frozenset({Tag.NO_INFO}))
    assert decision.outcome is DecisionOutcome.NOBODY
    assert "placeholder" in decision.because
    # The rules are on record all the same.
    assert decision.matching.results[0].matched


def test_a_status_beside_a_placeholder_is_news() -> None:
    """A delivered request for evidence is told even where its text says nothing."""
    decision = decided(EVERYTHING, status=Status.RFE_ISSUED, tags=frozenset({Tag.NO_INFO}))
    assert decision.outcome is DecisionOutcome.NOTIFIED


class TestTestReceipts:
    """What is to hear of a staging receipt: operations, and nobody else."""

    def test_operations_only(self) -> None:
        """Only operations hear of a test, without urgency, and no rule is named for it."""
        decision = decided(
            rule("RFE", {}, ["slack"], urgent=True),
            status=Status.RFE_ISSUED,
            tags=frozenset({Tag.TEST, Tag.DEADLINE}),
        )
        assert decision.recipients == (Recipient(channel="ops", to=IT, rules=(), urgent=False),)
        assert decision.because == "a test receipt is told to operations only"

    def test_a_channel_that_is_named_twice_is_told_once(self) -> None:
        """Operations that list a channel twice are no two recipients."""
        decision = decided(EVERYTHING, ops=("ops", "slack", "ops"), tags=frozenset({Tag.TEST}))
        assert [one.channel for one in decision.recipients] == ["ops", "slack"]

    def test_without_operations(self) -> None:
        """Where nobody is for operations, a test is told to nobody."""
        decision = decided(EVERYTHING, ops=(), tags=frozenset({Tag.TEST}))
        assert decision.outcome is DecisionOutcome.NOBODY
        assert decision.because == "a test receipt is told to operations only"

    def test_a_placeholder_of_a_test_is_no_news_either(self) -> None:
        """A test receipt without information bothers nobody."""
        decision = decided(EVERYTHING, status=Status.OTHER, tags=frozenset({Tag.TEST, Tag.NO_INFO}))
        assert decision.outcome is DecisionOutcome.NOBODY


def test_the_record() -> None:
    """The record names outcome, reason, recipients and every rule, and nothing of the client."""
    decision = decided(
        rule("Rest", {}, ["slack"], urgent=True),
        rule("RFE", {"status": ["rfe_issued"]}, ["email"]),
        text="A vermilion petition for Jane Client, IOE0912345678",
    )
    record = json.loads(json.dumps(decision.as_record()))
    assert record == {
        "outcome": "notified",
        "because": "matched: Rest",
        "notify": [{"channel": "slack", "target": "general", "rules": ["Rest"], "urgent": True}],
        "rules": [
            {"name": "Rest", "matched": True, "why": "the rule asks for every change"},
            {
                "name": "RFE",
                "matched": False,
                "why": "status is received, the rule asks for rfe_issued",
            },
        ],
    }
