"""Alembic migrations, run on start inside the writing transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from casebell.errors import NotFound, StorageUnavailable


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
    scripts = ScriptDirectory.from_config(alembic)
    if _current(connection, scripts) == scripts.get_current_head():
        return
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")


def check(connection: Connection) -> None:
    """See that the tables are at this release's version, for who only reads them.

    Raises:
        NotFound: there are no tables yet.
        StorageUnavailable: another release wrote the database.
    """
    scripts = ScriptDirectory.from_config(config())
    current = _current(connection, scripts)
    if current is None:
        raise nothing_there()
    if current != scripts.get_current_head():
        raise StorageUnavailable(
            f"The database is at version {current}, which is older than this release.",
            hint="`casebell serve` brings it up to date.",
        )


def upgrade_due(connection: Connection) -> str | None:
    """The version to which `upgrade` would bring tables that are there; None where it need not.

    Raises:
        StorageUnavailable: the database was written by a later release.
    """
    scripts = ScriptDirectory.from_config(config())
    head = scripts.get_current_head()
    return head if _current(connection, scripts) not in (None, head) else None


def known(revision: str) -> None:
    """See that this release knows a version.

    Raises:
        StorageUnavailable: it does not.
    """
    _see_known(revision, ScriptDirectory.from_config(config()))


def nothing_there() -> NotFound:
    """The answer to who wants to read before anything was written."""
    return NotFound(
        "There is no database yet.", hint="`casebell serve` creates it on its first start."
    )


def _current(connection: Connection, scripts: ScriptDirectory) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None:
        _see_known(current, scripts)
    return current


def _see_known(revision: str, scripts: ScriptDirectory) -> None:
    if revision not in {one.revision for one in scripts.walk_revisions()}:
        raise StorageUnavailable(
            f"The database is at version {revision}, which this release does not know.",
            hint="Run the Casebell release that wrote it, or a later one.",
        )
