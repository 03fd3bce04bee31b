"""A sample is made whole in many copies, none of them about the same case."""

import unicodedata

import pytest

from casebell.events import Micros
from casebell.kinds.parley import HOSTILE
from casebell.sandbox.deliveries import SAMPLES, document_of, new_receipt
from casebell.uscis.receipts import canonical

#: 2026-03-02T15:04:05.678901Z.
NOW: Micros = 1_772_463_845_678_901


def test_a_sample_twice_is_two_cases() -> None:
    """Without an id and a receipt of the caller's own, each document has fresh ones."""
    one, two = (document_of(*SAMPLES["parley-rfe"], now=NOW) for _ in range(2))
    assert one["id"] != two["id"]
    assert one["receipt_number"] != two["receipt_number"]
    assert {**one, "id": "", "receipt_number": ""} == {**two, "id": "", "receipt_number": ""}


@pytest.mark.parametrize("name", ["parley-rfe", "torch-rfe", "parley-test"])
def test_id_and_receipt_can_be_chosen(name: str) -> None:
    """A document carries the id and the receipt it is given, a staging sample too."""
    document = document_of(*SAMPLES[name], now=NOW, event_id="evt-7", receipt="LIN2690000007")
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
