"""Outcomes and reasons of attempts in words."""

from casebell.alerts import FailureReason, Outcome
from casebell.service.attempts_in_words import outcome_in_words, reason_in_words


def test_every_outcome_and_reason_has_words() -> None:
    """Each its own; a reason keeps its code, by which it is looked up."""
    outcomes = [outcome_in_words(one) for one in Outcome]
    assert len(set(outcomes)) == len(Outcome)
    assert [one for one in outcomes if one in set(Outcome)] == ["sent"]
    for reason in FailureReason:
        code, _, words = reason_in_words(reason).partition(": ")
        assert code == reason
        assert " " in words


def test_words_of_a_later_release() -> None:
    """They stay as they are."""
    assert outcome_in_words("teleported") == "teleported"
    assert reason_in_words("too_far") == "too_far"
