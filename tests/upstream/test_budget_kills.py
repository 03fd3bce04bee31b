"""A process that is killed while it asks: it may waste requests, and never makes one too many."""

import asyncio
import random
import signal
import sys

import pytest

from casebell.store import upstream_budget
from casebell.store.engine import Store
from casebell.upstream.budget import BLOCK

#: Takes requests until none is left, and says each as it is made.
_CHILD = """
import asyncio, sys
from casebell.errors import BudgetSpent
from casebell.store.engine import Store
from casebell.upstream.budget import Budget

class Noon:
    def now(self): return 1_798_113_600_000_000

async def main(url):
    async with Store(url) as store:
        budget = Budget(store, upstream="api", per_minute=60_000, per_day=400, clock=Noon())
        try:
            while True:
                await budget.take()
                sys.stdout.write(".")
                sys.stdout.flush()
        except BudgetSpent:
            sys.stdout.write("!")

asyncio.run(main(sys.argv[1]))
"""
_PER_DAY, _DAY = 400, "2026-12-24"
_KILLS = 6


async def _taken(url: str) -> int:
    async with Store(url) as store, store.read() as connection:
        return await upstream_budget.taken(connection, upstream="api", day=_DAY)


@pytest.mark.slow
async def test_it_wastes_a_block_at_most(store_url: str) -> None:
    """Killed at any moment, again and again; the last one makes what is left."""
    chance = random.Random(7)
    made, spent = 0, False
    for kill in range(_KILLS + 1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, store_url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        if kill < _KILLS:
            said = await process.stdout.readexactly(chance.randrange(1, 60))
            process.send_signal(signal.SIGKILL)
            said += await process.stdout.read()
        else:
            said = await process.stdout.read()
            spent = said.endswith(b"!")
        await process.wait()
        made += said.count(b".")
        # What was said may lack the last one: it was taken before it could be said.
        assert made <= await _taken(store_url) <= _PER_DAY
    assert spent
    assert _PER_DAY - _KILLS * BLOCK <= made <= _PER_DAY
