"""`casebell backup` and `restore`: a checked copy of the database, and the way back."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from casebell.cli.options import By, Config
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_line, print_to_stderr, status_line
from casebell.clock import iso
from casebell.errors import CasebellError, Refusal
from casebell.settings import Settings, load_stored
from casebell.store.backup import make_backup
from casebell.store.integrity import Contents
from casebell.store.restore import restore_backup
from casebell.times import counted, local_time


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    by: By = None,
    config: Config = None,
) -> None:
    """Copy the database into a new file and check it; a running server goes on."""
    settings = load_stored(config)
    database = _database(settings, hint="Use pg_dump: it copies a database that is in use.")
    with status_line(shown=sys.stderr.isatty()) as show:
        contents = make_backup(database, file, progress=lambda *step: show(_text(*step)))
    _record(contents, settings, by=by)
    print_line(f"Wrote {file}: {_summary(contents, settings)}")
    _see_unaltered(contents)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    config: Config = None,
) -> None:
    """Check a backup and put it where the database belongs; never over another."""
    settings = load_stored(config)
    database = _database(settings, hint="Use pg_restore, or psql, with what pg_dump wrote.")
    with status_line(shown=sys.stderr.isatty()) as show:
        contents = restore_backup(file, database, progress=lambda *step: show(_text(*step)))
    print_line(f"Restored {database}: {_summary(contents, settings)}")
    if contents.waiting:
        alerts = counted(contents.waiting, "alert")
        print_line(
            f"{alerts} waited then; `casebell serve` sends what waits, even if it was sent since."
        )
    _see_unaltered(contents)


def _see_unaltered(contents: Contents) -> None:
    """Say what is not as Casebell made it; the file is written all the same.

    Raises:
        Exit: something is not.
    """
    if contents.differences:
        print_to_stderr(
            f"Its tables are not as Casebell made them: {'; '.join(contents.differences)}.",
            "Such things can swallow alerts. Remove them, then look at `casebell doctor`.",
        )
        raise typer.Exit(1)


def _record(contents: Contents, settings: Settings, *, by: str | None) -> None:
    """Have the database know that it was copied, for who watches the age of the last backup."""
    figures: dict[str, Any] = {"events": contents.events, "entries": contents.entries}
    try:
        ServiceClient(settings.path).do("record_backup", by=by, **figures)
    except CasebellError as error:
        print_to_stderr(f"The backup is good; that it was made is not on record: {error.message}")


def _database(settings: Settings, *, hint: str) -> Path:
    """The SQLite file.

    Raises:
        Refusal: the storage is PostgreSQL, which has programs for this.
    """
    if settings.storage.sqlite_path is None:
        raise Refusal("The storage is PostgreSQL, whose own programs do this.", hint=hint)
    return settings.storage.sqlite_path


def _summary(contents: Contents, settings: Settings) -> str:
    entries = counted(contents.entries, "journal entry", "journal entries")
    held = f"{counted(contents.events, 'event')}, {entries}"
    if contents.last_at is None:
        return f"{held}."
    return f"{held}, the last of {local_time(iso(contents.last_at), settings.server.timezone)}."


def _text(doing: str, share: float) -> str:
    # SQLite does not say how far its check is.
    return f"{doing} … {share:.0%}" if doing == "Copying" else f"{doing} …"
