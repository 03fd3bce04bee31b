"""A provider's own test is known, and no real event is taken for one."""

import json
from typing import Any

import pytest

from casebell.errors import HeldDelivery
from casebell.events import HeldReason
from casebell.receive.provider_test import shape_of
from casebell.receive.understand import understand
from receive.builders import make_source, verified_delivery

ID = {"id": "evt_01HFQ5", "created_at": "2025-10-14T19:22:03Z", "sent": 1_734_020_000_123}


def reason(document: Any) -> HeldReason:
    """Why a body is held."""
    with pytest.raises(HeldDelivery) as held:
        understand(verified_delivery(json.dumps(document).encode()), make_source())
    return held.value.reason


@pytest.mark.parametrize(
    "document",
    [
        {"type": "ping"},
        {"test": True},
        {"event": "ping"},
        {"type": "webhook.test"},
        {"type": "test.event"},
        {"event_type": "endpoint.verification"},
        {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}},
        {"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7"},
        {"eventType": "TEST"},
        {"type": "ping", **ID},
        {"data": {"type": "test_webhook", "message": "Hello from your webhooks"}},
        {"type": "case.status.updated", "is_test": True, "data": {}},
        {"zen": "Keep it logically awesome.", "hook_id": 30, "ping": True},
        {"topic": "webhook/ping", "receipt_number": None, "status_text": ""},
    ],
)
def test_knows_a_providers_test(document: Any) -> None:
    """However the provider calls it."""
    assert reason(document) is HeldReason.PROVIDER_TEST


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "evt_1"},
        {"type": "case.status.updated"},
        {"type": "case.test"},
        {"type": ["ping"]},
        {"test": False},
        {"test": "true"},
        {"message": "This is a test"},
        {"type": "ping", "case": {"receiptNumber": "IOE0912345678"}},
        {"type": "ping", "note": "for IOE-09-123-45678"},
        {"type": "ping", "note": "\uff29\uff2f\uff25\uff10912345678"},
        {"type": "ping", "cases": [{"n": 1}, "ioe0912345678"]},
        {"type": "ping", "a": {"b": {"c": {"d": {"e": "x"}}}}},
        {"test": True, "title": "Request for Additional Evidence Was Sent"},
        {"test": True, "state": "rfe_issued"},
        {"type": "ping", "note": "x" * 3_000},
        {"type": "ping", **{f"f{n}": n for n in range(300)}},
        {"a": {"b": {"type": "ping"}}},
        {"type": "ping", "IOE0912345678": {"changed": True}},
        {"type": "ping", "x": json.loads("[" * 500 + "]" * 500)},
        {"type": "ping", "x": ["a word"] * 1_000},
        {"type": "ping", **{f"f{n}": [f"word {n}"] * 5 for n in range(100)}},
    ],
)
def test_whatever_may_be_news_is_held(document: Any) -> None:
    """A receipt or a status under an unknown name, an empty body, words that only sound like it."""
    assert reason(document) is HeldReason.MISSING_RECEIPT


@pytest.mark.parametrize("receipt", ["A123456789", 5, "none"])
def test_a_receipt_that_is_none_is_no_test(receipt: Any) -> None:
    """Whatever stands where a receipt belongs, a person looks at it."""
    assert reason({"type": "ping", "receipt_number": receipt}) is HeldReason.INVALID_RECEIPT


def test_with_a_receipt_it_is_an_event() -> None:
    """A marked delivery about a case is news of that case."""
    body = {"test": True, "receipt_number": "IOE0912345678", "normalized_status": "rfe_issued"}
    event = understand(verified_delivery(json.dumps(body).encode()), make_source())
    assert event.receipt == "IOE0912345678"
    assert reason({"type": "ping", "receipt_number": "IOE0912345678"}) is HeldReason.MISSING_STATUS


def test_the_shape_of_a_test() -> None:
    """Ids, times and numbers make no other; a name, an event or a sentence does."""
    first = {"type": "ping", **ID, "message": "Hello from hook 7", "tries": [1]}
    again = {**first, "id": "evt_02", "created_at": "2026-01-01", "sent": 9, "tries": [2]}
    assert shape_of(first) == shape_of({**again, "message": "Hello from hook 8"})
    others = [
        {**first, "type": "test"},
        {**first, "note": "x"},
        {**first, "sent": "9"},
        {**first, "message": "Your request was looked at"},
        {**first, "tries": [1, 2]},
    ]
    assert len({shape_of(one) for one in (first, *others)}) == len(others) + 1
