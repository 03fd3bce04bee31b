"""`casebell classify`: a line in, a line out."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.installation import Installation, casebell
from e2e.server import PARLEY_SECRET, PROCESS_TIMEOUT, environment


def classified(content: bytes) -> list[dict[str, Any]]:
    """What it prints for these bytes."""
    ran = casebell("classify", input=content)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_status_and_tags() -> None:
    """Each text comes back with its status and its tags, and says whether its wording is new."""
    told = classified(b"Case Was Approved\nNotice Of Intent To Deny Was Sent\nThe Blue Phase\n\n")
    assert told == [
        {"text": "Case Was Approved", "status": "approved", "tags": ["decision"], "flags": []},
        {
            "text": "Notice Of Intent To Deny Was Sent",
            "status": "other",
            "tags": ["deadline"],
            "flags": [],
        },
        {"text": "The Blue Phase", "status": "other", "tags": [], "flags": ["unknown_wording"]},
        {"text": "", "status": "other", "tags": ["no_info"], "flags": []},
    ]


class TestTheFirmsWordings:
    """The `[[wordings]]` of the configuration, where there is one."""

    @pytest.fixture(autouse=True)
    def written(self, bare: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a secret that only the server has, and a text on standard input."""
        meant = '[[wordings]]\nsays = "blue phase"\nstatus = "other"\ntags = ["deadline"]\n'
        text = f"{bare.config.read_text()}\n{meant}"
        bare.config.write_text(text.replace(f'"{PARLEY_SECRET}"', '"${OF_THE_SERVER_ALONE}"'))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"The Blue Phase")))

    def test_they_count(self, bare: Installation) -> None:
        """Whatever else the configuration lacks here."""
        (told,) = bare("classify").lines()
        assert (told["tags"], told["flags"]) == (["deadline"], [])

    def test_wrong_ones_are_named(self, bare: Installation) -> None:
        """With the file and the key, and nothing is read by what is left of them."""
        text = bare.config.read_text()
        bare.config.write_text(text.replace('tags = ["deadline"]\n', 'tags = ["deadlines"]\n'))
        ran = bare("classify")
        assert (ran.code, ran.out) == (2, "")
        assert f"{bare.config}: wordings[1].tags[1]: There is no such tag." in ran.err

    def test_a_file_that_is_not_there(self, bare: Installation, tmp_path: Path) -> None:
        """What was named is not passed over."""
        ran = bare.run("classify", "--config", str(tmp_path / "none.toml"))
        assert (ran.code, ran.out) == (2, "")


def test_every_line_has_its_answer() -> None:
    """Empty lines, Windows line ends, a byte order mark, garbage and a missing end all count."""
    content = (
        b"\xef\xbb\xbfCase Was Approved\r\n\n\xff\xfe\x00\x1b[2J\x85\n\xe2\x80\xa8\nCase Was Denied"
    )
    told = classified(content)
    assert [one["text"] for one in told] == [
        "Case Was Approved",
        "",
        "\ufffd\ufffd\x00\x1b[2J\ufffd",
        "\u2028",
        "Case Was Denied",
    ]
    assert [one["status"] for one in told] == ["approved", "other", "other", "other", "denied"]


def test_nothing_in_nothing_out(monkeypatch: pytest.MonkeyPatch, bare: Installation) -> None:
    """An empty input is no error."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert bare.run("classify").out == ""


def test_what_it_prints_does_nothing_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, bare: Installation
) -> None:
    """Control and direction characters of the input are escaped in the output."""
    content = "\x1b]0;owned\x07 \u202efdp.exe\x9b".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    ran = bare.run("classify")
    assert ran.out.rstrip("\n").isprintable()
    assert ran.lines()[0]["text"] == content.decode()


def test_each_answer_comes_at_once_and_all_of_them() -> None:
    """An answer does not wait for the next line; 10,000 lines have 10,000 answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "casebell", "classify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"Case Was Received\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["status"] == "received"
    out, _ = process.communicate(b"Case Was Denied\n" * 10_000, timeout=PROCESS_TIMEOUT)
    assert process.returncode == 0
    lines = out.splitlines()
    assert len(lines) == 10_000
    assert {json.loads(line)["status"] for line in set(lines)} == {"denied"}
