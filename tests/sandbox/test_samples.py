"""Samples are deliveries that Casebell understands, each as what it is meant to be."""

import json
import unicodedata

import pytest

from casebell.events import Delivery, KeyBasis, Micros, Status, Tag, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.route.verdict import Meanings, verdict_on
from casebell.sandbox.samples import HOSTILE, SAMPLES, body_of, document_of, new_receipt
from casebell.settings import Source
from casebell.uscis.receipts import canonical

#: 2026-03-02T15:04:05.678901Z.
NOW: Micros = 1_772_463_845_678_901

MEANT: dict[str, tuple[Status, set[Tag]]] = {
    "parley-received": (Status.RECEIVED, set()),
    "parley-rfe": (Status.RFE_ISSUED, {Tag.DEADLINE}),
    "parley-rfe-received": (Status.RFE_RECEIVED, set()),
    "parley-approved": (Status.APPROVED, {Tag.DECISION}),
    "parley-denied": (Status.DENIED, {Tag.ADVERSE, Tag.DECISION}),
    "parley-interview": (Status.INTERVIEW_SCHEDULED, {Tag.APPOINTMENT}),
    "parley-noid": (Status.OTHER, {Tag.DEADLINE}),
    "parley-test": (Status.RECEIVED, {Tag.TEST}),
    "parley-hostile": (Status.RFE_ISSUED, {Tag.DEADLINE}),
    "torch-received": (Status.RECEIVED, set()),
    "torch-rfe": (Status.RFE_ISSUED, {Tag.DEADLINE}),
    "torch-rejected": (Status.OTHER, {Tag.REJECTED, Tag.ACTION}),
}


def verified(kind: str, body: bytes) -> VerifiedDelivery:
    """A body as if its origin had been proven."""
    return VerifiedDelivery(
        delivery=Delivery(
            source=kind,
            body=body,
            headers=(),
            address="127.0.0.1",
            received_at=NOW,
            request_id="req_sample",
        ),
        secret_label="secret-1",
    )


def test_every_sample_has_a_meaning_here() -> None:
    """A sample that is added is added to this test as well."""
    assert SAMPLES.keys() == MEANT.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_understood(name: str) -> None:
    """Status, tags, text, time and key come out as the sample was made to have them."""
    sample = SAMPLES[name]
    source = Source.model_validate({"name": sample.kind, "kind": sample.kind, "header": "X-Secret"})
    body = body_of(sample, now=NOW)
    event = understand(verified(sample.kind, body), source)
    status, tags = MEANT[name]
    verdict = verdict_on(event, Meanings())
    assert (verdict.status, set(verdict.tags)) == (status, tags)
    assert (event.text, event.type) == (sample.text, sample.type)
    assert (event.delivered_status, event.key_basis) == (sample.status, KeyBasis.ID)
    assert event.key == json.loads(body)["id"]
    # The upstream's times have no fractions.
    assert event.occurred_at == NOW // 1_000_000 * 1_000_000
    assert not event.flags


def test_a_sample_twice_is_two_cases() -> None:
    """Without an id and a receipt of the caller's own, each document has fresh ones."""
    one, two = (document_of(SAMPLES["parley-rfe"], now=NOW) for _ in range(2))
    assert one["id"] != two["id"]
    assert one["receipt_number"] != two["receipt_number"]
    assert {**one, "id": "", "receipt_number": ""} == {**two, "id": "", "receipt_number": ""}


@pytest.mark.parametrize("name", ["parley-rfe", "torch-rfe", "parley-test"])
def test_id_and_receipt_can_be_chosen(name: str) -> None:
    """A document carries the id and the receipt it is given, a staging sample too."""
    document = document_of(SAMPLES[name], now=NOW, event_id="evt-7", receipt="LIN2690000007")
    fields = document.get("data", document)
    assert (document["id"], fields["receipt_number"]) == ("evt-7", "LIN2690000007")


def test_made_up_receipts_are_receipts() -> None:
    """They have the canonical form, so that no sample is held."""
    receipts = {new_receipt() for _ in range(200)}
    assert all(canonical(receipt) == receipt for receipt in receipts)
    assert len(receipts) > 190


def test_the_hostile_text_tries_every_trick() -> None:
    """Mentions, mark-up, links, a template, and characters that cannot be seen."""
    for trick in ("<!channel>", "@everyone", "<script>", "{{7*7}}", "](https://", "<https://"):
        assert trick in HOSTILE
    assert {unicodedata.category(char) for char in HOSTILE} >= {"Cc", "Cf"}
