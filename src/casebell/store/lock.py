"""The lock that keeps a second server out of an SQLite file, and out of a socket's place."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from casebell.errors import StorageUnavailable, StoreInUse, StoreLocked
from casebell.files import give_to_folders_owner, make_folder, open_ordinary, reason_of
from casebell.store.translation import system_passes

#: What stands behind the number of the process where it is none of a server.
_COMMAND = " command"


def hold(path: Path) -> int | None:
    """Lock a file, made if necessary, until the returned descriptor is closed.

    Returns:
        None while another process holds it.

    Raises:
        OSError: it cannot be made, opened or locked, or is no ordinary file.
    """
    descriptor = open_ordinary(path, create=True)
    try:
        os.fchmod(descriptor, 0o600)
        give_to_folders_owner(descriptor, path)
        if lock(descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def lock(descriptor: int) -> bool:
    """Lock an open file; whether it could be had.

    A command that only looks holds it for an instant.
    """
    for backoff in (0.02, 0.05, 0.1, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if backoff is None:
                return False
            time.sleep(backoff)
        else:
            return True
    return False


def take_lock(path: Path, *, serving: bool = False) -> int:
    """Hold `<database>.lock` for as long as the process lives; return its descriptor.

    Args:
        serving: it is a server's, and no command's.

    Raises:
        StoreLocked: another server holds it; `StoreInUse` where a command does.
        StorageUnavailable: the file cannot be used.
    """
    place = lock_path(path)
    try:
        make_folder(place.parent)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder of the database cannot be made: {reason_of(error, place.parent)}.",
            hint=f"Make {place.parent} a folder in which this user may write.",
            passes=system_passes(error),
        ) from None
    try:
        descriptor = hold(place)
    except OSError as error:
        raise StorageUnavailable(
            f"The lock file {place} cannot be used: {reason_of(error, place)}.",
            hint="It and its folder must be writable for the user who runs the server: "
            f"`ls -la {place.parent}`.",
            passes=system_passes(error),
        ) from None
    if descriptor is None:
        if _is_of_command(place):
            raise StoreInUse(f"A command of Casebell holds {path}.")
        raise StoreLocked(f"Another Casebell server holds {path}.")
    # Who holds it is for people to see; on a full disk it cannot be said.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}{'' if serving else _COMMAND}\n".encode())
    return descriptor


def _is_of_command(place: Path) -> bool:
    """Whether whoever holds a lock said that it is a command."""
    try:
        descriptor = open_ordinary(place)
    except OSError:
        return False
    try:
        return os.read(descriptor, 64).decode("ascii", "replace").strip().endswith(_COMMAND)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of an SQLite database while its file is replaced: no server can start then.

    Raises:
        StoreLocked: a server holds it.
        StorageUnavailable: the folder cannot be used.
    """
    descriptor = take_lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def lock_path(path: Path) -> Path:
    """The lock's path: beside the SQLite file itself, also where `path` is a link to it."""
    real = path.resolve()
    return real.with_name(real.name + ".lock")


def is_locked(path: Path) -> bool:
    """Whether a server holds this SQLite database now."""
    try:
        descriptor = open_ordinary(lock_path(path))
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
