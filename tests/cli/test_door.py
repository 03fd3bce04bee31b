"""The way from a command to the running server."""

import json

import pytest

from casebell.cli.door import local_url, url_of
from casebell.sandbox.sinks import HttpAnswer, HttpSink
from casebell.settings import load
from cli.office import Office


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("casebell.local", "http://casebell.local:8080"),
    ],
)
def test_where_a_server_is_reached_from_here(bare: Office, host: str, url: str) -> None:
    """An address to listen on everywhere is reached over the loopback."""
    assert local_url(load(bare.config, environ={}), host, 8080) == url


def test_the_server_says_where_it_is(bare: Office) -> None:
    """Its door names the address it really has; without one it is where the configuration says."""
    settings = load(bare.config, environ={})
    assert url_of(settings) == "http://127.0.0.1:0"
    door = bare.directory / "casebell.db.door"
    door.write_text(json.dumps({"url": "http://127.0.0.1:4711", "token": "t"}))
    assert url_of(settings) == "http://127.0.0.1:4711"


def test_a_defect_in_the_server(served: Office, sink: HttpSink) -> None:
    """An answer without a sentence for the operator: could not tell, and the log knows more."""
    sink.answer(HttpAnswer(status=500, body=b'{"error": "error", "message": "Something"}'))
    door = served.directory / "casebell.db.door"
    door.write_text(json.dumps({"url": sink.url, "token": "t"}))
    ran = served("held", "discard", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "Its log says what." in ran.err


def test_a_door_that_cannot_be_read_or_is_wrong(served: Office) -> None:
    """Verbs that write are not done behind a running server's back: exit code 3, or its refusal."""
    door = served.directory / "casebell.db.door"
    written = door.read_text()
    door.unlink()
    ran = served("held", "discard", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "door file" in ran.err
    door.write_text(json.dumps({**json.loads(written), "token": "wrong"}))
    ran = served("held", "discard", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "does not accept its door file" in ran.err
    door.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "t"}))
    ran = served("held", "discard", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "does not answer" in ran.err
    door.write_text(written)
    ran = served("held", "discard", "1")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "Error: There is no held delivery 1.",
        "  `casebell held list` shows those there are.",
    ]
