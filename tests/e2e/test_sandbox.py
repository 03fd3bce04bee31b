"""Casebell's own server takes what the sandbox delivers, both as processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from casebell.sandbox.simulator.vocabulary import EVENT_TYPES
from e2e.recipients import free_port
from e2e.server import PARLEY_SECRET, TORCH_SECRET, MakeServer, environment
from processes import Forked
from waiting import TIMEOUT, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-these-tests"
RECEIPT = "IOE0912345678"


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a sandbox that runs a hundred times as fast."""
    output = tmp_path / "sandbox.log"
    variables = {
        "CASEBELL_SANDBOX_TOKEN": TOKEN,
        "CASEBELL_SANDBOX_PARLEY_SECRET": PARLEY_SECRET,
        "CASEBELL_SANDBOX_TORCH_SECRET": TORCH_SECRET,
    }
    process = Forked(
        ["sandbox", "--port", "0", "--speed", "100"],
        directory=tmp_path,
        environ=environment() | variables,
        output=output,
    )
    await until(lambda: "Ctrl-C" in output.read_text(), "the announcement")
    url = next(word for word in output.read_text().split() if word.startswith("http://"))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, trust_env=False, verify=False, timeout=TIMEOUT + 10
    ) as client:
        yield client
    process.terminate()
    assert await process.wait() == 0


async def test_what_is_lost_on_the_way_comes_again(
    sandbox: httpx2.AsyncClient, make_server: MakeServer
) -> None:
    """Forged, unsigned and cut short first, while the server is killed, and all is stored once."""
    server = await make_server(server=f"port = {free_port()}\n").start()
    receipts = {"receipts": [{"receipt_number": RECEIPT}]}
    assert (await sandbox.post("/v1/receipts", json=receipts)).status_code == 201
    hook = {"url": f"{server.url}/webhooks/parley", "events": list(EVENT_TYPES)}
    assert (await sandbox.post("/v1/subscriptions", json=hook)).status_code == 201
    torch = {"url": f"{server.url}/webhooks/torch", "header": "X-Torch-Secret"}
    assert (await sandbox.post("/control/torch-webhook", json=torch)).status_code == 200
    faults = {"forged": 0.3, "unsigned": 0.2, "cut_short": 0.2, "duplicate": 0.5, "reorder": True}
    assert (await sandbox.post("/control/faults", json=faults)).status_code == 200
    for number in range(5):
        move = {"status": "rfe_issued", "at": f"2025-10-1{number}T08:00:00Z"}
        answer = await sandbox.post(f"/control/cases/{RECEIPT}", json=move)
        assert answer.status_code == 200
    await server.kill()
    await server.start()
    found = (await sandbox.get("/control/deliveries", params={"wait": 30, "limit": 1000})).json()
    assert found["counts"]["pending"] == found["counts"]["gave_up"] == 0, found["counts"]
    words = {one["said"] for delivery in found["deliveries"] for one in delivery["answers"]}
    assert {"stored", "duplicate"} <= words
    # A shared secret says nothing of the body: half of one may have been taken and held.
    assert {one[0] for one in server.rows("SELECT DISTINCT source FROM events")} == {
        "parley",
        "torch",
    }
    of_parley = server.rows("SELECT key FROM events WHERE source = 'parley' ORDER BY key")
    ids = {one["event_id"] for one in found["deliveries"] if one["api"] == "parley"}
    assert [key for (key,) in of_parley] == sorted(ids)
    assert len(ids) == 10
