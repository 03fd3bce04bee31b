"""Installations to run commands in; what costs a second is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from cli.installation import (
    CONFIG,
    Installation,
    copy_installation,
    fill_installation,
    in_a_thread,
    json_url,
    serving,
)
from contracts.stores import store_in


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the working directory has a configuration."""
    monkeypatch.delenv("CASEBELL_CONFIG", raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)


@pytest.fixture(scope="session")
def filled_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an installation that has received everything in `RECEIVED`."""
    directory = tmp_path_factory.mktemp("filled")
    fill_installation(directory)
    return directory


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A chat service that takes everything."""
    with in_a_thread(HttpSink()) as started:
        yield started


@pytest.fixture
def bare(tmp_path: Path, sink: HttpSink, capsys: pytest.CaptureFixture[str]) -> Installation:
    """An installation that is configured, and has received nothing."""
    installation = Installation(tmp_path / "bare", capsys)
    installation.directory.mkdir()
    installation.config.write_text(CONFIG.format(sink=json_url(sink)))
    installation.config.chmod(0o600)
    return installation


@pytest.fixture
def installation(
    filled_installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Installation:
    """An installation that has received everything in `RECEIVED`; no server runs."""
    return Installation(copy_installation(filled_installation, tmp_path / "installation"), capsys)


@pytest.fixture
def served(bare: Installation) -> Iterator[Installation]:
    """An installation that has received nothing yet, and its server runs."""
    store_in(bare.directory)
    with serving(bare):
        yield bare
