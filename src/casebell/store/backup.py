"""A copy of an SQLite database, made while a server writes it, and checked before it has a name."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from casebell.store import migrations
from casebell.store.new_file import new_file
from casebell.store.soundness import (
    Contents,
    DatabaseDamaged,
    inspect_copy,
    opened,
    read_contents,
    told,
)

#: Told what is being done, "Copying" or "Checking", and the share that is done, from 0 to 1.
Progress: TypeAlias = Callable[[str, float], None]

#: Pages of a step: four megabytes at SQLite's usual size.
_PAGES = 1_000


def nobody(_doing: str, _share: float) -> None:
    """Progress that nobody watches."""


def make_backup(database: Path, target: Path, *, progress: Progress = nobody) -> Contents:
    """Copy a database as it is at this moment, check the copy, and only then give it its name.

    Blocks for as long as that takes: an event loop runs it in a thread. It only reads the database,
    and a server that writes does not wait for it.

    Returns:
        What is in the copy.

    Raises:
        Refusal: `target` exists, or cannot be written.
        DatabaseDamaged: the database is not whole.
        StorageUnavailable: it cannot be read or copied, or a later release wrote it.
        NotFound: there is nothing in it.
    """
    if not database.exists():
        raise migrations.nothing_there()
    with new_file(target) as part:
        original = _copy(database, part, progress)
        progress("Checking", 0)
        copied = inspect_copy(part)
        if copied != original:
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
    """Copy the pages; tell what the original held at that moment."""

    def step(_status: int, remaining: int, total: int) -> None:
        progress("Copying", (total - remaining) / total if total else 1)

    with (
        told(),
        closing(opened(database, "mode=ro")) as source,
        closing(opened(part, "mode=rw")) as copy,
    ):
        # One view for the whole copy. Without it SQLite would begin again at each commit of the
        # server, and beside a busy one never end.
        source.execute("BEGIN")
        contents = read_contents(source)
        # Until it has its name, the copy needs no protection against a crash.
        copy.execute("PRAGMA journal_mode = MEMORY")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=_PAGES, progress=step)
        # One file that is complete by itself, and can be read where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE")
    return contents
