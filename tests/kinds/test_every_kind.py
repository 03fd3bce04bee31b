"""What every kind of source must do, whatever its fields and words are called.

A kind is tested by its line in the registry and its folder in `tests/samples/`, whose `kind.json`
has the settings of a source and what each of the kind's own samples means.
"""

import contextlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from casebell.clock import iso
from casebell.errors import HeldDelivery, RefusedDelivery
from casebell.events import ClassifiedEvent, Delivery, Flag, HeldReason, KeyBasis
from casebell.kinds import KINDS, Fields, word_key
from casebell.receive.content import content_of
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import MAX_ID, MAX_TEXT, MAX_WORD, understand
from casebell.route.classification import Meanings, classify_event
from casebell.sandbox.deliveries import SAMPLES, document_of, headers_for
from casebell.settings import SourceSettings

RECORDED = Path(__file__).parent.parent / "samples"
#: When all samples were checked; most tell of a later time, and none of one after its receipt.
RECEIVED_AT = 1_734_020_030_000_000
CAME_AT = 1_760_500_000_000_000
#: When most of them were signed, in seconds.
SIGNED_AT = 1_734_020_000

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One recorded delivery."""

    kind: str
    name: str
    body: bytes
    headers: Headers
    #: Fields of the event, or the reason under "held".
    expected: dict[str, Any]


def recorded(kind: str) -> Iterator[Recorded]:
    """The recorded deliveries of a kind, by name."""
    for place in sorted(path for path in (RECORDED / kind).iterdir() if path.is_dir()):
        headers = json.loads((place / "headers.json").read_text())
        yield Recorded(
            kind=kind,
            name=place.name,
            body=(place / "body").read_bytes(),
            headers=tuple((name.lower().encode(), value.encode()) for name, value in headers),
            expected=json.loads((place / "event.json").read_text()),
        )


#: Of every kind.
ALL = [
    pytest.param(one, id=f"{kind}-{one.name}")
    for kind in KINDS
    if (RECORDED / kind).is_dir()
    for one in recorded(kind)
]
each_recorded = pytest.mark.parametrize("sample", ALL)
each_kind = pytest.mark.parametrize("kind", KINDS)


def about(kind: str) -> dict[str, Any]:
    """The kind's `kind.json`."""
    content: dict[str, Any] = json.loads((RECORDED / kind / "kind.json").read_text())
    return content


def source_of(kind: str) -> SourceSettings:
    """A source of this kind with the kind's defaults."""
    return SourceSettings.model_validate({"name": kind, "kind": kind, **about(kind)["source"]})


def credentials(kind: str, body: bytes, *, secret: str | None = None) -> Headers:
    """What proves `body` to come from the kind's source, made at `SIGNED_AT`."""
    headers = headers_for(source_of(kind), body, at=SIGNED_AT, secret=secret)
    return [
        (name.lower().encode(), value.encode())
        for name, value in headers.items()
        if name != "Idempotency-Key"
    ]


def delivery(kind: str, body: bytes, headers: Headers) -> Delivery:
    """A delivery to the kind's source."""
    return Delivery(
        source=kind,
        body=body,
        headers=tuple(headers),
        address="192.0.2.7",
        received_at=CAME_AT,
        request_id="req_1",
    )


def receive(kind: str, body: bytes, headers: Headers | None = None) -> ClassifiedEvent:
    """Authenticate, understand and classify, as the server does."""
    source = source_of(kind)
    headers = credentials(kind, body) if headers is None else headers
    sent = delivery(kind, body, headers)
    event = understand(Authenticator(source).authenticate(sent, now=RECEIVED_AT), source)
    return classify_event(event, Meanings(kinds={kind: kind}))


def event_or_reason(
    kind: str, body: bytes, headers: Headers | None = None
) -> ClassifiedEvent | HeldReason:
    """What becomes of an authentic delivery."""
    try:
        return receive(kind, body, headers)
    except HeldDelivery as held:
        return held.reason


def described(event: ClassifiedEvent) -> dict[str, Any]:
    """An event in the form of a sample's `event.json`."""
    return {
        "key": event.key,
        "key_basis": event.key_basis,
        "type": event.type,
        "receipt": event.receipt,
        "receipt_raw": event.receipt_raw,
        "status": event.status,
        "delivered_status": event.delivered_status,
        "tags": sorted(event.tags),
        "text": event.text,
        "occurred_at": None if event.occurred_at is None else iso(event.occurred_at),
        "occurred_raw": event.occurred_raw,
        "time_basis": event.time_basis,
        "flags": sorted(event.flags),
        "idempotency_key": event.idempotency_key,
    }


@each_kind
def test_a_kind_is_registered_by_its_name_with_recorded_deliveries(kind: str) -> None:
    """Its name can stand in a URL and a setting, and somebody recorded what it really sends."""
    assert KINDS[kind].name == kind
    assert kind.isascii()
    assert kind.replace("-", "").isalnum()
    assert [one for one in recorded(kind) if "held" not in one.expected]


@each_kind
def test_words_are_written_as_they_are_looked_up(kind: str) -> None:
    """A word spelled otherwise in the vocabulary would never be found."""
    assert [word for word in KINDS[kind].words if word_key(word) != word] == []


@each_kind
@given(values=st.lists(st.binary(max_size=80), max_size=3), cut=st.integers(0, 120))
def test_any_signature_header_is_read_or_refused(kind: str, values: list[bytes], cut: int) -> None:
    """A stranger's bytes raise nothing else; what the kind signs is read, whole."""
    form = KINDS[kind].signature
    written = form.sign(b"{}", secret="s", at=SIGNED_AT)
    assert form.write(form.read([written.encode()])) == written
    for one in (values, [written.encode()[:cut]]):
        with contextlib.suppress(RefusedDelivery):
            form.read(one)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_kinds_own_sample_means_what_it_should(name: str) -> None:
    """Signed as the kind signs, it is accepted; status, tags, text, time and key come out."""
    kind, sample = SAMPLES[name]
    document = document_of(kind, sample, now=RECEIVED_AT, event_id="evt_sample")
    event = receive(kind.name, json.dumps(document).encode())
    status, *tags = about(kind.name)["samples"][name.removeprefix(f"{kind.name}-")]
    assert (event.status, sorted(event.tags)) == (status, tags)
    assert (event.text, event.type) == (sample.text, sample.type)
    assert event.delivered_status == sample.status
    assert (event.key, event.key_basis) == ("evt_sample", KeyBasis.ID)
    # The upstream's times have no fractions.
    assert event.occurred_at == RECEIVED_AT // 1_000_000 * 1_000_000
    # Our own text that tries every trick is none of USCIS's.
    assert event.flags == ({Flag.UNKNOWN_WORDING} if name.endswith("hostile") else frozenset())


@each_recorded
def test_a_recorded_delivery_becomes_the_event_it_should(sample: Recorded) -> None:
    """Credentials as recorded are accepted, and every field is read or the reason given."""
    event = event_or_reason(sample.kind, sample.body, sample.headers)
    if not isinstance(event, ClassifiedEvent):
        assert {"held": event} == sample.expected
        return
    assert described(event) == sample.expected
    assert event.source == sample.kind
    assert event.body == sample.body
    assert event.received_at == CAME_AT
    assert event.secret_label == "1"


@each_kind
@each_recorded
def test_kinds_with_the_usual_fields_read_each_other(kind: str, sample: Recorded) -> None:
    """Authentication and body are independent: a firm may have either body under either kind."""
    if any(KINDS[one].fields != Fields() for one in (kind, sample.kind)):
        return
    expected = sample.expected
    if str(expected.get("held")).startswith("signature_"):
        expected = {}  # Held for its recorded time; with a fresh signature it is understood.
    event = event_or_reason(kind, sample.body)
    if not isinstance(event, ClassifiedEvent):
        assert {"held": event} == expected
        return
    found = described(event)
    # What comes from the headers, or from the source's name, is this source's own.
    own = {"idempotency_key": None}
    if event.key_basis is KeyBasis.DIGEST:
        own["key"] = found["key"]
    if expected:
        flags = [flag for flag in expected["flags"] if flag != Flag.STALE_SIGNATURE]
        assert found == expected | {"flags": flags} | own


@each_recorded
def test_without_credentials_a_delivery_is_refused(sample: Recorded) -> None:
    """No body, however well made, proves where it comes from."""
    authenticator = Authenticator(source_of(sample.kind))
    wrong = credentials(sample.kind, sample.body, secret="not-the-secret-012345")
    for headers in ((), wrong):
        with pytest.raises(RefusedDelivery):
            authenticator.authenticate(delivery(sample.kind, sample.body, headers), now=RECEIVED_AT)


@each_recorded
def test_a_repeat_is_the_same_event(sample: Recorded) -> None:
    """A retry has the same key and content, with whatever Idempotency-Key it comes."""
    if "held" in sample.expected:
        return
    proof = credentials(sample.kind, sample.body)
    first = receive(sample.kind, sample.body, proof)
    again = receive(sample.kind, sample.body, [*proof, (b"idempotency-key", b"another")])
    assert again.key == first.key
    assert again.key_basis == first.key_basis
    assert again.idempotency_key == "another"
    source = source_of(sample.kind)
    assert content_of(first.body, source) == content_of(again.body, source)


@each_recorded
def test_no_secret_shows(sample: Recorded) -> None:
    """Neither in events nor in what is told of a refused or held delivery."""
    source = source_of(sample.kind)
    shown = [repr(Authenticator(source))]
    wrong = credentials(sample.kind, sample.body, secret="not-the-secret-012345")
    for headers in (credentials(sample.kind, sample.body), wrong):
        try:
            event = receive(sample.kind, sample.body, headers)
        except (HeldDelivery, RefusedDelivery) as error:
            shown += [repr(error), error.message, error.hint, str(error.__cause__)]
        else:
            shown.append(repr(event))
    assert source.secrets
    for secret in source.secrets:
        assert secret.value.get_secret_value() not in "".join(shown)


@each_kind
def test_a_mangled_body_is_an_event_or_held(kind: str) -> None:
    """Authentic nonsense is kept with a reason; what is stored can be stored."""
    chance = random.Random(20251014)
    samples = list(recorded(kind))
    pieces = (b"", b'"', b"\\u0000", b"\\ud800", b"null", b"[", b"}", b"\xff", b"1e9", b"x" * 300)
    source = source_of(kind)
    authenticator = Authenticator(source)
    events = held = 0
    for _ in range(3_000):
        body = bytearray(chance.choice(samples).body)
        for _ in range(chance.randrange(4)):
            start = chance.randrange(len(body) + 1)
            end = start + chance.randrange(6)
            body[start:end] = chance.choice(pieces)
        sent = delivery(kind, bytes(body), credentials(kind, bytes(body)))
        try:
            event = understand(authenticator.authenticate(sent, now=RECEIVED_AT), source)
        except HeldDelivery:
            held += 1
            continue
        events += 1
        _assert_storable(classify_event(event, Meanings(kinds={kind: kind})))
    assert events > 500
    assert held > 500


def _assert_storable(event: ClassifiedEvent) -> None:
    texts = structs.replace(event, body=b"")
    for name in texts.__struct_fields__:
        value = getattr(texts, name)
        if isinstance(value, str):
            assert "\0" not in value, name
            assert len(value.encode()) <= 4 * (MAX_TEXT if name == "text" else MAX_WORD), name
    assert 0 < len(event.key) <= MAX_ID
