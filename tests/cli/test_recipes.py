"""The questions of docs/operations.md, answered by its own commands."""

import csv
import hashlib
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cli.installation import Installation
from docs.pages import marked_block

RECEIPT = "IOE0912345678"


def lines_of(recipe: str) -> Sequence[str]:
    """The commands of a recipe."""
    return marked_block(f"recipe: {recipe}", page="docs/operations.md").splitlines()


@pytest.fixture
def answered(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Where the recipes run: what was sent today is of the month that is asked for."""
    monkeypatch.chdir(installation.directory)
    return installation


def follow(installation: Installation, recipe: str) -> str:
    """All that its commands print."""
    now = datetime.now(UTC)
    printed = ""
    for line in lines_of(recipe):
        words = shlex.split(
            line.replace("2026-10-01", f"{now - timedelta(days=1):%Y-%m-%dT%H:%MZ}").replace(
                "2026-11-01", f"{now + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
            )
        )
        assert words.pop(0) == "casebell"
        ran = installation(*words)
        assert (ran.code, ran.err) == (0, ""), line
        printed += ran.out
    return printed


def test_who_was_alerted_last_month(answered: Installation) -> None:
    """Every alert of a case, with channel, target and when it was sent; and the file is whole."""
    follow(answered, "who was alerted")
    file = answered.directory / "october.csv"
    with file.open(newline="") as table:
        *rows, last = csv.DictReader(table)
    expected = answered.rows("SELECT id, channel, target FROM alerts WHERE kind = 'case'")
    assert [(int(row["id"]), row["channel"], row["target"]) for row in rows] == expected
    assert expected
    assert all(row["sent_at"] for row in rows if row["state"] == "sent")
    checked = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines_of("check an export"))],
        capture_output=True,
        check=True,
    ).stdout.decode()
    digest = json.loads(last["kind"])["sha256"]
    assert checked.startswith(digest)
    assert checked.count(digest) == 2
    assert digest == hashlib.sha256(b"".join(file.read_bytes().splitlines(True)[:-1])).hexdigest()


def test_everything_for_one_receipt(answered: Installation) -> None:
    """Every event of it and every alert about it; `why` has the decisions and the attempts."""
    printed = follow(answered, "one receipt")
    events, alerts = (
        [json.loads(line) for line in (answered.directory / name).read_text().splitlines()[:-1]]
        for name in ("events.jsonl", "alerts.jsonl")
    )
    numbers = answered.rows("SELECT id FROM events WHERE receipt = ?", RECEIPT)
    assert [(one["id"],) for one in events] == numbers
    told = answered.rows(
        "SELECT a.id FROM alerts a JOIN events e ON e.id = a.event_id WHERE e.receipt = ?", RECEIPT
    )
    assert [(one["id"],) for one in alerts] == told
    assert len(numbers) == 3
    assert told
    for (number,) in numbers:
        why = json.loads(answered("why", str(number), "--json").out)
        assert why["change"]["decision"]["rules"]
        assert {one["id"] for one in why["alerts"]} <= {number for (number,) in told}
        assert all(one["tried"] for one in why["alerts"])
    assert "Answer owed" in printed


def test_who_had_access(answered: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may ask and sign in, since when and until when, and who saw to it."""
    answered("tokens", "add", "practice", "--role", "viewer", "--by", "Jia Chan")
    answered("tokens", "revoke", "practice")
    password = io.TextIOWrapper(io.BytesIO(b"correct horse battery\n"))
    monkeypatch.setattr(sys, "stdin", password)
    answered("accounts", "add", "ana", "--role", "viewer", "--password-stdin")
    answered("accounts", "set", "ana", "--role", "admin")
    printed = follow(answered, "who had access")
    token, account = (json.loads(line) for line in printed.splitlines()[:2])
    assert token["created_at"] < token["revoked_at"]
    assert (account["name"], account["role"]) == ("ana", "admin")
    told = [line.split()[4:6] for line in printed.splitlines() if "cli:" in line and line[0] != "{"]
    kinds = [words[0] for words in told]
    assert kinds == [
        *("token.added", "token.revoked", "account.changed"),
        *("account.changed", "account.added"),
    ]
    assert "Jia Chan" in printed


def test_who_looked(answered: Installation) -> None:
    """Every export, its filter and its digest; a look is there once a token or an account looks."""
    answered("events", "export", "--receipt", RECEIPT, "--by", "Jia Chan")
    printed = follow(answered, "who looked")
    assert printed.count("No entry matches.") == 3
    started, ended = (line for line in printed.splitlines() if "Jia Chan" in line)
    assert f'"filter":{{"receipt":"{RECEIPT}"}}' in started
    assert '"sha256":' in ended
