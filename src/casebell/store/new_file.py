"""Creates a file atomically: whole or not at all, private, and over no other but its own kind."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from casebell.errors import Refusal
from casebell.files import give_to_folders_owner, open_ordinary, reason_of

#: Errors of a file system without hard links, as many network shares are.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def new_file(target: Path, *, replaces: bytes | None = None) -> Iterator[Path]:
    """An empty private file beside `target`; it gets the name when the block ends without error.

    The file and its name are then on disk. After an error the file is removed.

    Args:
        replaces: how an earlier file of the name begins that may go.

    Raises:
        Refusal: the name exists, also if it was created meanwhile; or the file cannot be written.
    """
    earlier = replaces is not None and begins_with(target, replaces)
    if not earlier:
        refuse_existing(target)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with _written(target):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                give_to_folders_owner(descriptor, part)
            finally:
                os.close(descriptor)
        yield part
        with _written(target):
            sync(part)
            if earlier:
                part.replace(target)
            else:
                _name(part, target)
            sync(target.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def begins_with(path: Path, beginning: bytes) -> bool:
    """Whether there is an ordinary file of this name, no link, that begins so."""
    try:
        descriptor = open_ordinary(path)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(beginning)) == beginning
    finally:
        os.close(descriptor)


def refuse_existing(target: Path) -> None:
    """Refuse a name that exists, also as a broken link.

    Raises:
        Refusal: it exists.
    """
    if os.path.lexists(target):
        raise _exists(target)


def sync(path: Path) -> None:
    """Write a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(part: Path, target: Path) -> None:
    """Give the file its name, unless it exists: a rename would replace an existing file."""
    try:
        os.link(part, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # An empty file of ours takes the name first; replacing it is harmless.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        part.replace(target)


@contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise Refusal(f"{target} cannot be written: {reason_of(error, target)}.") from None


def _exists(target: Path) -> Refusal:
    return Refusal(f"{target} exists already; nothing was written.", hint="Name a new file.")
