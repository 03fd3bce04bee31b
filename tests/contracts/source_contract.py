"""What every kind of source must do, whatever its fields and words are called.

A test module subclasses `SourceContract`, names the kind and makes a source and its credentials.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from casebell.clock import iso
from casebell.errors import HeldDelivery, RefusedDelivery
from casebell.events import CaseEvent, Delivery, Flag, HeldReason, KeyBasis
from casebell.receive.bodies import same_content
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import MAX_ID, MAX_TEXT, MAX_WORD, understand
from casebell.route.verdict import Meanings, verdict_on
from casebell.settings import Source

SAMPLES = Path(__file__).parent.parent / "samples"
#: When all samples were received.
RECEIVED_AT = 1_734_020_030_000_000

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One recorded delivery."""

    name: str
    body: bytes
    headers: Headers
    #: Fields of the event, or the reason under "held".
    expected: dict[str, Any]


def read_samples(kind: str) -> list[Sample]:
    """The samples of a kind, by name."""
    samples = []
    for place in sorted((SAMPLES / kind).iterdir()):
        headers = json.loads((place / "headers.json").read_text())
        samples.append(
            Sample(
                name=place.name,
                body=(place / "body").read_bytes(),
                headers=tuple((name.lower().encode(), value.encode()) for name, value in headers),
                expected=json.loads((place / "event.json").read_text()),
            )
        )
    return samples


def described(event: CaseEvent) -> dict[str, Any]:
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


class SourceContract:
    """Subclass it, name the kind, and make what the suite asks for."""

    kind: ClassVar[str]
    #: A part of the secret that must show nowhere.
    canary: ClassVar[str]

    def make_source(self, **chosen: Any) -> Source:
        """A source of this kind, as configured by default."""
        raise NotImplementedError

    def credentials(self, body: bytes) -> Headers:
        """Headers that prove `body` to come from it, made at `RECEIVED_AT`."""
        raise NotImplementedError

    def wrong_credentials(self, body: bytes) -> Headers:
        """The same, made with a secret that the source does not know."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each sample: its own, or those of every kind."""
        kinds = {"sample": [self.kind], "any_sample": sorted(p.name for p in SAMPLES.iterdir())}
        for fixture in kinds.keys() & set(metafunc.fixturenames):
            samples = [
                pytest.param(sample, id=f"{kind}-{sample.name}")
                for kind in kinds[fixture]
                if (SAMPLES / kind).is_dir()
                for sample in read_samples(kind)
            ]
            metafunc.parametrize(fixture, samples)

    def delivery(self, body: bytes, headers: Headers) -> Delivery:
        """A delivery to this source."""
        return Delivery(
            source=self.kind,
            body=body,
            headers=tuple(headers),
            address="192.0.2.7",
            received_at=RECEIVED_AT,
            request_id="req_1",
        )

    def receive(self, body: bytes, headers: Headers | None = None) -> CaseEvent:
        """Authenticate and understand, and judge as the router will."""
        source = self.make_source()
        headers = self.credentials(body) if headers is None else headers
        verified = Authenticator(source).authenticate(self.delivery(body, headers), now=RECEIVED_AT)
        event = understand(verified, source)
        meanings = Meanings(categories={source.name: source.categories})
        return event.judged(verdict_on(event, meanings))

    def event_or_reason(
        self, body: bytes, headers: Headers | None = None
    ) -> CaseEvent | HeldReason:
        """What becomes of an authentic delivery."""
        try:
            return self.receive(body, headers)
        except HeldDelivery as held:
            return held.reason

    def test_a_sample_becomes_the_event_it_should(self, sample: Sample) -> None:
        """Credentials as recorded are accepted, and every field is read or the reason given."""
        event = self.event_or_reason(sample.body, sample.headers)
        if not isinstance(event, CaseEvent):
            assert {"held": event} == sample.expected
            return
        assert described(event) == sample.expected
        assert event.source == self.kind
        assert event.body == sample.body
        assert event.received_at == RECEIVED_AT
        assert event.secret_label == "1"

    def test_any_shape_of_body_is_understood(self, any_sample: Sample) -> None:
        """Authentication and body are independent: either kind reads either shape (B1, B5)."""
        expected = any_sample.expected
        if str(expected.get("held")).startswith("signature_"):
            expected = {}  # Held for its recorded time; with a fresh signature it is understood.
        event = self.event_or_reason(any_sample.body)
        if not isinstance(event, CaseEvent):
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

    def test_without_credentials_a_sample_is_refused(self, sample: Sample) -> None:
        """No body, however well made, proves where it comes from."""
        authenticator = Authenticator(self.make_source())
        for headers in ((), self.wrong_credentials(sample.body)):
            with pytest.raises(RefusedDelivery):
                authenticator.authenticate(self.delivery(sample.body, headers), now=RECEIVED_AT)

    def test_a_repeat_is_the_same_event(self, sample: Sample) -> None:
        """A retry has the same key and content, with whatever Idempotency-Key it comes (A6)."""
        if "held" in sample.expected:
            return
        first = self.receive(sample.body)
        again = self.receive(
            sample.body, [*self.credentials(sample.body), (b"idempotency-key", b"another")]
        )
        assert again.key == first.key
        assert again.key_basis == first.key_basis
        assert again.idempotency_key == "another"
        assert same_content(first.body, again.body, self.make_source().volatile)

    def test_no_secret_shows(self, sample: Sample) -> None:
        """Neither in events nor in what is told of a refused or held delivery."""
        shown = [repr(Authenticator(self.make_source()))]
        for headers in (self.credentials(sample.body), self.wrong_credentials(sample.body)):
            try:
                event = self.receive(sample.body, headers)
            except (HeldDelivery, RefusedDelivery) as error:
                shown += [repr(error), error.message, error.hint, str(error.__cause__)]
            else:
                shown.append(repr(event))
        assert self.canary not in "".join(shown)

    def test_a_mangled_body_is_an_event_or_held(self) -> None:
        """Authentic nonsense is kept with a reason; what is stored can be stored."""
        chance = random.Random(20251014)
        samples = read_samples(self.kind)
        events = held = 0
        for _ in range(3_000):
            body = bytearray(chance.choice(samples).body)
            for _ in range(chance.randrange(4)):
                start = chance.randrange(len(body) + 1)
                end = start + chance.randrange(6)
                piece = chance.choice(
                    [
                        b"",
                        b'"',
                        b"\\u0000",
                        b"\\ud800",
                        b"null",
                        b"[",
                        b"}",
                        b"\xff",
                        b"1e9",
                        b"x" * 300,
                    ]
                )
                body[start:end] = piece
            event = self.event_or_reason(bytes(body))
            if isinstance(event, CaseEvent):
                events += 1
                _assert_storable(event)
            else:
                held += 1
        assert events > 500
        assert held > 500


def _assert_storable(event: CaseEvent) -> None:
    texts = replace(event, body=b"")
    for name in texts.__slots__:
        value = getattr(texts, name)
        if isinstance(value, str):
            assert "\0" not in value, name
            assert len(value.encode()) <= 4 * (MAX_TEXT if name == "text" else MAX_WORD), name
    assert 0 < len(event.key) <= MAX_ID
