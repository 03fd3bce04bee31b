"""What asking the simulated APIs costs: requests for 1,000 cases, and memory for 10,000.

PYTHONPATH=tests python -m bench.upstream_requests
"""

import asyncio
import gc
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from casebell.clock import SystemClock
from casebell.sandbox.simulator.app import Simulator, SimulatorSettings
from casebell.sandbox.simulator.serving import running
from casebell.settings import SourceSettings
from casebell.settings.upstream import ApiKind, UpstreamSettings
from casebell.store.engine import Store
from casebell.upstream.budget import Budget
from casebell.upstream.client import UpstreamClient, client_for
from casebell.upstream.parley import ParleyClient
from casebell.upstream.told import Told
from casebell.upstream.torch import TorchClient

_TOKEN = "the-token-of-the-benchmark"
#: Cases, and of a large firm.
_CASES, _MANY = 1_000, 10_000
#: One in so many changed since the last look.
_CHANGED = 50
_STATUSES = ("received", "rfe_issued", "rfe_received", "interview_scheduled", "approved")
#: Receipts that a caller asks for at once.
_SLICE = 500


def _receipts(count: int) -> Sequence[str]:
    return [f"IOE09{number:08d}" for number in range(count)]


@asynccontextmanager
async def _api(
    kind: ApiKind, *, batch: int = 50
) -> AsyncIterator[tuple[UpstreamClient, Simulator]]:
    """A client of a simulated API that knows the cases, each of which moved once."""
    made = SimulatorSettings(token=_TOKEN, seed="one", speed=1_000.0)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'casebell.db'}"
        async with running(made) as served, Store(url) as store:
            await _fill(served.url)
            limits = {"per_minute": 1_000_000, "per_day": 1_000_000}
            access: dict[str, Any] = {"token": SecretStr(_TOKEN), "base": served.url, **limits}
            settings = UpstreamSettings(name="api", kind=kind, source="s", batch=batch, **access)
            header = "X-Secret" if kind == "torch" else None
            source = SourceSettings(name="s", kind=kind, header=header)
            clock = SystemClock()
            budget = Budget(store, upstream="api", **limits, clock=clock)
            made_client = client_for(settings, source=source, budget=budget, clock=clock)
            async with made_client as client:
                yield client, served.simulator


async def _fill(url: str) -> None:
    """Cases that have moved once and up to five times, a month apart."""
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        for start in range(0, _MANY, _CASES):
            moves = [
                {"receipt": receipt, "status": status, "at": f"2026-0{month}-02T10:00:00Z"}
                for place, receipt in enumerate(_receipts(_MANY)[start : start + _CASES])
                for month, status in enumerate(_STATUSES[: 1 + place * 7 % 5], start=1)
            ]
            answer = await client.post("/control/cases", json={"moves": moves})
            answer.raise_for_status()


async def _look(client: UpstreamClient, receipts: Sequence[str]) -> int:
    """How many cases were told of."""
    told = 0
    for start in range(0, len(receipts), _SLICE):
        said = await client.statuses(receipts[start : start + _SLICE])
        told += sum(isinstance(one, Told) for one in said.values())
    return told


async def _parley() -> None:
    receipts = _receipts(_CASES)
    async with _api("parley") as (client, simulator):
        assert isinstance(client, ParleyClient)
        began = time.monotonic()
        assert await _look(client, receipts) == _CASES
        for receipt in receipts:
            assert await client.history(receipt, back_to=None)
        first = simulator.asked.total()
        seconds = time.monotonic() - began
        simulator.asked.clear()
        await _look(client, receipts)
        for receipt in receipts[::_CHANGED]:
            await client.history(receipt, back_to=0)
        later = simulator.asked.total()
    print(f"parley, {_CASES:,} cases: {first:,} requests at the first look ({seconds:.1f} s),")
    print(f"  {later:,} later, where one in {_CHANGED} has changed")


async def _torch(batch: int) -> None:
    receipts = _receipts(_CASES)
    async with _api("torch", batch=batch) as (client, simulator):
        assert isinstance(client, TorchClient)
        assert await _look(client, receipts) == _CASES
        known = simulator.asked.total()
        simulator.asked.clear()
        strangers = [f"ZZZ09{number:08d}" for number in range(_CASES // 100)]
        assert await _look(client, [*receipts[: _CASES - len(strangers)], *strangers])
        unknown = simulator.asked.total()
        print(f"torch, {_CASES:,} cases, batches of {batch}: {known} requests,")
        print(f"  {unknown} where one in a hundred is not known")
        simulator.asked.clear()
        began = time.monotonic()
        gc.collect()
        tracemalloc.start()
        assert await _look(client, _receipts(_MANY)) == _MANY
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        seconds = time.monotonic() - began
        asked = simulator.asked.total()
        print(f"torch, {_MANY:,} cases: {asked} requests, {seconds:.1f} s,", end=" ")
        print(f"at most {peak / 1e6:.1f} MB more at any time, with those of the simulator")


async def main() -> None:
    """Print the figures."""
    await _parley()
    for batch in (50, 100):
        await _torch(batch)


if __name__ == "__main__":
    asyncio.run(main())
