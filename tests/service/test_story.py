"""What the sentences of a story make of each thing; tests/cli/test_why.py has whole ones."""

from typing import Any

import pytest

from casebell.events import Flag, KeyBasis
from casebell.service.sentences import EventNumber, Filled, Moment
from casebell.service.story import became, marked, marks, occurred, story

STAMP = "2025-10-14T19:22:03.000000Z"

EVENT: dict[str, Any] = {
    "id": 2,
    "source": "parley",
    "key": "evt_1",
    "key_basis": KeyBasis.ID,
    "receipt": "IOE0912345678",
    "status": None,
    "delivered_status": None,
    "tags": [],
    "text": "",
    "occurred_at": None,
    "flags": [],
    "decision": None,
    "origin": "webhook",
    "deliveries": 1,
}
EXPLANATION: dict[str, Any] = {
    "event": EVENT,
    "delivered": [],
    "conflicts": [],
    "change": None,
    "alerts": [],
    "escalations": [],
    "acknowledged": [],
    "owed": None,
}


def told(explanation: dict[str, Any]) -> list[str]:
    """The story as lines."""
    return [
        sentence.text(str)
        for section in story(explanation)
        for sentence in (
            section.heading,
            *(one for point in section.points for one in (point.sentence, *point.under)),
        )
    ]


def test_words_of_a_later_release() -> None:
    """A basis and a flag that this release does not know are said to be that."""
    event = {**EVENT, "key_basis": "star_sign", "flags": ["cloudy", Flag.LATE]}
    lines = told({**EXPLANATION, "event": event})
    assert "Its key is a word that this release does not know." in lines
    assert "Note: “cloudy”, a word that this release does not know." in lines
    assert "Note: a later status was known already when it came." in lines


def test_a_conflict_leads_to_the_other_event() -> None:
    """Whichever of the two is asked about."""
    conflicts = [
        {"first": 2, "event": 5, "fields": ["status", "text"]},
        {"first": 1, "event": 2, "fields": ["text"]},
    ]
    sections = list(story({**EXPLANATION, "conflicts": conflicts}))
    (understood,) = [one for one in sections if one.heading.text(str) == "Understood"]
    pieces = [piece for point in understood.points for piece in point.sentence.pieces]
    assert [one.number for one in pieces if isinstance(one, EventNumber)] == [5, 1]
    said = [point.sentence.text(str) for point in understood.points]
    assert "It differs from event 5 in: status, text." in said
    assert said[-1] == "Fields that say nothing of the case belong in `volatile` of the source."


OWED = {
    "due": "2026-12-24",
    "due_by": "Jia Chan",
    "due_confirmed": False,
    "answered_at": None,
    "answered_by": None,
}


def test_who_has_seen_it_and_what_is_owed() -> None:
    """By whom, when, and how; and that nobody has, of what asks for something."""
    assert "Seen and answered" not in told(EXPLANATION)
    assert told({**EXPLANATION, "owed": OWED})[-3:] == [
        "Seen and answered",
        "Nobody has acknowledged it.",
        "It is in the queue, due 2026-12-24, entered by Jia Chan, unconfirmed.",
    ]
    seen = [
        {"at": STAMP, "who": "the link sent to jchan", "note": ""},
        {"at": STAMP, "who": "Kim Roe (account kim)", "note": "on it"},
    ]
    answered = {**OWED, "answered_at": STAMP, "answered_by": "change 9"}
    assert told({**EXPLANATION, "acknowledged": seen, "owed": answered})[-3:] == [
        f"{STAMP}: acknowledged by the link sent to jchan.",
        f"{STAMP}: acknowledged by Kim Roe (account kim): “on it”.",
        f"{STAMP}: answered, by change 9.",
    ]


def test_what_happened_to_an_alert_is_in_its_order() -> None:
    """Attempts, and what people did in between."""
    alert = {
        "id": 7,
        "kind": "case",
        "target": "general",
        "channel": "slack",
        "meant_for": "Jia Chan, the owner",
        "state": "failed",
        "reason": "x",
        "waits": None,
        "may_repeat": True,
        "dismissed_at": STAMP,
        "tried": [
            {"number": 1, "finished_at": "1", "outcome": "timely", "reason": "x", "detail": "y"},
            {"number": 2, "finished_at": "3", "outcome": "sent", "reason": None, "detail": ""},
        ],
        "by_hand": [{"at": "2", "did": "retry", "actor": "cli:ana", "by": "Ana", "note": "again"}],
    }
    first, *others = told({**EXPLANATION, "alerts": [alert]})[-4:]
    assert first == (
        "Alert 7 to general over slack (Jia Chan, the owner): failed (x); it may have arrived "
        f"twice; dismissed {STAMP}."
    )
    assert others == [
        "Attempt 1, 1: timely (x; y).",
        "By hand, 2: retry by cli:ana, as “Ana”: “again”.",
        "Attempt 2, 3: sent.",
    ]


@pytest.mark.parametrize(
    ("stamp", "flags", "expected"),
    [
        (None, [], None),
        (STAMP, [], Moment(stamp=STAMP)),
        ("2025-10-14", [Flag.NAIVE_TIME], Filled(text="2025-10-14")),
        ("next Tuesday", [Flag.UNPARSED_TIME], Filled(text="next Tuesday")),
        ("2199-01-01T00:00:00Z", [Flag.FUTURE_TIME], Filled(text="2199-01-01T00:00:00Z")),
        ("1969-01-01T00:00:00Z", [Flag.UNPARSED_TIME], Filled(text="1969-01-01T00:00:00Z")),
    ],
)
def test_what_orders_nothing_is_shown_as_delivered(
    stamp: str | None, flags: list[Flag], expected: Moment | Filled | None
) -> None:
    """It is not shifted into a zone, even where a calendar has it."""
    assert occurred({"occurred_at": stamp, "flags": flags}) == expected


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"sent_at": STAMP}, f"sent {STAMP}"),
        ({"state": "pending"}, "pending"),
        ({"state": "failed", "reason": "x"}, "failed (x)"),
        (
            {"state": "deferred", "reason": "rate_limited"},
            "deferred (rate_limited: the service takes no more for now)",
        ),
        (
            {"state": "deferred", "reason": "grouped", "deferred_until": STAMP},
            f"waits until {STAMP} to go in one message with others",
        ),
        (
            {
                "state": "deferred",
                "reason": "quiet_hours",
                "waits": "until Mon 8:00 AM EST, quiet hours of office",
            },
            "waits until Mon 8:00 AM EST, quiet hours of office",
        ),
        ({"state": "failed", "reason": "x", "dismissed_at": STAMP}, "dismissed (x)"),
    ],
)
def test_what_became_of_an_alert(facts: dict[str, Any], said: str) -> None:
    """When it was sent, or where it stands and why."""
    alert = {
        "state": "sent",
        "reason": None,
        "sent_at": None,
        "waits": None,
        "dismissed_at": None,
        **facts,
    }
    assert became(alert).text(str) == said


def test_marks_of_an_event() -> None:
    """Each word once, and none for what only its page need say."""
    assert marked(["repeat", "unknown_wording", "text_conflict", "late", "conflict"]) == [
        "late",
        "conflicting",
        "new wording",
    ]
    assert marked(["repeat", "a later release's"]) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, {}),
        ({"late": True}, {"late": "a later status was known already when it came"}),
        (
            {"events": [1, 3, 4], "sources": ["parley", "torch"]},
            {"corroborated": "also reported by event 3, 4; all by parley, torch"},
        ),
        # Of very many events that report it, the one that began it may be left out.
        (
            {"events": [3], "sources": ["parley"]},
            {"corroborated": "also reported by event 3; all by parley"},
        ),
        (
            {"origin": "reconciled"},
            {
                "found by reconciliation": (
                    "no webhook had delivered it; asking the provider's API found it"
                )
            },
        ),
        (
            {"origin": "reconciled", "flags": ["baseline"]},
            {"first look": "it was there when the case was looked at for the first time"},
        ),
        (
            {"flags": ["conflict", "repeat", "unknown_wording"]},
            {
                "conflicting": "the source sent differing content for the same event; check both",
                "new wording": (
                    "its wording is new to Casebell, which does not know what it means"
                ),
            },
        ),
    ],
)
def test_marks_of_a_change(facts: dict[str, Any], said: dict[str, str]) -> None:
    """Late, corroborated, conflicting, and worded in a new way."""
    change = {
        "late": False,
        "event": 1,
        "origin": "webhook",
        "events": [1],
        "sources": ["parley"],
        "flags": [],
        **facts,
    }
    assert {mark.word: mark.sentence.text(str) for mark in marks(change)} == said


ESCALATION: dict[str, Any] = {
    "name": "RFE unseen",
    "began_at": "2026-11-02T14:00:00.000000Z",
    "reminders": 0,
    "reminded_at": None,
    "due_at": "2026-11-02T16:00:00.000000Z",
    "ended": None,
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {},
            "no reminder yet; next 2026-11-02T16:00:00.000000Z, unless somebody acknowledges it.",
        ),
        (
            {"reminders": 2, "reminded_at": "2026-11-03", "due_at": "2026-11-04"},
            "2 reminders, the latest 2026-11-03; next 2026-11-04, unless somebody acknowledges it.",
        ),
        (
            {"reminders": 1, "reminded_at": "2026-11-03", "due_at": None, "ended": "acknowledged"},
            "1 reminder, the latest 2026-11-03; ended, for somebody acknowledged it.",
        ),
        (
            {"due_at": None, "ended": "eclipsed"},
            "no reminder yet; ended, for a word that this release does not know.",
        ),
    ],
)
def test_how_an_escalation_stands(fields: dict[str, Any], expected: str) -> None:
    """How often people were reminded, and what is next or why it ended."""
    lines = told({**EXPLANATION, "escalations": [{**ESCALATION, **fields}]})
    heading = lines.index("Told again, while nobody acknowledges it")
    line = lines[heading + 1]
    assert line == f"Escalation “RFE unseen”: {expected}"
