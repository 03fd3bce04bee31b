"""`casebell backup` and `restore`, as the person who runs the nightly copy meets them."""

import resource
import signal
import stat
from pathlib import Path

import pytest

from casebell.cli.local_service import this_user
from cli.installation import Installation, casebell, run_on_terminal, serving

EVENTS = ["evt_received", "evt_rfe", "obs_rfe", "evt_hostile", "evt_formula"]


def listed(installation: Installation) -> list[str]:
    """The keys of the events, as the command line tells them, oldest first."""
    return [one["key"] for one in reversed(installation("events", "list", "--json").lines())]


def move_away(installation: Installation) -> None:
    """What the hint asks for."""
    away = installation.directory / "away"
    away.mkdir()
    for path in installation.directory.glob("casebell.db*"):
        if path.suffix != ".lock":
            path.rename(away / path.name)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "night.db"


def test_there_and_back(installation: Installation, copy: Path) -> None:
    """A backup, a lost database, a restore: the same events, and the server goes on with them."""
    entries = installation.rows("SELECT count(*) FROM journal")[0][0]
    made = installation("backup", str(copy))
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"Wrote {copy}: 5 events, {entries} journal entries, the last of 20")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    # That it was made is in the database itself, after what the copy has.
    last = "SELECT kind, actor, data FROM journal ORDER BY seq DESC LIMIT 1"
    figures = f'{{"entries":{entries},"events":5}}'
    assert installation.rows(last) == [("backup.made", this_user().name, figures)]
    assert installation.rows("SELECT name FROM marks WHERE name = 'backup'") == [("backup",)]
    before = listed(installation)
    move_away(installation)
    assert installation("events", "list").code == 3

    restored = installation("restore", str(copy))
    assert (restored.code, restored.err) == (0, "")
    told = made.out.partition(": ")[2]
    assert restored.out == f"Restored {installation.database}: {told}"
    assert listed(installation) == before == EVENTS
    with serving(installation):
        assert installation("send", "--sample", "parley-rfe").code == 0
    assert listed(installation)[:5] == EVENTS
    assert len(listed(installation)) == 6


def test_beside_a_server(served: Installation, copy: Path) -> None:
    """While it runs a backup is made, and a restore is refused."""
    assert served("send", "--sample", "parley-rfe").code == 0
    ran = served("backup", str(copy))
    assert ran.code == 0
    assert ": 1 event, " in ran.out
    refused = served("restore", str(copy))
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.splitlines() == [
        f"Error: {served.database} exists; nothing was restored.",
        (
            f"  Stop the server, then move {served.database} and the -wal and -shm files beside it "
            "away, together."
        ),
    ]
    assert served("send", "--sample", "parley-rfe").code == 0


def test_a_server_whose_files_are_gone(served: Installation, copy: Path) -> None:
    """It still holds the lock: what it writes next must not meet the restored file."""
    assert served("backup", str(copy)).code == 0
    move_away(served)
    ran = served("restore", str(copy))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("Error: Another Casebell server holds ")
    assert not served.database.exists()


def test_alerts_that_waited(installation: Installation, copy: Path) -> None:
    """Whoever restores learns that alerts which were sent since are sent again."""
    number = installation.rows("SELECT id FROM alerts WHERE state = 'failed' LIMIT 1")[0][0]
    assert installation("alerts", "retry", str(number)).code == 0
    assert installation("backup", str(copy)).code == 0
    move_away(installation)
    told = installation("restore", str(copy)).out.splitlines()
    assert told[1].startswith("1 alert waited then; `casebell serve` sends what waits")


def test_it_never_overwrites(installation: Installation, copy: Path) -> None:
    """Neither another backup nor the database itself."""
    copy.write_text("mine")
    before = installation.files()
    for file in (copy, installation.database):
        ran = installation("backup", str(file))
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines() == [
            f"Error: {file} exists already; nothing was written.",
            "  Name a new file.",
        ]
    assert copy.read_text() == "mine"
    assert installation.files() == before


def test_nothing_to_copy(bare: Installation, copy: Path) -> None:
    """Without a database there is nothing to tell: exit code 3, and none is made."""
    ran = bare("backup", str(copy))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("Error: There is no database yet.\n")
    assert not copy.exists()
    assert not bare.database.exists()


def test_a_damaged_backup(installation: Installation, copy: Path) -> None:
    """It is not restored, and the sentence names it."""
    assert installation("backup", str(copy)).code == 0
    copy.write_bytes(copy.read_bytes()[:40_000])
    move_away(installation)
    ran = installation("restore", str(copy))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        f"Error: {copy} is damaged: database disk image is malformed. Nothing was restored.",
        "  Take another backup.",
    ]
    assert not installation.database.exists()
    assert installation("restore", str(copy.with_name("none.db"))).code == 1


@pytest.mark.slow
def test_a_damaged_database(installation: Installation) -> None:
    """The server refuses to start on it: exit code 3, a sentence, and the way back."""
    for path in installation.directory.glob("casebell.db-*"):
        path.unlink()
    installation.database.write_bytes(installation.database.read_bytes()[:40_000])
    ran = casebell("serve", "--config", str(installation.config))
    assert ran.returncode == 3
    assert ran.stderr.decode().splitlines() == [
        "Error: The database file is damaged: database disk image is malformed.",
        (
            "  Move it away with the -wal and -shm files beside it, then put a backup in its "
            "place: `casebell restore FILE`."
        ),
    ]


def test_postgresql(bare: Installation, copy: Path) -> None:
    """It has its own programs, and they are named; no password is shown."""
    configured = bare.config.read_text()
    url = "postgresql://casebell:hunter2-and-more@db.example-firm.com/casebell"
    bare.config.write_text(f'{configured}\n[storage]\nurl = "{url}"\n')
    for verb, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        ran = bare(verb, str(copy))
        assert (ran.code, ran.out) == (1, "")
        sentence, hint = ran.err.splitlines()
        assert sentence == "Error: The storage is PostgreSQL, whose own programs do this."
        assert program in hint
        assert "hunter2" not in ran.err
    assert not copy.exists()


def test_usage(installation: Installation) -> None:
    """Without FILE it is a misuse."""
    for verb in ("backup", "restore"):
        ran = installation(verb)
        assert (ran.code, ran.out) == (2, "")
        assert "FILE" in ran.err


@pytest.mark.slow
def test_progress_is_for_who_watches(installation: Installation, copy: Path) -> None:
    """On a terminal both say how far they are, and clear it; elsewhere there is nothing of it."""
    seen = run_on_terminal("backup", str(copy), "--config", str(installation.config))
    assert "Copying … 100%" in seen
    assert "Checking …" in seen
    assert seen.rpartition("\r")[2].startswith(f"Wrote {copy}: 5 events, ")
    move_away(installation)
    seen = run_on_terminal("restore", str(copy), "--config", str(installation.config))
    assert "Copying … 100%" in seen
    assert seen.rpartition("\r")[2].startswith("Restored ")


@pytest.mark.slow
def test_a_full_disk(installation: Installation, copy: Path) -> None:
    """What could not be written is not left lying about."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    ran = casebell(
        "backup", str(copy), "--config", str(installation.config), preexec_fn=small_files
    )
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert ran.stderr.startswith(b"Error: The storage failed: ")
    assert list(copy.parent.glob("night.db*")) == []
    assert installation("backup", str(copy)).code == 0
    move_away(installation)
    ran = casebell(
        "restore", str(copy), "--config", str(installation.config), preexec_fn=small_files
    )
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert ran.stderr.startswith(b"Error: The copy cannot be written: File too large.")
    assert not installation.database.exists()
    assert list(installation.directory.glob("*.part")) == []
