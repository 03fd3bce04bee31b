"""Random bytes as people read and type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.service import readable

BYTES = st.integers(1, 8).flatmap(lambda n: st.binary(min_size=5 * n, max_size=5 * n))


@given(BYTES)
def test_each_bit_is_in_the_text(random: bytes) -> None:
    """Two texts are the same only if what they were made of is."""
    value = 0
    for character in readable.written(random).replace("-", ""):
        value = value * 32 + readable.ALPHABET.index(character)
    assert value == int.from_bytes(random, "big")


@given(BYTES)
def test_what_was_typed(random: bytes) -> None:
    """As it was shown, in capitals, without dashes, with others, or misread."""
    text = readable.written(random)
    for typed in (
        *(text, text.upper(), text.replace("-", " "), f"  {text}\r\n"),
        *(text.replace("-", "\u2013"), text.replace("0", "O").replace("1", "l")),
        text.upper().replace("0", "o").replace("1", "I"),
    ):
        if len(typed) <= 64:
            assert readable.read(typed, size=len(random)) == text
        assert readable.read(typed, size=len(random) + 5) is None


@pytest.mark.parametrize("typed", ["", "uuuu-uuuu", "0000-000", "0000-0000-0", "0" * 65, "\udc80"])
def test_what_is_none(typed: str) -> None:
    """Of another length, or with a letter that is never written."""
    assert readable.read(typed, size=5) is None
