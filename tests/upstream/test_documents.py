"""Whatever an API answers: a state of the case that was asked for, or an error of ours."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casebell.errors import HeldDelivery, UpstreamError, UpstreamUnreadable, WrongReceipt
from casebell.events import Delivery, HeldReason, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.settings import SourceSettings
from casebell.upstream.answer import Answer, Translator
from casebell.upstream.documents import MOST_ENTRIES, Documents
from casebell.upstream.told import Told
from contracts.clock_and_log import ManualClock
from upstream.harness import FIRST, SECOND, source_settings

_NAMES = st.sampled_from(
    ["receipt_number", "data", "receipt", "occurred_at", "last_status_at", "events", "x", "\ud800"]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([FIRST, SECOND, "ioe-0912345678", "2025-10-14T19:22:03Z", "0001-01-01", ""]),
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)
#: States as they should be, and things like them.
_STATES = st.builds(
    lambda receipt, more: {"receipt_number": receipt, **more},
    st.sampled_from([FIRST, SECOND, "IOE 0912 345 678"]),
    st.dictionaries(_NAMES.filter(lambda name: name != "receipt_number"), _LEAVES, max_size=3),
)
_SAID = st.one_of(_JSON, _STATES, st.lists(_STATES, max_size=3), st.builds(dict, events=_JSON))


def _bytes(document: object, cut: int, prefix: bytes) -> bytes:
    text = json.dumps(document).encode()
    return prefix + text[: len(text) - cut]


BODIES = st.one_of(
    st.builds(
        _bytes,
        _SAID,
        st.sampled_from([0, 0, 0, 0, 1, 5]),
        st.sampled_from([b"", b"", b"\xef\xbb\xbf", b" \n", b"<"]),
    ),
    st.binary(max_size=40),
)


def documents(source: SourceSettings) -> Documents:
    """Those of an API."""
    return Documents(source, Translator("api", secrets=[], clock=ManualClock()))


def answer(body: bytes) -> Answer:
    """A success with such a body."""
    return Answer(status=200, headers={}, body=body)


def _is_of(told: Told, receipt: str, source: SourceSettings) -> None:
    """It is read by whoever reads deliveries as an event of this case, or held for its content."""
    delivery = Delivery(
        source=source.name, body=told.body, headers=(), address="", received_at=0, request_id=""
    )
    assert told.receipt == receipt
    reason: HeldReason | None = None
    try:
        event = understand(VerifiedDelivery(delivery=delivery, secret_label=""), source)
    except HeldDelivery as held:
        reason = held.reason
    else:
        assert event.receipt == receipt
    assert reason not in {"missing_receipt", "invalid_receipt", "invalid_json"}


@given(BODIES)
@example(b'{"receipt_number": "IOE0912345678", "\\ud800": 1}')
@example(b"[" * 5_000)
@example(b'{"a":' * 5_000)
@example(b'{"receipt_number": "IOE0912345678", "x": 1e999999}')
@example(b'{"receipt_number": "IOE0912345678", "x": ' + b"9" * 5_000 + b"}")
def test_a_state(body: bytes) -> None:
    """Of the case that was asked for, with the bytes of the answer."""
    source = source_settings()
    try:
        told = documents(source).one(answer(body), receipt=FIRST)
    except UpstreamError:
        pass
    else:
        assert told.body in body
        _is_of(told, FIRST, source)


@given(BODIES)
@example(b'{"\\ud800": []}')
@example(b'[{"receipt_number": "IOE0912345678"}, {"receipt_number": NaN}]')
def test_several(body: bytes) -> None:
    """Each of a case that was asked for, with the bytes of its object."""
    source = source_settings("torch")
    try:
        said = documents(source).several(answer(body), receipts=[FIRST])
    except UpstreamError:
        pass
    else:
        assert set(said) <= {FIRST}
        for receipt, told in said.items():
            assert told.body in body
            _is_of(told, receipt, source)


@given(BODIES, st.sampled_from([["receipt_number"], ["data.no"], ["data.no", "no"], ["a.b.c"]]))
@example(b'[{"data": 7}]', ["data.no"])
@example(b'{"events": [{"\\ud800": "\\udfff"}]}', ["data.no"])
def test_entries(body: bytes, paths: Sequence[str]) -> None:
    """One that names no case is given the receipt, wherever the field map looks for it."""
    source = source_settings(fields={"receipt": paths})
    try:
        entries = documents(source).history(answer(body), receipt=FIRST)
    except UpstreamError:
        pass
    else:
        for told in entries:
            _is_of(told, FIRST, source)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"receipt_number": FIRST, "data": {}}, "no list"),
        ({"a": [{}], "b": [{}]}, "more than one"),
        ({"a": [{}, 7]}, "something is no object"),
        ([7], "something is no object"),
        (7, "another shape"),
        ([{}] * (MOST_ENTRIES + 1), "more than 1,000 objects"),
        ({str(number): 1 for number in range(MOST_ENTRIES + 1)}, "more than 1,000 fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_list(said: object, why: str) -> None:
    """Guessing could lose an entry."""
    with pytest.raises(UpstreamUnreadable, match=why):
        documents(source_settings()).list_in(answer(json.dumps(said).encode()))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"receipt_number": "IOE0912345678", "receipt_number": "IOE0912345678"}', "twice"),
        (b'{"receipt_number": 912345678}', "no receipt number"),
        (b'{"receipt_number": "A123456789"}', "no receipt number"),
        (b'{"status": "approved"}', "names no case"),
        (b"[{}, {}]", "2 states"),
    ],
)
def test_a_case_that_is_not_clear(body: bytes, why: str) -> None:
    """The answer is used for none."""
    with pytest.raises(UpstreamUnreadable, match=why):
        documents(source_settings()).one(answer(body), receipt=FIRST)


def test_a_history_of_another_case() -> None:
    """Its entries name no case; they must not become those of the case that was asked for."""
    said = {"receipt_number": SECOND, "events": [{"raw_status_text": "Case Was Denied"}]}
    with pytest.raises(WrongReceipt):
        documents(source_settings()).history(answer(json.dumps(said).encode()), receipt=FIRST)
