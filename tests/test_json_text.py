"""The JSON that we write says what it was given, and the canonical form in one way only."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Status
from casebell.json_text import ascii_line, canonical, encode, printable
from contracts.examples import few

#: All of Unicode, halves of surrogate pairs among it.
texts = st.text(st.characters(exclude_categories=()))
whole = st.none() | st.booleans() | st.integers() | st.integers(0, 2**53) | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and objects of them."""
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12
    )


def read_again(value: object) -> object:
    """What the standard library makes of it: two halves side by side become one character."""
    return json.loads(json.dumps(value))


def reference(value: object, *, sort_keys: bool = False) -> str:
    """The standard library's compact form, each half of a character escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    return "".join(json.dumps(c)[1:-1] if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


class TestEncode:
    """JSON with the keys as they come."""

    @given(nested(whole | numbers))
    def test_every_value_comes_back(self, value: object) -> None:
        """Whatever a body can hold is written in Unicode and read as the same."""
        written = encode(value)
        assert json.loads(written.encode()) == read_again(value)
        assert "\n" not in written

    @given(nested(whole))
    def test_as_the_standard_library_writes_it(self, value: object) -> None:
        """Character for character, but for halves, which it would leave as they are."""
        assert encode(value) == reference(value)

    def test_a_word_of_ours_is_its_text(self) -> None:
        """Enumerations of words need no conversion."""
        assert encode({"status": Status.RFE_ISSUED, "all": (Status.RFE_ISSUED,)}) == (
            '{"status":"rfe_issued","all":["rfe_issued"]}'
        )

    @pytest.mark.parametrize("beside", ["", "\ud800"])
    @pytest.mark.parametrize("wrong", [b"bytes", {1, 2}, datetime(2026, 1, 1, tzinfo=UTC)])
    def test_what_is_no_json_is_refused(self, wrong: object, beside: str) -> None:
        """Bytes, sets and dates have no one form in JSON."""
        with pytest.raises(TypeError):
            encode([wrong, beside])
        with pytest.raises(TypeError):
            canonical([wrong, beside])

    def test_a_dataclass_is_no_json(self) -> None:
        """Its fields may be secrets: whoever writes one says which."""

        @dataclass
        class Key:
            text: str

        with pytest.raises(TypeError):
            encode({"key": Key(text="vermilion")})

    def test_no_number_is_no_json(self) -> None:
        """Beside half a character NaN is refused; alone it is nothing, as JavaScript writes it."""
        assert encode([math.nan]) == "[null]"
        with pytest.raises(ValueError, match="not JSON compliant"):
            encode([math.nan, "\ud800"])


class TestAsciiLine:
    """JSON for a log."""

    @given(nested(whole | numbers))
    def test_every_value_comes_back(self, value: object) -> None:
        """Each character is visible ASCII, and the value is the same."""
        written = ascii_line(value)
        assert written.isascii()
        assert written.isprintable()
        assert json.loads(written) == read_again(value)

    @pytest.mark.parametrize("beside", ["", "\ud800"])
    def test_what_is_no_json_is_its_repr(self, beside: str) -> None:
        """A log takes what it is given."""
        assert json.loads(ascii_line([{1}, b"x", beside])) == ["{1}", "b'x'", beside]


class TestCanonical:
    """The form that a hash is taken of."""

    @given(nested(whole))
    def test_every_value_comes_back(self, value: object) -> None:
        """The form leaves nothing out."""
        assert json.loads(canonical(value).encode()) == read_again(value)

    @few
    @given(st.dictionaries(st.text(st.characters(max_codepoint=0xD7FF)), nested(whole), max_size=5))
    def test_as_the_standard_library_sorts(self, value: dict[str, object]) -> None:
        """Where code points and UTF-16 agree: sorted keys, no spaces, plain text."""
        plain = json.loads(json.dumps(value))
        if all(ord(c) < 0xD800 for c in encode(plain)):
            assert canonical(plain) == reference(plain, sort_keys=True)

    @given(nested(whole), st.randoms(use_true_random=False))
    def test_the_order_of_keys_is_no_difference(self, value: object, chance: Any) -> None:
        """An object is the same in whatever order it was put together, at every depth."""

        def shuffled(part: object) -> object:
            if isinstance(part, list):
                return [shuffled(item) for item in part]
            if isinstance(part, dict):
                names = list(part)
                chance.shuffle(names)
                return {name: shuffled(part[name]) for name in names}
            return part

        assert canonical(shuffled(value)) == canonical(value)

    def test_keys_are_sorted_as_the_rfc_says(self) -> None:
        """RFC 8785, section 3.2.3: by UTF-16 units, so an emoji comes before a Hebrew ligature."""
        names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
        assert list(json.loads(canonical(dict.fromkeys(names, 0)))) == [
            "\r",
            "1",
            "\x80",
            "\u00f6",
            "\u20ac",
            "\U0001f600",
            "\ufb33",
        ]

    def test_text_is_written_as_the_rfc_says(self) -> None:
        """RFC 8785, section 3.2.4: its own example of a text and of literals."""
        value = {"string": '\u20ac$\x0f\nA\'B"\\\\"/', "literals": [None, True, False]}
        assert canonical(value).encode() == bytes.fromhex(
            "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c22737472696e67223a22"
            "e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d"
        )

    def test_half_a_character_is_its_escape(self) -> None:
        """Which the RFC refuses: a delivery's text must not end the journal."""
        assert canonical({"b\ud83d": "\udeff", "a": "é"}) == '{"a":"é","b\\ud83d":"\\udeff"}'


class TestPrintable:
    """JSON that people may see on a terminal."""

    @few
    @given(st.dictionaries(texts, nested(whole)))
    def test_one_visible_line_that_says_the_same(self, item: dict[str, object]) -> None:
        """Every character that could act is escaped; a program reads what was stored."""
        text = printable(item)
        assert text.isprintable()
        assert json.loads(text) == read_again(item)

    def test_what_people_read_is_kept(self) -> None:
        """Letters with accents and typographic quotes are not escaped."""
        assert printable({"text": "Año “sí”\x9b"}) == '{"text":"Año “sí”\\u009b"}'

    def test_a_long_text_in_no_time(self) -> None:
        """One character that acts costs no look at every other."""
        text = "a" * 200_000 + "\x9b"
        assert json.loads(printable([text])) == [text]
