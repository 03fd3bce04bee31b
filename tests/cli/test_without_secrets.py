"""Commands where the secrets of sources and channels are not: as cron runs them, or another user.

The configuration names variables and a file that only the server is given.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.installation import Installation, casebell, serving
from e2e.server import PARLEY_SECRET, TORCH_SECRET

#: What `env -i PATH=/usr/bin:/bin` leaves.
CRON = {"PATH": "/usr/bin:/bin"}
SECRETS = {"PARLEY_SECRET": PARLEY_SECRET, "TEAM_TOKEN": "t0ken"}

#: Commands that only look at what is stored.
READING = [
    ["events", "list"],
    ["events", "show", "evt_rfe"],
    ["events", "export"],
    ["why", "evt_rfe"],
    ["alerts", "list"],
    ["alerts", "export"],
    ["held", "list"],
    ["refused", "list"],
    ["tokens", "list"],
    ["accounts", "list"],
]


@pytest.fixture
def secretive(installation: Installation) -> Installation:
    """An installation whose secrets are elsewhere."""
    text = installation.config.read_text()
    for written, meant in (
        (f'"{PARLEY_SECRET}"', '"${PARLEY_SECRET}"'),
        (f'"{TORCH_SECRET}"', '"${file:torch.secret}"'),
        ('"json://127.0.0.1:9/"', '"json://user:${TEAM_TOKEN}@127.0.0.1:9/"'),
    ):
        assert written in text
        text = text.replace(written, meant)
    installation.config.write_text(text)
    return installation


@pytest.fixture
def server(secretive: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """The same with a server, which has them."""
    file = secretive.directory / "torch.secret"
    file.write_text(TORCH_SECRET)
    with monkeypatch.context() as given:
        for name, value in SECRETS.items():
            given.setenv(name, value)
        context = serving(secretive)
        context.__enter__()
    file.unlink()
    yield secretive
    context.__exit__(None, None, None)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_what_is_stored_can_be_read(secretive: Installation, words: list[str]) -> None:
    """They need the storage and the time zone, and say what they said with every secret."""
    ran = secretive(*words)
    assert (ran.code, ran.err) == (0, "")
    for name, value in SECRETS.items():
        assert value not in ran.out, name


#: Commands that write, and neither authenticate, nor understand, nor send; with what is journalled.
WRITING = {
    "held discard 1": ("delivery.discarded", "held:1"),
    "alerts retry 2": ("alert.retried", "alert:2"),
    "alerts retry --all": ("alert.retried", "alert:2"),
    "alerts dismiss 2": ("alert.dismissed", "alert:2"),
    "tokens add practice --role viewer --json": ("token.added", "token:practice"),
}


@pytest.mark.parametrize("words", WRITING)
def test_what_is_on_record_can_be_closed(secretive: Installation, words: str) -> None:
    """They need the storage alone; what is sent again goes over a channel that is configured."""
    ran = secretive(*words.split())
    assert (ran.code, ran.err) == (0, "")
    done = secretive.rows("SELECT kind, subject FROM journal ORDER BY seq DESC LIMIT 1")
    assert done == [WRITING[words]]


def test_what_cannot_be_sent_again(secretive: Installation) -> None:
    """Names of channels are no secret: an alert of one that was removed stays."""
    text = secretive.config.read_text()
    secretive.config.write_text(
        text.replace("[channels.broken]", "[channels.other]").replace(', "broken"]', ', "other"]')
    )
    ran = secretive("alerts", "retry", "2")
    assert (ran.code, ran.out) == (1, "")
    assert "no longer has its channel “broken”" in ran.err


def test_beside_a_server(server: Installation, tmp_path: Path) -> None:
    """The server answers, a backup is made and recorded, and doctor is content."""
    for words in READING:
        ran = server(*words)
        assert (words, ran.code, ran.err) == (words, 0, "")
    ran = server("backup", str(tmp_path / "night.db"))
    assert (ran.code, ran.err) == (0, "")
    assert server.rows("SELECT name FROM marks WHERE name = 'backup'") == [("backup",)]
    assert server("alerts", "dismiss", "--all").code == 0
    for number in (1, 2):
        assert server("held", "discard", str(number)).code == 0
    ran = server("doctor")
    assert (ran.code, ran.err) == (0, "")
    configuration, *others = ran.out.splitlines()
    assert configuration.startswith("configuration: sources.parley.secrets")
    assert "PARLEY_SECRET is not set (and 2 more); the running server has it" in configuration
    assert all(line.endswith(" OK") for line in others), ran.out


@pytest.mark.slow
def test_from_cron(secretive: Installation, tmp_path: Path) -> None:
    """The nightly lines of a crontab, in the environment that cron gives them."""
    config = ["--config", str(secretive.config)]
    copy = tmp_path / "night.db"
    for words in (
        ["backup", str(copy)],
        ["events", "export", "--since", "24h", "--out", str(tmp_path / "events.jsonl")],
        ["alerts", "export", "--since", "24h", "--format", "csv", "--out", str(tmp_path / "a.csv")],
    ):
        ran = casebell(*words, *config, env=CRON, cwd="/")
        assert (words, ran.returncode, ran.stderr) == (words, 0, b"")
    with closing(sqlite3.connect(copy)) as made:
        assert made.execute("SELECT count(*) FROM events").fetchone() == (5,)
    *exported, last = (tmp_path / "events.jsonl").read_text().splitlines()
    assert len(exported) == json.loads(last)["export"]["rows"] == 5
    for path in secretive.directory.glob("casebell.db*"):
        path.unlink()
    ran = casebell("restore", str(copy), *config, env=CRON, cwd="/")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert secretive.rows("SELECT count(*) FROM events") == [(5,)]
    # Without a server doctor names the first that is missing, and looks at the rest.
    ran = casebell("doctor", *config, env=CRON, cwd="/")
    assert ran.returncode == 3
    assert b"PARLEY_SECRET is not set (and 2 more) \xe2\x86\x92 casebell check" in ran.stdout
    assert b"storage:       OK" in ran.stdout
    assert sys.executable.encode() not in ran.stdout


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ('timezone = "America/New_York"', 'timezone = "America/New_Yrk"', "server.timezone"),
        ('timezone = "America/New_York"', 'timezon = "America/New_York"', "timezon"),
        ("[server]", '[storge]\nurl = "sqlite:///elsewhere.db"\n[server]', "storge"),
        ("[server]", '[storage]\nurl = "sqlite:///${DATA}/casebell.db"\n[server]', "storage.url"),
    ],
)
def test_what_they_need_is_not_guessed(
    secretive: Installation, written: str, instead: str, said: str
) -> None:
    """A wrong database or time zone, or a key that may be meant as one, is an error: only that."""
    text = secretive.config.read_text()
    assert written in text
    secretive.config.write_text(text.replace(written, instead, 1))
    for words in (["events", "list"], ["events", "export"], ["backup", "night.db"]):
        ran = secretive(*words)
        assert (words, ran.code, ran.out) == (words, 2, "")
        assert "PARLEY_SECRET" not in ran.err
        assert said in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["serve"],
        ["held", "release", "1"],
        ["refused", "readmit", "--all"],
        ["channels", "test", "team"],
    ],
    ids=" ".join,
)
def test_who_needs_them_says_so(secretive: Installation, words: list[str]) -> None:
    """Whoever checks, serves or understands deliveries needs every secret."""
    ran = secretive(*words)
    assert (ran.code, ran.out) == (1 if words == ["check"] else 2, "")
    assert "sources.parley.secrets" in ran.err
    assert "The environment variable PARLEY_SECRET is not set." in ran.err
