"""Connections: one that writes, several that read.

SQLite runs in WAL mode with `synchronous=FULL`, so a commit is on disk when it returns. Exactly one
connection writes and checkpoints: SQLite before 3.51.3 can corrupt a WAL when two do so at once.
On PostgreSQL several servers may write; an advisory lock taken by each writing transaction keeps
the journal's sequence without gaps.
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
from casebell.store import backup, migrations, soundness, where
from casebell.store.group_commit import GroupCommit
from casebell.store.lock import take_lock
from casebell.store.silence import LIMIT, Silence, set_up_postgresql
from casebell.store.statements import driver_of
from casebell.store.translation import translated
from casebell.telemetry import get_logger

#: What `write` and `read` give: other packages pass it on and never say SQL with it.
Connection: TypeAlias = AsyncConnection

Result = TypeVar("Result")
Given = ParamSpec("Given")

#: Arbitrary, ours, and the same in every release: the advisory lock of writing transactions.
WRITER_LOCK = 0x43617365_62656C6C & 0x7FFF_FFFF_FFFF_FFFF
#: How long PostgreSQL keeps a writing transaction of which it hears nothing, in milliseconds: for
#: longer than any of them is given.
IDLE_LIMIT_MS = round(LIMIT * 1000) + 1_000
#: How long SQLite waits for another process's lock before it answers "busy", in milliseconds.
BUSY_TIMEOUT_MS = 2_000


class Store:
    """The open database. Use as an async context manager, or `open()` and `close()`.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/database`.
    """

    def __init__(self, url: str) -> None:
        self._url = where.parse(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.path = Path(self._url.database or "") if self.is_sqlite else None
        self._lock: int | None = None
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._group = GroupCommit(self._transaction)
        self._silence = Silence(knock=self._knock, failed=self._count)
        #: Writing transactions that failed, ever.
        self.failures = 0

    async def open(self) -> Self:
        """Take the lock, migrate to this release's tables, and be ready to write.

        Raises:
            StoreLocked: another server holds this SQLite file.
            DatabaseDamaged: the SQLite file is not whole.
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
                await self._look_before_migrating(self.path)
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
        await self._silence.close()
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
        piece: Callable[Concatenate[AsyncConnection, Given], Awaitable[Result]],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        """What a piece of writing returns, once it is on disk; it gets these arguments, too.

        What waits at the same time shares one transaction and one wait for the disk; a piece that
        fails is undone alone.

        Raises:
            StorageUnavailable: nothing is stored; or, where the commit found no answer, perhaps.
            Exception: whatever the piece raised; nothing of it is stored.
        """
        with self._counted(), translated():
            return await self._group.write(lambda connection: piece(connection, *args, **kwargs))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A reading connection with one consistent view of the data."""
        if self._reader is None:
            raise StorageUnavailable("The database is not open.")
        with translated():
            async with self._limited(writes=False) as limit, self._reader.begin() as connection:
                if self._writer is None:
                    # A command may read for as long as it takes.
                    limit.reschedule(None)
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection]:
        """A PostgreSQL session beside the others, for a lock that lasts as long as it does.

        Each statement is a transaction of its own, and has no limit.
        """
        engine = self._engine(pool_size=1, read_only=False)
        try:
            with translated():
                async with self._limited(writes=False) as limit, engine.connect() as connection:
                    limit.reschedule(None)
                    yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        finally:
            with suppress(SQLAlchemyError, OSError):
                await engine.dispose()

    @asynccontextmanager
    async def _transaction(self, *, takes_long: bool = False) -> AsyncIterator[AsyncConnection]:
        """The writing transaction; on PostgreSQL it has a few seconds, unless it `takes_long`."""
        if self._writer is None:
            raise StorageUnavailable("The database is not open for writing.")
        with translated():
            async with self._limited(writes=True) as limit, self._writer.connect() as connection:
                if takes_long:
                    limit.reschedule(None)
                try:
                    async with connection.begin():
                        if not self.is_sqlite:
                            await _take_turn(connection, idle_ms=0 if takes_long else IDLE_LIMIT_MS)
                        yield connection
                except BaseException:
                    if self.is_sqlite and not connection.invalidated:
                        # A commit that failed leaves SQLite's transaction open.
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
        """What a use of PostgreSQL may take; a file answers, or the system says why not."""
        if self.is_sqlite:
            return asyncio.timeout(None)
        if self._writer is None:
            return asyncio.timeout(LIMIT)
        return self._silence.limited(writes=writes)

    async def _knock(self) -> None:
        """Begin to write on PostgreSQL, and no more."""
        if self._writer is not None:
            async with self._writer.begin() as connection:
                await _take_turn(connection, idle_ms=IDLE_LIMIT_MS)

    async def _look_before_migrating(self, path: Path) -> None:
        """See that the file is not damaged; where its tables will change, keep it as it is."""
        async with self._transaction() as connection:
            await connection.run_sync(soundness.glance)
            revision = await connection.run_sync(migrations.upgrade_due)
        if revision is not None:
            kept, new = await asyncio.to_thread(backup.keep_before, path, revision)
            log = get_logger()
            log.info("store.backed_up", file=kept.name, new=new)

    def _engine(self, *, pool_size: int, read_only: bool) -> AsyncEngine:
        if self.path is not None:
            mode = "ro" if read_only else "rw"
            # Built from its parts: a parsed URL would cut a path at "?" or "#", and so open another
            # file than the one that is locked and private.
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
            # Elsewhere the limit of each use holds for its turn, too; and on Python 3.11 waiting
            # with a time-out can swallow the cancellation by which that limit is kept.
            pool_timeout=30 if self.is_sqlite else None,
            hide_parameters=True,
            # Every use ends its transaction itself; another rollback is another switch of threads.
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


async def _take_turn(connection: AsyncConnection, *, idle_ms: int) -> None:
    """Wait until nobody else writes, on PostgreSQL.

    Where the line to us breaks without a word, PostgreSQL would hold the lock for us for hours.

    Args:
        idle_ms: for how long it bears with us between two statements; 0 is for ever.
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
        # The driver must not begin transactions by itself; "begin" below says which kind.
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
        connection.exec_driver_sql(begin)


def _make_private(path: Path) -> None:
    """Let only its owner read the file, new or old, and side files that a crash left behind.

    SQLite gives the side files that it creates the mode of the file.
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
