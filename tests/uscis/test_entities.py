"""HTML entities in official texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.uscis.sentences import decoded


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("USCIS&#039; Request", "USCIS' Request"),
        ("USCIS&amp;#039; Request", "USCIS' Request"),
        ("a &lt;b&gt;", "a <b>"),
        ("AT&T & more", "AT&T & more"),
    ],
)
def test_entities_are_decoded_twice(text: str, plain: str) -> None:
    """Relays encode what was encoded already."""
    assert decoded(text) == plain


@pytest.mark.parametrize("encoded", ["&#", "&amp;#"])
def test_an_endless_number_is_no_entity(encoded: str) -> None:
    """An authentic delivery that carries one must not fail for ever."""
    assert decoded(f"Case {encoded}{'9' * 5_000};") == "Case  ;"


@given(st.text(alphabet="&#amp;x0123456789lt ", max_size=300))
def test_decoding_never_raises(text: str) -> None:
    """Whatever ampersands come."""
    decoded(text)
