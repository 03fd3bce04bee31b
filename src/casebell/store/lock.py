"""The lock that keeps a second server out of an SQLite file."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casebell.errors import StorageUnavailable, StoreLocked


def take_lock(path: Path) -> int:
    """Hold `<database>.lock` for as long as the process lives; return its descriptor."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder of the database cannot be used: {os.strerror(error.errno or 0)}.",
            hint=f"Make {path.parent} writable for this user.",
        ) from None
    try:
        taken = _lock(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise StorageUnavailable(
            f"The lock file cannot be used: {os.strerror(error.errno or 0)}."
        ) from None
    if not taken:
        os.close(descriptor)
        raise StoreLocked(f"Another Casebell server holds {path}.")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _lock(descriptor: int) -> bool:
    """Take the lock; whether it could be had. A command that only looks holds it for an instant."""
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
        descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
