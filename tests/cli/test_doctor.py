"""`casebell doctor`: one line for each layer, OK or the next command to run."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate

import httpx2
import pytest

from casebell.clock import SystemClock
from casebell.sandbox.http_sink import HttpSink
from cli.installation import Installation, serving
from contracts.stores import store_in
from e2e.server import TORCH_SECRET
from service.oidc.provider import Answer, Provider, running_beside
from waiting import until_sync

LAYERS = ["configuration", "channels", "storage", "server", "alerts", "held", "refused"]


def findings(text: str) -> dict[str, str]:
    """What it says of each layer."""
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


def test_all_is_well(served: Installation) -> None:
    """Exit code 0, and every layer is OK."""
    ran = served("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert findings(ran.out) == dict.fromkeys(LAYERS, "OK")


def test_what_needs_attention(installation: Installation) -> None:
    """Each layer names the command that shows more; what waits alone is exit code 1."""
    with serving(installation):
        ran = installation("doctor")
    assert ran.code == 1
    found = findings(ran.out)
    assert list(found) == LAYERS
    assert found["alerts"] == "1 failed → casebell alerts list --outstanding"
    assert found["held"] == "2 could not be understood → casebell held list"


def test_people(installation: Installation) -> None:
    """Whom nothing reaches, and open changes to which nobody may see; a stand-in hears, too."""
    people = (
        '[channels.mail]\nurl = "mailto://127.0.0.1:9?from=a@firm.com"\n'
        'to = ["@owner"]\nunassigned = ["rfe@firm.com"]\n'
        '[people.jchan]\nname = "Jia Chan"\nemail = "jchan@firm.com"\n'
        '[people.kim]\nname = "Kim Roe"\nemail = "kim@firm.com"\n'
    )
    installation.config.write_text(installation.config.read_text() + people)
    missing = findings(installation("doctor").out)["people"]
    assert missing == (
        "2 open changes without an owner (LIN…4321, IOE…5678) → casebell queue; "
        "casebell cases set RECEIPT owner=NAME"
    )
    installation("cases", "set", "IOE0912345678", "owner=Jia Chan")
    # Its wording is new: whether it asks for anything, a person says.
    installation("cases", "answered", "LIN2290054321")
    assert findings(installation("doctor").out)["people"] == "OK"
    installation("people", "away", "jchan", "--until", "2999-12-31", "--to", "kim")
    assert findings(installation("doctor").out)["people"] == (
        "1 open change with an owner who is away: jchan (IOE…5678) → casebell people list"
    )
    without = installation.config.read_text().replace('email = "kim@firm.com"\n', "")
    installation.config.write_text(without)
    told = [one for one in installation("doctor").out.splitlines() if one.startswith("people:")]
    assert [one.partition("→")[0].split(maxsplit=1)[1].strip() for one in told] == [
        "Kim Roe can be reached on no channel",
        "Jia Chan is away, and kim, who stands in, can be reached on no channel",
        "1 open change with an owner who is away: jchan (IOE…5678)",
    ]


def test_a_proxy_that_is_not_trusted(installation: Installation) -> None:
    """Whoever forwards deliveries and is not believed is named, with the line to write."""
    with serving(installation) as url:
        httpx2.post(f"{url}/webhooks/parley", headers={"X-Forwarded-For": "203.0.113.7"})
        ran = installation("doctor")
    assert ran.code == 1
    assert 'server.trusted_proxies = ["127.0.0.1"]' in findings(ran.out)["proxy"]


@pytest.fixture
def provider(bare: Installation) -> Iterator[Provider]:
    """An identity provider, for which the installation is configured."""
    with running_beside(SystemClock()) as running:
        oidc = (
            f'[console.oidc]\nissuer = "{running.issuer}"\nclient_id = "c"\n'
            'client_secret = "s"\nroles = { "lawyers" = "viewer" }\n'
        )
        bare.config.write_text(bare.config.read_text() + oidc)
        yield running


def signing_in(bare: Installation) -> str:
    """What it says of signing in over the provider."""
    return findings(bare("doctor").out)["sign-in"]


def test_an_identity_provider(bare: Installation, provider: Provider) -> None:
    """It is asked what it says of itself, and for its keys."""
    assert signing_in(bare) == "OK"
    assert provider.asked == ["/firm/.well-known/openid-configuration", "/firm/keys"]
    provider.document = {"issuer": "https://elsewhere.example"}
    assert signing_in(bare) == (
        "nobody can sign in over 127.0.0.1: it calls itself “https://elsewhere.example”: "
        "console.oidc.issuer must be the same → write it so, casebell reload"
    )
    provider.document = {"id_token_signing_alg_values_supported": ["HS256"]}
    assert "it signs by none of ES256" in signing_in(bare)
    provider.document = {}
    provider.answers["/firm/keys"] = Answer(status=503)
    assert signing_in(bare) == (
        "nobody can sign in over 127.0.0.1: /firm/keys answers 503 → see that 127.0.0.1 can be "
        "reached"
    )


def test_clocks_that_differ(bare: Installation, provider: Provider) -> None:
    """Beyond what ID tokens may differ."""
    for ahead, said in ((300, "s ahead of this machine's"), (-300, "s behind this machine's")):
        provider.date = formatdate(time.time() + ahead, usegmt=True)
        found = signing_in(bare)
        assert said in found
        assert found.endswith("→ timedatectl")
    provider.date = formatdate(time.time() + 50, usegmt=True)
    assert signing_in(bare) == "OK"


def test_no_server_runs(installation: Installation) -> None:
    """It cannot be told whether deliveries would be taken: exit code 3."""
    ran = installation("doctor")
    assert ran.code == 3
    assert findings(ran.out)["server"] == "it does not run → casebell serve"


def test_something_else_answers(installation: Installation) -> None:
    """A socket that takes connections and says nothing sensible is no server of ours."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(installation.directory / "casebell.db.sock"))
        other.listen()

        def hang_up() -> None:
            asked = True
            while asked:
                connection, _ = other.accept()
                with connection:
                    asked = bool(connection.recv(1000))
                    connection.sendall(b"hello\n")

        thread = threading.Thread(target=hang_up)
        thread.start()
        ran = installation("doctor")
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(other.getsockname())
            last.shutdown(socket.SHUT_WR)
            thread.join()
    assert ran.code == 3
    found = findings(ran.out)
    assert found["storage"] == "OK"
    assert found["server"].startswith("it does not answer → ")


def test_before_the_first_start(bare: Installation) -> None:
    """Nothing is made by looking: no database, no lock."""
    before = bare.files()
    ran = bare("doctor")
    assert ran.code == 3
    assert findings(ran.out)["storage"] == "there is no database yet → casebell serve"
    assert bare.files() == before


def test_it_only_looks(installation: Installation) -> None:
    """With a database there, nothing of ours changes, and a server can start meanwhile."""
    before = installation.files()
    installation("doctor")
    assert installation.files() == before


def test_a_configuration_that_is_wrong(bare: Installation) -> None:
    """The layers below it cannot be looked at: one line, exit code 2."""
    bare.config.write_text(bare.config.read_text().replace("port = 0", "prot = 0\nhots = 1"))
    ran = bare("doctor")
    assert (ran.code, ran.err) == (2, "")
    (line,) = ran.out.splitlines()
    assert line.startswith("configuration: server.")
    assert line.endswith("(and 1 more) → casebell check")
    ran = bare.run("doctor")
    assert ran.code == 2
    assert ran.out.endswith(" → casebell init\n")


def test_a_channel_that_cannot_be_loaded(bare: Installation) -> None:
    """It says so without the URL; `check` says what is wrong."""
    text = bare.config.read_text()
    bare.config.write_text(text.replace("json://127.0.0.1:9/", "slack://hunter2"))
    ran = bare("doctor")
    assert findings(ran.out)["channels"] == "one cannot be loaded → casebell check"
    assert "hunter2" not in ran.out


def test_no_channel(bare: Installation) -> None:
    """Nobody would be alerted: that is not OK."""
    bare.config.write_text('[sources.parley]\nkind = "parley"\nsecrets = ["0123456789abcdef"]\n')
    ran = bare("doctor")
    assert findings(ran.out)["channels"].startswith("there is none, so nobody is alerted → add one")


def test_a_pilot(bare: Installation) -> None:
    """Nobody whom the rules name is alerted: a pilot that was forgotten is not OK."""
    bare.config.write_text(f'{bare.config.read_text()}\n[alerts]\npilot = "team"\n')
    said = findings(bare("doctor").out)["channels"]
    assert said.startswith("alerts.pilot is set: every message goes to team alone → ")


def test_a_damaged_database(bare: Installation) -> None:
    """The storage's own words, and what to look at."""
    bare.database.write_bytes(b"This is no database." * 500)
    ran = bare("doctor")
    assert ran.code == 3
    assert "file is not a database → " in findings(ran.out)["storage"]


def test_a_database_server_that_is_down(bare: Installation) -> None:
    """Host, port, database and what to look at; no password, and no way back to doctor."""
    url = "postgresql://clerk:hunter2@127.0.0.1:9/cases"
    bare.config.write_text(f'{bare.config.read_text()}\n[storage]\nurl = "{url}"\n')
    ran = bare("doctor")
    assert ran.code == 3
    found = findings(ran.out)["storage"]
    assert "Connection refused (PostgreSQL at 127.0.0.1, port 9, database cases)" in found
    assert found.endswith("`pg_isready -h 127.0.0.1 -p 9`.")
    assert "hunter2" not in ran.out
    assert "casebell doctor" not in ran.out
    listed = bare("events", "list")
    assert (listed.code, "pg_isready" in listed.err, "hunter2" in listed.err) == (3, True, False)


def test_what_is_refused(served: Installation) -> None:
    """A line for each source and error, with the likely cause; exit code 1 from the fifth on."""
    body = served.directory / "body.json"
    body.write_bytes(b"{}")

    def refuse(times: int, source: str, secret: str) -> None:
        before = served.rows("SELECT count(*) FROM refused")[0][0]
        for _ in range(times):
            sent = ("send", "--source", source, "--body", str(body), "--secret", secret)
            assert served(*sent).out.startswith("401")
        until_sync(
            lambda: served.rows("SELECT count(*) FROM refused")[0][0] == before + times, "refusals"
        )

    refuse(1, "torch", "Bearer " + TORCH_SECRET)
    ran = served("doctor")
    assert ran.code == 0
    assert findings(ran.out)["refused"].startswith(
        "1 of source torch refused as secret_mismatch since its last authentic delivery. "
        "The secret is right, and “Bearer” stands before it → "
    )
    served("send", "--sample", "torch-rfe")
    until_sync(lambda: served("doctor").out.endswith("refused:       OK\n"), "the end of it")
    refuse(5, "parley", TORCH_SECRET)
    ran = served("doctor")
    assert ran.code == 1
    assert "It carries the secret “secret-1” of source torch" in findings(ran.out)["refused"]
    number = ran.out.split("casebell refused why ")[1].split()[0]
    assert "other_sources_secret" in served("refused", "why", number, "--json").out
    assert "Cause: It carries the secret" in served("refused", "why", number).out
    ran = served("refused", "why", "999")
    assert (ran.code, "casebell refused list" in ran.err) == (1, True)


def test_what_was_refused_before_a_restart(bare: Installation) -> None:
    """It is told without a server, too, and after the next start."""
    config = bare.directory / "config.toml"
    config.write_text(config.read_text().replace("port = 0", "port = 0\nrefusals_per_minute = 1"))
    body = bare.directory / "body.json"
    body.write_bytes(b"{}")
    with serving(bare):
        for _ in range(5):
            bare("send", "--source", "torch", "--body", str(body), "--secret", "x" * 20)
    limited, first = (
        line for line in bare("doctor").out.splitlines() if line.startswith("refused:")
    )
    assert "4 of source torch refused as too_many_refusals" in limited
    assert limited.endswith(
        "None of these is kept; those that came before them say why → "
        "casebell refused list --source torch"
    )
    assert "1 of source torch refused as secret_mismatch" in first
    assert first.endswith("casebell refused readmit 1. More: casebell refused why 1")
    with serving(bare):
        assert bare("doctor").code == 1


def told(sink: HttpSink, words: str) -> list[str]:
    """Messages that say something, once there is one; the promise is ten seconds."""
    began = time.monotonic()

    def found() -> list[str]:
        messages = [json.loads(request.body)["message"] for request in sink.requests]
        return [message for message in messages if words in message]

    until_sync(lambda: bool(found()), f"operations to hear of {words!r}")
    assert time.monotonic() - began < 10
    return found()


def test_operations_hear_of_the_fifth_in_a_row(bare: Installation, sink: HttpSink) -> None:
    """Whatever stops deliveries: TLS on the plain port, a stripped header; and of the end."""
    with serving(bare) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32))
                assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        (message,) = told(sink, "TLS on a port that speaks plain HTTP")
        assert "Errors: bad_request 5. They came from 1 address." in message
        for _ in range(5):
            httpx2.post(f"{url}/webhooks/parley", content=b"{}", trust_env=False)
        (message,) = told(sink, "The header Authorization did not arrive")
        assert message.startswith("5 deliveries to source parley were refused in a row since ")
        found = bare("doctor")
        assert found.code == 1
        assert "5 of source parley refused as signature_missing" in found.out
        assert "5 that may have been deliveries, of no source, as bad_request" in found.out
        assert bare("send", "--sample", "parley-rfe").code == 0
        told(sink, "Before it 5 were refused in a row")
        assert "of source parley" not in bare("doctor").out


@pytest.mark.slow
def test_what_scanners_ask_is_no_problem(bare: Installation) -> None:
    """It is shown with its number, and exit code 0; what looks like a delivery is one."""
    with serving(bare) as url:
        host, port = url.removeprefix("http://").split(":")
        for path in ("/wp-login.php", "/.env", "/webhooks/.git/config", "/owa/", "/admin"):
            assert httpx2.get(url + path, trust_env=False).status_code == 404
        httpx2.post(url + "/cgi-bin/luci", content=b"a=1", trust_env=False)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"\x03\x00\x00\x13\x0e\xe0\x00\x00\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        said = "7 requests of scanners, none like a delivery (not_found 6, bad_request 1) → "
        until_sync(lambda: said in findings(bare("doctor").out).get("refused", ""), "the count")
        assert bare("doctor").code == 0
        for _ in range(5):
            httpx2.post(url + "/api/hooks", json={"id": "evt_1"}, trust_env=False)
        until_sync(lambda: bare("doctor").code == 1, "a problem")
        assert "5 that may have been deliveries, of no source, as not_found" in bare("doctor").out


def test_alerts_that_a_trigger_swallowed(installation: Installation) -> None:
    """The trigger is named, and so is what was decided and never came into the outbox."""
    with closing(sqlite3.connect(installation.database)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER quiet BEFORE INSERT ON alerts BEGIN SELECT RAISE(IGNORE); END"
        )
        (change,) = connection.execute(
            "SELECT change_id FROM alerts WHERE channel = 'broken'"
        ).fetchone()
        connection.execute("DELETE FROM attempts")
        connection.execute("DELETE FROM alerts WHERE change_id = ?", (change,))
    found = findings(installation("doctor").out)
    assert "trigger quiet on alerts → " in found["storage"]
    assert found["outbox"].startswith("1 change decided, and no alert was ever made of it → ")
    assert f"change {change}" in found["outbox"]


def test_what_keeps_silent(bare: Installation) -> None:
    """A source that says nothing, a target that a test did not reach, and who watches Casebell."""
    text = bare.config.read_text()
    bare.config.write_text(
        text.replace("[sources.parley]", '[sources.parley]\nexpect_every = "1m"', 1)
        .replace("[channels.broken]", '[channels.broken]\nself_test = "1h"', 1)
        .replace("[ops]", '[ops]\nheartbeat = "http://127.0.0.1:9/ping-4711-s3cret"', 1)
    )
    store_in(bare.directory)
    bare.write("INSERT INTO marks VALUES ('silent:parley', 32503680000000000)")
    bare.write("INSERT INTO marks VALUES ('target:broken:json', 1)")
    with serving(bare):
        ran = until_sync(
            lambda: ran if "failed (" in (ran := bare("doctor")).out else None,
            "the self-test to fail",
        )
    found = findings(ran.out)
    assert found["silence"].startswith("nothing authentic came from source parley for longer")
    assert found["self-test"].startswith("the self-test of json over channel broken failed")
    assert "ops.heartbeat could not be fetched" in found["heartbeat"]
    assert "s3cret" not in ran.out
    assert ran.code == 1
