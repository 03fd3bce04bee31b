"""A process that registers cases and subscribes, and kills itself before one of its statements."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from casebell.errors import Refusal
from casebell.store.engine import Store
from contracts.stores import watched_driver
from followup.mortal import watch
from upstream.registering_firm import Server


def main() -> None:
    """Run as `DATABASE FOLDER API NUMBER`; ends by itself where there are fewer statements."""
    database, folder, api, number = sys.argv[1:]
    asyncio.run(_both(database, Path(folder), api=api, number=int(number)))


async def _both(database: str, folder: Path, *, api: str, number: int) -> None:
    async with Store(database) as store:
        server = Server(store=store, folder=folder, url=api)
        left = number

        def count(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        watch(store, count)
        with watched_driver(count):
            await server.register_all()
            try:
                await server.subscribe()
            except Refusal as error:
                # It was made by a process before this one, which was killed afterwards.
                if "already" not in error.message:
                    raise
