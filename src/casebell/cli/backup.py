"""`casebell backup` and `restore`: a checked copy of the database, and the way back."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.local_service import NothingStored
from casebell.cli.options import Config, settings_for
from casebell.cli.terminal import local_time, print_line
from casebell.clock import iso
from casebell.errors import NotFound, Refusal
from casebell.settings import Settings
from casebell.store.backup import Progress, make_backup
from casebell.store.integrity import Contents
from casebell.store.restore import restore_backup


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    config: Config = None,
) -> None:
    """Copy the database into a new file and check it; a running server goes on."""
    settings = settings_for(context, config)
    database = _database(settings, hint="Use pg_dump: it copies a database that is in use.")
    try:
        with _progress() as progress:
            contents = make_backup(database, file, progress=progress)
    except NotFound:
        raise NothingStored from None
    print_line(f"Wrote {file}: {_summary(contents, settings)}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    config: Config = None,
) -> None:
    """Check a backup and put it where the database belongs; never over another."""
    settings = settings_for(context, config)
    database = _database(settings, hint="Use pg_restore, or psql, with what pg_dump wrote.")
    with _progress() as progress:
        contents = restore_backup(file, database, progress=progress)
    print_line(f"Restored {database}: {_summary(contents, settings)}")
    if contents.waiting:
        alerts = _count(contents.waiting, "alert", "alerts")
        print_line(
            f"{alerts} waited then; `casebell serve` sends what waits, even if it was sent since."
        )


def _database(settings: Settings, *, hint: str) -> Path:
    """The SQLite file.

    Raises:
        Refusal: the storage is PostgreSQL, which has programs for this.
    """
    if settings.storage.sqlite_path is None:
        raise Refusal("The storage is PostgreSQL, whose own programs do this.", hint=hint)
    return settings.storage.sqlite_path


def _summary(contents: Contents, settings: Settings) -> str:
    held = (
        f"{_count(contents.events, 'event', 'events')}, "
        f"{_count(contents.entries, 'journal entry', 'journal entries')}"
    )
    if contents.last_at is None:
        return f"{held}."
    return f"{held}, the last of {local_time(iso(contents.last_at), settings.server.timezone)}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show the progress on standard error where that is a terminal; cleared at the end."""
    if not sys.stderr.isatty():
        yield lambda _doing, _share: None
        return
    shown = ""

    def show(text: str) -> None:
        nonlocal shown
        if text != shown:
            typer.echo(f"\r{text:<{len(shown)}}", err=True, nl=False)
            shown = text

    def show_progress(doing: str, share: float) -> None:
        # SQLite does not say how far its check is.
        show(f"{doing} … {share:.0%}" if doing == "Copying" else f"{doing} …")

    try:
        yield show_progress
    finally:
        if shown:
            typer.echo(f"\r{' ' * len(shown)}\r", err=True, nl=False)
