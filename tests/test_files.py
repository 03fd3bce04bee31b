"""Whose files are, and whose new ones become."""

import os
import pwd
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casebell.admin import listen
from casebell.files import make_folder, open_ordinary, reason_of
from casebell.store.lock import hold
from casebell.store.new_file import new_file

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder that the service's user owns."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    return folder


@contextmanager
def acting_as_nobody() -> Iterator[None]:
    """What the service does, under a user of its own."""
    os.seteuid(NOBODY.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def owner(path: Path) -> tuple[int, int]:
    """User and group of a file, and of a link itself."""
    found = path.lstat()
    return found.st_uid, found.st_gid


@as_root
def test_what_root_makes_belongs_to_the_folders_owner(theirs: Path) -> None:
    """A new file, a lock, a socket and a folder: the service, which is that user, can use them."""
    with new_file(theirs / "casebell.db") as part:
        part.write_bytes(b"x")
    lock = hold(theirs / "casebell.db.lock")
    assert lock is not None
    os.close(lock)
    listen(theirs / "casebell.db.sock").close()
    make_folder(theirs / "a" / "b")
    made = [theirs / "a", theirs / "a" / "b", *theirs.iterdir()]
    assert {owner(path) for path in made} == {(NOBODY.pw_uid, NOBODY.pw_gid)}
    assert {path.name: path.lstat().st_mode & 0o777 for path in theirs.iterdir()} == {
        "casebell.db": 0o600,
        "casebell.db.lock": 0o600,
        "casebell.db.sock": 0o600,
        "a": 0o755,
    }


@as_root
def test_what_others_own_stays_theirs(theirs: Path) -> None:
    """Root takes nobody's file from him, and the service's own new files are its own anyway."""
    other = theirs / "casebell.db.lock"
    other.touch()
    os.chown(other, 1234, 1234)
    lock = hold(other)
    assert lock is not None
    os.close(lock)
    assert owner(other) == (1234, 1234)


@as_root
def test_the_file_and_its_owner_are_named() -> None:
    """Whose file keeps this user out, or whose folder, by the name of the user."""
    # Not where pytest makes its own, which nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        mine = folder / "casebell.db.lock"
        mine.touch(0o600)
        for path, culprit in ((mine, mine), (folder / "new", folder)):
            with acting_as_nobody(), pytest.raises(PermissionError) as caught:
                open_ordinary(path, create=True)
            with acting_as_nobody():
                says = reason_of(caught.value, path)
            assert says == f"Permission denied; {culprit} belongs to root, and this is nobody"


def test_a_socket_in_another_sockets_place(tmp_path: Path) -> None:
    """The permissions of a new socket are its user's alone."""
    with listen(tmp_path / "sock") as listener:
        assert isinstance(listener, socket.socket)
        assert (tmp_path / "sock").stat().st_mode & 0o777 == 0o600
