"""Two decisions about one change: whether the same people hear, and the sentences on why."""

from typing import Any

import pytest

from casebell.route.difference import reasons, tells_alike


def record(*told: tuple[str, str, bool, tuple[str, ...]], **rules: bool) -> dict[str, Any]:
    """A decision as it is stored: who hears, and which rules matched."""
    return {
        "notify": [
            {"channel": channel, "target": target, "urgent": urgent, "rules": list(by)}
            for channel, target, urgent, by in told
        ],
        "rules": [
            {"name": name, "matched": matched, "why": f"{name} {'did' if matched else 'did not'}"}
            for name, matched in rules.items()
        ],
    }


BY_A = ("slack", "general", False, ("a",))


@pytest.mark.parametrize(
    ("now", "alike"),
    [
        (record(BY_A, a=True), True),
        (record(("slack", "general", False, ("b",)), b=True), True),
        (record(("slack", "general", True, ("a",)), a=True), False),
        (record(("slack", "random", False, ("a",)), a=True), False),
        (record(BY_A, ("email", "a@firm.com", False, ("a",)), a=True), False),
        (record(a=False), False),
    ],
)
def test_who_hears(now: dict[str, Any], alike: bool) -> None:
    """The same targets, as urgently; by which rule makes no difference to them."""
    then = record(BY_A, a=True)
    assert tells_alike(then, now) is alike
    assert tells_alike(now, then) is alike


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        (record(BY_A, a=True), []),
        (record(a=False), ['The rule "a" does not match now: a did not. It did: a did.']),
        (record(), ['The rule "a" is gone, and matched: a did.']),
        (
            record(BY_A, ("desk", "d", False, ("b",)), a=True, b=True),
            ['The rule "b" is new, and matches: b did.'],
        ),
        (record(BY_A, a=True, b=False), []),
        (
            record(("desk", "d", False, ("a",)), a=True),
            ['The rule "a" names desk now.', 'The rule "a" names slack no longer.'],
        ),
        (
            record(("slack", "x", False, ("a",)), ("slack", "y", False, ("a",)), a=True),
            [
                "The channel slack has a new target: x, y.",
                "The channel slack has no target any more that it had: general.",
            ],
        ),
        (record(("slack", "general", True, ("a",)), a=True), ["Over slack it is urgent now."]),
        (
            record(("it", "i", True, ()), a=False),
            [
                'The rule "a" does not match now: a did not. It did: a did.',
                "Operations hear of it over it now.",
            ],
        ),
    ],
)
def test_why(now: dict[str, Any], sentences: list[str]) -> None:
    """What became of each rule, of its channels and of their targets."""
    assert list(reasons(record(BY_A, a=True), now)) == sentences


def test_the_other_way_round() -> None:
    """What was urgent, or told to operations, and is no longer."""
    then = record(("it", "i", True, ()), ("slack", "general", True, ("a",)), a=True, b=False)
    now = record(BY_A, a=True, b=True)
    assert list(reasons(then, now)) == [
        'The rule "b" matches now: b did. It did not: b did not.',
        "Operations do not hear of it over it any longer.",
        "Over slack it is urgent no longer.",
    ]
