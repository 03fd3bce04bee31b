"""Opens connections to the database: how each backend is set up."""

import socket
import urllib.parse
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

#: Milliseconds that SQLite waits for another process's lock before it answers "busy".
BUSY_TIMEOUT_MS = 2_000
#: Each end sends a keep-alive after 30 seconds without traffic, which also keeps firewalls from
#: dropping the connection, and gives the connection up after 60. This serves uses without a
#: time-out: an export on our side, the session of a dead server, with its locks, on theirs.
_OUR_END = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}
_THEIR_END = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; "
    "SET tcp_keepalives_count = 3; SET tcp_user_timeout = 60000"
)


def sqlite_engine(path: Path, *, pool_size: int, read_only: bool) -> AsyncEngine:
    """Connections to a file; whoever uses one begins its transaction."""
    # Built from parts: a parsed URL would cut the path at "?" or "#", and so open another file than
    # the locked, private one.
    url = URL.create(
        "sqlite+aiosqlite",
        database=f"file:{urllib.parse.quote(str(path.absolute()))}",
        query={"mode": "ro" if read_only else "rw", "uri": "true"},
    )
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
        # Every use ends its transaction itself; a second rollback costs a switch of threads.
        pool_reset_on_return=None,
    )
    _set_up_sqlite(engine, read_only=read_only)
    return engine


def postgresql_engine(
    url: URL, *, pool_size: int, read_only: bool, statement_ms: int = 0
) -> AsyncEngine:
    """Connections to a server.

    Args:
        statement_ms: milliseconds after which a reader's statement ends by itself; 0: never.
    """
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        # The time-out of each use includes this wait; and on Python 3.11 a wait with a time-out of
        # its own can swallow the cancellation by which the outer one ends.
        pool_timeout=None,
        hide_parameters=True,
        # The database's own default may be another, in which a writer that has waited for the lock
        # would not see what others wrote meanwhile.
        isolation_level="READ COMMITTED",
    )
    _set_up_postgresql(engine)
    if read_only:
        _set_up_reader(engine, statement_ms=statement_ms)
        # One snapshot for all statements of a transaction, as SQLite's readers have.
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


def _set_up_sqlite(engine: AsyncEngine, *, read_only: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: the store does.
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


def _set_up_reader(engine: AsyncEngine, *, statement_ms: int) -> None:
    """Tell the planner that a page from anywhere costs little more than the next one.

    By default it costs four times as much, as on a turning disk: a page of cases was then read from
    the whole table, in 70 ms instead of 3 with half a million.

    And a statement must end soon after its reader gave it up: PostgreSQL does not notice that
    nobody is there any more, and whoever asks again and again would use up its connections.
    """
    given = f"SET random_page_cost = 1.1; SET statement_timeout = {statement_ms}"

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.run_async(lambda driver: driver.execute(given))


def _set_up_postgresql(engine: AsyncEngine) -> None:
    """Test an engine's connections before each use, keep them alive, and close them abruptly.

    An orderly close costs seconds with a silent database: the driver first requests cancellation
    of the statement, or says goodbye and waits for the answer. PostgreSQL ends the session, with
    its locks, when the connection is gone.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def keep_alive(connection: Any, _record: Any) -> None:
        # Reaches into asyncpg: it has no public way to its socket.
        transport = connection.driver_connection._transport  # noqa: SLF001
        plug = transport.get_extra_info("socket")
        if plug is None or plug.family == socket.AF_UNIX:
            return
        connection.run_async(lambda driver: driver.execute(_THEIR_END))
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OUR_END.items():
            # Not every system has all of them.
            if (option := getattr(socket, name, None)) is not None:
                plug.setsockopt(socket.IPPROTO_TCP, option, value)

    @event.listens_for(engine.sync_engine, "checkout")
    def try_out(connection: Any, _record: Any, _proxy: Any) -> None:
        # Not by the pool's own ping: when a time-out cancels that, it waits again, for its
        # rollback, and reports an ordinary failure.
        try:
            connection.run_async(lambda driver: driver.execute("SELECT 1"))
        except Exception as error:
            # Of any kind: the pool then opens a new connection.
            raise InvalidatePoolError from error

    @event.listens_for(engine.sync_engine, "close")
    def end(connection: Any, _record: Any) -> None:
        connection.driver_connection.terminate()
