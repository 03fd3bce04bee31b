"""Torch's endpoints: the shapes of its page, single and in batches."""

from collections.abc import AsyncIterator

import pytest

from casebell.errors import BadArgument
from casebell.sandbox.simulator.app import SimulatorSettings, build
from casebell.sandbox.simulator.torch import MAX_BATCH
from sandbox.simulator.firm import RECEIPT, Firm, rehearsing

OTHERS = ("LIN2690000001", "LIN2690000002")


@pytest.fixture
async def firm() -> AsyncIterator[Firm]:
    async with rehearsing() as firm:
        await firm.move(
            "rfe_issued", at="2025-01-15T14:03:27Z", text="Request for Evidence Was Sent"
        )
        yield firm


async def test_a_status_has_the_shape_of_the_page(firm: Firm) -> None:
    """With the time of the look beside that of the status."""
    answer = await firm.get("/case-status", receipt=RECEIPT)
    said = answer.json()
    assert answer.status_code == 200
    assert said.pop("last_checked_at") > "2026"
    assert said.pop("source_hint")
    assert said == {
        "receipt_number": RECEIPT,
        "status_text": "Request for Evidence Was Sent",
        "status_category": "Request for Evidence",
        "last_status_at": "2025-01-15T14:03:27Z",
    }


async def test_a_batch_is_an_array_in_the_order_asked(firm: Firm) -> None:
    """What is not known is left out; where nothing is, it is 404."""
    await firm.move("denied", OTHERS[0], category="Refused")
    asked = [OTHERS[1], OTHERS[0], RECEIPT]
    answer = await firm.get("/case-status/batch", receipt=asked)
    assert [one["receipt_number"] for one in answer.json()] == [OTHERS[0], RECEIPT]
    assert answer.json()[0]["status_category"] == "Refused"
    answer = await firm.get("/case-status/batch", receipt=[OTHERS[1]])
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_prefix_before_its_paths() -> None:
    """Its page says that there may be one: everything is there, and nothing without it."""
    async with rehearsing(torch_prefix="/torch/v2") as firm:
        await firm.move("received")
        for path in ("/case-status", "/case-status/batch"):
            assert (await firm.get(f"/torch/v2{path}", receipt=RECEIPT)).status_code == 200
            assert (await firm.get(path, receipt=RECEIPT)).status_code == 404
        assert "/torch/v2/case-status" in (await firm.get("/openapi.json")).json()["paths"]
        assert (await firm.get("/v1/case-status", receipt=RECEIPT)).status_code == 200
    for prefix in ("/v1", "v2", "/v2/", "/control", "/{x}"):
        with pytest.raises(BadArgument):
            build(SimulatorSettings(torch_prefix=prefix))


async def test_a_strict_batch(firm: Firm) -> None:
    """One unknown receipt makes all of it 404, if that is asked for."""
    await firm.faults(batch_whole=True)
    answer = await firm.get("/case-status/batch", receipt=[RECEIPT, OTHERS[1]])
    assert answer.status_code == 404


async def test_a_receipt_twice_in_a_batch_is_409(firm: Firm) -> None:
    """However it is spelled."""
    answer = await firm.get("/case-status/batch", receipt=[RECEIPT, "ioe0912345678"])
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")


async def test_wrong_parameters_are_400(firm: Firm) -> None:
    """None, too many, and one that is no receipt number."""
    many = [f"LIN{number:010d}" for number in range(MAX_BATCH + 1)]
    for receipts in ([], many, [RECEIPT, "x"]):
        answer = await firm.get("/case-status/batch", receipt=receipts)
        assert (answer.status_code, answer.json()["error"]) == (400, "validation_failed")
