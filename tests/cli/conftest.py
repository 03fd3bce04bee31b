"""Offices to run commands in; what costs a second is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from cli.office import CONFIG, Office, ThreadedSink, copied, filled, json_url, serving


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the working directory has a configuration."""
    monkeypatch.delenv("CASEBELL_CONFIG", raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)


@pytest.fixture(scope="session")
def filled_office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an office that has received everything in `RECEIVED`."""
    directory = tmp_path_factory.mktemp("filled")
    filled(directory)
    return directory


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A chat service that takes everything."""
    with ThreadedSink() as started:
        yield started


@pytest.fixture
def bare(tmp_path: Path, sink: HttpSink, capsys: pytest.CaptureFixture[str]) -> Office:
    """An office that is configured, and has received nothing."""
    office = Office(tmp_path / "bare", capsys)
    office.directory.mkdir()
    office.config.write_text(CONFIG.format(sink=json_url(sink)))
    return office


@pytest.fixture
def office(filled_office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Office:
    """An office that has received everything in `RECEIVED`; no server runs."""
    return Office(copied(filled_office, tmp_path / "office"), capsys)


@pytest.fixture
def served(bare: Office) -> Iterator[Office]:
    """An office that has received nothing yet, and its server runs."""
    with serving(bare):
        yield bare
