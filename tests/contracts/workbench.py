"""What tests of the stages work with: a clock turned by hand, a real store, a log that is kept."""

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiosqlite
from sqlalchemy import Table, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from casebell.events import CaseEvent, ClassifiedEvent, Micros
from casebell.store.engine import Store
from casebell.store.event_log import Appended
from casebell.telemetry import Log
from contracts.case_events import RECEIVED_AT
from contracts.deciding import append_classified, append_undecided


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sleeper:
    """A task that waits for the hands to move."""

    #: Its name.
    task: str
    #: Monotonic seconds.
    until: float
    waiting: asyncio.Future[None]


class HandClock:
    """Time stands still until a test moves it on."""

    def __init__(self, now: Micros = RECEIVED_AT) -> None:
        self._now = now
        self._monotonic = 1_000.0
        self._sleepers: list[_Sleeper] = []

    def now(self) -> Micros:
        """UTC microseconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the hands have moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        name = task.get_name() if task else ""
        until = self._monotonic + seconds
        self._sleepers.append(_Sleeper(task=name, until=until, waiting=waiting))
        await waiting

    def advance(self, seconds: float) -> None:
        """Move both hands on, and wake whoever slept until then."""
        self._now += round(seconds * 1_000_000)
        self._monotonic += seconds
        for one in self._sleepers:
            if one.until <= self._monotonic and not one.waiting.done():
                one.waiting.set_result(None)
        self._sleepers = [one for one in self._sleepers if not one.waiting.done()]

    def set_back(self, seconds: float) -> None:
        """Somebody sets the wall clock back; the monotonic hand does not move."""
        self._now -= round(seconds * 1_000_000)

    def has_sleeper(self, seconds: float, *, fits: Callable[[str], bool]) -> bool:
        """Whether a task whose name fits still has to wait for that long."""
        return any(
            fits(one.task)
            and not one.waiting.done()
            and abs(one.until - self._monotonic - seconds) < 1e-6
            for one in self._sleepers
        )

    @property
    def asleep(self) -> list[float]:
        """How many seconds each sleeper still has to wait."""
        return sorted(
            one.until - self._monotonic for one in self._sleepers if not one.waiting.done()
        )


class LogBook:
    """Keeps every log line as (level, event, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, name: str, **fields: Any) -> None:
        """An ordinary line."""
        self.lines.append(("info", name, fields))

    def warning(self, name: str, **fields: Any) -> None:
        """What an operator should look at."""
        self.lines.append(("warning", name, fields))

    def error(self, name: str, **fields: Any) -> None:
        """A defect."""
        self.lines.append(("error", name, fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The fields of every line of that name."""
        return [fields for _, event_name, fields in self.lines if event_name == name]

    @property
    def log(self) -> Log:
        """As the stages take it."""
        return cast("Log", self)


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


async def stored(store: Store, *events: CaseEvent) -> list[Appended]:
    """Put events into the store without a decision, each in a transaction of its own."""
    results: list[Appended] = []
    for one in events:
        results += await store.transact(partial(append_undecided, batch=[one]))
    return results


async def stored_classified(store: Store, *events: ClassifiedEvent) -> list[Appended]:
    """Put events into the store, each with a change that it founds, in one transaction."""
    return await store.transact(partial(append_classified, batch=events))


async def rows(store: Store, table: Table) -> Sequence[Any]:
    """Every row of a table, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(table).order_by(table.c[0]))).all()


@contextmanager
def writes_of(store: Store) -> Iterator[list[str]]:
    """The writing transactions begun meanwhile."""
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
def faults(
    store: Store, fails: Callable[[str], BaseException | None], *, writer: bool = True
) -> Iterator[None]:
    """Ask `fails` before each SQL statement, and raise what it gives, at the driver's place."""
    engine = _engine(store, writer=writer)

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        error = fails(statement)
        if error is not None:
            raise error

    event.listen(engine.sync_engine, "before_cursor_execute", look)
    try:
        with driver_watched(lambda statement, *_: look(None, None, statement)):
            yield
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", look)


@contextmanager
def driver_watched(look: Callable[..., None]) -> Iterator[None]:
    """Look at each statement that goes past SQLAlchemy, to SQLite's own driver."""
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
    """Somebody else writes: what is appended meanwhile has to wait."""
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


def waited_for(what: asyncio.Event | asyncio.Lock) -> bool:
    """Whether a task waits for this, and so has done what it does before."""
    return bool(cast("Any", what)._waiters)


def rests(wakeup: asyncio.Event) -> bool:
    """Whether the loop that this wakes has heard it, gone round, and waits for it again."""
    return not wakeup.is_set() and waited_for(wakeup)
