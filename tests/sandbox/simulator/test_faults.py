"""Each switch does what it says, and nothing else."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from casebell.errors import (
    SignatureMismatch,
    SignatureMissing,
)
from casebell.kinds import word_key
from casebell.kinds.parley import KIND as PARLEY
from casebell.kinds.torch import KIND as TORCH
from casebell.sandbox.http_sink import HttpAnswer, HttpRequest, HttpSink
from casebell.sandbox.simulator.faults import Faults
from casebell.sandbox.simulator.scenarios import SCENARIOS
from contracts.clock_and_log import ManualClock
from sandbox.simulator.firm import BEGAN, PARLEY_SECRET, RECEIPT, TORCH_SECRET, Firm, rehearsing
from sandbox.simulator.proof import prove
from waiting import until

AT = "2025-10-14T19:22:03Z"


@pytest.fixture
async def receiver() -> AsyncIterator[HttpSink]:
    async with HttpSink() as sink:
        yield sink


@pytest.fixture
async def firm(receiver: HttpSink) -> AsyncIterator[Firm]:
    """A registered case, a subscription and Torch's webhook."""
    async with rehearsing() as firm:
        await firm.register(RECEIPT)
        await firm.subscribe(f"{receiver.url}/parley")
        hook = {"url": f"{receiver.url}/torch"}
        assert (await firm.post("/control/torch-webhook", hook)).status_code == 200
        yield firm


async def told(firm: Firm, receiver: HttpSink, path: str) -> list[HttpRequest]:
    """What came for one of the two, once everything has."""
    await firm.settled()
    return [request for request in receiver.requests if request.path == path]


def said(request: HttpRequest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(request.body)
    return content


async def many(firm: Firm, count: int) -> dict[str, Any]:
    """Move so many cases that are registered."""
    receipts = [f"LIN{number:010d}" for number in range(count)]
    await firm.register(*receipts)
    moves = [{"receipt": receipt, "status": "received"} for receipt in receipts]
    assert (await firm.post("/control/cases", {"moves": moves})).status_code == 200
    return await firm.settled()


async def test_shares_are_of_what_is_delivered(receiver: HttpSink) -> None:
    """About three in ten are dropped and two in ten of the rest come twice, in another order."""
    async with rehearsing(scenario="lossy", speed=1_000.0) as firm:
        await firm.subscribe(receiver.url)
        found = await many(firm, 400)
    dropped = found["counts"]["dropped"]
    copies = [one for one in found["deliveries"] if one["copy_of"]]
    assert 80 < dropped < 160
    assert 25 < len(copies) < 90
    assert found["counts"]["delivered"] == 400 - dropped + len(copies)
    came = [said(request)["receipt_number"] for request in receiver.requests]
    assert len(came) == found["counts"]["delivered"]
    assert came != sorted(came)
    # A copy is the same delivery: whoever looks at ids or keys knows it.
    by_number = {one["number"]: one for one in found["deliveries"]}
    for one in copies:
        first = by_number[one["copy_of"]]
        assert one["event_id"] == first["event_id"]
        assert one["idempotency_key"] == first["idempotency_key"]


async def test_a_flaw_is_of_the_first_try(firm: Firm, receiver: HttpSink) -> None:
    """Unsigned, forged and cut short are refused, and the next try is right."""
    expected = {
        "unsigned": SignatureMissing,
        "forged": SignatureMismatch,
        "cut_short": SignatureMismatch,
    }
    for flaw, refusal in expected.items():
        receiver.requests.clear()
        receiver.answer(HttpAnswer(status=401), HttpAnswer())
        await firm.faults(**{flaw: 1.0})
        assert (await firm.post("/control/torch-webhook", {"url": None})).status_code == 200
        await firm.move("received")
        first, second = await told(firm, receiver, "/parley")
        with pytest.raises(refusal):
            prove(first, PARLEY_SECRET)
        prove(second, PARLEY_SECRET)
        await firm.faults(**{flaw: None})


async def test_late(firm: Firm, receiver: HttpSink) -> None:
    """The first try waits as long, on the simulated clock."""
    await firm.faults(late=600.0)
    await firm.move("received")
    counts = (await firm.get("/control/deliveries")).json()["counts"]
    assert (counts["pending"], receiver.requests) == (2, [])
    assert (await firm.post("/control/clock", {"advance": 600})).status_code == 200
    await firm.settled()
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("signed_once", [True, False])
async def test_whether_a_retry_is_signed_again(receiver: HttpSink, signed_once: bool) -> None:
    """By the machine's clock, at each try or once; `signature_age` makes it older."""
    clock = ManualClock(now=BEGAN)
    receiver.answer(HttpAnswer(status=503), HttpAnswer())
    async with rehearsing(clock=clock) as firm:
        await firm.register(RECEIPT)
        await firm.subscribe(receiver.url)
        await firm.faults(signed_once=signed_once, signature_age=7_200.0)
        await firm.move("received")
        delivery = next(iter(firm.simulator.world.outbox.deliveries.values()))
        await until(lambda: delivery.tries == 1, "the answer to be on record")
        clock.advance(60)
        await firm.settled()
    began = 20_514 * 86_400 - 7_200
    times = [int(one.headers["authorization"].split("=")[2][:10]) for one in receiver.requests]
    assert times == [began, began if signed_once else began + 60]


async def test_sign_compact(firm: Firm, receiver: HttpSink) -> None:
    """The body has spaces, and the signature is over the text without."""
    await firm.faults(sign_compact=True)
    await firm.move("rfe_issued", text="Prueba “ñ”")
    (request, _) = await told(firm, receiver, "/parley")
    assert b'"id": ' in request.body
    with pytest.raises(SignatureMismatch):
        prove(request, PARLEY_SECRET)
    prove(request, PARLEY_SECRET, signed_body="compact-json")


async def test_missing_ids(firm: Firm, receiver: HttpSink) -> None:
    """Neither in the body nor in the header."""
    await firm.faults(no_id=True, no_idempotency_key=True)
    await firm.move("received")
    await firm.settled()
    assert len(receiver.requests) == 2
    for request in receiver.requests:
        assert "id" not in said(request)
        assert "idempotency-key" not in request.headers


async def test_moving_times(firm: Firm, receiver: HttpSink) -> None:
    """Torch tells each status again, observed later; its API moves at every look."""
    await firm.faults(moving_times=True)
    await firm.move("received", at=AT)
    first, second = (said(one)["data"] for one in await told(firm, receiver, "/torch"))
    assert (first["last_status_at"], second["last_status_at"]) == (AT, "2025-10-14T20:22:03Z")
    assert {**first, "last_status_at": ""} == {**second, "last_status_at": ""}
    looked = (await firm.get("/case-status", receipt=RECEIPT)).json()
    assert looked["last_status_at"] == looked["last_checked_at"] > AT


async def test_unknown_words_and_types(firm: Firm, receiver: HttpSink) -> None:
    """Neither kind knows them, in webhooks and APIs."""
    await firm.faults(unknown_words=True, unknown_types=True)
    await firm.move("denied")
    words = {said(one)["normalized_status"] for one in await told(firm, receiver, "/parley")}
    words |= {said(one)["data"]["status_category"] for one in await told(firm, receiver, "/torch")}
    words.add((await firm.get("/v1/case-status", receipt=RECEIPT)).json()["normalized_status"])
    words.add((await firm.get("/case-status", receipt=RECEIPT)).json()["status_category"])
    assert len(words) == 1
    (word,) = words
    assert word_key(word) not in {**PARLEY.words, **TORCH.words}
    types = {said(one)["type"] for one in receiver.requests}
    assert types.isdisjoint({"case.status.updated", "case.denied"})


async def test_renamed_fields(firm: Firm, receiver: HttpSink) -> None:
    """Of webhooks and APIs apart; the values stay."""
    await firm.faults(renamed_fields=True)
    await firm.move("received", at=AT)
    (parley,) = await told(firm, receiver, "/parley")
    (torch,) = await told(firm, receiver, "/torch")
    assert said(parley)["receiptNumber"] == said(torch)["payload"]["receiptNumber"] == RECEIPT
    assert "receipt_number" not in parley.body.decode() + torch.body.decode()
    assert (await firm.get("/v1/case-status", receipt=RECEIPT)).json()["receipt_number"]
    await firm.faults(renamed_fields=None, renamed_api_fields=True)
    for path in ("/v1/case-status", "/v1/events", "/case-status", "/case-status/batch"):
        answer = await firm.get(path, receipt=RECEIPT)
        assert "receipt_number" not in answer.text
        assert RECEIPT in answer.text


async def test_dateless(firm: Firm, receiver: HttpSink) -> None:
    """No time of a change anywhere."""
    await firm.faults(dateless=True)
    await firm.move("received", at=AT)
    await firm.settled()
    answers = [
        (await firm.get(path, receipt=RECEIPT)).text
        for path in ("/v1/case-status", "/v1/events", "/case-status", "/case-status/batch")
    ]
    for text in (*answers, *(request.body.decode() for request in receiver.requests)):
        assert AT not in text
        assert "occurred_at" not in text
        assert "last_status_at" not in text


async def test_spanish(firm: Firm, receiver: HttpSink) -> None:
    """The words of the status stay."""
    await firm.faults(spanish=True)
    await firm.move("denied")
    first, _ = await told(firm, receiver, "/parley")
    assert said(first)["raw_status_text"] == "Su caso fue denegado"
    assert said(first)["normalized_status"] == "denied"


async def test_partial_history(firm: Firm) -> None:
    """The newer half."""
    for number in range(4):
        await firm.move("other", text=f"Step {number}", at=f"2026-01-0{number + 1}T00:00:00Z")
    await firm.faults(partial_history=True)
    events = (await firm.get("/v1/events", receipt=RECEIPT)).json()["events"]
    assert [one["raw_status_text"] for one in events] == ["Step 3", "Step 2"]


async def test_knows_all(firm: Firm) -> None:
    """A receipt that nobody has moved is a case; it is 404 without the switch."""
    for path in ("/v1/case-status", "/case-status"):
        assert (await firm.get(path, receipt="WAC2690000001")).status_code == 404
    await firm.faults(knows_all=True)
    answer = await firm.get("/v1/case-status", receipt="WAC2690000001")
    assert answer.json()["normalized_status"] == "received"
    assert (await firm.get("/case-status", receipt="WAC2690000001")).status_code == 200


async def api(firm: Firm, path: str = "/v1/case-status", **fault: Any) -> httpx2.Response:
    """One request while the APIs answer so."""
    await firm.faults(api=fault)
    return await firm.get(path, receipt=RECEIPT)


async def test_what_an_api_answers_badly(firm: Firm) -> None:
    """Each way, as it is on the wire."""
    right = (await firm.get("/v1/case-status", receipt=RECEIPT)).content
    answer = await api(firm, status=503, retry_after=2)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"] == "unavailable"
    answer = await api(firm, status=429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert answer.headers["retry-after"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    answer = await api(firm, answer="other_error")
    assert (answer.status_code, "error" in answer.json()) == (502, False)
    answer = await api(firm, answer="html")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    answer = await api(firm, answer="truncated")
    assert (answer.status_code, answer.content) == (200, right[: len(right) // 2])
    answer = await api(firm, answer="redirect")
    assert (answer.status_code, answer.headers["location"][:8]) == (302, "https://")
    answer = await api(firm, answer="wrong_receipt")
    assert answer.json() == {**json.loads(right), "receipt_number": "ZZZ0000000000"}
    answer = await api(firm, answer="wrong_shape")
    assert answer.json() == [json.loads(right)]
    answer = await api(firm, answer="empty")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await api(firm, answer="silence", seconds=0.05)
    assert answer.status_code == 504
    with pytest.raises(httpx2.RemoteProtocolError):
        await api(firm, answer="cut")
    answer = await api(firm, "/case-status/batch", answer="wrong_receipt")
    assert answer.json()[0]["receipt_number"] == "ZZZ0000000000"


async def test_a_silence_is_silent(firm: Firm) -> None:
    """Nothing comes, for as long as was asked for."""
    await firm.faults(api={"answer": "silence"})
    with pytest.raises(httpx2.ReadTimeout):
        await firm.client.get(f"/v1/case-status?receipt={RECEIPT}", timeout=0.2)


async def test_a_fault_meets_so_many_requests(firm: Firm) -> None:
    """`times` counts, `api` and `path` choose; the control endpoints always answer."""
    await firm.faults(api={"status": 500, "times": 2, "api": "parley", "path": "/v1/events"})
    paths = ["/case-status", "/v1/case-status", "/v1/events", "/v1/events", "/v1/events"]
    answers = [(await firm.get(path, receipt=RECEIPT)).status_code for path in paths]
    assert answers == [200, 200, 500, 500, 200]
    await firm.faults(api=[{"status": 500, "api": "torch"}, {"status": 502}])
    answers = [(await firm.get(path, receipt=RECEIPT)).status_code for path in paths[:2]]
    assert answers == [500, 502]
    await firm.faults(api=None)
    assert (await firm.get("/case-status", receipt=RECEIPT)).status_code == 200


async def test_the_answer_alone_can_fail(firm: Firm) -> None:
    """`after`: the work is done, and a repeat with its key has the answer."""
    await firm.faults(api={"status": 503, "after": True, "times": 1})
    body = {"receipts": [{"receipt_number": "WAC2690000001"}]}
    answer = await firm.post("/v1/receipts", body, Idempotency_Key="k")
    assert answer.status_code == 503
    answer = await firm.post("/v1/receipts", body, Idempotency_Key="k")
    assert answer.json() == {"registered": ["WAC2690000001"], "already_registered": []}


async def test_a_wrong_switch_is_400_and_told_the_right_one(firm: Firm) -> None:
    """Nothing of such a request is done."""
    answer = await firm.post("/control/faults", {"drop": 1.0, "duplicates": 0.2})
    assert answer.status_code == 400
    assert "Did you mean `duplicate`?" in answer.json()["message"]
    cases: list[object] = [{"drop": 1.5}, {"drop": "all"}, {"reorder": 1}, {"api": {"x": 1}}, []]
    for wrong in cases:
        answer = await firm.post("/control/faults", wrong)
        assert answer.status_code == 400, wrong
    assert (await firm.get("/control/faults")).json()["faults"] == Faults().model_dump()


async def test_a_scenario_sets_what_it_names_and_nothing_else(firm: Firm) -> None:
    """Whatever was set before is gone; its limits are set; `calm` ends all."""
    for name, scenario in SCENARIOS.items():
        answer = await firm.post("/control/scenario", {"name": name})
        assert answer.status_code == 200
        set_now = Faults.model_validate(answer.json()["faults"]).changed
        assert set_now.keys() == scenario.faults.keys()
        limits = (await firm.get("/control/limits")).json()["torch"]
        assert limits["per_minute"] == scenario.limits.per_minute
        assert (await firm.post("/control/scenario", {"name": "calm"})).status_code == 200
        assert (await firm.get("/control/faults")).json() == {
            "scenario": "calm",
            "faults": Faults().model_dump(),
        }
    answer = await firm.post("/control/scenario", {"name": "lossly"})
    assert (answer.status_code, "`lossy`" in answer.json()["message"]) == (400, True)


async def test_every_switch_is_in_a_scenario_or_of_a_test() -> None:
    """None is without effect that was seen."""
    in_scenarios = {name for one in SCENARIOS.values() for name in one.faults}
    assert set(Faults.model_fields) == in_scenarios


async def test_a_rotation(firm: Firm, receiver: HttpSink) -> None:
    """The old and the new secret both prove it; then the new one alone."""
    answer = await firm.post("/control/scenario", {"name": "rotation"})
    new = answer.json()["parley_secret"]
    await firm.move("received")
    (request,) = await told(firm, receiver, "/parley")
    prove(request, PARLEY_SECRET)
    prove(request, new)
    receiver.requests.clear()
    changed = {"parley": "the-third-secret-of-all", "torch": "another-for-torch"}
    assert (await firm.post("/control/secrets", changed)).status_code == 200
    await firm.move("received")
    (request,) = await told(firm, receiver, "/parley")
    for old in (PARLEY_SECRET, new):
        with pytest.raises(SignatureMismatch):
            prove(request, old)
    prove(request, "the-third-secret-of-all")
    (request,) = await told(firm, receiver, "/torch")
    assert request.headers["x-torch-secret"] == "another-for-torch" != TORCH_SECRET
