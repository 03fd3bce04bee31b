"""What is the same in two texts with one wording."""

import pytest

from casebell.uscis.new_wordings import in_general

DESCRIPTION = "On {}, the blue phase of your Form {}, Receipt Number {}, began."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Blue Phase Has Begun", "the blue phase  has begun."),
        ("The Applicant&#039;s Blue Phase", "The Applicant\u2019s <b>Blue Phase</b>"),
        (
            DESCRIPTION.format(
                "May 2, 2026", "I-130, Petition for Alien Relative", "IOE0912345678"
            ),
            DESCRIPTION.format(
                "June 11, 2025", "I-90, Application to Replace Card", "EAC9912345678"
            ),
        ),
        ("Case IOE0912345678 is in room 12b", "Case WAC1234567890 is in room 7c"),
    ],
)
def test_particulars_make_no_difference(one: str, other: str) -> None:
    """Or each case would be told as a new wording of its own."""
    assert in_general(one) == in_general(other) != ""


def test_other_words_do() -> None:
    """They may mean something else."""
    assert in_general("The Blue Phase Has Begun") != in_general("The Blue Phase Has Ended")


def test_it_is_bounded() -> None:
    """Whatever a source sends."""
    assert len(in_general("ein wort " * 10_000)) == 2_000
