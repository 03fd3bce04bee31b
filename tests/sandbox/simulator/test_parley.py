"""Parley's endpoints: the shapes of its page, who may ask, and what is safe to repeat."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.simulator.firm import RECEIPT, TOKEN, Firm, rehearsing


@pytest.fixture
async def firm() -> AsyncIterator[Firm]:
    async with rehearsing() as firm:
        yield firm


def wrong(answer: Any, status: int, code: str) -> None:
    """An answer in the Error schema, and nothing beside it."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert sorted(said) == ["error", "message", "request_id"]
    assert said["error"] == code
    assert said["request_id"] == answer.headers["x-request-id"]


async def test_a_status_has_the_shape_of_the_page(firm: Firm) -> None:
    """The latest by its time, whatever came last."""
    await firm.move("rfe_issued", at="2025-10-14T19:22:03Z", text="We sent you a request…")
    await firm.move("received", at="2025-09-01T08:00:00Z")
    answer = await firm.get("/v1/case-status", receipt="ioe0912345678")
    assert answer.status_code == 200
    assert answer.json() == {
        "receipt_number": RECEIPT,
        "normalized_status": "rfe_issued",
        "raw_status_text": "We sent you a request…",
        "last_updated_at": "2025-10-14T19:22:03Z",
    }


async def test_events_are_newest_first_and_pages_do_not_overlap(firm: Firm) -> None:
    """`limit` cuts, 50 by default; `before` leaves out its own moment and all after it."""
    for minute in range(60):
        await firm.move("other", at=f"2025-10-14T19:{minute:02d}:00Z", text=f"Step {minute}")
    first = (await firm.get("/v1/events", receipt=RECEIPT)).json()
    assert sorted(first) == ["events", "receipt_number"]
    assert [one["raw_status_text"] for one in first["events"]] == [
        f"Step {minute}" for minute in range(59, 9, -1)
    ]
    assert first["events"][-1] == {
        "type": "case.status.updated",
        "normalized_status": "other",
        "raw_status_text": "Step 10",
        "occurred_at": "2025-10-14T19:10:00Z",
    }
    rest = await firm.get("/v1/events", receipt=RECEIPT, before="2025-10-14T19:10:00+00:00")
    assert [one["raw_status_text"] for one in rest.json()["events"]] == [
        f"Step {minute}" for minute in range(9, -1, -1)
    ]
    two = await firm.get("/v1/events", receipt=RECEIPT, limit="2")
    assert len(two.json()["events"]) == 2


async def test_receipts_are_registered_once(firm: Firm) -> None:
    """201 where one is new, 200 where none is; a receipt that is named twice is one."""
    both = {"receipts": [{"receipt_number": RECEIPT, "label": "Acme"}, {"receipt_number": RECEIPT}]}
    answer = await firm.post("/v1/receipts", both)
    assert (answer.status_code, answer.json()) == (
        201,
        {"registered": [RECEIPT], "already_registered": []},
    )
    answer = await firm.post("/v1/receipts", both)
    assert (answer.status_code, answer.json()) == (
        200,
        {"registered": [], "already_registered": [RECEIPT]},
    )
    kept = (await firm.get(f"/control/cases/{RECEIPT}")).json()
    assert (kept["label"], kept["registered"]) == ("Acme", True)


async def test_an_idempotency_key_repeats_the_answer(firm: Firm) -> None:
    """The same key and body have the same answer; the key with another body is 409."""
    one = {"receipts": [{"receipt_number": RECEIPT}]}
    first = await firm.post("/v1/receipts", one, Idempotency_Key="k1")
    again = await firm.post("/v1/receipts", one, Idempotency_Key="k1")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    other = {"receipts": [{"receipt_number": "IOE0976543210"}]}
    wrong(await firm.post("/v1/receipts", other, Idempotency_Key="k1"), 409, "conflict")
    wrong(await firm.get("/v1/case-status", receipt="IOE0976543210"), 404, "not_found")
    hook = {"url": "https://casebell.example-firm.com/webhooks/parley", "events": ["case.denied"]}
    first = await firm.post("/v1/subscriptions", hook, Idempotency_Key="k1")
    again = await firm.post("/v1/subscriptions", hook, Idempotency_Key="k1")
    assert (first.status_code, again.json()) == (201, first.json())
    assert len((await firm.get("/control/subscriptions")).json()["subscriptions"]) == 1


async def test_a_subscription_has_the_shape_of_the_page(firm: Firm) -> None:
    """Its secret is not told again."""
    asked = {
        "url": "https://casebell.example-firm.com/webhooks/parley",
        "events": ["case.status.updated", "case.rfe.issued"],
        "secret": "a-secret-of-its-own",
    }
    answer = await firm.post("/v1/subscriptions", asked)
    said = answer.json()
    assert answer.status_code == 201
    assert sorted(said) == ["created_at", "events", "id", "url"]
    assert (said["url"], said["events"]) == (asked["url"], asked["events"])
    assert said["id"].startswith("sub_")
    listed = await firm.get("/control/subscriptions")
    assert "a-secret-of-its-own" not in listed.text
    assert listed.json()["subscriptions"][0]["own_secret"] is True


ADDRESSES = [
    ("https://casebell.example-firm.com/webhooks/parley", True),
    ("http://127.0.0.1:8420/webhooks/parley", True),
    ("http://localhost:8420/webhooks/parley", True),
    ("http://[::1]:8420/webhooks/parley", True),
    ("http://casebell.example-firm.com/webhooks/parley", False),
    ("http://127.0.0.1.example-firm.com/", False),
    ("https://user:word@casebell.example-firm.com/", False),
    ("ftp://127.0.0.1/", False),
    ("https://", False),
    ("https://[half", False),
    ("https://a b/", False),
    ("", False),
]


async def test_where_webhooks_may_go(firm: Firm) -> None:
    """Over HTTPS anywhere, plainly to this machine alone."""
    for url, taken in ADDRESSES:
        answer = await firm.post("/v1/subscriptions", {"url": url, "events": ["case.denied"]})
        assert answer.status_code == (201 if taken else 400), url


WRONG_BODIES: list[tuple[str, object]] = [
    ("/v1/receipts", {}),
    ("/v1/receipts", []),
    ("/v1/receipts", {"receipts": []}),
    ("/v1/receipts", {"receipts": [RECEIPT]}),
    ("/v1/receipts", {"receipts": [{"receipt_number": "A123456789"}]}),
    ("/v1/receipts", {"receipts": [{"receipt_number": RECEIPT, "label": 7}]}),
    ("/v1/receipts", {"receipts": [{"receipt_number": RECEIPT}] * 1_001}),
    ("/v1/subscriptions", {"url": "https://example.com/"}),
    ("/v1/subscriptions", {"url": "https://example.com/", "events": []}),
    ("/v1/subscriptions", {"url": "https://example.com/", "events": ["case.rfe.issue"]}),
    ("/v1/subscriptions", {"url": "https://example.com/", "events": [], "secret": ""}),
]


async def test_a_wrong_body_is_400(firm: Firm) -> None:
    """In the Error schema."""
    for path, body in WRONG_BODIES:
        wrong(await firm.post(path, body), 400, "validation_failed")


async def test_a_wrong_event_type_is_told_the_right_one(firm: Firm) -> None:
    """Whoever wrote it finds the slip."""
    asked = {"url": "https://example.com/", "events": ["case.rfe.issue"]}
    answer = await firm.post("/v1/subscriptions", asked)
    assert "Did you mean `case.rfe.issued`?" in answer.json()["message"]


WRONG_ADDRESSES = [
    "/v1/case-status",
    "/v1/case-status?receipt=",
    "/v1/case-status?receipt=A123456789",
    "/v1/case-status?receipt=IOE-0912345678",
    f"/v1/case-status?receipt={RECEIPT}&receipt=IOE0976543210",
    f"/v1/events?receipt={RECEIPT}&limit=0",
    f"/v1/events?receipt={RECEIPT}&limit=201",
    f"/v1/events?receipt={RECEIPT}&limit=ten",
    f"/v1/events?receipt={RECEIPT}&before=yesterday",
    f"/v1/events?receipt={RECEIPT}&before=0001-01-01T00:00:00Z",
]


async def test_a_wrong_parameter_is_400(firm: Firm) -> None:
    """In the Error schema."""
    await firm.move("received")
    for path in WRONG_ADDRESSES:
        wrong(await firm.client.get(path), 400, "validation_failed")


async def test_no_json_is_400(firm: Firm) -> None:
    """So are a NaN, a body of another type, and one that is nested without end."""
    for body in (b"", b"{", b"\xff", b'{"receipts": NaN}', b"[" * 100_000):
        answer = await firm.client.post(
            "/v1/receipts", content=body, headers={"Content-Type": "application/json"}
        )
        wrong(answer, 400, "validation_failed")
    answer = await firm.client.post("/v1/receipts", data={"receipts": RECEIPT})
    wrong(answer, 400, "validation_failed")


WHO_MAY_ASK: list[tuple[bytes | None, int, str]] = [
    (None, 401, "unauthorized"),
    (b"", 401, "unauthorized"),
    (TOKEN.encode(), 401, "unauthorized"),
    (b"Basic " + TOKEN.encode(), 401, "unauthorized"),
    (b"Bearer another-token", 401, "unauthorized"),
    (b"Bearer \xff", 401, "unauthorized"),
    (b"Bearer disabled-" + TOKEN.encode(), 403, "forbidden"),
    (b"bearer " + TOKEN.encode(), 404, "not_found"),
]


FOR_THE_BEARER = [
    f"/v1/case-status?receipt={RECEIPT}",
    f"/case-status?receipt={RECEIPT}",
    f"/control/cases/{RECEIPT}",
]


async def test_who_may_ask(firm: Firm) -> None:
    """The bearer of the token, and nobody else."""
    del firm.client.headers["Authorization"]
    for path, (header, status, code) in itertools.product(FOR_THE_BEARER, WHO_MAY_ASK):
        headers = {} if header is None else {b"authorization": header}
        answer = await firm.client.get(path, headers=headers)
        wrong(answer, status, code)
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_what_is_not_there(firm: Firm) -> None:
    """An unknown path, and a method that a path does not take, in the Error schema."""
    wrong(await firm.get("/v1/nothing"), 404, "not_found")
    wrong(await firm.get("/v1/case-status/"), 404, "not_found")
    answer = await firm.client.delete("/v1/receipts")
    wrong(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_health_and_description_need_no_token(firm: Firm) -> None:
    """As on Parley's page, and for whoever writes a client."""
    del firm.client.headers["Authorization"]
    assert (await firm.get("/health")).json() == {"status": "ok"}
    described = (await firm.get("/openapi.json")).json()
    assert "/v1/events" in described["paths"]


async def test_another_host_is_refused(firm: Firm) -> None:
    """A name on the web that leads to this machine opens nothing here."""
    answer = await firm.client.get("/health", headers={"Host": "sandbox.example.com"})
    wrong(answer, 421, "wrong_host")
