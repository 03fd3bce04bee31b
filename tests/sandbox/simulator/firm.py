"""What a firm has before a simulator: its token, a client, and an address for webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from casebell.clock import DAY, SystemClock
from casebell.events import Micros
from casebell.sandbox.simulator.app import Simulator, SimulatorSettings
from casebell.sandbox.simulator.serving import running

TOKEN = "the-token-of-these-tests"
PARLEY_SECRET = "parley-secret-of-these-tests"
TORCH_SECRET = "torch-secret-of-these-tests"
RECEIPT = "IOE0912345678"
#: 2026-03-02T00:00:00Z.
BEGAN: Micros = 20_514 * DAY
#: All six types of Parley's page.
ALL_TYPES = [
    "case.status.updated",
    "case.rfe.issued",
    "case.rfe.received",
    "case.approved",
    "case.denied",
    "case.interview.scheduled",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Firm:
    """A simulator, and a client with its token."""

    client: httpx2.AsyncClient
    simulator: Simulator
    url: str

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        return await self.client.get(path, params=params)

    async def post(self, path: str, content: object, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, json=content, headers=named)

    async def register(self, *receipts: str) -> None:
        given = [{"receipt_number": receipt} for receipt in receipts]
        answer = await self.post("/v1/receipts", {"receipts": given})
        assert answer.status_code in {200, 201}, answer.text

    async def subscribe(self, url: str, **more: object) -> None:
        answer = await self.post("/v1/subscriptions", {"url": url, "events": ALL_TYPES, **more})
        assert answer.status_code == 201, answer.text

    async def move(self, status: str, receipt: str = RECEIPT, **more: object) -> None:
        answer = await self.post(f"/control/cases/{receipt}", {"status": status, **more})
        assert answer.status_code == 200, answer.text

    async def faults(self, **switches: object) -> None:
        answer = await self.post("/control/faults", switches)
        assert answer.status_code == 200, answer.text

    async def settled(self) -> dict[str, Any]:
        """The deliveries, once none is pending."""
        answer = await self.get("/control/deliveries", wait=20, limit=10_000)
        found: dict[str, Any] = answer.json()
        assert found["counts"]["pending"] == 0, found
        return found


@asynccontextmanager
async def rehearsing(**settings: Any) -> AsyncIterator[Firm]:
    """A simulator with the secrets above, for as long as the block runs."""
    given = {
        "token": TOKEN,
        "parley_secret": PARLEY_SECRET,
        "torch_secret": TORCH_SECRET,
        "seed": "one",
        "speed": 100.0,
        "clock": SystemClock(),
        **settings,
    }
    async with (
        running(SimulatorSettings(**given)) as served,
        httpx2.AsyncClient(
            base_url=served.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            verify=False,
            timeout=30,
        ) as client,
    ):
        yield Firm(client=client, simulator=served.simulator, url=served.url)
