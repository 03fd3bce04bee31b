"""Text made harmless."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.notify.inert_text import TRUNCATION_MARK, inert, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We sent you a notice.", "We sent you a notice."),
        ("one\r\ntwo\rthree\u2028four\x85five\x0bsix", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("a\tb", "a b"),
        ("nul\x00 esc\x1b[31m bell\x07", "nul esc[31m bell"),
        ("\u202edenied\u202c \u2066x\u2069 \u200fy", "denied x y"),
        ("zero\u200bwidth\u200d\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("@everyone and @here", "@ everyone and @ here"),
        ("jane@example.com at 5 @ noon", "jane@example.com at 5 @ noon"),
        ("<!channel> <https://evil.example|USCIS>", "< !channel> < https://evil.example|USCIS>"),
        ("<script>x</script> 1 < 2", "< script>x< /script> 1 < 2"),
        ("[USCIS](https://evil.example)", "[USCIS] (https://evil.example)"),
        # Hidden in between: what is invisible goes first.
        ("[x]\u200b(https://evil.example) <\u200b!here>", "[x] (https://evil.example) < !here>"),
        ("Señora Müller, 李, Ω — “quoted” … 1½", "Señora Müller, 李, Ω — “quoted” … 1½"),
        ("", ""),
    ],
)
def test_inert(text: str, expected: str) -> None:
    """Invisible characters go, live sequences are broken, words stay."""
    assert inert(text, limit=200) == expected


def test_one_line() -> None:
    """A title cannot begin a new header or paragraph."""
    assert one_line(" RFE\r\nBcc: x@example.com\n\n  issued ", limit=50) == (
        "RFE Bcc: x@example.com issued"
    )


@pytest.mark.parametrize(("length", "limit"), [(11, 10), (20, 10), (21, 10), (10_000_000, 100)])
def test_a_long_text_is_cut_and_says_so(length: int, limit: int) -> None:
    """A text over the limit ends in the mark, at the limit."""
    cut = inert("x" * length, limit=limit)
    assert cut == "x" * (limit - len(TRUNCATION_MARK)) + TRUNCATION_MARK


def test_a_text_of_nothing_but_the_invisible_is_marked_where_it_was_cut() -> None:
    """What was left out for its length is marked although little is shown."""
    assert inert("\u200b" * 100 + "x", limit=10) == TRUNCATION_MARK


@given(st.text(), st.integers(4, 50))
def test_inert_holds_for_every_text(text: str, limit: int) -> None:
    """Within the limit, nothing unseen is left, and doing it again changes nothing."""
    shown = inert(text, limit=limit)
    assert len(shown) <= limit
    assert not {unicodedata.category(char) for char in shown.replace("\n", "")} & {"Cc", "Cf", "Cs"}
    assert inert(shown, limit=limit) == shown
    assert "\n" not in one_line(text, limit=limit)
