"""Where the server of a configuration answers the command line: told without the models."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from casebell.config_file import socket_in
from casebell.errors import ConfigError
from casebell.settings import load

SOURCE = '[sources.parley]\nkind = "parley"\nsecrets = ["0123456789abcdef"]\n'
POSTGRESQL = '[storage]\nurl = "postgresql://casebell:pw@db.example-firm.com/casebell"\n'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "casebell.db.sock"),
        ('[storage]\nurl = "sqlite:///data/other.db"\n', "data/other.db.sock"),
        ('[storage]\nurl = "sqlite:////var/lib/casebell.db"\n', "/var/lib/casebell.db.sock"),
        (POSTGRESQL, "casebell.sock"),
        ('[server]\nsocket = "run/here.sock"\n', "run/here.sock"),
        ('[server]\nsocket = "/run/here.sock"\n' + POSTGRESQL, "/run/here.sock"),
        ('[server]\nsocket = ""\n', "casebell.db.sock"),
    ],
)
def test_file_and_settings_say_the_same(tmp_path: Path, text: str, name: str) -> None:
    """The default stands beside the database, or beside the file; another is relative to it."""
    file = tmp_path / "config.toml"
    file.write_text(text + SOURCE)
    assert socket_in(file, {}) == load(file, environ={}).socket == tmp_path / name


def test_it_stands_beside_the_database_itself(tmp_path: Path) -> None:
    """Two configurations that reach one database, one of them by a link, find one server."""
    (tmp_path / "real.db").touch()
    (tmp_path / "casebell.db").symlink_to(tmp_path / "real.db")
    file = tmp_path / "config.toml"
    file.write_text(SOURCE)
    assert socket_in(file, {}) == load(file, environ={}).socket == tmp_path / "real.db.sock"


@pytest.mark.parametrize(
    ("text", "env_file", "environ"),
    [
        ("", "", {"CASEBELL_STORAGE__URL": "sqlite:///b.db"}),
        ("", "", {"CASEBELL_storage__url": "sqlite:///b.db"}),
        ("", "CASEBELL_STORAGE__URL=sqlite:///b.db\n", {}),
        ("", "export CASEBELL_SERVER__SOCKET='b.db.sock'\n", {}),
        ("", "", {"CASEBELL_SERVER__SOCKET": "b.db.sock"}),
        ('[storage]\nurl = "sqlite:///${NAME}.db"\n', "", {"NAME": "b"}),
        ('[server]\nsocket = "${NAME}.db.sock"\n', "NAME=b\n", {}),
    ],
)
def test_what_the_environment_may_change_is_left_to_the_settings(
    tmp_path: Path, text: str, env_file: str, environ: Mapping[str, str]
) -> None:
    """The file alone is not believed where an override or a reference has a say."""
    file = tmp_path / "config.toml"
    file.write_text(text + SOURCE)
    (tmp_path / ".env").write_text(env_file)
    assert socket_in(file, environ) is None
    assert load(file, environ=environ).socket == tmp_path / "b.db.sock"


@pytest.mark.parametrize("text", ["server = 1\n", "storage = []\n", "[server]\nsocket = 7\n"])
def test_what_is_wrong_is_left_to_the_settings(tmp_path: Path, text: str) -> None:
    """Which have the words for it."""
    file = tmp_path / "config.toml"
    file.write_text(text + SOURCE)
    assert socket_in(file, {}) is None


def test_an_env_file_that_cannot_be_read_may_say_anything(tmp_path: Path) -> None:
    """So the file alone is not believed."""
    file = tmp_path / "config.toml"
    file.write_text(SOURCE)
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    assert socket_in(file, {}) is None


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    """It is told with its place."""
    file = tmp_path / "config.toml"
    file.write_text("[server\n")
    with pytest.raises(ConfigError, match="cannot be used"):
        socket_in(file, {})
