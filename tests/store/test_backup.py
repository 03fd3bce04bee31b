"""A copy that is whole or not there at all; what is damaged is found; and the way back."""

# Files are small here and nothing else runs on the loop:
# ruff: noqa: ASYNC240

import asyncio
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from casebell.errors import NotFound, Refusal, StorageUnavailable, StoreLocked
from casebell.store import migrations
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.integrity import DatabaseDamaged, inspect_copy
from casebell.store.lock import is_locked
from casebell.store.restore import restore_backup
from casebell.store.schema import events
from contracts.case_events import case_event, classified_event
from contracts.decisions import append_classified, append_undecided
from contracts.writing import writing

#: Events of a database that has many pages, so that a copy takes several steps.
MANY = 600


async def fill(path: Path, keys: list[str], *, text: str = "Case Was Received") -> None:
    """Append events as the server does."""
    async with Store(f"sqlite:///{path}") as store, writing(store) as connection:
        received = [classified_event(key, text=text) for key in keys]
        await append_classified(connection, received)


@pytest.fixture
def database(sqlite_path: Path, migrated_sqlite: Path) -> Path:
    """A database of this release with three events."""
    shutil.copyfile(migrated_sqlite, sqlite_path)
    asyncio.run(fill(sqlite_path, ["evt_1", "evt_2", "evt_3"]))
    return sqlite_path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a backup goes: a folder of its own."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "casebell.db"


def keys_in(path: Path) -> list[str]:
    """The keys of the events in a file, by number, and the file is left alone."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM events ORDER BY id")]


def change(path: Path, statement: str) -> None:
    """Change a closed database behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(statement)


def page_of(path: Path, name: str) -> tuple[int, int]:
    """Where the first page of a table or an index lies: offset and length in bytes."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
    return (root - 1) * size, size


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Damage a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


class TestBackup:
    """The copy."""

    def test_what_it_is(self, database: Path, target: Path) -> None:
        """One private file with every event, which needs no other file beside it."""
        contents = make_backup(database, target)
        assert (contents.events, contents.entries, contents.waiting) == (3, 6, 0)
        assert contents.last_at == case_event().received_at
        assert keys_in(target) == ["evt_1", "evt_2", "evt_3"]
        assert [path.name for path in target.parent.iterdir()] == ["casebell.db"]
        assert target.stat().st_mode & 0o777 == 0o600
        assert inspect_copy(target) == contents

    async def test_beside_a_writer(
        self, sqlite_store: Store, sqlite_path: Path, target: Path
    ) -> None:
        """While a server commits, the copy ends, and is the database as it was when it began."""

        async def append(*keys: str) -> None:
            async with writing(sqlite_store) as connection:
                received = [case_event(key, text="x" * 20_000) for key in keys]
                await append_undecided(connection, received)

        before = [f"evt_{number}" for number in range(MANY)]
        await append(*before)
        between, written = threading.Event(), threading.Event()
        seen: list[str] = []

        def step(doing: str, share: float) -> None:
            seen.append(doing)
            if doing == "Copying" and share < 1 and not between.is_set():
                between.set()
                assert written.wait(30), "the writer had to wait for the copy"

        copying = asyncio.create_task(
            asyncio.to_thread(make_backup, sqlite_path, target, progress=step)
        )
        assert await asyncio.to_thread(between.wait, 30), "the copy was done in one step"
        for number in range(20):
            await append(f"meanwhile_{number}")
        written.set()
        contents = await copying
        assert (contents.events, contents.entries) == (MANY, MANY)
        assert keys_in(target) == before
        # Begun again for no commit: each step is there once.
        assert seen.count("Copying") == -(-target.stat().st_size // (4096 * 1000))
        async with sqlite_store.read() as connection:
            stored = (await connection.execute(select(events.c.key))).scalars().all()
        assert len(stored) == MANY + 20

    def test_after_a_crash(self, database: Path, target: Path, tmp_path: Path) -> None:
        """What lies only in the -wal file of a server that was killed is in the copy."""
        left = tmp_path / "left"
        left.mkdir()
        with closing(sqlite3.connect(database, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("UPDATE events SET key = 'only-in-the-wal' WHERE id = 3")
            for suffix in ("", "-wal"):
                shutil.copy(f"{database}{suffix}", left / f"casebell.db{suffix}")
        make_backup(left / "casebell.db", target)
        assert keys_in(target) == ["evt_1", "evt_2", "only-in-the-wal"]

    def test_it_never_overwrites(self, database: Path, target: Path) -> None:
        """A file, or a link that leads nowhere, stays as it is; and no other file is left."""
        target.write_text("mine")
        link = target.with_name("link")
        link.symlink_to("nowhere")
        for taken in (target, link):
            with pytest.raises(Refusal, match="exists already; nothing was written"):
                make_backup(database, taken)
        assert target.read_text() == "mine"
        assert sorted(path.name for path in target.parent.iterdir()) == ["casebell.db", "link"]

    def test_a_copy_that_differs(self, database: Path, target: Path) -> None:
        """A copy that is sound in itself, but lacks an event of the original, is not kept."""

        def lose(doing: str, share: float) -> None:
            if (doing, share) == ("Checking", 0):
                (part,) = target.parent.iterdir()
                change(part, "DELETE FROM events WHERE id = 3")

        with pytest.raises(DatabaseDamaged, match="its copy differs from it"):
            make_backup(database, target, progress=lose)
        assert list(target.parent.iterdir()) == []

    @pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
    def test_a_name_that_is_taken_meanwhile(
        self, database: Path, target: Path, links: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever was first keeps it, also where the file system has no hard links."""
        if not links:
            monkeypatch.setattr(os, "link", no_links)

        def take(doing: str, _share: float) -> None:
            if doing == "Checking":
                target.write_text("theirs")

        with pytest.raises(Refusal, match="exists already"):
            make_backup(database, target, progress=take)
        assert target.read_text() == "theirs"
        assert [path.name for path in target.parent.iterdir()] == ["casebell.db"]

    def test_without_hard_links(
        self, database: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A network share that has none gets the same file."""
        monkeypatch.setattr(os, "link", no_links)
        make_backup(database, target)
        assert keys_in(target) == ["evt_1", "evt_2", "evt_3"]
        assert [path.name for path in target.parent.iterdir()] == ["casebell.db"]
        assert target.stat().st_mode & 0o777 == 0o600

    def test_interrupted(self, database: Path, target: Path) -> None:
        """Ctrl-C leaves nothing behind."""

        def stop(doing: str, _share: float) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_backup(database, target, progress=stop)
        assert list(target.parent.iterdir()) == []

    def test_nowhere_to_write(self, database: Path, target: Path) -> None:
        """A folder that is missing is told as the backup's trouble."""
        with pytest.raises(Refusal, match="No such file or directory"):
            make_backup(database, target.parent / "missing" / "casebell.db")

    def test_nothing_to_copy(self, sqlite_path: Path, target: Path) -> None:
        """No database, and one without tables, are no backup."""
        for there in (False, True):
            if there:
                sqlite_path.touch()
            with pytest.raises(NotFound, match="no database yet"):
                make_backup(sqlite_path, target)
        assert list(target.parent.iterdir()) == []

    def test_a_later_release(self, database: Path, target: Path) -> None:
        """What this release does not know it does not vouch for."""
        change(database, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StorageUnavailable, match="does not know"):
            make_backup(database, target)
        assert list(target.parent.iterdir()) == []


def no_links(*_: object, **__: object) -> None:
    """What a file system without hard links answers."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def cut(path: Path) -> None:
    """A copy that stopped half-way."""
    os.truncate(path, path.stat().st_size // 2)


def garble_table(path: Path) -> None:
    """A page of a table that the disk lost."""
    offset, size = page_of(path, "events")
    overwrite(path, offset, bytes(size))


def garble_index(path: Path) -> None:
    """A page of an index that no listing reads."""
    offset, size = page_of(path, "ix_events_received_at_id")
    overwrite(path, offset, b"\xff" * size)


def lose_index_rows(path: Path) -> None:
    """An index that is well formed and lacks its rows."""
    offset, _ = page_of(path, "ix_events_status_id")
    # Number of cells of a leaf page (SQLite's file format, section 1.6).
    overwrite(path, offset + 3, b"\x00\x00")


def lose_entry(path: Path) -> None:
    """An entry that somebody deleted."""
    change(path, "DELETE FROM journal WHERE seq = 2")


def lose_first_entries(path: Path) -> None:
    """A journal that does not begin at its beginning."""
    change(path, "UPDATE journal SET seq = seq + 1000")


def lose_journal(path: Path) -> None:
    """Events of which nothing is told."""
    change(path, "DELETE FROM journal")


def lose_a_table(path: Path) -> None:
    """A database without its events."""
    change(path, "DROP TABLE events")


def no_database(path: Path) -> None:
    """Another kind of file."""
    path.write_bytes(b"Dear colleague, " * 1_000)


DAMAGES: list[Callable[[Path], None]] = [
    cut,
    garble_table,
    garble_index,
    lose_index_rows,
    lose_entry,
    lose_first_entries,
    lose_journal,
    lose_a_table,
    no_database,
]
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)


class TestDamage:
    """What is not whole."""

    @each_damage
    def test_is_found_in_a_copy(
        self, database: Path, target: Path, damage: Callable[[Path], None]
    ) -> None:
        """Every damage makes a backup one that is not restored, and the reason is told."""
        make_backup(database, target)
        damage(target)
        with pytest.raises(DatabaseDamaged, match="The database file is damaged: ") as caught:
            inspect_copy(target)
        elsewhere = database.with_name("restored.db")
        with pytest.raises(Refusal, match="Nothing was restored") as refused:
            restore_backup(target, elsewhere)
        assert caught.value.reason in refused.value.message
        assert "another backup" in refused.value.hint
        assert not elsewhere.exists()
        assert list(database.parent.glob("*.part")) == []

    @each_damage
    def test_is_not_copied(
        self, database: Path, target: Path, damage: Callable[[Path], None]
    ) -> None:
        """A damaged database gives no backup that somebody would rely upon."""
        damage(database)
        with pytest.raises(DatabaseDamaged):
            make_backup(database, target)
        assert list(target.parent.iterdir()) == []

    @pytest.mark.parametrize(
        "damage", [cut, garble_table, no_database], ids=lambda one: one.__name__
    )
    async def test_is_seen_at_start(
        self, sqlite_path: Path, migrated_sqlite: Path, damage: Callable[[Path], None]
    ) -> None:
        """A server does not start on it, says how to go on, and changes no byte of it."""
        shutil.copyfile(migrated_sqlite, sqlite_path)
        damage(sqlite_path)
        before = sqlite_path.read_bytes()
        with pytest.raises(DatabaseDamaged, match="The database file is damaged: ") as caught:
            await Store(f"sqlite:///{sqlite_path}").open()
        assert "casebell restore FILE" in caught.value.hint
        assert sqlite_path.read_bytes() == before
        assert not is_locked(sqlite_path)


class TestRestore:
    """The way back."""

    def test_what_it_is(self, database: Path, target: Path, tmp_path: Path) -> None:
        """The same events in a private file, where the folder is made if need be."""
        made = make_backup(database, target)
        elsewhere = tmp_path / "new" / "machine" / "casebell.db"
        target.chmod(0o444)
        before = target.read_bytes()
        assert restore_backup(target, elsewhere) == made
        assert keys_in(elsewhere) == ["evt_1", "evt_2", "evt_3"]
        assert elsewhere.stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in elsewhere.parent.iterdir()) == [
            "casebell.db",
            "casebell.db.lock",
        ]
        assert target.read_bytes() == before

    async def test_it_can_be_written(self, database: Path, target: Path, tmp_path: Path) -> None:
        """A server goes on where the backup ended, its journal included."""
        await asyncio.to_thread(make_backup, database, target)
        elsewhere = tmp_path / "restored.db"
        await asyncio.to_thread(restore_backup, target, elsewhere)
        await fill(elsewhere, ["evt_3", "evt_4"])
        again = target.with_name("again.db")
        contents = await asyncio.to_thread(make_backup, elsewhere, again)
        # The duplicate is an entry and no event.
        assert (contents.events, contents.entries) == (4, 9)

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
    def test_never_over_a_database(
        self, database: Path, target: Path, tmp_path: Path, suffix: str
    ) -> None:
        """Nor beside a file that SQLite left: it would write the old pages into the backup."""
        make_backup(database, target)
        there = tmp_path / f"other.db{suffix}"
        there.write_text("mine")
        with pytest.raises(Refusal, match="nothing was restored") as caught:
            restore_backup(target, tmp_path / "other.db")
        assert str(there) in caught.value.message
        assert "away, together" in caught.value.hint
        assert there.read_text() == "mine"

    async def test_not_under_a_server(
        self, sqlite_store: Store, sqlite_path: Path, target: Path
    ) -> None:
        """Where a server still runs on files that were moved away, none takes their place."""
        await asyncio.to_thread(make_backup, sqlite_path, target)
        for path in sqlite_path.parent.glob("casebell.db*"):
            if path.name != "casebell.db.lock" and path != target:
                path.rename(path.with_name(f"away.{path.name}"))
        with pytest.raises(StoreLocked):
            await asyncio.to_thread(restore_backup, target, sqlite_path)
        assert not sqlite_path.exists()

    def test_an_unfinished_copy(self, database: Path, tmp_path: Path) -> None:
        """A database that is in use is no backup: its last commits lie beside it."""
        with closing(sqlite3.connect(database, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("UPDATE events SET key = 'only-in-the-wal' WHERE id = 3")
            with pytest.raises(Refusal, match="no finished backup") as caught:
                restore_backup(database, tmp_path / "restored.db")
        assert "casebell backup" in caught.value.hint

    def test_what_is_no_backup(self, target: Path, tmp_path: Path) -> None:
        """Nothing, a folder, an empty file, and another program's database."""
        database = tmp_path / "restored.db"
        with pytest.raises(NotFound, match="There is no file"):
            restore_backup(target, database)
        with pytest.raises(Refusal, match="no ordinary file"):
            restore_backup(target.parent, database)
        target.touch()
        with pytest.raises(Refusal, match="no backup of Casebell"):
            restore_backup(target, database)
        change(target, "CREATE TABLE theirs (id INTEGER)")
        with pytest.raises(Refusal, match="no backup of Casebell"):
            restore_backup(target, database)
        assert not database.exists()

    def test_a_later_release(self, database: Path, target: Path, tmp_path: Path) -> None:
        """It is refused before anything is put in place, with the release to use."""
        make_backup(database, target)
        change(target, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(Refusal, match="does not know") as caught:
            restore_backup(target, tmp_path / "restored.db")
        assert "later" in caught.value.hint
        assert not (tmp_path / "restored.db").exists()


#: What the migration does.
CHANGES = "UPDATE events SET key = 'changed'"


class TestMigration:
    """What is kept before tables change."""

    async def test_kept(self, sqlite_path: Path, add_migration: Callable[..., None]) -> None:
        """What the earlier release left lies beside it, private, and the log says so."""
        await fill(sqlite_path, ["evt_1"])
        add_migration(CHANGES)
        with structlog.testing.capture_logs() as lines:
            async with Store(f"sqlite:///{sqlite_path}"):
                pass
        kept = sqlite_path.with_name("casebell.db.before-next")
        told = {"event": "store.backed_up", "file": kept.name, "new": True, "log_level": "info"}
        assert lines == [told]
        assert keys_in(kept) == ["evt_1"]
        assert keys_in(sqlite_path) == ["changed"]
        assert kept.stat().st_mode & 0o777 == 0o600
        assert inspect_copy(kept).revision == migrations.VERSIONS[-2]

    async def test_kept_once(self, sqlite_path: Path, add_migration: Callable[..., None]) -> None:
        """One that is there stays, and a start that changes no table makes none."""
        await fill(sqlite_path, ["evt_1"])
        add_migration(CHANGES)
        kept = sqlite_path.with_name("casebell.db.before-next")
        kept.write_text("an earlier try's")
        for expected in ([False], []):
            with structlog.testing.capture_logs() as lines:
                async with Store(f"sqlite:///{sqlite_path}"):
                    pass
            assert [line["new"] for line in lines] == expected
        assert kept.read_text() == "an earlier try's"

    async def test_nothing_to_keep(
        self, sqlite_path: Path, add_migration: Callable[..., None]
    ) -> None:
        """A database that is made now has no past."""
        add_migration(CHANGES)
        async with Store(f"sqlite:///{sqlite_path}"):
            assert list(sqlite_path.parent.glob("*.before-*")) == []

    async def test_cannot_be_kept(
        self, sqlite_path: Path, add_migration: Callable[..., None]
    ) -> None:
        """Without a backup the tables stay as they are: the earlier release still runs."""
        await fill(sqlite_path, ["evt_1"])
        change(sqlite_path, "DELETE FROM journal")
        add_migration(CHANGES)
        with pytest.raises(DatabaseDamaged, match="journal does not tell of"):
            await Store(f"sqlite:///{sqlite_path}").open()
        assert keys_in(sqlite_path) == ["evt_1"]
        assert not is_locked(sqlite_path)
