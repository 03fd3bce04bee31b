"""The lock beside an SQLite file: one server, and others who only look."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from casebell.errors import StorageUnavailable, StoreInUse, StoreLocked
from casebell.store.lock import is_locked, lock_path, locked, take_lock
from e2e.disks import small_disk


def test_one_at_a_time(sqlite_path: Path) -> None:
    """The second is told who is there; once the first has gone, it may."""
    with locked(sqlite_path):
        assert is_locked(sqlite_path)
        with pytest.raises(StoreInUse, match=str(sqlite_path)):
            take_lock(sqlite_path)
        assert lock_path(sqlite_path).read_text() == f"{os.getpid()} command\n"
        assert lock_path(sqlite_path).stat().st_mode & 0o777 == 0o600
    assert not is_locked(sqlite_path)
    server = take_lock(sqlite_path, serving=True)
    with pytest.raises(StoreLocked, match="Another Casebell server") as caught:
        take_lock(sqlite_path, serving=True)
    assert type(caught.value) is StoreLocked
    assert lock_path(sqlite_path).read_text() == f"{os.getpid()}\n"
    os.close(server)


def test_by_another_name(sqlite_path: Path, tmp_path: Path) -> None:
    """A link to the database leads to the same lock."""
    sqlite_path.touch()
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_path)
    with locked(sqlite_path):
        assert is_locked(link)
        with pytest.raises(StoreLocked):
            take_lock(link)


def test_looking_makes_nothing(sqlite_path: Path) -> None:
    """Where no server ever ran there is no lock file afterwards, either."""
    assert not is_locked(sqlite_path)
    assert list(sqlite_path.parent.iterdir()) == []


def test_no_place_for_it(tmp_path: Path) -> None:
    """A file where the folder should be is told, with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="folder of the database") as caught:
        take_lock(tmp_path / "file" / "casebell.db")
    assert "may write" in caught.value.hint


def _link(place: Path, target: Path) -> None:
    place.symlink_to(target)


def _second_name(place: Path, target: Path) -> None:
    place.hardlink_to(target)


def _pipe(place: Path, _target: Path) -> None:
    os.mkfifo(place)


def _folder(place: Path, _target: Path) -> None:
    place.mkdir()


@pytest.mark.parametrize("put", [_link, _second_name, _pipe, _folder])
def test_only_a_file_is_locked(
    sqlite_path: Path, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    """What somebody put in the lock's place is refused, and nothing else is overwritten."""
    target = tmp_path / "target"
    target.write_text("of somebody else")
    put(lock_path(sqlite_path), target)
    with pytest.raises(StorageUnavailable, match=r"casebell\.db\.lock cannot be used: I[ts] "):
        take_lock(sqlite_path)
    assert target.read_text() == "of somebody else"
    assert not is_locked(sqlite_path)


def test_a_full_disk_does_not_keep_a_server_out(sqlite_path: Path, tmp_path: Path) -> None:
    """The number of the process is for people; without it the lock is as good."""
    with small_disk(tmp_path / "small") as disk:
        path = disk.directory / "casebell.db"
        os.close(take_lock(path))
        disk.fill()
        os.close(take_lock(path))
