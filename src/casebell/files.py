"""Files of ours: opened only where they are what they seem, and whose they are."""

import errno
import os
import pwd
import stat
from pathlib import Path


class NotOrdinary(OSError):
    """It is a link, a folder or a pipe, or has a second name."""


def open_ordinary(path: Path, *, create: bool = False) -> int:
    """Open an ordinary file of one name for reading and writing; no link is followed.

    Whoever may write in the folder could otherwise have any file of this user overwritten.

    Raises:
        NotOrdinary: it is something else.
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotOrdinary(errno.EINVAL, "It is no ordinary file") from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise NotOrdinary(errno.EINVAL, "It has another name besides (a hard link)")
    raise NotOrdinary(errno.EINVAL, "It is no ordinary file")


def make_folder(path: Path) -> None:
    """Make a folder with those above it; where root makes them, the owner above owns them too."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)


def give_to_folders_owner(descriptor: int, path: Path) -> None:
    """Give a file that root made to the owner of its folder, who is to use it.

    So what `sudo casebell restore` makes can be opened by the service, which runs as that user.
    """
    if os.geteuid() == 0 and os.fstat(descriptor).st_uid == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)


def give_socket_to_folders_owner(path: Path) -> None:
    """The same for a socket, which cannot be opened as a file."""
    if os.geteuid() != 0:
        return
    # By its inode: under the name somebody may have put another file meanwhile.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found, folder = os.fstat(descriptor), path.parent.stat()
        if stat.S_ISSOCK(found.st_mode) and found.st_uid == 0:
            os.chown(f"/proc/self/fd/{descriptor}", folder.st_uid, folder.st_gid)
    finally:
        os.close(descriptor)


def reason_of(error: OSError, path: Path) -> str:
    """Why a path cannot be used: the system's reason, and whose it is where another's."""
    if isinstance(error, NotOrdinary):
        return str(error.strerror)
    reason = os.strerror(error.errno or 0)
    if error.errno not in (errno.EACCES, errno.EPERM):
        return reason
    for one in (path, *path.parents):
        try:
            owner = one.lstat().st_uid
        except OSError:
            continue
        return (
            f"{reason}; {one} belongs to {user_name(owner)}, and this is {user_name(os.geteuid())}"
        )
    return reason


def user_name(uid: int) -> str:
    """The name of a system's user; "user 1000" where it has none, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
