"""What a verified delivery tells: keys, times, texts, tags; or why it is held."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from casebell.errors import HeldDelivery
from casebell.events import CaseEvent, Flag, HeldReason, KeyBasis, TimeBasis
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import MAX_ID, MAX_TEXT, MAX_WORD, understand
from casebell.settings import FieldMap
from receive.builders import (
    NOW,
    authorization_header,
    make_delivery,
    make_source,
    verified_delivery,
)

RECEIPT = "IOE0912345678"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "case.status.updated",
    "receipt_number": RECEIPT,
    "normalized_status": "rfe_issued",
    "raw_status_text": "We sent you a request for evidence...",
    "occurred_at": "2025-10-14T19:22:03Z",
}


def encoded(**changes: Any) -> bytes:
    """The event with some fields changed, or left out where the value is `...`."""
    document = {name: value for name, value in (EVENT | changes).items() if value is not ...}
    return json.dumps(document).encode()


def read(source: Any = None, **changes: Any) -> CaseEvent:
    source = source or make_source()
    return understand(verified_delivery(encoded(**changes), source=source), source)


def held(**changes: Any) -> HeldDelivery:
    with pytest.raises(HeldDelivery) as caught:
        read(**changes)
    return caught.value


def test_an_event_carries_its_delivery() -> None:
    """Exact bytes, their digest, who sent them, when they came, which secret proved it."""
    body = encoded()
    headers = [authorization_header(body), (b"idempotency-key", b"4a4d1c6f")]
    source = make_source()
    delivery = make_delivery(body, headers, address="198.51.100.9")
    event = understand(Authenticator(source).authenticate(delivery, now=NOW), source)
    assert event.body == body
    assert event.body_sha256 == hashlib.sha256(body).hexdigest()
    assert (event.source, event.address, event.request_id) == ("parley", "198.51.100.9", "req_1")
    assert (event.received_at, event.secret_label) == (NOW, "1")
    assert event.idempotency_key == "4a4d1c6f"


def test_flags_of_the_signature_stay_with_the_event() -> None:
    """What was noticed while authenticating is stored beside what is noticed here."""
    proven = replace(
        verified_delivery(encoded(occurred_at="?")), flags=frozenset({Flag.STALE_SIGNATURE})
    )
    event = understand(proven, make_source())
    assert event.flags == {Flag.STALE_SIGNATURE, Flag.UNPARSED_TIME}


@pytest.mark.parametrize("reason", [HeldReason.SIGNATURE_TOO_OLD, HeldReason.SIGNATURE_IN_FUTURE])
def test_a_delivery_to_hold_is_held_and_can_be_released(reason: HeldReason) -> None:
    """Its content is fine: without the hold it becomes the event it would have been."""
    proven = verified_delivery(encoded())
    with pytest.raises(HeldDelivery) as caught:
        understand(replace(proven, hold=reason), make_source())
    assert caught.value.reason is reason
    assert understand(replace(proven, hold=None), make_source()) == read()


# --- Keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"id": "evt_1"}, "evt_1"),
        ({"id": " evt 1 "}, " evt 1 "),
        ({"id": "Ereignis-ü-🔔"}, "Ereignis-ü-🔔"),
        ({"id": 7}, "7"),
        ({"id": 0}, "0"),
        ({"id": -1}, "-1"),
        ({"id": "x" * MAX_ID}, "x" * MAX_ID),
        ({"id": None, "event_id": "a", "eventId": "b"}, "a"),
        ({"id": "", "eventId": "b"}, "b"),
        ({"id": ..., "data": {"id": "c"}}, "c"),
    ],
)
def test_the_sources_id_is_the_key(changes: dict[str, Any], key: str) -> None:
    """Unaltered, from the first field that has one; a whole number is its digits."""
    event = read(**changes)
    assert (event.key, event.key_basis) == (key, KeyBasis.ID)


@pytest.mark.parametrize(
    "value",
    ["x" * (MAX_ID + 1), "a\nb", "a\0b", "a\ud800b", "a\u202eb", 1.5, True, ["a"], {"a": 1},
     10**300],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_an_id_that_cannot_be_kept_as_it_is_is_held(value: object) -> None:
    """Cut, cleaned or guessed, it might be another event's."""
    error = held(id=value)
    assert error.reason is HeldReason.INVALID_FIELD
    assert error.message.startswith("id ")
    assert len(error.message) < 100


def test_without_an_id_receipt_and_time_are_the_key() -> None:
    """Canonical receipt and UTC instant, to the microsecond."""
    event = read(id=..., receipt_number="ioe-0912345678", occurred_at="2025-10-14T15:22:03.5-04:00")
    assert event.key == "IOE0912345678@2025-10-14T19:22:03.500000Z"
    assert event.key_basis is KeyBasis.RECEIPT_TIME


@given(
    at=st.datetimes(datetime(1971, 1, 1), datetime(2025, 10, 14)),  # noqa: DTZ001  # UTC below
    offset=st.integers(-14 * 60, 14 * 60),
    zulu=st.booleans(),
    receipt=st.sampled_from([RECEIPT, "ioe0912345678", "IOE-09-123-45678", " IOE 0912345678 "]),
)
def test_any_spelling_of_one_instant_gives_one_key(  # type: ignore[no-untyped-def]
    at, offset, zulu, receipt
) -> None:
    """Neither the sender's time zone nor its spelling of the receipt makes a second event."""
    moment = at.replace(tzinfo=UTC)
    there = moment if zulu else moment.astimezone(timezone(timedelta(minutes=offset)))
    spelled = f"{there:%Y-%m-%dT%H:%M:%S.%f%z}".replace("+0000", "Z")
    event = read(id=..., receipt_number=receipt, occurred_at=spelled)
    assert event.key == f"{RECEIPT}@{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


@pytest.mark.parametrize("at", [..., None, "", "yesterday", "0001-01-01T00:00:00Z", [], True])
def test_with_neither_the_content_is_the_key(at: object) -> None:
    """SHA-256 over source, receipt, text and body: never dropped, and a retry is a retry."""
    event = read(id=..., occurred_at=at)
    parts = (b"parley", RECEIPT.encode(), EVENT["raw_status_text"].encode(), event.body)
    assert event.key == "sha256:" + hashlib.sha256(b"\0".join(parts)).hexdigest()
    assert event.key_basis is KeyBasis.DIGEST
    other = read(id=..., occurred_at=at, raw_status_text="Case Was Approved")
    assert other.key != event.key
    elsewhere = read(id=..., occurred_at=at, source=make_source(name="parley-eu"))
    assert elsewhere.key != event.key


def test_the_idempotency_key_is_never_the_key() -> None:
    """It stands outside the signature: a replay with another one must change nothing."""
    source, body = make_source(), encoded(id=...)
    authenticator = Authenticator(source)
    events = []
    for given_key in (b"one", b"two"):
        delivery = make_delivery(
            body, [authorization_header(body), (b"idempotency-key", given_key)]
        )
        events.append(understand(authenticator.authenticate(delivery, now=NOW), source))
    assert [event.idempotency_key for event in events] == ["one", "two"]
    assert replace(events[1], idempotency_key="one") == events[0]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([], None),
        ([b"a", b"b"], "a, b"),
        ([b'"quoted"'], '"quoted"'),
        ([b"\xff\x00"], "\ufffd\ufffd"),
        ([b"x" * 5000], "x" * (MAX_WORD - 1) + "…"),
    ],
)
def test_the_idempotency_key_is_recorded_in_bounds(values: list[bytes], kept: str | None) -> None:
    """Whatever a stranger between us and the sender writes there can be stored."""
    body = encoded()
    headers = [authorization_header(body), *((b"idempotency-key", value) for value in values)]
    proven = Authenticator(make_source()).authenticate(make_delivery(body, headers), now=NOW)
    assert understand(proven, make_source()).idempotency_key == kept


# --- Fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "receipt",
    [
        "A123456789",
        "IOE091234567",
        "IOE09123456789",
        "I0E0912345678x",
        "IOE" + "\N{DEVANAGARI DIGIT NINE}" * 10,
        912345678,
        ["IOE0912345678"],
        {"number": RECEIPT},
        True,
        "IOE0912345678\0",
        "\ud800",
    ],
    ids=repr,
)
def test_what_is_no_receipt_is_held_without_being_quoted(receipt: object) -> None:
    """An A-number names a person and stands in no message."""
    error = held(receipt_number=receipt)
    assert error.reason is HeldReason.INVALID_RECEIPT
    assert str(receipt)[:8] not in error.message


@pytest.mark.parametrize("receipt", [..., None, "", "  "])
def test_without_a_receipt_it_is_held(receipt: object) -> None:
    """There is no case to tell anybody of."""
    assert held(receipt_number=receipt).reason is HeldReason.MISSING_RECEIPT


def test_raw_and_canonical_receipt_are_both_kept() -> None:
    """The raw one is evidence, the canonical one finds the case."""
    raw = " ioe\u201309 1234 5678* "
    event = read(receipt_number=raw)
    assert (event.receipt, event.receipt_raw) == (RECEIPT, raw)


@pytest.mark.parametrize("field", ["type", "normalized_status", "status_category",
                                   "raw_status_text"])  # fmt: skip
@pytest.mark.parametrize("value", [1, 1.5, True, ["x"], {"x": "y"}], ids=repr)
def test_a_text_of_another_type_is_held(field: str, value: object) -> None:
    """The field map points at the wrong place; guessing could lose an RFE."""
    error = held(**{field: value})
    assert error.reason is HeldReason.INVALID_FIELD
    assert field in error.message


def test_a_field_map_may_point_anywhere() -> None:
    """Names and nesting are the operator's to set."""
    fields = FieldMap(
        id=("meta.uuid",),
        type=("meta.kind",),
        receipt=("case.number",),
        status=("case.state.code",),
        text=("case.state.words",),
        occurred_at=("meta.when",),
    )
    state = {"code": "approved", "words": "Case Was Approved"}
    event = read(
        source=make_source(fields=fields),
        meta={"uuid": "u-1", "kind": "moved", "when": "2025-10-14"},
        case={"number": "SRC2212345678", "state": state},
    )
    assert (event.key, event.type, event.receipt) == ("u-1", "moved", "SRC2212345678")
    assert (event.delivered_status, event.text) == ("approved", "Case Was Approved")
    assert event.occurred_raw == "2025-10-14"


def test_words_and_times_are_kept_as_delivered() -> None:
    """Unknown words are data."""
    event = read(
        type="case.quantum", normalized_status=..., status_category="Case Transferred",
        raw_status_text="  Case Was Transferred  ", occurred_at=1_760_469_723,
    )  # fmt: skip
    assert (event.type, event.delivered_status) == ("case.quantum", "Case Transferred")
    assert event.text == "  Case Was Transferred  "
    assert (event.occurred_raw, event.occurred_at) == ("1760469723", 1_760_469_723_000_000)


def test_when_it_happened_goes_before_when_it_was_seen() -> None:
    """An observation may move at every poll; the reader is told which it is."""
    both = read(last_status_at="2025-10-20T00:00:00Z")
    assert (both.occurred_raw, both.time_basis) == (EVENT["occurred_at"], TimeBasis.OCCURRED)
    seen = read(last_status_at="2025-10-20T00:00:00Z", occurred_at=...)
    assert (seen.occurred_raw, seen.time_basis) == ("2025-10-20T00:00:00Z", TimeBasis.OBSERVED)
    neither = read(occurred_at=...)
    assert (neither.occurred_at, neither.occurred_raw, neither.time_basis) == (None, None, None)


def test_a_long_text_is_capped_and_still_tells_two_events_apart() -> None:
    """The whole of it stays in the body; keys are made of the whole."""
    long = "We sent you a request for evidence. " + "x" * 30_000
    event = read(raw_status_text=long, id=..., occurred_at=...)
    assert len(event.text) == MAX_TEXT
    assert event.text == long[: MAX_TEXT - 1] + "…"
    assert read(raw_status_text=long + "y", id=..., occurred_at=...).key != event.key
    exact = "x" * MAX_TEXT
    assert read(raw_status_text=exact).text == exact


def test_long_words_are_capped() -> None:
    """Nothing of unbounded length is kept outside the body."""
    long = "x" * 1000
    event = read(type=long, normalized_status=long, status_category=long, occurred_at=long)
    for kept in (
        event.type,
        event.delivered_status,
        event.delivered_category,
        event.occurred_raw,
    ):
        assert kept == "x" * (MAX_WORD - 1) + "…"


def test_what_no_database_can_hold_is_replaced() -> None:
    """NUL and lone surrogates, which JSON can escape, show as U+FFFD; the body keeps them."""
    event = read(raw_status_text="a\0b\ud83d \U0001f514", type="t\0", normalized_status="s\udc00")
    assert event.text == "a\ufffdb\ufffd \U0001f514"
    assert (event.type, event.delivered_status) == ("t\ufffd", "s\ufffd")
    assert b"\\u0000" in event.body


def test_a_repeated_identity_field_is_held() -> None:
    """Readers differ in which one counts, so neither does; elsewhere the last one stands."""
    for field in ("id", "receipt_number", "occurred_at"):
        body = encoded()[:-1] + f', "{field}": "again"}}'.encode()
        with pytest.raises(HeldDelivery) as caught:
            understand(verified_delivery(body), make_source())
        assert caught.value.reason is HeldReason.DUPLICATE_KEYS
        assert field in caught.value.message
    body = encoded()[:-1] + b', "normalized_status": "approved"}'
    assert understand(verified_delivery(body), make_source()).delivered_status == "approved"


@pytest.mark.parametrize(
    ("status", "category", "kept"),
    [
        ("received", "Case Received", ("received", "Case Received")),
        ("received", ..., ("received", None)),
        (..., "Case Received", ("Case Received", None)),
        (" ", "Case Received", ("Case Received", None)),
        ("received", "", ("received", None)),
        (..., None, (None, None)),
    ],
)
def test_both_words_are_kept(
    status: object, category: object, kept: tuple[str | None, str | None]
) -> None:
    """Routing weighs both; a word that comes alone is the delivered status."""
    event = read(normalized_status=status, status_category=category)
    assert (event.delivered_status, event.delivered_category) == kept


def test_what_it_means_is_not_decided_here() -> None:
    """What contradicts itself is understood all the same; the router weighs it."""
    event = read(type="case.denied", normalized_status="approved")
    assert type(event) is CaseEvent
    assert event.flags == frozenset()


# --- Anything from a source ----------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from([RECEIPT, "approved", "Rejected", "2025-10-14T19:22:03Z", "evt_1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*EVENT, "data", "event_id"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(document=st.dictionaries(st.sampled_from([*EVENT, "data", "event_id"]), JSON))
def test_any_document_is_an_event_or_held(document: dict[str, object]) -> None:
    """Authentic content of any shape is stored or held, and what is stored can be stored."""
    body = json.dumps(document).encode()
    try:
        event = understand(verified_delivery(body), make_source())
    except HeldDelivery:
        return
    for text in (event.key, event.type, event.text, event.receipt_raw, event.occurred_raw or "",
                 event.delivered_status or ""):  # fmt: skip
        assert "\0" not in text
        assert text.encode().decode() == text
    assert event.key.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_held(body: bytes) -> None:
    """Nothing but HeldDelivery comes out of authentic nonsense."""
    with pytest.raises(HeldDelivery):
        understand(verified_delivery(body), make_source())
