"""A server that dies: it takes what is due, and kills itself before one of its statements."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import event

from casebell.store.engine import Store
from contracts.stores import watched_driver
from followup.office import Office


def main() -> None:
    """Run as `DATABASE FOLDER NOW NUMBER`; ends by itself where there are fewer statements."""
    url, folder, now, number = sys.argv[1:]
    asyncio.run(take(url, Path(folder), now=now, number=int(number)))


async def take(url: str, folder: Path, *, now: str, number: int) -> None:
    """Take what is due by the configuration in a folder."""
    async with Store(url) as store:
        config = (folder / "config.toml").read_text()
        office = Office(store, folder, now=now, config=config)
        left = number

        def count(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        watch(store, count)
        with watched_driver(count):
            await office.look()


def watch(store: Store, count: Callable[..., None]) -> None:
    """Call `count` before each statement and each commit of whatever writes."""
    assert store._writer is not None
    event.listen(store._writer.sync_engine, "before_cursor_execute", count)
    event.listen(store._writer.sync_engine, "commit", count)
    for name in ("executemany", "fetch"):
        way = getattr(asyncpg.Connection, name)

        def counted(connection: Any, *given: Any, way: Any = way, **named: Any) -> Any:
            count()
            return way(connection, *given, **named)

        setattr(asyncpg.Connection, name, counted)
