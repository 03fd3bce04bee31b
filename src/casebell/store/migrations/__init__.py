"""Alembic migrations, run on start inside the writing transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from casebell.errors import StorageUnavailable


def config() -> Config:
    """The migrations' configuration; no file needed."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    return made


def upgrade(connection: Connection) -> None:
    """Bring the tables to this release's version.

    Raises:
        StorageUnavailable: the database was written by a later release.
    """
    alembic = config()
    known = {script.revision for script in ScriptDirectory.from_config(alembic).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise StorageUnavailable(
            f"The database is at version {current}, which this release does not know.",
            hint="Run the Casebell release that wrote it, or a later one.",
        )
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")
