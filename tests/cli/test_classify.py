"""`casebell classify`: a line in, a line out."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from cli.installation import Installation, casebell
from e2e.server import PROCESS_TIMEOUT, environment


def classified(content: bytes) -> list[dict[str, Any]]:
    """What it prints for these bytes."""
    ran = casebell("classify", input=content)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_status_and_tags() -> None:
    """Each text comes back with its status and its tags, and nothing else."""
    assert classified(b"Case Was Approved\nNotice Of Intent To Deny Was Sent\n") == [
        {"text": "Case Was Approved", "status": "approved", "tags": ["decision"]},
        {
            "text": "Notice Of Intent To Deny Was Sent",
            "status": "other",
            "tags": ["deadline"],
        },
    ]


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
