"""A silent database: each use has a time-out, and all together a circuit breaker."""

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from inspect import CORO_SUSPENDED, getcoroutinestate
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from casebell.alerts import Decided
from casebell.errors import StorageUnavailable
from casebell.store import circuit_breaker, engine, migrations
from casebell.store.circuit_breaker import CircuitBreaker
from casebell.store.engine import Store
from casebell.store.event_log import append_events
from casebell.store.unit_of_work import UnitOfWork
from contracts.case_events import case_event, json_content
from contracts.writing import writing
from e2e.databases import frozen
from waiting import until

#: Seconds: short, and still long enough for a busy machine to answer in.
USE_TIMEOUT = 1.0


class SilentDatabase:
    """Answers no probe until it is told to."""

    def __init__(self) -> None:
        self.probes = self.failures = 0
        self.answers = asyncio.Event()
        #: Its answer, if it is an error.
        self.refuses: Exception | None = None
        self.breaker = CircuitBreaker(probe=self.probe, failed=self.fail, timeout=0.01)

    async def probe(self) -> None:
        """Wait until it answers."""
        self.probes += 1
        await self.answers.wait()
        if self.refuses:
            raise self.refuses

    def fail(self) -> None:
        """Count a failed probe."""
        self.failures += 1

    async def use(self, *, writes: bool) -> None:
        """Use the database, which does not answer."""
        async with self.breaker.limited(writes=writes):
            await asyncio.Event().wait()

    async def is_usable(self) -> bool:
        """Whether a use gets as far as the database."""
        try:
            async with self.breaker.limited(writes=True):
                return True
        except TimeoutError:
            return False


@pytest.fixture(autouse=True)
def _probe_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "PROBE_EVERY", 0.01)


class TestCircuitBreaker:
    """Who waits, who does not, and how it ends."""

    async def test_nobody_waits_after_the_first(self) -> None:
        """After one writer's time-out all others fail at once, until a probe is answered."""
        database = SilentDatabase()
        with pytest.raises(TimeoutError):
            await database.use(writes=True)
        assert not await database.is_usable()
        await until(lambda: database.failures > 2, "three failures")
        database.answers.set()
        await until(database.is_usable, "the database to be asked again")
        # And the probe has ended.
        assert "store-probe" not in {task.get_name() for task in asyncio.all_tasks()}

    async def test_a_refusal_is_an_answer(self) -> None:
        """A database that refuses is not silent: each use finds out by itself."""
        database = SilentDatabase()
        database.refuses = OperationalError("", None, Exception())
        with pytest.raises(TimeoutError):
            await database.use(writes=True)
        database.answers.set()
        await until(database.is_usable, "the database to be asked again")

    async def test_a_slow_reader_closes_nothing(self) -> None:
        """A statement may be slow: only a probe that is not answered shuts the others out."""
        database = SilentDatabase()
        database.answers.set()
        with pytest.raises(TimeoutError):
            await database.use(writes=False)
        assert await database.is_usable()
        await until(lambda: database.probes == 1, "the probe")
        database.answers.clear()
        with pytest.raises(TimeoutError):
            await database.use(writes=False)
        await until(lambda: database.failures, "a failure")
        assert not await database.is_usable()
        await database.breaker.close()

    async def test_somebody_elses_time_out(self) -> None:
        """A limit inside of ours says nothing of the database."""
        database = SilentDatabase()
        with pytest.raises(TimeoutError):
            async with database.breaker.limited(writes=True):
                raise TimeoutError
        assert await database.is_usable()
        assert database.probes == 0


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a test can wait for."""
    set_limit(monkeypatch, USE_TIMEOUT)


def set_limit(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have each use of a store opened from now on end after so long."""
    monkeypatch.setattr(engine, "USE_TIMEOUT", seconds)
    monkeypatch.setattr(CircuitBreaker.__init__, "__kwdefaults__", {"timeout": seconds})


async def write(store: Store) -> None:
    """Write something."""
    async with writing(store) as connection:
        await connection.execute(text("SELECT 1"))


async def works(store: Store) -> bool:
    """Whether something can be written."""
    try:
        await write(store)
    except StorageUnavailable:
        return False
    return True


async def read(store: Store) -> None:
    """Read something."""
    async with store.read() as connection:
        await connection.execute(text("SELECT 1"))


@pytest.mark.usefixtures("short")
class TestStore:
    """A real server that is frozen."""

    @pytest.mark.slow
    async def test_every_use_ends(self, postgresql_url: str, postgresql_folder: Path) -> None:
        """Whoever writes, reads or waits for its turn is told; then all of it works again."""
        async with Store(postgresql_url) as store:
            await asyncio.gather(*(read(store) for _ in range(4)))
            with frozen(postgresql_folder):
                began = time.monotonic()
                told = await asyncio.gather(
                    *(write(store) for _ in range(20)),
                    *(read(store) for _ in range(20)),
                    return_exceptions=True,
                )
                assert time.monotonic() - began < USE_TIMEOUT + 5
                assert {type(one) for one in told} == {StorageUnavailable}
                (says,) = {str(one) for one in told}
                assert "the database does not answer (PostgreSQL at" in says
                failures = store.failures
                assert failures >= 20
                await until(lambda: store.failures > failures, "another failure of the storage")
            await until(lambda: works(store), "the storage to work again")
            await asyncio.gather(*(read(store) for _ in range(8)))
            assert await sessions(store) <= 5

    async def test_in_the_middle_of_a_delivery(
        self, postgresql_url: str, postgresql_folder: Path
    ) -> None:
        """It falls silent in a statement that SQLAlchemy does not run, in its own way."""
        silence = ExitStack()

        def fall_silent(_unit: UnitOfWork) -> Sequence[Decided]:
            silence.enter_context(frozen(postgresql_folder))
            return []

        async with Store(postgresql_url) as store:
            with silence:
                deliveries = [
                    store.transact(
                        append_events,
                        batch=[case_event()],
                        content_of=json_content,
                        decide=fall_silent,
                    ),
                    write(store),
                ]
                async with asyncio.timeout(USE_TIMEOUT + 5):
                    told = await asyncio.gather(*deliveries, return_exceptions=True)
                assert [type(one) for one in told] == [StorageUnavailable] * 2
            await until(lambda: works(store), "the storage to work again")
            assert await sessions(store) <= 5

    @pytest.mark.slow
    async def test_a_migration_takes_as_long_as_it_takes(
        self, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A migration has no limit; nor has what a command reads."""
        monkeypatch.setattr(
            migrations,
            "upgrade",
            lambda connection: connection.execute(text(f"SELECT pg_sleep({1.3 * USE_TIMEOUT})")),
        )
        async with Store(postgresql_url) as store:
            with pytest.raises(StorageUnavailable):
                async with writing(store) as connection:
                    await connection.execute(text(f"SELECT pg_sleep({1.3 * USE_TIMEOUT})"))
        reader = await Store(postgresql_url).open_for_reading()
        async with reader.read() as connection:
            await connection.execute(text(f"SELECT pg_sleep({1.3 * USE_TIMEOUT})"))
        await reader.close()

    @pytest.mark.slow
    async def test_open_and_close(self, postgresql_url: str, postgresql_folder: Path) -> None:
        """Neither waits for a database that is silent."""
        store = await Store(postgresql_url).open()
        await read(store)
        with frozen(postgresql_folder):
            began = time.monotonic()
            await store.close()
            for opening in (Store(postgresql_url).open, Store(postgresql_url).open_for_reading):
                with pytest.raises(StorageUnavailable, match="does not answer"):
                    await opening()
            assert time.monotonic() - began < 2 * USE_TIMEOUT + 5

    @pytest.mark.slow
    async def test_an_ending_is_not_held_up(
        self, postgresql_url: str, postgresql_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever is cancelled while the database is silent ends at once."""
        set_limit(monkeypatch, 10 * USE_TIMEOUT)
        async with Store(postgresql_url) as store:
            await read(store)
            with frozen(postgresql_folder):
                uses = write(store), read(store)
                tasks = [asyncio.create_task(use) for use in uses]
                await until(
                    lambda: all(getcoroutinestate(use) == CORO_SUSPENDED for use in uses),
                    "both to wait for the database",
                )
                for task in tasks:
                    task.cancel()
                ended, _ = await asyncio.wait(tasks, timeout=5 * USE_TIMEOUT)
                assert len(ended) == 2


async def sessions(store: Store) -> int:
    """How many there are on this store's database."""
    async with store.read() as connection:
        counted = await connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        )
        return int(counted.scalar_one())


async def test_a_line_that_broke_frees_the_lock(postgresql_url: str) -> None:
    """A writer of whom PostgreSQL hears nothing more does not keep others from writing."""
    async with Store(postgresql_url) as store, writing(store) as connection:
        shown = await connection.execute(text("SHOW idle_in_transaction_session_timeout"))
        assert shown.scalar_one() == "5s"


async def test_kept_alive(postgresql_url: str, postgresql_folder: Path) -> None:
    """Both ends of a connection over a network look whether the other is still there."""
    path = str(postgresql_folder / ".s.PGSQL.5432")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pump(reader, forth))
                both.create_task(pump(back, writer))
        finally:
            forth.transport.abort()
            writer.transport.abort()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    listener = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with (
        Store(f"postgresql://postgres:x@127.0.0.1:{port}/migrated") as store,
        store.read() as connection,
    ):
        driver: Any = (await connection.get_raw_connection()).driver_connection
        plug = driver._transport.get_extra_info("socket")
        assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        # Its value is 0 here, where PostgreSQL's own end is a local socket; but it was told.
        told = await connection.execute(
            text("SELECT source FROM pg_settings WHERE name = 'tcp_keepalives_idle'")
        )
        assert told.scalar_one() == "session"
    listener.close()
