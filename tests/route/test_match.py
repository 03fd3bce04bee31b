"""Who hears of an event, and what the reasons say and do not say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from casebell.events import Case, ClassifiedEvent, Flag, KeyBasis, Origin, Status, Tag, TimeBasis
from casebell.receive.understand import MAX_TEXT
from casebell.route.match import Matching, Notify, match
from casebell.route.rules import compile_rules
from casebell.settings import Rule, When

RECEIPT = "IOE0912345678"
CASE = Case(
    receipt=RECEIPT,
    label="Acme-O1A",
    matter="2025-0113",
    owner="jchan@example-firm.com",
    team="mobility",
)


RFE = ClassifiedEvent(
    source="parley",
    key="evt_1",
    key_basis=KeyBasis.ID,
    type="case.rfe.issued",
    receipt=RECEIPT,
    receipt_raw=RECEIPT,
    delivered_status="rfe_issued",
    delivered_category=None,
    text="We sent you a request for evidence.",
    occurred_at=1,
    occurred_raw="1970-01-01T00:00:00.000001Z",
    time_basis=TimeBasis.OCCURRED,
    received_at=2,
    flags=frozenset(),
    body=b"{}",
    body_sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    secret_label="2026",
    address="",
    idempotency_key=None,
    request_id="req_1",
    origin=Origin.WEBHOOK,
    status=Status.RFE_ISSUED,
    tags=frozenset({Tag.DEADLINE}),
)
APPROVED = replace(
    RFE,
    type="case.approved",
    status=Status.APPROVED,
    tags=frozenset({Tag.DECISION}),
    text="Case Was Approved",
)


def asked(
    *rules: tuple[str, Any, list[str]],
    event: ClassifiedEvent = RFE,
    case: Case = CASE,
    urgent: str = "",
) -> Matching:
    """Match rules written as (name, when, notify); the one named `urgent` is."""
    compiled = compile_rules(
        Rule.model_validate({"name": name, "when": when, "notify": to, "urgent": name == urgent})
        for name, when, to in rules
    )
    return match(compiled, event, case)


def why(when: Any, *, event: ClassifiedEvent = RFE, case: Case = CASE) -> tuple[bool, str]:
    """Whether one condition is met, and the reason given."""
    (result,) = asked(("one", when, []), event=event, case=case).results
    return result.matched, result.why


def test_all_matching_rules_fire_and_a_channel_is_named_once() -> None:
    """Each channel appears once, in the order first asked for, with every rule that asked."""
    matching = asked(
        ("RFE", {"status": "rfe_issued"}, ["slack", "email"]),
        ("Denied", {"status": "denied"}, ["phone"]),
        ("Deadlines", {"tags": "deadline"}, ["email", "teams", "email"]),
        ("Everything", {}, []),
    )
    assert [(r.name, r.matched) for r in matching.results] == [
        ("RFE", True),
        ("Denied", False),
        ("Deadlines", True),
        ("Everything", True),
    ]
    assert [(one.channel, one.rules) for one in matching.notify] == [
        ("slack", ("RFE",)),
        ("email", ("RFE", "Deadlines")),
        ("teams", ("Deadlines",)),
    ]


def test_no_rules_is_nobody() -> None:
    """Without rules nobody hears, and the urgency of the event is still told."""
    assert asked() == Matching(results=(), notify=(), urgent=True)


@pytest.mark.parametrize(
    ("event", "urgent_rule", "expected"),
    [
        (RFE, "", {"slack": True, "email": True}),
        (replace(RFE, tags=frozenset()), "", {"slack": True, "email": True}),
        (
            replace(APPROVED, status=Status.OTHER, tags=frozenset({Tag.DEADLINE})),
            "",
            {"slack": True, "email": True},
        ),
        (APPROVED, "", {"slack": False, "email": False}),
        (APPROVED, "second", {"slack": False, "email": True}),
        (APPROVED, "third", {"slack": False, "email": False}),
    ],
)
def test_urgent(event: ClassifiedEvent, urgent_rule: str, expected: dict[str, bool]) -> None:
    """An open deadline is urgent for all; an urgent rule for its channels, if it matches."""
    matching = asked(
        ("first", {}, ["slack", "email"]),
        ("second", {}, ["email"]),
        ("third", {"status": "denied"}, ["slack"]),
        event=event,
        urgent=urgent_rule,
    )
    assert {one.channel: one.urgent for one in matching.notify} == expected
    assert matching.urgent is any(expected.values())


def test_an_urgent_rule_that_tells_nobody_is_still_urgent() -> None:
    """The decision says so, for whoever looks at what reached nobody."""
    matching = asked(("quiet", {}, []), event=APPROVED, urgent="quiet")
    assert (matching.notify, matching.urgent) == ((), True)


@pytest.mark.parametrize(
    ("when", "event", "expected"),
    [
        ({}, RFE, (True, "the rule asks for every change")),
        ({"status": "rfe_issued"}, RFE, (True, "status is rfe_issued")),
        (
            {"status": ["rfe_issued", "denied"]},
            APPROVED,
            (False, "status is approved, the rule asks for rfe_issued or denied"),
        ),
        (
            {"status": "rfe_issued", "tags": "deadline", "source": "parley"},
            RFE,
            (True, "source is parley, status is rfe_issued, tags are deadline"),
        ),
        (
            {"source": "torch", "status": "denied"},
            RFE,
            (False, "source is parley, the rule asks for torch"),
        ),
        ({"tags": "deadline"}, APPROVED, (False, "tags are decision, the rule asks for deadline")),
        (
            {"tags": "deadline"},
            replace(APPROVED, tags=frozenset()),
            (False, "there are no tags, the rule asks for deadline"),
        ),
        ({"flags": "late"}, RFE, (False, "there are no flags, the rule asks for late")),
        (
            {"flags": "late"},
            replace(RFE, flags=frozenset({Flag.LATE, Flag.CONFLICT})),
            (True, "flags are conflict, late"),
        ),
        (
            {"type": "case.denied"},
            replace(RFE, type=""),
            (False, "type is not known, the rule asks for case.denied"),
        ),
        ({"receipt": "IOE*"}, RFE, (True, "receipt is IOE…5678")),
        (
            {"receipt": ["WAC0912345678", "EAC*"]},
            RFE,
            (False, "receipt is IOE…5678, the rule asks for others"),
        ),
        ({"text": "evidence"}, RFE, (True, "the text says what the rule asks for")),
        ({"text": "/card/"}, RFE, (False, "the text does not say what the rule asks for")),
        ({"label": "acme-*"}, RFE, (True, "label is one the rule asks for")),
        ({"label": "Globex"}, RFE, (False, "label is not one the rule asks for")),
        ({"matter": "2024-*"}, RFE, (False, "matter is not one the rule asks for")),
        ({"team": "mobility"}, RFE, (True, "team is mobility")),
        (
            {"owner": "rlee@example-firm.com"},
            RFE,
            (False, "owner is jchan@example-firm.com, the rule asks for rlee@example-firm.com"),
        ),
        (
            [{"status": "denied"}, {"status": "rfe_issued", "team": "mobility"}],
            RFE,
            (True, "status is rfe_issued, team is mobility"),
        ),
        (
            [{"status": "denied"}, {"tags": "card"}, {"status": "denied", "tags": "card"}],
            RFE,
            (
                False,
                (
                    "status is rfe_issued, the rule asks for denied; "
                    "tags are deadline, the rule asks for card"
                ),
            ),
        ),
        (
            {"type": [f"t{n}" for n in range(1, 9)]},
            RFE,
            (
                False,
                "type is case.rfe.issued, the rule asks for t1 or t2 or t3 or t4 or t5 or 3 more",
            ),
        ),
    ],
)
def test_why(when: Any, event: ClassifiedEvent, expected: tuple[bool, str]) -> None:
    """A match names the keys that held, a miss the first key that failed with both sides."""
    assert why(when, event=event) == expected


def test_a_case_of_which_nothing_is_known() -> None:
    """Where the firm told us nothing, rules about owner, team, matter or label do not match."""
    unknown = Case(receipt=RECEIPT)
    for key in ("owner", "team", "matter", "label"):
        matched, reason = why({key: "*"}, case=unknown)
        assert not matched
        assert reason.startswith(f"{key} is not known")


def test_the_whole_text_is_searched() -> None:
    """What stands at the end of the longest text that is kept is found."""
    long = replace(RFE, text="x" * (MAX_TEXT - 20) + " evidence")
    assert why({"text": "evidence"}, event=long)[0]
    assert why({"text": "/x+ evidence$/"}, event=long)[0]


@pytest.mark.parametrize("when", [{"text": "/a/"}, {"text": "/a/", "status": "rfe_issued"}])
def test_what_cannot_be_decided_counts_as_matching(when: dict[str, str]) -> None:
    """Half a character cannot be searched; a rule that fails must not be silence."""
    broken = replace(RFE, text="\ud800")
    rule = Rule(name="R", when=(When.model_validate(when),), notify=("slack",))
    fine = Rule(name="S", when=(When(text=("x",)),), notify=("slack",))
    matching = match(compile_rules([rule, fine]), broken, CASE)
    assert matching.undecided == ("R",)
    assert [result.matched for result in matching.results] == [True, False]
    assert matching.results[0].why == "it could not be decided, and so counts as matching"
    assert matching.notify[0].rules == ("R",)


@pytest.mark.parametrize(
    ("whens", "undecided", "matched"),
    [
        # Nobody hears of somebody else's case because a text cannot be searched.
        ([{"text": "/a/", "owner": "other@example-firm.com"}], False, False),
        ([{"text": "/a/", "owner": CASE.owner}], True, True),
        ([{"text": "/a/"}, {"status": "rfe_issued"}], False, True),
        ([{"text": "/a/"}, {"status": "denied"}], True, True),
    ],
)
def test_what_can_be_decided_counts(
    whens: list[dict[str, str]], undecided: bool, matched: bool
) -> None:
    """A clause that fails, or a condition that holds, decides whatever another one cannot."""
    conditions = tuple(When.model_validate(one) for one in whens)
    rule = Rule(name="R", when=conditions, notify=("slack",))
    (result,) = match(compile_rules([rule]), replace(RFE, text="\ud800"), CASE).results
    assert (result.undecided, result.matched) == (undecided, matched)


@pytest.mark.parametrize("event", [RFE, APPROVED])
def test_reasons_disclose_nothing(event: ClassifiedEvent) -> None:
    """No reason holds a whole receipt, the text, a label or a matter, on either side."""
    secrets = ["IOE0912345678", "WAC0912345678", "Zanzibar", "Acme", "0113", "Globex", "2024-7"]
    told = replace(event, type="case.IOE0912345678", text="Zanzibar said Acme")
    case = replace(CASE, owner="WAC0912345678")
    whens: list[dict[str, str]] = [
        {"receipt": RECEIPT},
        {"receipt": "WAC0912345678"},
        {"type": "case.IOE0912345678"},
        {"type": "WAC0912345678"},
        {"owner": RECEIPT},
        {"text": "Zanzibar"},
        {"text": "/Globex/"},
        {"label": "Acme*"},
        {"label": "Globex"},
        {"matter": "2025-0113"},
        {"matter": "2024-7"},
    ]
    record = json.dumps(
        asked(
            *((f"rule {n}", when, []) for n, when in enumerate(whens)), event=told, case=case
        ).as_record()
    )
    assert [secret for secret in secrets if secret in record] == []


@given(st.text(max_size=200))
def test_a_type_from_outside_is_shown_only_where_it_is_harmless(value: str) -> None:
    """Whatever a source sends as its type, the reason stays one short printable line."""
    matched, reason = why({"type": "never asked"}, event=replace(RFE, type=value))
    assert not matched
    assert reason.isprintable()
    assert len(reason) < 150
    assert "<" not in reason


def test_record() -> None:
    """The record is made of JSON values and says the same as the matching."""
    matching = asked(
        ("RFE", {"status": "rfe_issued"}, ["slack"]), ("Denied", {"status": "denied"}, ["slack"])
    )
    record = matching.as_record()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "rules": [
            {"name": "RFE", "matched": True, "why": "status is rfe_issued"},
            {
                "name": "Denied",
                "matched": False,
                "why": "status is rfe_issued, the rule asks for denied",
            },
        ],
        "notify": [{"channel": "slack", "rules": ["RFE"], "urgent": True}],
        "urgent": True,
    }
    assert matching.notify == (Notify(channel="slack", rules=("RFE",), urgent=True),)
