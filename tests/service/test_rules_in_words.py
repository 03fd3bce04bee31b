"""Who hears of what, and what would be decided otherwise, as it is said to people."""

from typing import Any

import pytest

from casebell.service.otherwise import Decided, Figures
from casebell.service.rules import Coverage
from casebell.service.rules_in_words import heard, recipients, sums

SINCE, BACK = "2026-10-22T09:00:00.000000Z", "2026-11-01T09:00:00.000000Z"


NOBODY: Coverage = {
    "kind": "tag",
    "value": "card",
    "channels": [],
    "rules": [],
    "note": "nobody",
}


def test_a_row_of_the_table() -> None:
    """What there is nothing to say of is empty; that nobody hears is said once."""
    assert heard(NOBODY) == {"of": "tag card", "who": "nobody", "by": "", "note": ""}
    given: Coverage = {
        **NOBODY,
        "channels": ["a", "b"],
        "rules": ["One", "Two"],
        "note": "sometimes c",
    }
    assert heard(given) == {
        "of": "tag card",
        "who": "a, b",
        "by": "One, Two",
        "note": "sometimes c",
    }


def test_who_hears_of_a_change() -> None:
    """A channel at a time with its targets, by which rules and how urgently; or nobody, and why."""

    def to(channel: str, target: str, *rules: str, urgent: bool = False, whom: Any = None) -> Any:
        told = {"channel": channel, "target": target, "rules": list(rules), "urgent": urgent}
        return {**told, "meant_for": whom}

    decided: Decided = {
        "status": "denied",
        "tags": [],
        "because": "no rule matched",
        "notify": [
            to("slack", "general", "One", "Two", urgent=True),
            to("email", "a@firm.com", "One", whom="Ana Ruiz, the owner"),
            to("email", "b@firm.com", "One"),
            to("it", "desk", whom="operations"),
        ],
    }
    assert list(recipients(decided)) == [
        'slack → general, by "One", "Two", urgent',
        'email → a@firm.com (Ana Ruiz, the owner), b@firm.com, by "One"',
        "it → desk, as operations",
    ]
    assert list(recipients({**decided, "notify": []})) == ["nobody: no rule matched"]


@pytest.mark.parametrize(
    ("figures", "sentences"),
    [
        ({}, ["No change was decided since SINCE."]),
        (
            {"looked": 1, "same": 1},
            ["Of 1 change decided since SINCE, none would be decided otherwise."],
        ),
        (
            {"looked": 12_345, "same": 11_000, "differ": 1_343, "undecided": 2},
            [
                "Of 12,345 changes decided since SINCE, 1,343 would be decided otherwise.",
                "2 changes cannot be read, or not be decided again.",
            ],
        ),
        (
            {"looked": 5, "same": 5, "looked_back_to": BACK},
            [
                "Of 5 changes decided since SINCE, none would be decided otherwise.",
                "Looked back to BACK; older ones may be decided otherwise, too.",
            ],
        ),
    ],
)
def test_how_many(figures: dict[str, Any], sentences: list[str]) -> None:
    """The sums, what could not be told, and where a page ended."""
    none: Figures = {
        "since": SINCE,
        "looked": 0,
        "same": 0,
        "differ": 0,
        "undecided": 0,
        "looked_back_to": None,
        "config_sha256": "",
    }
    named = {SINCE: "SINCE", BACK: "BACK"}
    told = [one.text(named.__getitem__) for one in sums({**none, **figures})]  # type: ignore[typeddict-item]
    assert told == sentences
