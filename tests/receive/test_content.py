"""Two bodies that say the same are told from two that do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.receive.content import content_of
from contracts.examples import few
from contracts.json_documents import DOCUMENTS
from receive.builders import make_source


def same(a: bytes, b: bytes, *volatile: str) -> bool:
    """Whether both have the same content for a source with these volatile fields."""
    source = make_source(volatile=volatile or ("sent_at",))
    return content_of(a, source) == content_of(b, source)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (b"not json", b"not json"),
        (b'{"a":1,"b":[1,2]}', b'{ "b": [1, 2],\n"a": 1 }'),
        (b'{"a":"\\u00e9"}', '{"a":"é"}'.encode()),
        (b'{"a":1,"sent_at":"x"}', b'{"a":1,"sent_at":"y"}'),
        (b'{"a":1,"sent_at":"x"}', b'{"a":1}'),
        (b'{"data":{"a":1,"sent_at":"x"}}', b'{"data":{"a":1,"sent_at":2}}'),
        (b'{"a":1,"sent_at":{"x":1}}', b'{"a":1,"sent_at":[]}'),
        (b'{"a":1.50}', b'{"a":1.5}'),
    ],
)
def test_the_same_said_otherwise(a: bytes, b: bytes) -> None:
    """Order, spaces, escapes and times of sending make no conflict."""
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":0}', b'{"a":false}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":{}}', b'{"a":[]}'),
        (b'{"a":{"b":1}}', b'{"a.b":1}'),
        (b'{"a":[1]}', b'{"a":{"0":1}}'),
        (b'{"a":"1"}', b'{"a":1}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"more":{"sent_at":1}}', b'{"more":{"sent_at":2}}'),
        (b"[1]", b"[ 1 ]"),
        (b"not json", b"not  json"),
        (b'{"a":1}', b"\xff"),
    ],
)
def test_something_else(a: bytes, b: bytes) -> None:
    """A type, an order of a list, a field deeper down: another content."""
    assert not same(a, b)


#: Spellings of one instant.
INSTANT = (
    "2025-10-14T19:22:03Z",
    "2025-10-14T19:22:03.000Z",
    "2025-10-14T19:22:03+00:00",
    "2025-10-14T15:22:03-04:00",
    "2025-10-14 19:22:03 UTC",
    "10-14-2025 19:22:03",
)


@pytest.mark.parametrize("field", ["occurred_at", "last_status_at", "createdAt", "more.at"])
@pytest.mark.parametrize("other", INSTANT[1:])
def test_one_instant_in_two_spellings(field: str, other: str) -> None:
    """In any field, an instant is what it is and not how it is written."""
    a, b = (json.dumps({"id": "e1", field: spelt}).encode() for spelt in (INSTANT[0], other))
    assert same(a, b)


@pytest.mark.parametrize(
    ("one", "other"), [(1760469723, 1760469723000), ("1760469723", 1760469723)]
)
def test_digits_are_a_time_in_a_field_of_times_alone(one: object, other: object) -> None:
    """Elsewhere two numbers are two numbers."""
    for field, expected in (("occurred_at", True), ("fee", False)):
        a, b = (json.dumps({"data": {field: value}}).encode() for value in (one, other))
        assert same(a, b) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2025-10-14T19:22:03Z", "2025-10-14T19:22:04Z"),
        ("2025-10-14T19:22:03Z", "2025-10-14T19:22:03+01:00"),
        ("2025-13-14T19:22:03Z", "2025-13-14T19:22:03.0Z"),
    ],
)
def test_another_instant_is_another_content(one: str, other: str) -> None:
    """A second, a zone; and what is no time is compared as text."""
    a, b = (json.dumps({"occurred_at": text}).encode() for text in (one, other))
    assert not same(a, b)


FULL_WIDTH = "".join(chr(ord(one) + 0xFEE0) for one in "IOE0912345678")


@pytest.mark.parametrize(
    "other", ["ioe0912345678", "IOE-091-234-5678", " IOE 0912345678", FULL_WIDTH]
)
def test_one_receipt_in_two_spellings(other: str) -> None:
    """A receipt is compared in its canonical form, wherever it stands."""
    a, b = (
        json.dumps({"receipt_number": receipt, "related": [receipt]}).encode()
        for receipt in ("IOE0912345678", other)
    )
    assert same(a, b)
    assert not same(a, a.replace(b"5678", b"5679"))


def test_a_volatile_path_is_that_field_and_no_other() -> None:
    """A dotted path is followed, through lists too; one name is at top level or in `data`."""
    a = b'{"meta":{"attempts":1},"tries":[{"n":1}],"n":1,"data":{"n":1}}'
    b = b'{"meta":{"attempts":2},"tries":[{"n":2}],"n":2,"data":{"n":2}}'
    assert same(a, b, "meta.attempts", "tries.n", "n")
    assert not same(a, b, "meta.attempts", "n")
    assert not same(a, b, "attempts", "tries.n", "n")


@given(document=DOCUMENTS)
def test_any_document_says_the_same_as_itself(document: dict[str, object]) -> None:
    """However it is spaced, ordered and escaped."""
    a = json.dumps(document).encode()
    backwards = dict(reversed(document.items()))
    b = json.dumps(backwards, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert same(a, b, "none")


@few
@given(one=DOCUMENTS, other=DOCUMENTS)
def test_two_documents_say_the_same_only_if_they_are(
    one: dict[str, object], other: dict[str, object]
) -> None:
    """No value is taken for another; texts like these hold neither times nor receipts."""
    a, b = json.dumps(one, sort_keys=True), json.dumps(other, sort_keys=True)
    assert same(a.encode(), b.encode(), "none") == (a == b)


@given(st.binary())
def test_any_bytes_have_a_content(body: bytes) -> None:
    """A body that is no JSON object says its bytes."""
    assert content_of(body, make_source())
