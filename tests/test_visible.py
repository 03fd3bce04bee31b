"""What of a text from outside may be shown."""

import pytest

from casebell.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Año “sí” 案件 🎉", "Año “sí” 案件 🎉"),
        ("a\r\nb\rc\vd\u2028e\x85f\tg", "a\nb\nc\nd\ne\nf g"),
        ("\x1b[2J\x07\x7f\x9b\x00", "[2J"),
        ("\u202eevil\u202c\u2066\u2067\u2068\u2069\u200e\u200f\u061c", "evil"),
        ("zero\u200bwidth\ufeff\u00ad\U000e0041", "zerowidth"),
        ("half \ud83d", "half "),
    ],
)
def test_what_shows_nothing_is_left_out(text: str, shown: str) -> None:
    """Control characters, marks of direction, halves of pairs; every line end is one."""
    assert visible(text) == shown
