"""A server that reconciles, and kills itself before one of its statements."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from contracts.clock_and_log import ManualClock
from followup.mortal import dying_at
from sandbox.simulator.firm import Firm
from upstream.reconciling_firm import Reconciling


def main() -> None:
    """Run as `DATABASE FOLDER API NOW NUMBER`; ends by itself where there are fewer statements."""
    url, folder, api, now, number = sys.argv[1:]
    asyncio.run(reconcile(url, Path(folder), api, now=int(now), number=int(number)))


async def reconcile(url: str, folder: Path, api: str, *, now: int, number: int) -> None:
    """Reconcile by the configuration that the firm has."""
    clock = ManualClock(now=now)
    firm = Reconciling(url, folder, cast("Firm", SimpleNamespace(url=api)), clock=clock)
    async with firm.runtime.opened():
        with dying_at(firm.store, number):
            await firm.reconcile()
