"""Migrations, run on start inside the writing transaction.

Only a database that is due needs Alembic, whose import takes a tenth of a second: what every start
and every command asks is answered by the names of the files.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from casebell.errors import NothingStored, StorageUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

#: Every version that this release knows, the oldest first.
VERSIONS = sorted(
    path.name.partition("_")[0] for path in Path(__file__).parent.glob("versions/[0-9]*.py")
)


def config() -> "Config":
    """Alembic's configuration; no file needed."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    return made


def upgrade(connection: Connection) -> bool:
    """Bring the tables to this release's version.

    Returns:
        Whether there were none.

    Raises:
        StorageUnavailable: the database was written by a later release.
    """
    current = _current(connection)
    if current == VERSIONS[-1]:
        return False
    from alembic import command  # noqa: PLC0415 - see above

    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")
    return current is None


def check(connection: Connection) -> None:
    """See that the tables are at this release's version, for who only reads them.

    Raises:
        NothingStored: there are no tables yet.
        StorageUnavailable: another release wrote the database.
    """
    current = _current(connection)
    if current is None:
        raise NothingStored
    if current != VERSIONS[-1]:
        raise StorageUnavailable(
            f"The database is at version {current}, which is older than this release.",
            hint="`casebell serve` brings it up to date.",
        )


def upgrade_due(connection: Connection) -> str | None:
    """The version to which `upgrade` would bring tables that are there; None where it need not.

    Raises:
        StorageUnavailable: the database was written by a later release.
    """
    return VERSIONS[-1] if _current(connection) not in (None, VERSIONS[-1]) else None


def known(revision: str) -> None:
    """See that this release knows a version.

    Raises:
        StorageUnavailable: it does not.
    """
    if revision not in VERSIONS:
        raise StorageUnavailable(
            f"The database is at version {revision}, which this release does not know.",
            hint="Run the Casebell release that wrote it, or a later one.",
        )


def _current(connection: Connection) -> str | None:
    """The version of the tables; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    current: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    if current is not None:
        known(current)
    return current
