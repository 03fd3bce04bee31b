"""The open database: one writing connection, several reading ones.

SQLite runs in WAL mode with `synchronous=FULL`, so a commit is on disk when it returns. Exactly one
connection writes and checkpoints: SQLite before 3.51.3 can corrupt a WAL when two do so at once.
On PostgreSQL several servers may write. Each writing transaction takes an advisory lock, so that
the journal's sequence has no gaps.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeAlias

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from casebell.errors import NothingStored, StorageUnavailable
from casebell.store import backup, database_url, integrity, migrations, soundness
from casebell.store.circuit_breaker import USE_TIMEOUT, CircuitBreaker
from casebell.store.connections import postgresql_engine, sqlite_engine
from casebell.store.database_file import DatabaseFile, number, see_ours
from casebell.store.group_commit import GroupCommit, Result
from casebell.store.integrity import APPLICATION_ID
from casebell.store.statements import driver_of
from casebell.store.translation import Where, translate, whereabouts
from casebell.telemetry import get_logger

#: What `transact` and `read` give: other packages pass it on and never say SQL with it.
Connection: TypeAlias = AsyncConnection

#: What is written before anything else, in a store that was new or not.
Begin: TypeAlias = Callable[[AsyncConnection, bool], Awaitable[None]]
Given = ParamSpec("Given")

#: The advisory lock of writing transactions: an arbitrary number, the same in every release.
WRITER_LOCK = 0x43617365_62656C6C & 0x7FFF_FFFF_FFFF_FFFF
#: Milliseconds between two statements after which PostgreSQL ends a writing transaction: longer
#: than the time-out of any.
IDLE_TIMEOUT_MS = round(USE_TIMEOUT * 1000) + 1_000
#: Milliseconds after which PostgreSQL ends a statement of a server's reader, who has given it up
#: by then.
STATEMENT_TIMEOUT_MS = round(USE_TIMEOUT * 1000) + 500


class Store:
    """The open database. Use as an async context manager, or `open()` and `close()`.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/database`.
    """

    def __init__(self, url: str) -> None:
        self._url = database_url.parse(url)
        self._where = whereabouts(self._url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.path = Path(self._url.database or "") if self.is_sqlite else None
        self._file = DatabaseFile(self.path) if self.path is not None else None
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._group = GroupCommit(self._shared)
        self._breaker = CircuitBreaker(probe=self._probe, failed=self._silent)
        #: How its tables differed from this release's when it was opened.
        self.differences: Sequence[str] = ()
        #: Whether its tables are there and what `begin` wrote: only then may others use it.
        self.is_open = False
        #: Writes that succeeded, ever.
        self.commits = 0
        #: Writing transactions that failed, ever.
        self.failures = 0
        #: Why the last one of them did.
        self.fault = StorageUnavailable()
        #: Set at each of them; whoever waits for it clears it.
        self.failed = asyncio.Event()

    async def open(self, begin: Begin | None = None, *, serving: bool = False) -> Self:
        """Take the lock, migrate to this release's tables, and be ready to write.

        Args:
            begin: called with the writing transaction of the migration, and whether there were no
                tables before: what it writes is there before anything else.
            serving: a server opens it, and no command.

        Raises:
            StoreLocked: another server holds this SQLite file; `StoreInUse` where a command does.
            DatabaseDamaged: the SQLite file is damaged.
            StorageUnavailable: the database cannot be reached, read or written.
        """
        try:
            if self._file is not None:
                self._file.take(serving=serving)
            self._writer = self._engine(pool_size=1, read_only=False)
            self._reader = self._engine(
                pool_size=4, read_only=True, statement_ms=STATEMENT_TIMEOUT_MS
            )
            if self.path is not None:
                await self._prepare_migration(self.path)
            async with self._transaction(takes_long=True) as connection:
                is_new = await connection.run_sync(migrations.upgrade)
                if self.is_sqlite and await connection.run_sync(number) != APPLICATION_ID:
                    await connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                self.differences = await connection.run_sync(soundness.differences)
                if begin is not None:
                    await begin(connection, is_new)
        except BaseException as error:
            await self.close()
            if isinstance(error, StorageUnavailable):
                self._count(error)
            raise
        self.is_open = True
        return self

    async def open_for_reading(self) -> Self:
        """Be ready to read only, beside a running server or without one.

        Raises:
            NothingStored: there is no database yet.
            StorageUnavailable: it cannot be read, or another release wrote it.
        """
        if self.path is not None and not self.path.exists():
            raise NothingStored
        self._reader, self.is_open = self._engine(pool_size=1, read_only=True), True
        try:
            async with self.read() as connection:
                if self.path is not None:
                    await connection.run_sync(see_ours, self.path)
                await connection.run_sync(migrations.check)
        except BaseException:
            await self.close()
            raise
        return self

    @property
    def place(self) -> str:
        """Where the database is, for people."""
        return self._where["place"]

    @property
    def had_server(self) -> bool:
        """Whether a server had run on this SQLite file's place before it was opened."""
        return self._file is not None and self._file.had_server

    async def close(self) -> None:
        """Close every connection and release the lock."""
        await self._breaker.close()
        await self._group.close()
        self.is_open = False
        for engine in (self._reader, self._writer):
            if engine is not None:
                await engine.dispose()
        self._reader = self._writer = None
        if self._file is not None:
            self._file.give_back()

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
        with self._counted(), translated(self._where):
            result = await self._group.write(lambda connection: write(connection, *args, **kwargs))
        self.commits += 1
        return result

    async def probe(self) -> None:
        """See that a delivery sent now would be stored, as far as that costs no wait for the disk.

        Raises:
            StorageUnavailable: it would not.
        """
        with self._counted():
            self.see_room()
        # Shows whether a transaction can begin, and what `transact` sees of the file.
        await self.transact(_nothing)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A reading connection with one consistent snapshot of the data."""
        if self._reader is None or not self.is_open:
            raise self._not_open()
        with translated(self._where):
            async with self._limited(writes=False) as timeout, self._reader.begin() as connection:
                if self._writer is None:
                    # A command that reads has no time-out.
                    timeout.reschedule(None)
                if self.is_sqlite:
                    await _begin_sqlite(connection, "BEGIN")
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection]:
        """A PostgreSQL session of its own, for a lock that lasts as long as the session.

        Each statement is a transaction of its own, without a time-out.
        """
        engine = self._engine(pool_size=1, read_only=False)
        try:
            with translated(self._where):
                async with self._limited(writes=False) as timeout, engine.connect() as connection:
                    timeout.reschedule(None)
                    yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        finally:
            with suppress(SQLAlchemyError, OSError):
                await engine.dispose()

    def _shared(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """The writing transaction of whoever waits."""
        if not self.is_open:
            raise self._not_open()
        return self._transaction()

    def _not_open(self) -> StorageUnavailable:
        """Why it is not: because it could not be opened yet, or because nobody did."""
        fault = self.fault
        if not self.failures:
            return StorageUnavailable("The database is not open.")
        return StorageUnavailable(fault.message, hint=fault.hint, passes=fault.passes)

    @asynccontextmanager
    async def _transaction(self, *, takes_long: bool = False) -> AsyncIterator[AsyncConnection]:
        """The writing transaction; `takes_long`: without the time-out of PostgreSQL."""
        if self._writer is None:
            raise StorageUnavailable("The database is not open for writing.")
        with translated(self._where):
            async with self._limited(writes=True) as timeout, self._writer.connect() as connection:
                if takes_long:
                    timeout.reschedule(None)
                try:
                    async with connection.begin():
                        try:
                            if self.is_sqlite:
                                await _begin_sqlite(connection, "BEGIN IMMEDIATE")
                            else:
                                idle_ms = 0 if takes_long else IDLE_TIMEOUT_MS
                                await _take_writer_lock(connection, idle_ms=idle_ms)
                            yield connection
                        except asyncio.CancelledError:
                            # After a time-out in a statement of `Driver`, about which SQLAlchemy
                            # knows nothing, its rollback would wait for the silent database.
                            if not self.is_sqlite and not connection.invalidated:
                                await connection.invalidate()
                            raise
                except BaseException:
                    if self.is_sqlite and not connection.invalidated:
                        # SQLite's transaction stays open after a failed commit.
                        await (await driver_of(connection)).rollback()
                    raise
            self._see_file()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a failure of the storage."""
        try:
            yield
        except StorageUnavailable as error:
            # A lost file explains whatever SQLite makes of it.
            reason = self._lost_file() or error
            self._count(reason)
            raise reason from None

    def see_room(self) -> None:
        """See that SQLite's disk has room for a delivery.

        Raises:
            StorageUnavailable: it has none.
        """
        if self._file is not None:
            self._file.see_room()

    def _see_file(self) -> None:
        """See that what was written lies where a start would look for it."""
        if self._file is not None:
            self._file.see_unchanged()

    def _lost_file(self) -> StorageUnavailable | None:
        try:
            self._see_file()
        except StorageUnavailable as lost:
            return lost
        return None

    def _silent(self) -> None:
        self._count(translate(TimeoutError(), self._where) or StorageUnavailable())

    def _count(self, error: StorageUnavailable) -> None:
        self.fault = error
        self.failures += 1
        self.failed.set()

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
            await integrity.quick_check(connection)
            revision = await connection.run_sync(migrations.upgrade_due)
        if revision is not None:
            kept, new = await asyncio.to_thread(backup.keep_before, path, revision)
            log = get_logger()
            log.info("store.backed_up", file=kept.name, new=new)

    def _engine(self, *, pool_size: int, read_only: bool, statement_ms: int = 0) -> AsyncEngine:
        if self.path is not None:
            return sqlite_engine(self.path, pool_size=pool_size, read_only=read_only)
        return postgresql_engine(
            self._url, pool_size=pool_size, read_only=read_only, statement_ms=statement_ms
        )


async def _nothing(_connection: AsyncConnection) -> None:
    """A write that writes nothing."""


async def _begin_sqlite(connection: AsyncConnection, begin: str) -> None:
    """Begin SQLite's transaction inside SQLAlchemy's, which leaves that to us.

    Past SQLAlchemy's cursors, which are three turns of the driver's thread instead of one.
    """
    await (await driver_of(connection)).execute(begin)


async def _take_writer_lock(connection: AsyncConnection, *, idle_ms: int) -> None:
    """Take PostgreSQL's lock of writing transactions, waiting until no other server holds it.

    If the network drops our connection silently, PostgreSQL would hold our lock for hours. And a
    commit must wait for the disk, also in a database whose default is that it does not.

    Args:
        idle_ms: milliseconds between two statements after which it ends the transaction; 0: never.
    """
    await connection.execute(
        text(
            "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), "
            "set_config('synchronous_commit', "
            "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true), "
            "pg_advisory_xact_lock(:key)"
        ),
        {"idle": str(idle_ms), "key": WRITER_LOCK},
    )


@contextmanager
def translated(where: Where) -> Iterator[None]:
    """Raise StorageUnavailable in place of a database's error."""
    try:
        yield
    except Exception as error:
        if (ours := translate(error, where)) is None:
            raise
        raise ours from None
