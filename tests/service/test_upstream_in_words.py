"""What is said of the provider's APIs claims no more than is known."""

from casebell.service import upstream_in_words as words


def test_what_failed_was_not_compared() -> None:
    """Five of which the API told nothing are five that nobody compared."""
    answer = {
        **dict.fromkeys(("found", "first_looks", "remaining"), 0),
        "upstream": "parley",
        "checked": 5,
        "failed": 5,
        "waits": None,
    }
    first, second = words.reconciled(answer)
    assert first == "parley: 0 cases compared, 0 changes found that no webhook had delivered."
    assert second.startswith("5 cases could not be asked about")
    last = {**answer, "ended_at": "2026-03-02T00:00:00Z"}
    assert ": 0 cases compared," in words.last_reconciliation({"reconciliation": last}, "UTC")


def test_a_subscription_was_made() -> None:
    """Whether it still delivers, nobody here knows."""
    made = {
        "id": "sub_1",
        "url": "https://casebell.example-firm.com/webhooks/parley",
        "events": ["case.approved"],
        "created_at": "2026-03-02T00:00:00Z",
    }
    assert "delivers" not in words.subscription(made, "UTC")
