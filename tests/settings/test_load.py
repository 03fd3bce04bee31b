"""Finding, reading and parsing the file."""

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from casebell import config_file
from casebell.config_file import find
from casebell.errors import ConfigError, Problem
from casebell.settings import fingerprint, load, load_rest
from settings.loading import MINIMAL, ReadConfig


def only_problem(caught: pytest.ExceptionInfo[ConfigError]) -> Problem:
    (problem,) = caught.value.problems
    return problem


def test_the_command_line_wins(tmp_path: Path) -> None:
    """`--config`, then `CASEBELL_CONFIG`, then the working directory; paths start there."""
    for name in ("given.toml", "named.toml", "config.toml"):
        (tmp_path / name).touch()
    environ = {"CASEBELL_CONFIG": "named.toml"}
    assert find(Path("given.toml"), environ, tmp_path) == tmp_path / "given.toml"
    assert find(None, environ, tmp_path) == tmp_path / "named.toml"
    assert find(None, {"CASEBELL_CONFIG": ""}, tmp_path) == tmp_path / "config.toml"
    assert find(None, {}, tmp_path) == tmp_path / "config.toml"


def test_the_systems_file_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is named and the working directory has none."""
    module = importlib.import_module("casebell.config_file")
    assert Path("/etc/casebell/config.toml") == module.SYSTEM_FILE
    system = tmp_path / "system.toml"
    system.touch()
    monkeypatch.setattr(module, "SYSTEM_FILE", system)
    assert find(None, {}, tmp_path) == system
    (tmp_path / "config.toml").touch()
    assert find(None, {}, tmp_path) == tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("path", "environ", "where"),
    [
        (Path("gone.toml"), {"CASEBELL_CONFIG": "config.toml"}, "--config"),
        (None, {"CASEBELL_CONFIG": "gone.toml"}, "CASEBELL_CONFIG"),
    ],
)
def test_a_named_file_that_is_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: Path | None,
    environ: dict[str, str],
    where: str,
) -> None:
    """It is never replaced by another one; the way out is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"gone\.toml") as caught:
        load(path, environ=environ)
    assert only_problem(caught).where == where
    assert "casebell init" in caught.value.hint


def test_no_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places that were looked at are named, and how to begin."""
    module = importlib.import_module("casebell.config_file")
    monkeypatch.setattr(module, "SYSTEM_FILE", tmp_path / "system.toml")
    with pytest.raises(ConfigError) as caught:
        find(None, {}, tmp_path)
    assert "./config.toml" in str(caught.value)
    assert "`casebell init`" in only_problem(caught).hint


def test_settings_say_where_they_come_from(read: ReadConfig, tmp_path: Path) -> None:
    """The absolute file, its directory, and a hash of its bytes."""
    settings = read(MINIMAL)
    assert settings.path == tmp_path / "config.toml"
    assert settings.base_dir == tmp_path
    assert settings.sha256 == hashlib.sha256(MINIMAL.encode()).hexdigest()


def test_the_processs_own_environment_is_the_default(tmp_path: Path) -> None:
    """A plain `load()` reads the environment and the working directory of the process."""
    (tmp_path / "config.toml").write_text(MINIMAL)
    code = "from casebell.settings import load; s = load(); print(s.server.port, s.path)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CASEBELL_SERVER__PORT": "9123"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["9123", str(tmp_path / "config.toml")]


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("[server]\nport = many", "line 2, column 8", "quotes"),
        ("[server]\nport 8080", "line 2, column 6", "key = value"),
        ("a = 1\na = 2\n", "line 2, column 6", "twice"),
        ('a = "x', "the end of the file", "closing quote"),
        ("a = [1 2]", "line 1, column 8", "comma"),
        ("a = { b = 1 c = 2 }", "line 1, column 13", "comma"),
        ('a = "C:\\data"', "line 1, column 10", "backslash"),
        ("a = 1 b = 2", "line 1, column 7", "line of its own"),
        ('a = "x\nb = 1\n', "line 1, column 7", "closing quote"),
        ('a = "RFE" issued"', "line 1, column 11", "quote before and after"),
        ("a = 5m", "line 1, column 6", "quote before and after"),
        ("a = \u201cx\u201d", "line 1, column 5", "straight quotes"),
        ("[a\nb = 1", "line 1, column 3", "`]` is missing"),
        ("[rules]\n[rules]\n", "line 2, column 7", "`[[rules]]`"),
        ("[[rules]]\n[rules]\n", "line 2, column 7", "`[[rules]]`"),
        ("[a]\n[a]", "line 2, column 3", "given twice"),
        ("a = 9" + "9" * 5000, "not TOML", "brackets"),
        ("a = " + "[" * 20_000, "not TOML", "brackets"),
    ],
)
def test_a_syntax_error_gives_its_place(tmp_path: Path, text: str, place: str, hint: str) -> None:
    """File, line, column and what to look for."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    problem = only_problem(caught)
    assert problem.where == str(file)
    assert place in problem.message
    assert hint in problem.hint


def test_a_folder_that_cannot_be_looked_into_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of the service's user are run from root's folder, too."""
    monkeypatch.setattr(config_file, "SYSTEM_FILE", tmp_path / "config.toml")
    (tmp_path / "config.toml").write_text(MINIMAL)
    out_of_reach = tmp_path / ("x" * 300)
    assert config_file.find(None, {}, out_of_reach) == tmp_path / "config.toml"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file in another encoding is told of by line; a byte order mark does not matter."""
    file = tmp_path / "config.toml"
    file.write_bytes(b"a = 1\nb = 'caf\xe9'\n")
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    assert only_problem(caught).message == "Line 2 is not UTF-8."
    file.write_text(MINIMAL, encoding="utf-8-sig")
    assert list(load(file, environ={}).sources) == ["parley"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The system's reason is given."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ={})
    assert "Is a directory" in only_problem(caught).message


def test_a_variable_that_is_no_unicode(tmp_path: Path) -> None:
    """Bytes of the environment that are not UTF-8 are a problem, not a crash."""
    file = tmp_path / "config.toml"
    file.write_text(MINIMAL.replace("0123456789abcdef", "${RAW}"))
    with pytest.raises(ConfigError) as caught:
        load(file, environ={"RAW": os.fsdecode(b"0123456789abcdef\xff")})
    assert only_problem(caught).key == "sources.parley.secrets[1]"


def test_the_rest_of_a_wrong_file(tmp_path: Path) -> None:
    """What is right can be had without what is wrong, but only if the database is known."""
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = 9\nprot = 1\n[storage]\nurl = 'sqlite:///here.db'\n")
    rest = load_rest(file, environ={})
    assert (rest.server.port, rest.storage.sqlite_path) == (9, tmp_path / "here.db")
    for text in ("[storage]\nurl = 'nonsense'\n", "storage = 1\n", "nonsense"):
        file.write_text(text)
        with pytest.raises(ConfigError):
            load_rest(file, environ={})


def test_the_fingerprint(read: ReadConfig, tmp_path: Path) -> None:
    """It is that of the loaded settings; a file that is not there has none."""
    settings = read(MINIMAL)
    assert fingerprint(settings.path) == settings.sha256
    assert fingerprint(tmp_path / "gone.toml") == ""
