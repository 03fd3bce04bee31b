"""Webhooks: one for each subscription and type, signed, and tried again until they are taken."""

import json
from collections.abc import AsyncIterator

import pytest

from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from sandbox.simulator.firm import PARLEY_SECRET, RECEIPT, TORCH_SECRET, Firm, rehearsing
from sandbox.simulator.proof import prove


@pytest.fixture
async def receiver() -> AsyncIterator[HttpSink]:
    async with HttpSink() as sink:
        yield sink


@pytest.fixture
async def firm(receiver: HttpSink) -> AsyncIterator[Firm]:
    async with rehearsing() as firm:
        await firm.register(RECEIPT)
        yield firm


async def test_a_change_is_told_by_each_of_its_types(firm: Firm, receiver: HttpSink) -> None:
    """The generic one and the specific one, with two ids and two keys, both signed."""
    await firm.subscribe(f"{receiver.url}/hook")
    await firm.move("rfe_issued", at="2025-10-14T19:22:03Z", text="Prueba “ñ”")
    found = await firm.settled()
    assert found["counts"] == {"pending": 0, "delivered": 2, "gave_up": 0, "dropped": 0}
    said = [json.loads(request.body) for request in receiver.requests]
    assert [one["type"] for one in said] == ["case.status.updated", "case.rfe.issued"]
    assert said[0] == {
        "id": said[0]["id"],
        "type": "case.status.updated",
        "receipt_number": RECEIPT,
        "normalized_status": "rfe_issued",
        "raw_status_text": "Prueba “ñ”",
        "occurred_at": "2025-10-14T19:22:03Z",
    }
    assert len({one["id"] for one in said}) == 2
    assert len({one.headers["idempotency-key"] for one in receiver.requests}) == 2
    for request in receiver.requests:
        assert request.headers["authorization"].startswith("Parley-Signature=t=")
        assert request.headers["content-type"] == "application/json"
        prove(request, PARLEY_SECRET)


@pytest.mark.parametrize("status", ["received", "other"])
async def test_a_status_without_a_type_of_its_own(
    firm: Firm, receiver: HttpSink, status: str
) -> None:
    """It is told once."""
    await firm.subscribe(receiver.url)
    await firm.move(status)
    found = await firm.settled()
    assert [one["type"] for one in found["deliveries"]] == ["case.status.updated"]


async def test_only_what_was_subscribed_and_registered_is_told(
    firm: Firm, receiver: HttpSink
) -> None:
    """Each subscription has its own types and secret; an unregistered case tells nobody."""
    hook = {"url": f"{receiver.url}/approved", "events": ["case.approved"], "secret": "own" * 8}
    assert (await firm.post("/v1/subscriptions", hook)).status_code == 201
    await firm.move("denied")
    await firm.move("approved")
    await firm.move("approved", "LIN2690000001")
    await firm.move("approved", quiet=True)
    await firm.settled()
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "case.approved"
    prove(request, "own" * 8)


async def test_a_subscription_can_be_ended(firm: Firm, receiver: HttpSink) -> None:
    """With what was still to be made for it; another one goes on, and ids are never used again."""
    receiver.answer(HttpAnswer(status=503))
    await firm.subscribe(f"{receiver.url}/first")
    await firm.subscribe(f"{receiver.url}/second")
    await firm.move("received")
    await receiver.received(2)
    first, second = (await firm.get("/control/subscriptions")).json()["subscriptions"]
    receiver.answer(HttpAnswer())
    ended = await firm.client.delete(f"/control/subscriptions/{first['id']}")
    assert [one["id"] for one in ended.json()["subscriptions"]] == [second["id"]]
    again = await firm.client.delete(f"/control/subscriptions/{first['id']}")
    assert again.status_code == 404
    found = await firm.settled()
    states = {one["subscription"]: one["state"] for one in found["deliveries"]}
    assert states == {first["id"]: "dropped", second["id"]: "delivered"}
    await firm.subscribe(f"{receiver.url}/third")
    listed = (await firm.get("/control/subscriptions")).json()["subscriptions"]
    assert len({first["id"], *(one["id"] for one in listed)}) == 3


async def test_torch_has_its_own_body_and_secret(firm: Firm, receiver: HttpSink) -> None:
    """Of every case, since nothing is registered with Torch."""
    hook = {"url": f"{receiver.url}/torch", "header": "X-Firm-Secret"}
    assert (await firm.post("/control/torch-webhook", hook)).status_code == 200
    await firm.move(
        "received", "ABC1234567890", at="2025-01-15T14:03:27Z", text="Case Was Received"
    )
    await firm.settled()
    (request,) = receiver.requests
    said = json.loads(request.body)
    assert said == {
        "type": "case.status.updated",
        "data": {
            "receipt_number": "ABC1234567890",
            "status_text": "Case Was Received",
            "status_category": "Case Received",
            "last_status_at": "2025-01-15T14:03:27Z",
        },
        "id": said["id"],
        "sent_at": said["sent_at"],
    }
    assert request.headers["x-firm-secret"] == TORCH_SECRET
    prove(request, TORCH_SECRET, kind="torch", header="X-Firm-Secret")


async def test_it_tries_again_until_it_is_taken(firm: Firm, receiver: HttpSink) -> None:
    """After no answer, a redirect, a refusal and a 503: the same body and key, signed again."""
    await firm.subscribe(receiver.url)
    receiver.answer(
        HttpAnswer(ending=Ending.CLOSE),
        HttpAnswer(status=302, headers=(("Location", "/elsewhere"),)),
        HttpAnswer(status=401, body=b'{"error": "signature_mismatch"}'),
        HttpAnswer(status=503),
        HttpAnswer(status=202, body=b'{"status": "held"}'),
    )
    await firm.move("received")
    found = await firm.settled()
    (delivery,) = found["deliveries"]
    assert delivery["state"] == "delivered"
    assert [(one["status"], one["said"]) for one in delivery["answers"]] == [
        (None, "no answer"),
        (302, ""),
        (401, "signature_mismatch"),
        (503, ""),
        (202, "held"),
    ]
    same = {(one.body, one.headers["idempotency-key"], one.path) for one in receiver.requests}
    assert len(same) == 1
    for request in receiver.requests:
        prove(request, PARLEY_SECRET)


async def test_deliveries_of_a_case_come_in_order(firm: Firm, receiver: HttpSink) -> None:
    """A slow receiver gets the next one once it has answered the last."""
    await firm.subscribe(receiver.url)
    for number in range(6):
        await firm.move("other", text=f"Step {number}")
    await firm.settled()
    said = [json.loads(request.body)["raw_status_text"] for request in receiver.requests]
    assert said == [f"Step {number}" for number in range(6)]
