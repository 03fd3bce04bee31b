"""Names in other spellings."""

import pytest

from casebell.spelling import spelling


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jia Chan", "  jia   CHAN "),
        ("Straße", "STRASSE"),
        ("\uff2a\uff49\uff41 Chan", "Jia\u00a0Chan"),
        ("", " \t"),
    ],
)
def test_same(one: str, other: str) -> None:
    """Case, width and blanks make no difference."""
    assert spelling(one) == spelling(other)


def test_different() -> None:
    """Another letter does."""
    assert spelling("Jia Chan") != spelling("Jia Chang")
