"""A file that is there whole or not at all, and never over another."""

from pathlib import Path

import pytest

from casebell.errors import Refusal
from casebell.store.new_file import new_file


def test_whole(tmp_path: Path) -> None:
    """It has its name once the block has ended, is the owner's alone, and nothing else is left."""
    target = tmp_path / "backup.db"
    with new_file(target) as part:
        part.write_bytes(b"all of it")
        assert not target.exists()
    assert target.read_bytes() == b"all of it"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_not_at_all(tmp_path: Path) -> None:
    """After an error there is nothing."""
    with pytest.raises(TypeError), new_file(tmp_path / "backup.db") as part:
        part.write_bytes("half")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_somebody_has(tmp_path: Path) -> None:
    """A file, or a link that leads nowhere, is somebody's: it stays."""
    target = tmp_path / "backup.db"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refusal, match="exists already"), new_file(target):
        pytest.fail("the block must not begin")
    assert target.is_symlink()


def test_a_name_that_somebody_takes_meanwhile(tmp_path: Path) -> None:
    """Whoever was first keeps it."""
    target = tmp_path / "backup.db"
    with pytest.raises(Refusal, match="exists already"), new_file(target):
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_no_such_folder(tmp_path: Path) -> None:
    """The system's own reason is told."""
    with (
        pytest.raises(Refusal, match="cannot be written: No such file or directory"),
        new_file(tmp_path / "none" / "backup.db"),
    ):
        pytest.fail("the block must not begin")
