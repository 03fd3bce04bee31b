"""The open database: one writing connection, several reading ones.

SQLite runs in WAL mode with `synchronous=FULL`, so a commit is on disk when it returns. Exactly one
connection writes and checkpoints: SQLite before 3.51.3 can corrupt a WAL when two do so at once.
On PostgreSQL several servers may write. Each writing transaction takes an advisory lock, so that
the journal's sequence has no gaps.
"""

import asyncio
import os
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from casebell.errors import StorageUnavailable
from casebell.store import backup, database_url, integrity, migrations
from casebell.store.circuit_breaker import USE_TIMEOUT, CircuitBreaker, set_up_postgresql
from casebell.store.group_commit import GroupCommit
from casebell.store.lock import take_lock
from casebell.store.statements import driver_of
from casebell.store.translation import translated
from casebell.telemetry import get_logger

#: What `transact` and `read` give: other packages pass it on and never say SQL with it.
Connection: TypeAlias = AsyncConnection

Result = TypeVar("Result")
Given = ParamSpec("Given")

#: The advisory lock of writing transactions: an arbitrary number, the same in every release.
WRITER_LOCK = 0x43617365_62656C6C & 0x7FFF_FFFF_FFFF_FFFF
#: Milliseconds between two statements after which PostgreSQL ends a writing transaction: longer
#: than the time-out of any.
IDLE_TIMEOUT_MS = round(USE_TIMEOUT * 1000) + 1_000
#: Milliseconds that SQLite waits for another process's lock before it answers "busy".
BUSY_TIMEOUT_MS = 2_000


class Store:
    """The open database. Use as an async context manager, or `open()` and `close()`.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/database`.
    """

    def __init__(self, url: str) -> None:
        self._url = database_url.parse(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.path = Path(self._url.database or "") if self.is_sqlite else None
        self._lock: int | None = None
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._group = GroupCommit(self._transaction)
        self._breaker = CircuitBreaker(probe=self._probe, failed=self._count)
        #: Writing transactions that failed, ever.
        self.failures = 0

    async def open(self) -> Self:
        """Take the lock, migrate to this release's tables, and be ready to write.

        Raises:
            StoreLocked: another server holds this SQLite file.
            DatabaseDamaged: the SQLite file is damaged.
            StorageUnavailable: the database cannot be reached, read or written.
        """
        if self.path is not None:
            self._lock = take_lock(self.path)
        try:
            if self.path is not None:
                _make_private(self.path)
            self._writer = self._engine(pool_size=1, read_only=False)
            self._reader = self._engine(pool_size=4, read_only=True)
            if self.path is not None:
                await self._prepare_migration(self.path)
            async with self._transaction(takes_long=True) as connection:
                await connection.run_sync(migrations.upgrade)
        except BaseException:
            await self.close()
            raise
        return self

    async def open_for_reading(self) -> Self:
        """Be ready to read only, beside a running server or without one.

        Raises:
            NotFound: there is no database yet.
            StorageUnavailable: it cannot be read, or another release wrote it.
        """
        if self.path is not None and not self.path.exists():
            raise migrations.nothing_there()
        self._reader = self._engine(pool_size=1, read_only=True)
        try:
            async with self.read() as connection:
                await connection.run_sync(migrations.check)
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """Close every connection and release the lock."""
        await self._breaker.close()
        await self._group.close()
        for engine in (self._reader, self._writer):
            if engine is not None:
                await engine.dispose()
        self._reader = self._writer = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def transact(
        self,
        write: Callable[Concatenate[AsyncConnection, Given], Awaitable[Result]],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        """Run a write with these arguments; return its result once it is on disk.

        Writes that wait at the same time share one transaction and one wait for the disk. A write
        that fails is undone alone.

        Raises:
            StorageUnavailable: nothing is stored; after a commit without an answer, perhaps all.
            Exception: the write's own error; nothing of it is stored.
        """
        with self._counted(), translated():
            return await self._group.write(lambda connection: write(connection, *args, **kwargs))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A reading connection with one consistent snapshot of the data."""
        if self._reader is None:
            raise StorageUnavailable("The database is not open.")
        with translated():
            async with self._limited(writes=False) as timeout, self._reader.begin() as connection:
                if self._writer is None:
                    # A command that reads has no time-out.
                    timeout.reschedule(None)
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection]:
        """A PostgreSQL session of its own, for a lock that lasts as long as the session.

        Each statement is a transaction of its own, without a time-out.
        """
        engine = self._engine(pool_size=1, read_only=False)
        try:
            with translated():
                async with self._limited(writes=False) as timeout, engine.connect() as connection:
                    timeout.reschedule(None)
                    yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        finally:
            with suppress(SQLAlchemyError, OSError):
                await engine.dispose()

    @asynccontextmanager
    async def _transaction(self, *, takes_long: bool = False) -> AsyncIterator[AsyncConnection]:
        """The writing transaction; `takes_long`: without the time-out of PostgreSQL."""
        if self._writer is None:
            raise StorageUnavailable("The database is not open for writing.")
        with translated():
            async with self._limited(writes=True) as timeout, self._writer.connect() as connection:
                if takes_long:
                    timeout.reschedule(None)
                try:
                    async with connection.begin():
                        if not self.is_sqlite:
                            idle_ms = 0 if takes_long else IDLE_TIMEOUT_MS
                            await _take_writer_lock(connection, idle_ms=idle_ms)
                        yield connection
                except BaseException:
                    if self.is_sqlite and not connection.invalidated:
                        # SQLite's transaction stays open after a failed commit.
                        await (await driver_of(connection)).rollback()
                    raise

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a failure of the storage."""
        try:
            yield
        except StorageUnavailable:
            self._count()
            raise

    def _count(self) -> None:
        self.failures += 1

    def _limited(self, *, writes: bool) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """The time-out of one use; SQLite has none, since a file always answers or fails."""
        if self.is_sqlite:
            return asyncio.timeout(None)
        if self._writer is None:
            return asyncio.timeout(USE_TIMEOUT)
        return self._breaker.limited(writes=writes)

    async def _probe(self) -> None:
        """Take the lock of writing transactions, and no more."""
        if self._writer is not None:
            async with self._writer.begin() as connection:
                await _take_writer_lock(connection, idle_ms=IDLE_TIMEOUT_MS)

    async def _prepare_migration(self, path: Path) -> None:
        """Check that the file is undamaged; back it up if a migration is due."""
        async with self._transaction() as connection:
            await connection.run_sync(integrity.quick_check)
            revision = await connection.run_sync(migrations.upgrade_due)
        if revision is not None:
            kept, new = await asyncio.to_thread(backup.keep_before, path, revision)
            log = get_logger()
            log.info("store.backed_up", file=kept.name, new=new)

    def _engine(self, *, pool_size: int, read_only: bool) -> AsyncEngine:
        if self.path is not None:
            mode = "ro" if read_only else "rw"
            # Built from parts: a parsed URL would cut the path at "?" or "#", and so open another
            # file than the locked, private one.
            url = URL.create(
                "sqlite+aiosqlite",
                database=f"file:{urllib.parse.quote(str(self.path.absolute()))}",
                query={"mode": mode, "uri": "true"},
            )
            begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        else:
            url = self._url.set(drivername="postgresql+asyncpg")
            begin = ""
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            # On PostgreSQL the time-out of each use includes this wait; and on Python 3.11 a wait
            # with a time-out of its own can swallow the cancellation by which the outer one ends.
            pool_timeout=30 if self.is_sqlite else None,
            hide_parameters=True,
            # Every use ends its transaction itself; a second rollback costs a switch of threads.
            pool_reset_on_return=None if self.is_sqlite else "rollback",
        )
        if self.is_sqlite:
            _set_up_sqlite(engine, begin=begin, read_only=read_only)
            return engine
        set_up_postgresql(engine)
        if read_only:
            # One snapshot for all statements of a transaction, as SQLite's readers have.
            engine = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        return engine


async def _take_writer_lock(connection: AsyncConnection, *, idle_ms: int) -> None:
    """Take PostgreSQL's lock of writing transactions, waiting until no other server holds it.

    If the network drops our connection silently, PostgreSQL would hold our lock for hours.

    Args:
        idle_ms: milliseconds between two statements after which it ends the transaction; 0: never.
    """
    await connection.execute(
        text(
            "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), "
            "pg_advisory_xact_lock(:key)"
        ),
        {"idle": str(idle_ms), "key": WRITER_LOCK},
    )


def _set_up_sqlite(engine: AsyncEngine, *, begin: str, read_only: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: "begin" below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            # A checkpoint syncs twice more; the default of 1,000 pages is a few dozen batches.
            cursor.execute("PRAGMA wal_autocheckpoint = 8000")
            cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        # Past SQLAlchemy's cursors, which are three turns of the driver's thread instead of one.
        connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(begin))


def _make_private(path: Path) -> None:
    """Create the file if necessary; let only its owner read it and side files left by a crash.

    New side files get the mode of the file from SQLite.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).chmod(0o600)
    except OSError as error:
        raise StorageUnavailable(
            f"The database file cannot be written: {os.strerror(error.errno or 0)}.",
            hint=f"Make {path} writable for this user.",
        ) from None
