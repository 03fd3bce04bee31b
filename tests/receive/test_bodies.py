"""Bodies are read strictly."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import HeldDelivery
from casebell.events import HeldReason
from casebell.receive.bodies import read_body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", HeldReason.INVALID_JSON),
        (b"{", HeldReason.INVALID_JSON),
        (b"{} x", HeldReason.INVALID_JSON),
        (b'{"a":NaN}', HeldReason.INVALID_JSON),
        (b'{"a":-Infinity}', HeldReason.INVALID_JSON),
        (b'{"a":01}', HeldReason.INVALID_JSON),
        (b'{"a":"\n"}', HeldReason.INVALID_JSON),
        (b'{"a":' + b"9" * 5000 + b"}", HeldReason.INVALID_JSON),
        (b"[" * 100_000, HeldReason.INVALID_JSON),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, HeldReason.INVALID_JSON),
        (b"\xef\xbb\xbf{}", HeldReason.INVALID_ENCODING),
        (b'{"a":"\xff"}', HeldReason.INVALID_ENCODING),
        (b'{"a":"\xed\xa0\x80"}', HeldReason.INVALID_ENCODING),
        ('{"a":1}'.encode("utf-16"), HeldReason.INVALID_ENCODING),
        ('{"a":1}'.encode("utf-16-le"), HeldReason.INVALID_JSON),
        (b"[]", HeldReason.NOT_AN_OBJECT),
        (b'"text"', HeldReason.NOT_AN_OBJECT),
        (b"null", HeldReason.NOT_AN_OBJECT),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_holds_what_is_no_json_object(body: bytes, reason: HeldReason) -> None:
    """Each way to be unreadable has its reason, and none is an exception of another kind."""
    with pytest.raises(HeldDelivery) as held:
        read_body(body)
    assert held.value.reason is reason


@pytest.mark.parametrize(
    ("body", "repeated", "single"),
    [
        (b'{"id":1,"id":1}', ["id"], ["data.id", "type"]),
        (b'{"data":{"id":1,"id":2}}', ["data.id"], ["id", "data.x"]),
        (b'{"data":{"id":1},"data":{}}', ["data.id", "data.x"], ["id"]),
        (b'{"x":{"id":1,"id":2},"id":3}', ["x.id"], ["id", "data.id"]),
        (b'{"a":1,"a":2,"id":3}', ["a"], ["id", "data.id"]),
        (b'{"id":[{"id":1,"id":2}]}', [], ["id", "data.id"]),
    ],
)
def test_knows_which_keys_came_twice(body: bytes, repeated: list[str], single: list[str]) -> None:
    """Also where the object that repeats lies on the way to the field."""
    read = read_body(body)
    assert read.repeated(repeated + single) == repeated


def test_the_last_of_a_repeated_key_stands() -> None:
    """Where it does not matter, JSON readers agree on the last."""
    assert read_body(b'{"note":1,"note":2}').document == {"note": 2}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(document=st.dictionaries(st.text(), JSON, max_size=5))
def test_any_document_is_read_back(document: dict[str, object]) -> None:
    """However it is spaced, ordered and escaped, it is read back."""
    a = json.dumps(document).encode()
    backwards = dict(reversed(document.items()))
    b = json.dumps(backwards, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert read_body(a).document == read_body(b).document == document


@given(st.binary())
def test_any_bytes_are_read_or_held(body: bytes) -> None:
    """Nothing but HeldDelivery comes out."""
    with contextlib.suppress(HeldDelivery):
        assert isinstance(read_body(body).document, dict)
