"""Bodies are read strictly."""

import contextlib
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import HeldDelivery
from casebell.events import HeldReason
from casebell.receive.bodies import elements, read_body
from contracts.examples import few
from contracts.json_documents import DOCUMENTS


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
        (b"\xef\xbb\xbf" * 2 + b"{}", HeldReason.INVALID_JSON),
        (b"payload=%7B%7D", HeldReason.FORM_ENCODED),
        (b"data[id]=1&data[receipt]=2", HeldReason.FORM_ENCODED),
        (b'--x\r\nContent-Disposition: form-data; name="payload"', HeldReason.FORM_ENCODED),
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


@given(document=DOCUMENTS)
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


def test_one_byte_order_mark_is_skipped() -> None:
    """Windows writes it before the JSON."""
    assert read_body(b'\xef\xbb\xbf{"a":1}').document == {"a": 1}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"payload=%7B%7D", "form-encoded. Have the provider send the content type JSON"),
        (b"<?xml version='1.0'?>", "XML or HTML. Have the provider send JSON"),
        ('{"a":1}'.encode("utf-16"), "UTF-16. Have the sender write UTF-8"),
        (gzip.compress(b"{}", mtime=0), "compressed, and no header says so"),
        (zlib.compress(b"{}"), "compressed, and no header says so"),
        (b'"{\\"id\\": 1}"', "JSON within a JSON string: the sender encodes it twice"),
        (b"[]", "an empty array"),
        (b"[{}, 1]", "an array in which something is no object"),
        (b'{"a":1}\n{"a":2}', "Extra data at character 8"),
    ],
)
def test_what_the_sender_has_to_mend_is_named(body: bytes, says: str) -> None:
    """The message of what no setting helps against says what it is."""
    with pytest.raises(HeldDelivery) as held:
        read_body(body)
    assert says in held.value.message


@few
@given(
    objects=st.lists(DOCUMENTS, min_size=1, max_size=4),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    around=st.sampled_from(["", " ", "\r\n\t"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_the_elements_of_an_array_are_as_they_were_written(
    objects: list[dict[str, object]],
    indent: int | None,
    ascii_only: bool,
    around: str,
    mark: bytes,
) -> None:
    """Byte for byte, whatever stands in them and between them."""
    written = [
        json.dumps(one, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
        for one in objects
    ]
    gap = around.encode()
    body = mark + gap + b"[" + gap + (gap + b"," + gap).join(written) + gap + b"]" + gap
    assert elements(body, at_most=None) == written


def test_an_element_may_repeat_a_key() -> None:
    """Whether that matters is found when it is read by itself."""
    body = b'[{"id":1,"id":2},{"a":"]},{"}]'
    assert elements(body, at_most=2) == [b'{"id":1,"id":2}', b'{"a":"]},{"}']


@pytest.mark.parametrize("body", [b"{}", b"[]", b"[1]", b"[{}", b"[{},", b"[{} {}]", b"\xff[{}]"])
def test_what_is_no_array_of_objects_has_no_elements(body: bytes) -> None:
    """It is read as one delivery, and so held."""
    assert elements(body, at_most=None) == []


def test_elements_are_bounded() -> None:
    """One more is an error with its own reason."""
    assert len(elements(b"[{},{}]", at_most=2)) == 2
    with pytest.raises(HeldDelivery) as held:
        elements(b"[{},{},{}]", at_most=2)
    assert held.value.reason is HeldReason.TOO_MANY_EVENTS
