"""A copy that is whole or not there at all."""

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

from casebell.errors import NothingStored, Refusal, StorageUnavailable
from casebell.store import migrations
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.integrity import inspect_copy
from casebell.store.lock import is_locked
from casebell.store.schema import events
from casebell.store.translation import DatabaseDamaged
from contracts.case_events import case_event
from contracts.decisions import append_undecided
from contracts.writing import writing
from store.database_files import (
    change,
    fill,
    keys_in,
)

#: Events of a database that has many pages, so that a copy takes several steps.
MANY = 600


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
            with pytest.raises(NothingStored):
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
