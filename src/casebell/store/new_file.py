"""A file that is there whole or not at all, readable by its owner alone, and never over another."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from casebell.errors import Refusal

#: What a file system answers that has no second names for one file, as many network shares.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """An empty private file beside `target` to fill; it gets the name when the block ends well.

    It and its name are on disk then. After an error nothing is left of it.

    Raises:
        Refusal: something has the name already, or got it meanwhile; or it cannot be written.
    """
    refuse_existing(target)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with _written(target):
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield part
        with _written(target):
            sync(part)
            _name(part, target)
            sync(target.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def refuse_existing(target: Path) -> None:
    """See that nothing has this name; a link that leads nowhere is somebody's file as well.

    Raises:
        Refusal: something has it.
    """
    if os.path.lexists(target):
        raise _exists(target)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(part: Path, target: Path) -> None:
    """Give the file its name, unless something has it: a plain rename would replace that."""
    try:
        os.link(part, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # An empty file that is certainly ours takes the name first; replacing that is harmless.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        part.replace(target)


@contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Refusal(f"{target} cannot be written: {reason}.") from None


def _exists(target: Path) -> Refusal:
    return Refusal(f"{target} exists already; nothing was written.", hint="Name a new file.")
