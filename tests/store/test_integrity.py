"""Every damage of a file is found: in a copy, before a copy, and at the start."""

# Files are small here and nothing else runs on the loop:
# ruff: noqa: ASYNC240

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from casebell.errors import Refusal
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.integrity import inspect_copy
from casebell.store.lock import is_locked
from casebell.store.restore import restore_backup
from casebell.store.translation import DatabaseDamaged
from store.database_files import (
    cut,
    each_damage,
    garble_table,
    no_database,
)


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
