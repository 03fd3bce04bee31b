"""A server that dies: it takes what is due, and kills itself before one of its statements."""

import asyncio
import os
import signal
import sys
from contextlib import AbstractContextManager
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
        with dying_at(store, number):
            await office.look()


def dying_at(store: Store, number: int) -> AbstractContextManager[None]:
    """Kill this process before the statement or commit of this number, of whatever writes."""
    left = number

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    assert store._writer is not None
    event.listen(store._writer.sync_engine, "before_cursor_execute", count)
    event.listen(store._writer.sync_engine, "commit", count)
    for name in ("executemany", "fetch"):
        way = getattr(asyncpg.Connection, name)

        def counted(connection: Any, *given: Any, way: Any = way, **named: Any) -> Any:
            count()
            return way(connection, *given, **named)

        setattr(asyncpg.Connection, name, counted)
    return watched_driver(count)
