"""README.md's own commands, run as they stand there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.installation import Installation, serving
from docs.pages import blocks, marked_block

PORT = re.compile(r"127\.0\.0\.1:8080")


@pytest.fixture
def started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Installation, str]]:
    """`casebell init .` and `casebell serve` in one directory; the server at a free port."""
    installation = Installation(tmp_path, capsys)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASEBELL_CONFIG", raising=False)
    assert installation.run("init", ".").code == 0
    written = installation.config.read_text()
    assert 'host = "127.0.0.1"' in written
    assert "port = 8080" in written
    installation.config.write_text(written.replace("port = 8080", "port = 0"))
    with serving(installation) as url:
        yield installation, url.removeprefix("http://")


def test_a_delivery_by_hand(started: tuple[Installation, str], tmp_path: Path) -> None:
    """With openssl and curl alone: stored the first time, a duplicate the second."""
    for tool in ("bash", "curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    installation, address = started
    block = marked_block("curl")
    assert PORT.search(block)
    answers = [
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", PORT.sub(address, block)],
            cwd=tmp_path,
            capture_output=True,
            check=True,
            timeout=20,
        ).stdout
        for _ in range(2)
    ]
    told = [json.loads(answer) for answer in answers]
    assert [one["status"] for one in told] == ["stored", "duplicate"]
    assert {one["event_id"] for one in told} == {"evt_by_hand_1"}
    assert "evt_by_hand_1" in installation.run("events", "list", "--json").out
    assert "Rule “Answer owed to USCIS” matched" in installation.run("why", "evt_by_hand_1").out
    assert installation.run("send", "--sample", "parley-rfe").code == 0


def test_nginx_passes_on_what_is_signed() -> None:
    """And the sender's address; the others do both by themselves, or by what stands there."""
    (nginx,) = blocks("README.md", "nginx")
    assert "proxy_set_header Authorization $http_authorization;" in nginx
    assert "proxy_set_header X-Forwarded-For" in nginx
    (haproxy,) = blocks("README.md", "haproxy")
    assert "option forwardfor" in haproxy


def test_ci_runs_the_marked_blocks() -> None:
    """The blocks that CI extracts by their marks are there and run what they say."""
    assert "casebell demo --once" in marked_block("demo")
    assert "pytest" in marked_block("test")
