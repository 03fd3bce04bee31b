"""Configurations written to a real file and read back."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from casebell.errors import ConfigError, Problem
from casebell.settings import Settings, load
from settings.loading import ReadConfig, ReadProblems


@pytest.fixture
def read(tmp_path: Path) -> ReadConfig:
    """Write a configuration and load it: `read(text, {"NAME": "value"})`."""

    def write_and_load(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return load(file, environ=environ or {})

    return write_and_load


@pytest.fixture
def problems(read: ReadConfig) -> ReadProblems:
    """Load a wrong configuration; its problems by key."""

    def write_and_fail(text: str, environ: Mapping[str, str] | None = None) -> dict[str, Problem]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ)
        found = {problem.key: problem for problem in caught.value.problems}
        assert len(found) == len(caught.value.problems), "a key was told of twice"
        return found

    return write_and_fail
