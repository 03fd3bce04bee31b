"""Puts a backup in the place of a lost database."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from casebell.errors import NotFound, NothingStored, Refusal, StorageUnavailable
from casebell.store.backup import Progress, no_progress
from casebell.store.integrity import Contents, inspect_copy
from casebell.store.lock import locked
from casebell.store.new_file import new_file
from casebell.store.translation import DatabaseDamaged

_CHUNK = 4 * 1024 * 1024
#: Files that SQLite keeps beside a database. Left over from another database, they would write that
#: one's pages into the restored one.
_SIDE_FILES = ("-wal", "-shm", "-journal")


def restore_backup(backup: Path, database: Path, *, progress: Progress = no_progress) -> Contents:
    """Copy a backup to the path of a missing database, and check the copy.

    Checked are the very bytes that become the database. The backup stays as it is.

    Returns:
        The figures of the copy.

    Raises:
        Refusal: a database, or a side file of one, exists; or the backup is damaged, of a later
            release, or not a backup of Casebell.
        NotFound: the backup does not exist.
        StoreLocked: a server holds the database.
        StorageUnavailable: the copy cannot be written.
    """
    _see_room(database)
    _see_finished(backup)
    with _open(backup) as source, locked(database):
        # Again: until the lock was taken a server could start and create one.
        _see_room(database)
        with new_file(database) as part:
            _copy(source, part, backup, progress)
            progress("Checking", 0)
            contents = _inspect(part, backup)
            progress("Checking", 1)
    return contents


def _see_finished(backup: Path) -> None:
    wal = backup.with_name(backup.name + "-wal")
    try:
        kind = backup.stat().st_mode
        unfinished = wal.exists() and wal.stat().st_size > 0
    except FileNotFoundError:
        raise NotFound(f"There is no file {backup}.") from None
    except OSError as error:
        raise _unreadable(backup, error) from None
    if not stat.S_ISREG(kind):
        raise Refusal(f"{backup} is no ordinary file.")
    if unfinished:
        raise Refusal(
            f"{backup} is no finished backup: a part of it is in {wal}.",
            hint="`casebell backup FILE` makes one, also of a database that is in use.",
        )


def _open(backup: Path) -> BinaryIO:
    try:
        return backup.open("rb")
    except OSError as error:
        raise _unreadable(backup, error) from None


def _see_room(database: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        there = database.with_name(database.name + suffix)
        if os.path.lexists(there):
            raise Refusal(
                f"{there} exists; nothing was restored.",
                hint=f"Stop the server, then move {database} and the -wal and -shm files beside "
                "it away, together.",
            )


def _copy(source: BinaryIO, part: Path, backup: Path, progress: Progress) -> None:
    total = os.fstat(source.fileno()).st_size
    done = 0
    with part.open("r+b") as copy:
        while True:
            try:
                chunk = source.read(_CHUNK)
            except OSError as error:
                raise _unreadable(backup, error) from None
            if not chunk:
                return
            try:
                copy.write(chunk)
                copy.flush()
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                raise StorageUnavailable(f"The copy cannot be written: {reason}.") from None
            done += len(chunk)
            progress("Copying", min(done / total, 1) if total else 1)


def _inspect(part: Path, backup: Path) -> Contents:
    """Check the copy; report its defects as the backup's."""
    try:
        return inspect_copy(part)
    except DatabaseDamaged as error:
        raise Refusal(
            f"{backup} is damaged: {error.reason}. Nothing was restored.",
            hint="Take another backup.",
        ) from None
    except NothingStored:
        raise Refusal(f"{backup} is no backup of Casebell. Nothing was restored.") from None
    except StorageUnavailable as error:
        raise Refusal(f"{backup} cannot be restored. {error.message}", hint=error.hint) from None


def _unreadable(backup: Path, error: OSError) -> Refusal:
    return Refusal(f"{backup} cannot be read: {os.strerror(error.errno or 0)}.")
