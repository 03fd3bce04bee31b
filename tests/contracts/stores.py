"""A real store for tests: filled, read, watched, and failing where a test says so."""

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiosqlite
from sqlalchemy import Table, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from casebell.events import CaseEvent, ClassifiedEvent
from casebell.store.engine import Store
from casebell.store.event_log import Appended
from contracts.decisions import append_classified, append_undecided


@functools.cache
def _empty_tables() -> bytes:
    """An SQLite file that has its tables, made once."""

    async def make(path: Path) -> None:
        async with Store(f"sqlite:///{path}"):
            pass

    # In a thread of its own: the loop of a test may be running in this one.
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        path = Path(folder) / "casebell.db"
        pool.submit(lambda: asyncio.run(make(path))).result()
        return path.read_bytes()


def store_in(folder: Path) -> Store:
    """A store on a file with its tables, not opened yet."""
    path = folder / "casebell.db"
    if not path.exists():
        path.write_bytes(_empty_tables())
    return Store(f"sqlite:///{path}")


async def store_undecided(store: Store, *events: CaseEvent) -> list[Appended]:
    """Put events into the store without a decision, each in a transaction of its own."""
    results: list[Appended] = []
    for one in events:
        results += await store.transact(partial(append_undecided, batch=[one]))
    return results


async def store_classified(store: Store, *events: ClassifiedEvent) -> list[Appended]:
    """Put events into the store, each with a change that it founds, in one transaction."""
    return await store.transact(partial(append_classified, batch=events))


async def read_table(store: Store, table: Table) -> Sequence[Any]:
    """Every row of a table, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(table).order_by(table.c[0]))).all()


@contextmanager
def recorded_transactions(store: Store) -> Iterator[list[str]]:
    """The writing transactions that are begun inside the block."""
    begun: list[str] = []
    engine = _engine(store, writer=True)

    def note(*_: Any) -> None:
        begun.append("begin")

    event.listen(engine.sync_engine, "begin", note)
    try:
        yield begun
    finally:
        event.remove(engine.sync_engine, "begin", note)


@contextmanager
def failing_statements(
    store: Store, fails: Callable[[str], BaseException | None], *, writer: bool = True
) -> Iterator[None]:
    """Call `fails` before each SQL statement; raise the error that it returns as a driver would."""
    engine = _engine(store, writer=writer)

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        error = fails(statement)
        if error is not None:
            raise error

    event.listen(engine.sync_engine, "before_cursor_execute", look)
    try:
        with watched_driver(lambda statement, *_: look(None, None, statement)):
            yield
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", look)


def failing_at(store: Store, number: int) -> AbstractContextManager[None]:
    """The disk does not answer at the statement of this number, from 1."""
    left = number

    def fails(_statement: str) -> BaseException | None:
        nonlocal left
        left -= 1
        return disk_failure() if left == 0 else None

    return failing_statements(store, fails)


@contextmanager
def failing_transactions(store: Store) -> Iterator[None]:
    """No writing transaction can begin."""
    engine = _engine(store, writer=True)

    def fail(*_: Any) -> None:
        raise disk_failure()

    event.listen(engine.sync_engine, "begin", fail)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, "begin", fail)


@contextmanager
def watched_driver(look: Callable[..., None]) -> Iterator[None]:
    """Call `look` with each statement that goes to SQLite's driver directly, past SQLAlchemy."""
    ways = {name: getattr(aiosqlite.Connection, name) for name in _DRIVER_METHODS}

    def watched(name: str) -> Callable[..., Any]:
        def way(connection: Any, statement: str, *given: Any) -> Any:
            look(statement, *given)
            return ways[name](connection, statement, *given)

        return way

    for name in ways:
        setattr(aiosqlite.Connection, name, watched(name))
    try:
        yield
    finally:
        for name, way in ways.items():
            setattr(aiosqlite.Connection, name, way)


#: What `store.statements` calls.
_DRIVER_METHODS = ("executemany", "execute_fetchall")


def disk_failure() -> OperationalError:
    """What the driver raises when the disk does not answer."""
    return OperationalError("statement", {}, Exception("disk I/O error"))


def _engine(store: Store, *, writer: bool) -> AsyncEngine:
    engine = store._writer if writer else store._reader
    assert engine is not None
    return engine


@asynccontextmanager
async def writer_busy(store: Store) -> AsyncIterator[None]:
    """Another write is under way until the block ends; appends wait for it."""
    ended, begun = asyncio.Event(), asyncio.Event()

    async def piece(_connection: Any) -> None:
        begun.set()
        await ended.wait()

    writing = asyncio.create_task(store.transact(piece))
    await begun.wait()
    try:
        yield
    finally:
        ended.set()
        await writing


def has_waiters(what: asyncio.Event | asyncio.Lock) -> bool:
    """Whether a task waits for it."""
    return bool(cast("Any", what)._waiters)


def is_idle(wakeup: asyncio.Event) -> bool:
    """Whether the loop has handled its last wake-up and waits for the next."""
    return not wakeup.is_set() and has_waiters(wakeup)
