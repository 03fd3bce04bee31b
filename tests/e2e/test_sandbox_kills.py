"""Either side is killed at any moment, and every change is stored once: both as processes."""

import asyncio
import random
from pathlib import Path

import httpx2
import pytest

from casebell.sandbox.simulator.vocabulary import EVENT_TYPES
from e2e.recipients import free_port
from e2e.server import PARLEY_SECRET, TORCH_SECRET, MakeServer, Server, environment
from processes import Forked
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

TOKEN = "the-token-of-these-tests"
CASES = 300
MOVES = ("received", "rfe_issued", "rfe_received", "approved")
#: Of each side.
KILLS = 6


class Sandbox:
    """A sandbox at one port with one state file, which can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._starts = 0
        self._process: Forked
        self.client = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            verify=False,
            timeout=90,
        )

    async def __aenter__(self) -> "Sandbox":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self.kill()

    async def start(self) -> None:
        self._starts += 1
        output = self._directory / f"sandbox-{self._starts}.log"
        variables = {
            "CASEBELL_SANDBOX_TOKEN": TOKEN,
            "CASEBELL_SANDBOX_PARLEY_SECRET": PARLEY_SECRET,
            "CASEBELL_SANDBOX_TORCH_SECRET": TORCH_SECRET,
        }
        options = ["--port", str(self._port), "--state", "state", "--speed", "20"]
        self._process = Forked(
            ["sandbox", *options],
            directory=self._directory,
            environ=environment() | variables,
            output=output,
        )

        def announced() -> bool:
            assert self._process.returncode is None, output.read_text()
            return "Ctrl-C" in output.read_text()

        await until(announced, "the sandbox")

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def post(self, path: str, content: object, key: str) -> None:
        """Ask until there is an answer, as a client does whose sandbox may be killed."""
        headers = {"Idempotency-Key": key}

        async def answered() -> bool:
            try:
                answer = await self.client.post(path, json=content, headers=headers)
            except httpx2.HTTPError:
                return False
            assert answer.status_code in {200, 201}, answer.text
            return True

        await until(answered, path)


@pytest.mark.timeout(300)
async def test_a_kill_of_either_side_changes_nothing(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Nothing is lost, and nothing is stored twice; what was told twice was a duplicate."""
    chance = random.Random(13)
    server = await make_server(server=f"port = {free_port()}\n").start()
    async with Sandbox(tmp_path) as sandbox:
        await _kill_both(server, sandbox, chance)


async def _kill_both(server: Server, sandbox: Sandbox, chance: random.Random) -> None:
    receipts = [f"IOE{number:010d}" for number in range(CASES)]
    await sandbox.post(
        "/v1/receipts", {"receipts": [{"receipt_number": one} for one in receipts]}, "register"
    )
    hook = {"url": f"{server.url}/webhooks/parley", "events": list(EVENT_TYPES)}
    await sandbox.post("/v1/subscriptions", hook, "subscribe")
    faults = {"duplicate": 0.2, "reorder": True, "forged": 0.1}
    answer = await sandbox.client.post("/control/faults", json=faults)
    assert answer.status_code == 200
    moves = [
        {"receipt": receipt, "status": status, "at": f"2025-1{place % 3}-0{place + 1}T08:00:00Z"}
        for place, status in enumerate(MOVES)
        for receipt in receipts
    ]
    answer = await sandbox.client.post("/control/cases", json={"moves": moves})
    assert answer.status_code == 200
    made = answer.json()["deliveries"]
    assert made >= CASES * 7
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await sandbox.kill()
        await sandbox.start()
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await server.kill()
        await server.start()
    answer = await sandbox.client.get("/control/deliveries", params={"wait": 60, "limit": 10_000})
    found = answer.json()
    assert found["counts"] == {"pending": 0, "delivered": made, "gave_up": 0, "dropped": 0}
    ids = {one["event_id"] for one in found["deliveries"]}
    assert len(ids) == CASES * 7
    keys = [key for (key,) in server.rows("SELECT key FROM events")]
    assert sorted(keys) == sorted(ids)
    tries = sum(one["tries"] for one in found["deliveries"])
    print(f"{made} deliveries of {len(ids)} events, {tries} tries")  # noqa: T201 - figures
