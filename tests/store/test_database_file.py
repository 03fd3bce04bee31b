"""The SQLite file: Casebell's own and nobody else's, one for one server, and still there."""

# ruff: noqa: ASYNC221, ASYNC240 - nothing else runs in these loops

import gzip
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import QueuePool

from casebell.errors import StorageUnavailable, StoreLocked
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.integrity import APPLICATION_ID
from casebell.store.restore import restore_backup
from contracts.case_events import case_event
from contracts.stores import store_undecided
from store.database_files import keys_in
from waiting import until

RELEASE = Path(__file__).parents[1] / "e2e/releases/0.2.0.db.gz"


def ours(path: Path) -> bool:
    """Whether a file says that it is Casebell's."""
    return path.read_bytes()[68:72] == APPLICATION_ID.to_bytes(4, "big")


def url(path: Path) -> str:
    """What `storage.url` would be."""
    return f"sqlite:///{path}"


async def test_a_new_file_is_ours(sqlite_path: Path) -> None:
    """From its first byte, so that a start that is killed does not leave one that nobody made."""
    async with Store(url(sqlite_path)):
        assert ours(sqlite_path)


async def test_a_file_of_the_first_release_becomes_ours(sqlite_path: Path) -> None:
    """It has no number yet; its tables say whose it is."""
    sqlite_path.write_bytes(gzip.decompress(RELEASE.read_bytes()))
    assert not ours(sqlite_path)
    async with Store(url(sqlite_path)):
        pass
    assert ours(sqlite_path)
    target = sqlite_path.with_name("backup.db")
    make_backup(sqlite_path, target)
    assert ours(target)


def with_tables(path: Path, *pragmas: str) -> None:
    """A database of another program, as that one left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for pragma in pragmas:
            other.execute(f"PRAGMA {pragma}")
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.execute("INSERT INTO theirs VALUES (7)")


@pytest.mark.parametrize("pragmas", [(), ("application_id = 7",), ("journal_mode = WAL",)])
async def test_another_programs_database_is_left_alone(
    sqlite_path: Path, pragmas: tuple[str, ...]
) -> None:
    """Not a byte of it is changed, and who only reads hears the same."""
    with_tables(sqlite_path, *pragmas)
    sqlite_path.chmod(0o644)
    before = sqlite_path.read_bytes()
    for attempt in (Store(url(sqlite_path)).open, Store(url(sqlite_path)).open_for_reading):
        with pytest.raises(StorageUnavailable, match="another program's database") as caught:
            await attempt()
        assert "storage.url" in caught.value.hint
    assert sqlite_path.read_bytes() == before
    assert sqlite_path.stat().st_mode & 0o777 == 0o644


async def test_an_empty_file_is_no_database(sqlite_path: Path) -> None:
    """It may be what is left of one; only where there is nothing a new one is made."""
    sqlite_path.touch()
    for attempt in (Store(url(sqlite_path)).open, Store(url(sqlite_path)).open_for_reading):
        with pytest.raises(StorageUnavailable, match="is an empty file") as caught:
            await attempt()
        assert "casebell restore" in caught.value.hint
    assert sqlite_path.read_bytes() == b""


async def test_a_part_of_a_lost_database_is_kept(sqlite_path: Path) -> None:
    """SQLite would throw away what had been stored last, with the file that is gone."""
    wal = sqlite_path.with_name("casebell.db-wal")
    wal.write_bytes(b"the newest entries")
    with pytest.raises(StorageUnavailable, match=r"casebell\.db is gone, but .*-wal is there"):
        await Store(url(sqlite_path)).open()
    assert wal.read_bytes() == b"the newest entries"
    assert not sqlite_path.exists()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_no_link_beside_it_is_followed(
    sqlite_path: Path, migrated_sqlite: Path, suffix: str
) -> None:
    """A second name for the file, or a link in a side file's place, is refused."""
    shutil.copyfile(migrated_sqlite, sqlite_path)
    target = sqlite_path.with_name("target")
    target.write_bytes(b"of somebody else")
    target.chmod(0o644)
    if suffix:
        sqlite_path.with_name(f"casebell.db{suffix}").symlink_to(target)
    else:
        sqlite_path.with_name("other.db").hardlink_to(sqlite_path)
    with pytest.raises(StorageUnavailable, match=r"ordinary file|hard link"):
        await Store(url(sqlite_path)).open()
    assert target.read_bytes() == b"of somebody else"
    assert target.stat().st_mode & 0o777 == 0o644


async def test_two_mounts_of_one_file(
    sqlite_store: Store, sqlite_path: Path, tmp_path: Path
) -> None:
    """A second server is kept out, though the lock file that it sees is another one."""
    place = tmp_path / "elsewhere" / "casebell.db"
    place.parent.mkdir()
    place.touch()
    mount = ["mount", "--bind", str(sqlite_path), str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(StoreLocked, match="by another name"):
            await Store(url(place)).open()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    await store_undecided(sqlite_store, case_event("evt_1"))


def _move_away(path: Path) -> None:
    path.rename(path.with_name("away.db"))


def _replace(path: Path) -> None:
    shutil.copyfile(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _delete_newest(path: Path) -> None:
    path.with_name("casebell.db-wal").unlink()


def _delete_index(path: Path) -> None:
    path.with_name("casebell.db-shm").unlink()


def _rename_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("renamed"))


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, _move_away, _replace, _empty, _delete_newest, _delete_index, _rename_folder],
)
async def test_what_is_stored_into_a_lost_file_is_not_acknowledged(
    sqlite_store: Store, sqlite_path: Path, harm: Callable[[Path], None]
) -> None:
    """SQLite notices nothing; whoever waits hears that nothing is stored."""
    await store_undecided(sqlite_store, case_event("evt_1"))
    harm(sqlite_path)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match=r"casebell\.db .* while the server") as caught:
            await store_undecided(sqlite_store, case_event("evt_2"))
        assert "Move it back" in caught.value.hint


async def test_moved_away_and_back(sqlite_store: Store, sqlite_path: Path) -> None:
    """It goes on without a restart, and what came twice meanwhile is there once."""
    away = sqlite_path.with_name("away.db")
    await store_undecided(sqlite_store, case_event("evt_1"))
    sqlite_path.rename(away)
    with pytest.raises(StorageUnavailable, match="deleted or moved away"):
        await store_undecided(sqlite_store, case_event("evt_2"))
    away.rename(sqlite_path)
    await store_undecided(sqlite_store, case_event("evt_2"))
    await sqlite_store.close()
    assert keys_in(sqlite_path) == ["evt_1", "evt_2"]


async def test_sqlites_own_files_may_be_made_anew(sqlite_store: Store, sqlite_path: Path) -> None:
    """They are when the last connection was closed, as after an error."""
    await store_undecided(sqlite_store, case_event("evt_1"))
    for engine in (sqlite_store._reader, sqlite_store._writer):
        assert engine is not None
        pool = cast("QueuePool", engine.pool)
        # A write is answered before its connection is given back.
        await until(lambda: not pool.checkedout(), "every connection to be given back")  # noqa: B023
        await engine.dispose()
    assert not sqlite_path.with_name("casebell.db-wal").exists()
    await store_undecided(sqlite_store, case_event("evt_2"), case_event("evt_3"))


def test_a_backup_of_another_program_is_none(sqlite_path: Path, tmp_path: Path) -> None:
    """Also where its tables bear our names."""
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(gzip.decompress(RELEASE.read_bytes()))
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA application_id = 7")
    with pytest.raises(Exception, match="is no backup of Casebell"):
        restore_backup(foreign, sqlite_path)
    assert not sqlite_path.exists()
