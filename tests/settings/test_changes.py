"""What is told of the difference between two configurations."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from casebell.settings import Settings, load
from casebell.settings.changes import changes, waiting_for_restart
from casebell.settings.models import Document
from casebell.settings.values import NeedsRestart, Part

FIRST = """
[sources.parley]
kind = "parley"
secrets = ["a-secret-that-is-long"]
[channels.team]
url = "json://127.0.0.1/vermilion"
[[rules]]
name = "All"
when = {}
notify = ["team"]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Settings]:
    """The settings that a text gives."""

    def write(text: str) -> Settings:
        file = tmp_path / "config.toml"
        file.write_text(text)
        return load(file, environ={})

    return write


def test_nothing(written: Callable[[str], Settings]) -> None:
    """A comment changes nothing."""
    assert changes(written(FIRST), written(FIRST + "# a comment")) == {}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a-secret-that", "b-secret-that", {"sources": {"changed": ["parley"]}}),
        ("vermilion", "ochre", {"channels": {"changed": ["team"]}}),
        ("when = {}", 'when = { status = "denied" }', {"rules": {"changed": ["All"]}}),
        (
            "\n[sources",
            '\n[[wordings]]\nsays = "blue"\nstatus = "other"\n[sources',
            {"wordings": {"added": ["1"]}},
        ),
        ('"All"', '"Some"', {"rules": {"added": ["Some"], "removed": ["All"]}}),
        (
            "\n[sources",
            "\n[server]\nmax_body = 2048\n[sources",
            {"settings": {"changed": ["server.max_body"]}},
        ),
        (
            "\n[sources",
            '\n[ops]\nnotify = "team"\n[sources',
            {"settings": {"changed": ["ops.notify"]}},
        ),
        ("\n[sources", "\n[server]\nport = 1\n[sources", {}),
    ],
)
def test_what_is_told(written: Callable[[str], Settings], old: str, new: str, told: object) -> None:
    """Names and keys, never a value."""
    found = changes(written(FIRST), written(FIRST.replace(old, new, 1)))
    assert found == told
    assert "vermilion" not in str(found)


def test_what_waits_for_a_restart(written: Callable[[str], Settings]) -> None:
    """Address and database, against what the server started with; the password is compared too."""
    first = written(FIRST)
    url = "[storage]\nurl = 'postgresql://user:{}@host/database'\n"
    one, other = (written(FIRST + url.format(password)) for password in ("x", "y"))
    assert waiting_for_restart(first, first) == []
    assert waiting_for_restart(first, written(FIRST + "[server]\nport = 1\n")) == ["server.port"]
    assert waiting_for_restart(one, other) == ["storage.url"]


@pytest.mark.parametrize(
    "key", ["server.host", "server.port", "server.tls_cert", "server.tls_key", "storage.url"]
)
def test_what_the_server_has_bound_needs_a_restart(
    written: Callable[[str], Settings], tmp_path: Path, key: str
) -> None:
    """A new address, certificate or database is not told as a change that is in force."""
    (tmp_path / "there.pem").touch()
    section, _, name = key.partition(".")
    keys = {
        "host": 'host = "::1"',
        "port": "port = 1",
        "tls_cert": 'tls_cert = "there.pem"\ntls_key = "there.pem"',
        "tls_key": 'tls_cert = "there.pem"\ntls_key = "there.pem"',
        "url": 'url = "sqlite:///other.db"',
    }
    first, then = written(FIRST), written(f"{FIRST}\n[{section}]\n{keys[name]}\n")
    assert key in waiting_for_restart(first, then)
    assert changes(first, then) == {}


def test_every_other_key_reloads_by_itself(written: Callable[[str], Settings]) -> None:
    """A key that a section gains is told of without being listed anywhere."""
    first = written(FIRST)
    for section in (first.server, first.ops, first.routing, first.alerts):
        name = next(one for one, part in first if part is section)
        for key, field in type(section).model_fields.items():
            other = first.model_copy(update={name: section.model_copy(update={key: "other"})})
            expected = (
                {}
                if NeedsRestart in field.metadata
                else {"settings": {"changed": [f"{name}.{key}"]}}
            )
            assert changes(first, other) == expected


def test_the_operations_page_names_what_needs_a_restart() -> None:
    """Each key that is marked, and no other."""
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    (sentence,) = [
        one for one in page.split("\n- ") if "wait for a restart" in " ".join(one.split())
    ]
    marked = {
        f"{name}.{key}"
        for name, section in Document.model_fields.items()
        if isinstance(section.annotation, type) and issubclass(section.annotation, Part)
        for key, field in section.annotation.model_fields.items()
        if NeedsRestart in field.metadata
    }
    assert set(re.findall(r"`(\w+\.\w+)`", sentence.partition("restart")[0])) == marked
