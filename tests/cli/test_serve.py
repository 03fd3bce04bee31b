"""`casebell serve`: it starts or says why not (what it does then is in tests/e2e)."""

import json
import socket

from cli.installation import Installation, casebell, serving


def test_it_starts_and_stops(bare: Installation) -> None:
    """It makes the database, logs one line with its address, and ends with 0 at SIGTERM."""
    with serving(bare) as url:
        assert url.startswith("http://127.0.0.1:")
    log = [json.loads(line) for line in (bare.directory / "serve.log").read_text().splitlines()]
    events = [line["event"] for line in log]
    assert events.count("server.started") == 1
    assert events[-1] == "server.stopped"
    assert bare.rows("SELECT count(*) FROM events") == [(0,)]


def test_a_second_server_on_the_same_database(bare: Installation) -> None:
    """It ends at once with 3, and the first one can still be asked."""
    with serving(bare):
        ran = casebell("serve", "--config", str(bare.config))
        assert ran.returncode == 3
        assert b"Another Casebell server holds" in ran.stderr
        assert b"Traceback" not in ran.stderr
        assert bare("channels", "test", "team").code == 0


def test_an_address_that_is_taken(bare: Installation) -> None:
    """One sentence that names the address, and the settings to change; nothing is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bare.config.write_text(bare.config.read_text().replace("port = 0", f"port = {port}"))
        ran = bare("serve")
    assert ran.code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}: " in ran.err
    assert "server.port" in ran.err
    assert not bare.database.exists()


def test_a_configuration_that_is_wrong(bare: Installation) -> None:
    """It does not start: exit code 2, with the key."""
    bare.config.write_text(bare.config.read_text().replace("port = 0", "prot = 0"))
    ran = bare("serve")
    assert (ran.code, ran.out) == (2, "")
    assert "server.prot" in ran.err
