"""A process that registers cases and subscribes, and kills itself before one of its statements."""

import asyncio
import sys
from pathlib import Path

from casebell.errors import Refusal
from casebell.store.engine import Store
from followup.mortal import dying_at
from upstream.registering_firm import Server


def main() -> None:
    """Run as `DATABASE FOLDER API NUMBER`; ends by itself where there are fewer statements."""
    database, folder, api, number = sys.argv[1:]
    asyncio.run(_both(database, Path(folder), api=api, number=int(number)))


async def _both(database: str, folder: Path, *, api: str, number: int) -> None:
    async with Store(database) as store:
        server = Server(store=store, folder=folder, url=api)
        with dying_at(store, number):
            await server.register_all()
            try:
                await server.subscribe()
            except Refusal as error:
                # It was made by a process before this one, which was killed afterwards.
                if "already" not in error.message:
                    raise
