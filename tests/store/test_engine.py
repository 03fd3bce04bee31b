"""Connections, locks and errors; and the suite that every backend passes."""

# Files are small here and nothing else runs on the loop:
# ruff: noqa: ASYNC220, ASYNC240

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from casebell.errors import CasebellError, NothingStored, StorageUnavailable, StoreLocked
from casebell.store import connections
from casebell.store.engine import Connection, Store
from casebell.store.event_log import EventLog
from casebell.store.lock import is_locked, lock_path
from casebell.store.schema import events, keys
from contracts.case_events import case_event, json_content
from contracts.databases import run_on_postgresql
from contracts.decisions import append_undecided, decide_nothing
from contracts.store_contract import WRITER, JournalSequence, OneEventId, Transactions
from contracts.writing import writing
from waiting import until

#: An account that owns nothing.
NOBODY = 65534
PASSWORD = "hunter2-and-more"


class TestOneEventId(OneEventId):
    """On each backend."""


class TestTransactions(Transactions):
    """On each backend."""


class TestJournalSequence(JournalSequence):
    """On each backend."""


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anywhere: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged account can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return path.stat().st_mode & 0o777


class TestFiles:
    """The files of an SQLite database."""

    async def test_private(self, sqlite_path: Path) -> None:
        """The database, its side files and the lock are readable by their owner alone."""
        async with Store(f"sqlite:///{sqlite_path}") as store:
            async with writing(store) as connection:
                await append_undecided(connection, [case_event()])
            found = {path.name: mode(path) for path in sqlite_path.parent.iterdir()}
        assert found == {
            "casebell.db": 0o600,
            "casebell.db-wal": 0o600,
            "casebell.db-shm": 0o600,
            "casebell.db.lock": 0o600,
        }

    async def test_made_private(self, sqlite_path: Path) -> None:
        """Files that others could read, side files left by a crash included, become private."""
        with subprocess.Popen(
            [sys.executable, WRITER, f"sqlite:///{sqlite_path}", "evt"], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            writer.kill()
        left = sorted(sqlite_path.parent.iterdir())
        assert len(left) == 4
        for path in left:
            path.chmod(0o644)
        async with Store(f"sqlite:///{sqlite_path}") as store:
            assert {mode(path) for path in left} == {0o600}
            async with store.read() as connection:
                assert "evt-0" in (await connection.execute(select(events.c.key))).scalars().all()

    @pytest.mark.parametrize("name", ["a b.db", "a?b=c.db", "a#b.db", "a%20b.db", "á'\"&.db"])
    async def test_odd_names(self, tmp_path: Path, name: str) -> None:
        """A database with marks in its name is that file, private, and no other file is made."""
        async with Store(f"sqlite:///{tmp_path / name}"):
            made = {path.name: mode(path) for path in tmp_path.iterdir()}
        assert (
            {name, f"{name}.lock"}
            <= made.keys()
            <= {name} | {f"{name}{suffix}" for suffix in (".lock", "-wal", "-shm")}
        )
        assert set(made.values()) == {0o600}

    async def test_folder_is_made(self, tmp_path: Path) -> None:
        """The folder of a new database is made where it is missing."""
        async with Store(f"sqlite:///{tmp_path}/new/folder/casebell.db"):
            assert (tmp_path / "new/folder/casebell.db").exists()

    async def test_read_only_folder(self, open_folder: Path) -> None:
        """A folder that may not be written is named, with what to do."""
        open_folder.chmod(0o555)
        with unprivileged(), pytest.raises(StorageUnavailable, match="Permission denied") as caught:
            await Store(f"sqlite:///{open_folder}/casebell.db").open()
        assert str(open_folder) in caught.value.hint

    async def test_read_only_file(self, open_folder: Path) -> None:
        """So is a database file that may not be written; and the lock is given back."""
        path = open_folder / "casebell.db"
        path.touch(0o444)
        if os.geteuid() == 0:
            os.chown(open_folder, NOBODY, NOBODY)
            os.chown(path, NOBODY, NOBODY)
        with unprivileged():
            with pytest.raises(StorageUnavailable, match="Permission denied") as caught:
                await Store(f"sqlite:///{path}").open()
            assert str(path) in caught.value.hint
            assert not is_locked(path)

    async def test_folder_in_place_of_a_file(self, sqlite_path: Path) -> None:
        """A folder by the database's name is an error each time, and holds no lock."""
        sqlite_path.mkdir()
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="Is a directory"):
                await Store(f"sqlite:///{sqlite_path}").open()

    async def test_garbage(self, sqlite_path: Path) -> None:
        """A file that is no database is refused in a plain sentence, left as it is and unlocked."""
        garbage = b"Dear colleague, " * 1_000
        sqlite_path.write_bytes(garbage)
        with pytest.raises(StorageUnavailable) as caught:
            await Store(f"sqlite:///{sqlite_path}").open()
        assert caught.value.message == "The database file is damaged: file is not a database."
        with pytest.raises(StorageUnavailable, match="file is not a database"):
            await Store(f"sqlite:///{sqlite_path}").open_for_reading()
        assert sqlite_path.read_bytes() == garbage
        assert not is_locked(sqlite_path)


class TestPragmas:
    """What makes an SQLite commit durable and a reader harmless, as the connections have it."""

    async def test_writer(self, sqlite_store: Store) -> None:
        """The writer uses a WAL, waits for the disk, and keeps foreign keys."""
        async with writing(sqlite_store) as connection:
            found = {
                name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "query_only")
            }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "query_only": 0,
        }

    async def test_readers(self, sqlite_store: Store) -> None:
        """Every reader of the pool is `query_only`."""
        async with sqlite_store.read() as one, sqlite_store.read() as other:
            for connection in (one, other):
                assert (await connection.execute(text("PRAGMA query_only"))).scalar_one() == 1

    async def test_reader_is_read_only_by_mode(self, sqlite_store: Store) -> None:
        """Even with `query_only` off, a reader's connection cannot write."""
        async with sqlite_store.read() as connection:
            await connection.execute(text("PRAGMA query_only = OFF"))
            with pytest.raises(OperationalError, match="attempt to write a readonly database"):
                await connection.execute(text("DELETE FROM events"))

    async def test_foreign_keys_hold(self, sqlite_store: Store) -> None:
        """A row that refers to nothing is refused."""
        with pytest.raises(StorageUnavailable):
            async with writing(sqlite_store) as connection:
                await connection.execute(
                    text(
                        "INSERT INTO attempts (alert_id, number, started_at, finished_at, outcome,"
                        " detail, title, body) VALUES (99, 1, 1, 1, 'sent', '', '', '')"
                    )
                )


class TestLock:
    """One server for each SQLite file."""

    async def test_second_server(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """A second server on the same file fails at once, naming the file; the first goes on."""
        with pytest.raises(StoreLocked) as caught:
            await Store(f"sqlite:///{sqlite_path}").open()
        assert str(sqlite_path) in caught.value.message
        assert is_locked(sqlite_path)
        async with writing(sqlite_store) as connection:
            await append_undecided(connection, [case_event()])

    async def test_freed(self, sqlite_path: Path) -> None:
        """A server that closed has given the lock back."""
        assert not is_locked(sqlite_path)
        for _ in range(2):
            async with Store(f"sqlite:///{sqlite_path}"):
                assert is_locked(sqlite_path)
            assert not is_locked(sqlite_path)

    async def test_by_another_name(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """A link to a database that is held leads to the same lock."""
        link = sqlite_path.with_name("link.db")
        link.symlink_to(sqlite_path)
        with pytest.raises(StoreLocked):
            await Store(f"sqlite:///{link}").open()

    async def test_another_process(self, sqlite_path: Path) -> None:
        """A server in another process holds the file until it is killed, without cleaning up."""
        with subprocess.Popen(
            [sys.executable, WRITER, f"sqlite:///{sqlite_path}"], stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"open\n"
            assert lock_path(sqlite_path).read_text() == f"{other.pid} command\n"
            with pytest.raises(StoreLocked):
                await Store(f"sqlite:///{sqlite_path}").open()
            assert is_locked(sqlite_path)
            other.send_signal(signal.SIGKILL)
            other.wait()
            assert not is_locked(sqlite_path)
        async with Store(f"sqlite:///{sqlite_path}"):
            pass

    async def test_writer_shuts_others_out_at_once(
        self, sqlite_store: Store, sqlite_path: Path
    ) -> None:
        """From its first moment a writing transaction is SQLite's only one, as what it reads is."""
        other = sqlite3.connect(sqlite_path, isolation_level=None, timeout=0)
        try:
            async with writing(sqlite_store):
                with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                    other.execute("BEGIN IMMEDIATE")
            other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()

    async def test_database_locked_by_another_program(
        self, sqlite_store: Store, sqlite_path: Path
    ) -> None:
        """While another program holds SQLite's own lock, appends fail; afterwards they succeed."""
        async with EventLog(
            store=sqlite_store, content_of=json_content, decide=decide_nothing
        ) as log:
            other = sqlite3.connect(sqlite_path, isolation_level=None)
            try:
                other.execute("BEGIN EXCLUSIVE")
                waiting = [log.append(case_event(f"evt_{n}")) for n in (1, 2)]
                for failed in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(failed, StorageUnavailable)
                    assert "database is locked, SQLITE_BUSY" in failed.message
                    assert "fuser" in failed.hint
                other.execute("ROLLBACK")
            finally:
                other.close()
            assert (await log.append(case_event("evt_1"))).event_id == 1
        async with sqlite_store.read() as connection:
            assert (await connection.execute(select(func.count(events.c.id)))).scalar_one() == 1


class TestTransact:
    """A piece of writing, in a transaction that others may share."""

    async def test_kept(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """When it returns, everybody sees the rows; other transactions go on before and after."""
        await sqlite_store.transact(_add_key("a"))
        async with writing(sqlite_store) as connection:
            await connection.execute(text("INSERT INTO keys VALUES ('b', x'00')"))
        await sqlite_store.transact(_add_key("c"))
        assert _keys(sqlite_path) == ["a", "b", "c"]

    async def test_undone(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """Of work that fails nothing stays, and the next transaction is not disturbed."""

        async def fails(connection: Connection) -> None:
            await _add_key("a")(connection)
            raise LookupError

        with pytest.raises(LookupError):
            await sqlite_store.transact(fails)
        await sqlite_store.transact(_add_key("b"))
        assert _keys(sqlite_path) == ["b"]

    async def test_waits_without_holding_the_loop(
        self, sqlite_store: Store, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While another process writes, everything else goes on; then it is written."""
        monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 30_000)
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(sqlite_store.transact(_add_key("a")))
            # Were the loop held, the writer would have given up before any of these comes back.
            for _ in range(10):
                async with sqlite_store.read() as connection:
                    await connection.execute(select(func.count(events.c.id)))
            assert not waiting.done()
            other.execute("COMMIT")
            await waiting
        assert _keys(sqlite_path) == ["a"]

    @pytest.mark.slow
    async def test_held_for_too_long(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """After the usual patience it is a failure of the storage, and nothing is left behind."""
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable, match="database is locked"):
                await sqlite_store.transact(_add_key("a"))
        assert sqlite_store.failures == 1
        await sqlite_store.transact(_add_key("b"))
        assert _keys(sqlite_path) == ["b"]

    async def test_given_up(self, sqlite_store: Store, sqlite_path: Path) -> None:
        """One that nobody waits for any more leaves the connection ready for the next."""
        for number in range(20):
            task = asyncio.create_task(sqlite_store.transact(_add_key(f"given-up-{number}")))
            # One turn of the loop: it has begun, whatever it has come to.
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await sqlite_store.transact(_add_key(f"kept-{number}"))
        kept = [name for name in _keys(sqlite_path) if name.startswith("kept")]
        assert len(kept) == 20


def _add_key(name: str) -> Callable[[Connection], Awaitable[None]]:
    """A piece that adds one row."""

    async def piece(connection: Connection) -> None:
        await connection.execute(keys.insert().values(name=name, key=b"\0"))

    return piece


def _keys(path: Path) -> list[str]:
    """The rows that are there, as another process sees them."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM keys ORDER BY name")]


class TestReading:
    """Opening for reading only."""

    async def test_nothing_there(self, bare_url: str) -> None:
        """Where nothing was ever written, a reader learns how that comes about."""
        with pytest.raises(NothingStored) as caught:
            await Store(bare_url).open_for_reading()
        assert "casebell serve" in caught.value.hint

    async def test_no_file_is_made(self, sqlite_path: Path) -> None:
        """Looking for a database makes none."""
        with pytest.raises(NothingStored):
            await Store(f"sqlite:///{sqlite_path}").open_for_reading()
        assert list(sqlite_path.parent.iterdir()) == []

    async def test_after_the_server_closed(self, store_url: str) -> None:
        """What a server left behind can be read without it."""
        async with Store(store_url) as store, writing(store) as connection:
            await append_undecided(connection, [case_event()])
        reader = await Store(store_url).open_for_reading()
        try:
            async with reader.read() as connection:
                assert (await connection.execute(select(events.c.key))).scalars().all() == ["evt_1"]
        finally:
            await reader.close()

    async def test_reader_outlives_the_server(self, sqlite_path: Path) -> None:
        """A reader that was there before and after a server's run does not disturb the next."""
        url = f"sqlite:///{sqlite_path}"
        first = await Store(url).open()
        reader = await Store(url).open_for_reading()
        try:
            await first.close()
            async with Store(url) as second, writing(second) as connection:
                await append_undecided(connection, [case_event()])
            async with reader.read() as connection:
                assert (await connection.execute(select(func.count(events.c.id)))).scalar_one() == 1
        finally:
            await reader.close()


class TestUrls:
    """What `storage.url` may be, and what is said of one that will not do."""

    @pytest.mark.parametrize(
        "url",
        [
            PASSWORD,
            f"mysql://casebell:{PASSWORD}@127.0.0.1/casebell",
            f"postgresql://casebell:{PASSWORD}@127.0.0.1:port/casebell",
            f"postgresql://casebell:{PASSWORD}@127.0.0.1/casebell?{PASSWORD}=1",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "",
        ],
    )
    def test_unusable(self, url: str) -> None:
        """A URL that names no database of ours is refused in a sentence that quotes none of it."""
        with pytest.raises(StorageUnavailable, match=r"storage\.url") as caught:
            Store(url)
        assert_no_password(caught.value)

    @pytest.mark.parametrize("url", ["postgres://u:p@h/d", "postgresql://u:p@h/d?sslmode=require"])
    def test_usable(self, url: str) -> None:
        """Both spellings of PostgreSQL's scheme and of its TLS option are taken."""
        assert not Store(url).is_sqlite

    async def test_option_for_tls(self, postgresql_url: str) -> None:
        """`sslmode`, as everybody writes it, reaches the driver."""
        async with Store(f"{postgresql_url}&sslmode=disable"):
            pass

    @pytest.mark.parametrize(
        ("find", "replace", "expected"),
        [
            ("/migrated?", "/elsewhere?", "there is no such database on the server"),
            ("//postgres:", "//stranger:", "the database refused the user"),
            ("?host=", "?host=/nowhere", "No such file or directory"),
        ],
    )
    async def test_unreachable_postgresql(
        self, postgresql_url: str, find: str, replace: str, expected: str
    ) -> None:
        """A wrong database, user or host is told apart, without the password."""
        url = postgresql_url.replace(find, replace).replace(":@", f":{PASSWORD}@")
        store = Store(url)
        with pytest.raises(StorageUnavailable, match=expected) as caught:
            await store.open()
        assert_no_password(caught.value)
        assert PASSWORD not in repr(store)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [("127.0.0.1:1", "Connection refused"), ("nowhere.invalid", "host has no known address")],
    )
    async def test_no_server(self, host: str, expected: str) -> None:
        """Nobody listening, or no such host: each is said, without the password."""
        store = Store(f"postgresql://casebell:{PASSWORD}@{host}/casebell")
        with pytest.raises(StorageUnavailable, match=expected) as caught:
            await store.open()
        assert_no_password(caught.value)
        with pytest.raises(StorageUnavailable, match=expected):
            await store.open_for_reading()


def assert_no_password(error: CasebellError) -> None:
    """Neither in its texts nor in a traceback of it."""
    told = (
        f"{error} {error!r} {error.args} {error.hint} {''.join(traceback.format_exception(error))}"
    )
    assert PASSWORD not in told


async def write_and_be_cut(store: Store) -> None:
    """A writer whose connection ends before it could commit."""
    async with writing(store) as connection:
        await append_undecided(connection, [case_event()])
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


class TestPostgresql:
    """What only PostgreSQL can do."""

    @pytest.mark.parametrize(
        "isolation",
        [
            *("read committed", "serializable"),
            pytest.param("repeatable read", marks=pytest.mark.slow),
        ],
    )
    async def test_servers_deliver_one_event(
        self, postgresql_url: str, postgresql_folder: Path, isolation: str
    ) -> None:
        """Of 16 servers that get one event at once, one is told "stored"; one row exists.

        Whatever the database's own default: in a snapshot from before its wait for the lock, a
        server would not see what the others wrote.
        """
        default = "ALTER DATABASE migrated SET default_transaction_isolation ="
        await run_on_postgresql(postgresql_folder, "migrated", f"{default} '{isolation}'")
        stores = [Store(postgresql_url) for _ in range(16)]
        try:
            await asyncio.gather(*(store.open() for store in stores))

            async def deliver(store: Store) -> tuple[str, int]:
                async with EventLog(
                    store=store, content_of=json_content, decide=decide_nothing
                ) as log:
                    result = await log.append(case_event())
                return result.outcome, result.event_id

            results = await asyncio.gather(*(deliver(store) for store in stores))
            async with stores[0].read() as connection:
                rows = (await connection.execute(select(events.c.id))).scalars().all()
                sequence = await connection.execute(text("SELECT seq FROM journal ORDER BY seq"))
                assert sequence.scalars().all() == list(range(1, 17))
        finally:
            await asyncio.gather(*(store.close() for store in stores))
            await run_on_postgresql(postgresql_folder, "migrated", f"{default} DEFAULT")
        assert sorted(outcome for outcome, _ in results) == ["duplicate"] * 15 + ["stored"]
        assert {event_id for _, event_id in results} == set(rows)
        assert len(rows) == 1

    @pytest.mark.parametrize(
        ("default", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
    )
    async def test_a_commit_waits_for_the_disk(
        self, postgresql_url: str, postgresql_folder: Path, default: str, used: str
    ) -> None:
        """Also in a database that is set up not to wait; what waits for more is left alone."""
        setting = "ALTER DATABASE migrated SET synchronous_commit ="
        await run_on_postgresql(postgresql_folder, "migrated", f"{setting} {default}")
        try:
            async with Store(postgresql_url) as store, writing(store) as connection:
                shown = await connection.execute(text("SHOW synchronous_commit"))
                assert shown.scalar_one() == used
        finally:
            await run_on_postgresql(postgresql_folder, "migrated", f"{setting} DEFAULT")

    async def test_pages_are_looked_up(self, postgresql_url: str) -> None:
        """Readers' plans are made for disks that do not turn: a listing looks its rows up."""
        async with Store(postgresql_url) as store, store.read() as connection:
            found = await connection.execute(text("SHOW random_page_cost"))
            assert found.scalar_one() == "1.1"

    @pytest.mark.slow
    async def test_a_reader_that_gave_up(self, postgresql_url: str) -> None:
        """Its statement ends, too: a slow question, asked again and again, uses up nothing."""
        sleeping = text(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :query"
        )

        async def under_way() -> int:
            async with store.read() as connection:
                found = await connection.execute(sleeping, {"query": "%pg_sleep(59%"})
                return int(found.scalar_one())

        async with Store(postgresql_url) as store:
            with pytest.raises(StorageUnavailable):
                async with store.read() as connection:
                    await connection.execute(text("SELECT pg_sleep(59)"))

            async def ended() -> bool:
                return await under_way() == 0

            await until(ended, "the statement to end")

    async def test_connections_cut(self, postgresql_url: str, postgresql_folder: Path) -> None:
        """After the server cut every connection, the next read and the next write succeed."""
        async with Store(postgresql_url) as store:
            async with store.read() as connection:
                await connection.execute(select(events.c.id))
            other = await asyncpg.connect(
                host=str(postgresql_folder), user="postgres", database="migrated"
            )
            cut = await other.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await other.close()
            assert len(cut) == 2
            async with writing(store) as connection:
                await append_undecided(connection, [case_event()])
            async with store.read() as connection:
                assert (await connection.execute(select(func.count(events.c.id)))).scalar_one() == 1

    async def test_cut_in_the_middle(self, postgresql_url: str) -> None:
        """A connection cut inside a transaction is told as such; nothing of it is stored."""
        async with Store(postgresql_url) as store:
            with pytest.raises(StorageUnavailable):
                await write_and_be_cut(store)
            async with writing(store) as connection:
                results = await append_undecided(connection, [case_event()])
        assert results[0].outcome == "stored"
