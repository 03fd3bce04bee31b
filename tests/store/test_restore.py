"""A backup in the place of a lost database: the same, writable, and never over another."""

# Files are small here and nothing else runs on the loop:
# ruff: noqa: ASYNC240

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from casebell.errors import NotFound, Refusal, StoreLocked
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.restore import restore_backup
from store.database_files import (
    change,
    fill,
    keys_in,
)


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
