"""The SQLite file of a store: Casebell's own, locked, private, and still there under its name.

A commit into a file that was deleted or replaced is safe nowhere, and nothing fails. So the store
asks `see_unchanged` after each commit, before anybody is told that something is stored.
"""

import os
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, inspect

from casebell.errors import Refusal, StorageUnavailable, StoreLocked
from casebell.files import NotOrdinary, open_ordinary, reason_of
from casebell.store.integrity import APPLICATION_ID, OURS, opened
from casebell.store.lock import lock, lock_path, take_lock
from casebell.store.new_file import new_file
from casebell.store.translation import DatabaseDamaged, sqlite_errors, system_passes

#: How SQLite's files begin, and where their header has the number of the program that made them
#: (its file format, section 1.3).
_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID = slice(68, 72)
_HEADER_BYTES = 100
#: Bytes on the disk below which no delivery might be stored: a large body, its entries and indexes.
MIN_ROOM = 1024 * 1024
#: Device and inode.
_Identity: TypeAlias = tuple[int, int]


class DatabaseFile:
    """Take it before SQLite opens the file, and give it back after SQLite closed it.

    In between nothing else of this process may open and close the file: that would drop SQLite's
    own locks on it.
    """

    def __init__(self, path: Path) -> None:
        #: Where it lies, also where the path is a link to it.
        self._path = path.resolve()
        #: Whether a server had run here before it was taken.
        self.had_server = False
        self._lock: int | None = None
        self._descriptor: int | None = None
        self._identity: _Identity = (0, 0)
        #: Files that SQLite keeps beside it, each since it was first seen.
        self._side: dict[str, _Identity] = {}
        self._beside = {suffix: Path(f"{self._path}{suffix}") for suffix in ("-wal", "-shm")}

    def take(self, *, serving: bool) -> None:
        """Lock it, make it where there is none, and see that it is ours.

        Args:
            serving: a server does, and no command.

        Raises:
            StoreLocked: another server holds it, perhaps by another name; `StoreInUse` where a
                command does.
            DatabaseDamaged: it is no SQLite file.
            StorageUnavailable: it is not ours, or cannot be used.
        """
        self.had_server = lock_path(self._path).exists()
        self._lock = take_lock(self._path, serving=serving)
        try:
            if not os.path.lexists(self._path):
                self._make()
            self._descriptor = self._open()
            found = os.fstat(self._descriptor)
            self._identity = found.st_dev, found.st_ino
            self._lock_itself(self._descriptor)
            self._see_ours(os.pread(self._descriptor, _HEADER_BYTES, 0))
            self._make_private()
        except BaseException:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Release the locks."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._lock = None

    def see_unchanged(self) -> None:
        """See that what SQLite writes is what lies under these names.

        Raises:
            StorageUnavailable: it was deleted, replaced or emptied.
        """
        if self._descriptor is None:
            return
        try:
            found = self._path.stat()
        except OSError:
            raise self._lost("was deleted or moved away") from None
        if (found.st_dev, found.st_ino) != self._identity:
            raise self._lost("was replaced by another file")
        if not found.st_size:
            raise self._lost("was emptied")
        for suffix in self._beside:
            self._see_side_file(suffix)

    def see_room(self) -> None:
        """See that its disk has room for a delivery and may be written.

        Raises:
            StorageUnavailable: it has none.
        """
        disk = os.statvfs(self._path.parent)
        free = (disk.f_bavail if os.geteuid() else disk.f_bfree) * disk.f_frsize
        if disk.f_flag & os.ST_RDONLY:
            reason = "its disk may only be read"
        elif free < MIN_ROOM:
            reason = f"only {free // 1024:,} KiB of its disk are free"
        else:
            return
        raise StorageUnavailable(
            f"The storage failed: {reason} ({self._path}).",
            hint=f"Make room on its disk: `df -h {self._path.parent}`.",
            passes=True,
        )

    def _see_side_file(self, suffix: str) -> None:
        known = self._side.get(suffix)
        try:
            found = self._beside[suffix].stat()
            identity = found.st_dev, found.st_ino
        except OSError:
            identity = None
        if identity == known:
            return
        # SQLite itself makes it anew where its last connection was closed meanwhile.
        if known is not None and _is_open(known):
            raise self._lost(f"has lost its {suffix} file")
        if identity is None:
            self._side.pop(suffix, None)
        else:
            self._side[suffix] = identity

    def _lost(self, how: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"The storage failed: {self._path} {how} while the server uses it.",
            hint="Move it back, with the -wal and -shm files that were beside it. Where it is "
            f"gone, /proc/{os.getpid()}/fd has its content until the server ends; after that "
            "`casebell restore FILE` puts a backup in its place.",
        )

    def _make(self) -> None:
        """Make the file under its name at once with our number in it: it is never seen empty."""
        for suffix in ("-wal", "-journal"):
            left = self._path.with_name(self._path.name + suffix)
            with suppress(OSError):
                if left.lstat().st_size:
                    raise StorageUnavailable(
                        f"{self._path} is gone, but {left} is there, which is a part of it.",
                        hint="Move the database back beside it. To begin anew, move it away, too.",
                    )
        try:
            with (
                new_file(self._path) as part,
                sqlite_errors(part),
                closing(opened(part, "mode=rw")) as connection,
            ):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        except Refusal as error:
            # What could not be written on a full disk can be once there is room.
            raise StorageUnavailable(error.message, hint=error.hint, passes=True) from None

    def _open(self) -> int:
        try:
            return open_ordinary(self._path)
        except OSError as error:
            hint = f"Make {self._path} writable for the user who runs the server."
            if isinstance(error, NotOrdinary):
                hint = (
                    "SQLite keeps the newest entries under the name by which it was opened, so "
                    f"another one lacks them: `find {self._path.parent} -samefile {self._path}`."
                )
            raise StorageUnavailable(
                f"The database file {self._path} cannot be used: {reason_of(error, self._path)}.",
                hint=hint,
                passes=system_passes(error),
            ) from None

    def _lock_itself(self, descriptor: int) -> None:
        """Two names for one file, as two mounts give it, have a lock file each."""
        # Elsewhere the locks of flock and SQLite's own are of one kind, and shut each other out.
        if sys.platform == "linux" and not lock(descriptor):
            raise StoreLocked(f"Another Casebell server holds {self._path}, by another name.")

    def _see_ours(self, header: bytes) -> None:
        if not header:
            raise _empty(self._path)
        if not header.startswith(_MAGIC):
            raise DatabaseDamaged("file is not a database")
        application = int.from_bytes(header[_APPLICATION_ID], "big", signed=True)
        if application != APPLICATION_ID:
            _judge(self._path, application, set() if application else _tables(self._path))

    def _make_private(self) -> None:
        """Let only its owner read it and what a crash left beside it.

        New side files get mode and owner of the file from SQLite.
        """
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = self._path.with_name(self._path.name + suffix)
            try:
                descriptor = open_ordinary(path)
                try:
                    os.fchmod(descriptor, 0o600)
                finally:
                    os.close(descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageUnavailable(
                    f"The database file {path} cannot be written: {reason_of(error, path)}.",
                    hint=f"Make {path} writable for the user who runs the server.",
                    passes=system_passes(error),
                ) from None


def see_ours(connection: Connection, path: Path) -> None:
    """See that the open SQLite file is Casebell's.

    Raises:
        StorageUnavailable: it is not.
    """
    _judge(path, number(connection), set(inspect(connection).get_table_names()))


def number(connection: Connection) -> int:
    """The number of the program that made the open SQLite file."""
    return int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())


def _judge(path: Path, application: int, tables: set[str]) -> None:
    """By its number, or, as 0.2.0 wrote none, by its tables."""
    if application == APPLICATION_ID or (application == 0 and tables >= OURS):
        return
    if not application and not tables:
        raise _empty(path)
    raise StorageUnavailable(
        f"{path} is another program's database; nothing in it was changed.",
        hint="Name another file in storage.url.",
    )


def _empty(path: Path) -> StorageUnavailable:
    return StorageUnavailable(
        f"{path} is an empty file where a database should be; it was left as it is.",
        hint="If it was emptied, put a backup in its place: `casebell restore FILE`. To begin "
        "anew, remove it.",
    )


def _tables(path: Path) -> set[str]:
    """The tables in a file that may be another program's: nothing is made or changed beside it."""
    wal = path.with_name(path.name + "-wal")
    way = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    with sqlite_errors(path), closing(opened(path, way)) as connection:
        statement = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in connection.execute(statement)}


def _is_open(identity: _Identity) -> bool:
    """Whether this process has a file open, by whatever name, or by none any more."""
    with suppress(OSError):
        for descriptor in Path("/dev/fd").iterdir():
            with suppress(OSError):
                found = descriptor.stat()
                if (found.st_dev, found.st_ino) == identity:
                    return True
    return False
