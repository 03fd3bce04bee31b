"""Databases of another release, and backups."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from casebell.store import migrations
from store.database_files import fill


@pytest.fixture
def add_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds the migration of a release that is still to come: these statements."""

    def add(*statements: str) -> None:
        made = migrations.config()
        scripts = ScriptDirectory.from_config(made)
        folder = tmp_path / "versions"
        folder.mkdir()
        (folder / "next.py").write_text(
            "from alembic import op\n"
            f"revision, down_revision = 'next', {scripts.get_current_head()!r}\n"
            "branch_labels = depends_on = None\n"
            "def upgrade():\n"
            f"    for statement in {statements!r}:\n"
            "        op.execute(statement)\n"
        )
        made.set_main_option("version_locations", os.pathsep.join((scripts.versions, str(folder))))
        monkeypatch.setattr(migrations, "config", lambda: made)
        monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS, "next"])

    return add


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
