"""Backups of an SQLite database, also while a server writes it; checked before they get a name."""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from casebell.errors import NothingStored
from casebell.store.integrity import Contents, inspect_copy, opened, read_contents
from casebell.store.new_file import new_file
from casebell.store.translation import DatabaseDamaged, sqlite_errors

#: Called with the step, "Copying" or "Checking", and the finished share of it, from 0 to 1.
Progress: TypeAlias = Callable[[str, float], None]

#: Pages copied at a time: four megabytes at SQLite's usual page size.
_PAGES_PER_STEP = 1_000


def no_progress(_doing: str, _share: float) -> None:
    """The progress is not shown."""


def make_backup(database: Path, target: Path, *, progress: Progress = no_progress) -> Contents:
    """Copy a database as it is at this moment, check the copy, and only then give it its name.

    This blocks: an event loop runs it in a thread. It only reads the database, and a server that
    writes does not wait for it.

    Returns:
        The figures of the copy.

    Raises:
        Refusal: `target` exists, or cannot be written.
        DatabaseDamaged: the database is damaged.
        StorageUnavailable: it cannot be read or copied, or a later release wrote it.
        NothingStored: it does not exist, or holds no tables of ours.
    """
    if not database.exists():
        raise NothingStored
    with new_file(target) as part:
        original = _copy(database, part, progress)
        progress("Checking", 0)
        copied = inspect_copy(part)
        if replace(copied, differences=()) != original:
            raise DatabaseDamaged("its copy differs from it")
        progress("Checking", 1)
    return copied


def keep_before(database: Path, revision: str) -> tuple[Path, bool]:
    """Make a backup beside a database that is about to be migrated; one that is there is kept.

    Args:
        database: the file.
        revision: the version of the tables that it is about to get.

    Returns:
        The backup, and whether it is new.

    Raises:
        As `make_backup`.
    """
    target = database.with_name(f"{database.name}.before-{revision}")
    if os.path.lexists(target):
        return target, False
    make_backup(database, target)
    return target, True


def _copy(database: Path, part: Path, progress: Progress) -> Contents:
    """Copy the pages; return the figures of the original at that moment."""

    def step(_status: int, remaining: int, total: int) -> None:
        progress("Copying", (total - remaining) / total if total else 1)

    with (
        sqlite_errors(database, copy=part),
        closing(opened(database, "mode=ro")) as source,
        closing(opened(part, "mode=rw")) as copy,
    ):
        # One snapshot for the whole copy. Without it SQLite would start again at each commit of
        # the server, and beside a busy server never end.
        source.execute("BEGIN")
        contents = read_contents(source)
        # The copy needs no protection against a crash until it has its name.
        copy.execute("PRAGMA journal_mode = MEMORY")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=_PAGES_PER_STEP, progress=step)
        # A single complete file, which can be read on a read-only disk.
        copy.execute("PRAGMA journal_mode = DELETE")
    return contents
