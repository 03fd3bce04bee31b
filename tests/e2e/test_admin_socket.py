"""What an operator can do on the command line: through the running server, and without one."""

import asyncio
import json
import signal
import stat
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.databases import Postgres
from e2e.sender import Wire, deliver, document, encoded, post, request
from e2e.server import SOURCES, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Where this source has its receipts, which its configuration does not know at first.
ODD_FIELD = '[sources.parley.fields]\nreceipt = ["caseNumber"]\n'


def told_by(hook: HttpSink, *, odd: bool = False) -> str:
    """A configuration in which one channel hears of every change."""
    sources = SOURCES.replace("[sources.torch]", ODD_FIELD + "[sources.torch]") if odd else SOURCES
    return (
        f'{sources}[channels.team]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
        '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["team"]\n'
    )


def titles(hook: HttpSink) -> list[str]:
    """What a hook was told."""
    return [json.loads(one.body)["title"] for one in hook.requests]


def odd(number: int) -> bytes:
    """A delivery whose receipt stands under a name of its own."""
    return encoded(document(receipt_number=None, caseNumber=f"ODD000000000{number}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hook() -> AsyncIterator[HttpSink]:
    """The channel's other end."""
    async with HttpSink() as sink:
        yield sink


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, hook: HttpSink) -> AsyncIterator[Server]:
    """A running server with one channel."""
    running = Server(tmp_path_factory.mktemp("admin"), told_by(hook))
    yield await running.start()
    await running.gone()


# ── With a server ────────────────────────────────────────────────────────────────────────────────


async def test_a_channel_is_tested_through_the_server(server: Server, hook: HttpSink) -> None:
    """A test message goes out by the real path; the command says what came of it."""
    before = len(hook.requests)
    good, unknown = await asyncio.gather(
        server.run("channels", "test", "team"), server.run("channels", "test", "nobody")
    )
    assert (good.code, good.err) == (0, "")
    assert good.out == "team → json: delivered.\n"
    assert titles(hook)[before:] == ["TEST: Casebell can reach you"]
    hook.answer(HttpAnswer(status=401), HttpAnswer())
    bad = await server.run("channels", "test", "team", "--json")
    assert bad.code == 1
    (answer,) = bad.lines()
    (target,) = answer["targets"]
    assert (target["outcome"], target["reason"], target["delivered"]) == (
        "auth",
        "auth_failed",
        False,
    )
    assert str(hook.port) not in bad.out
    assert unknown.code == 1
    assert "no channel of this name" in unknown.err


async def test_a_failed_alert_is_retried_through_the_server(server: Server, hook: HttpSink) -> None:
    """What a channel refused for good is sent once somebody asks; only a failed alert can be."""
    hook.answer(HttpAnswer(status=404), HttpAnswer())
    sent = await deliver(server)
    failed = await until(
        lambda: server.rows(
            "SELECT id FROM alerts WHERE event_id = ? AND state = 'failed'", sent["row"]
        ),
        "the alert to fail",
    )
    number = str(failed[0][0])
    listed, retried = await asyncio.gather(
        server.run("alerts", "list", "--json"), server.run("alerts", "retry", number)
    )
    assert (listed.code, listed.lines()[0]["id"]) == (0, int(number))
    assert (retried.code, retried.err) == (0, "")
    await until(
        lambda: server.rows("SELECT 1 FROM alerts WHERE id = ? AND state = 'sent'", number),
        "the alert sent",
    )
    again, unknown, nonsense = await asyncio.gather(
        server.run("alerts", "retry", number),
        server.run("alerts", "retry", "999999"),
        server.run("alerts", "retry", "x"),
    )
    assert (again.code, unknown.code, nonsense.code) == (1, 1, 2)
    assert f"Alert {number} is sent" in again.err
    assert "There is no alert 999999" in unknown.err


async def test_a_held_delivery_is_discarded_through_the_server(server: Server) -> None:
    """A delivery that is closed stays closed, and its body stays."""
    body = odd(1)
    assert (await post(server, body)).status_code == 202
    ((number,),) = server.rows("SELECT id FROM held WHERE body = ?", body)
    released = await server.run("held", "release", str(number))
    assert released.code == 1
    assert "still cannot be understood" in released.err
    discarded = await server.run("held", "discard", str(number))
    assert (discarded.code, discarded.err) == (0, "")
    assert server.rows("SELECT state, body FROM held WHERE id = ?", number) == [("discarded", body)]
    again, unknown = await asyncio.gather(
        server.run("held", "discard", str(number)), server.run("held", "release", "999999")
    )
    assert (again.code, unknown.code) == (1, 1)
    assert "has been discarded already" in again.err


async def test_over_http_there_is_none_of_it(server: Server) -> None:
    """What a stranger asks for is as unknown as any other address."""
    answers = []
    for path in ("/local/reload", "/admin", "/nothing/at/all"):
        async with Wire(server) as wire:
            await wire.say(request(b"", {}, path=path, method="POST"))
            answers.append((await wire.hear()).status)
    assert answers == [404] * 3


async def test_only_this_user_may_ask(server: Server) -> None:
    """The socket file has mode 0600."""
    found = (server.directory / "casebell.db.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


# ── Without a server ─────────────────────────────────────────────────────────────────────────────


async def test_the_same_without_a_server(make_server: MakeServer) -> None:
    """Release, discard, retry and test work on the database itself while no server runs.

    What they set going is finished by the next start.
    """
    async with HttpSink() as hook:
        server = make_server(told_by(hook))
        made = server.database.read_bytes()
        server.database.unlink()
        nothing = await server.run("alerts", "list")
        assert nothing.code in {1, 3}
        assert "There is no database yet." in nothing.err
        server.database.write_bytes(made)
        await server.start()
        hook.answer(HttpAnswer(status=404), HttpAnswer())
        await deliver(server)
        for number in (1, 2):
            assert (await post(server, odd(number))).status_code == 202
        await server.settled()
        assert await server.stop() == 0
        assert server.rows("SELECT id, state FROM alerts") == [(1, "failed")]

        server.configure(told_by(hook, odd=True))
        released = await server.run("held", "release", "1", "--json")
        assert (released.code, released.err) == (0, "")
        (one,) = released.lines()
        assert (one["held"], one["status"], one["event"]) == (1, "stored", 2)
        assert (await server.run("held", "discard", "2")).code == 0
        assert (await server.run("alerts", "retry", "1")).code == 0
        before = len(hook.requests)
        tested = await server.run("channels", "test", "team")
        assert (tested.code, tested.err) == (0, "")
        assert titles(hook)[before:] == ["TEST: Casebell can reach you"]

        await server.start()
        await server.settled()
        assert server.rows("SELECT receipt FROM events WHERE id = 2") == [("ODD0000000001",)]
        assert server.rows("SELECT state FROM alerts WHERE kind = 'case'") == [("sent",)] * 2
        assert any("ODD…0001" in title for title in titles(hook))


async def test_a_killed_servers_socket_misleads_nobody(make_server: MakeServer) -> None:
    """The file that it leaves behind is passed over by commands, and replaced by the next start."""
    server = await make_server().start()
    assert (await post(server, odd(1))).status_code == 202
    await server.kill()
    socket_file = server.directory / "casebell.db.sock"
    assert socket_file.exists()
    assert (await server.run("held", "discard", "1")).code == 0
    await server.start()
    assert (await server.run("reload")).code == 0
    assert await server.stop() == 0
    assert not socket_file.exists()


async def test_two_servers_need_two_sockets(make_server: MakeServer) -> None:
    """The second one ends and says so; the first one still answers."""
    first = await make_server(server='socket = "one.sock"').start()
    second = make_server(server=f'socket = "{first.directory}/one.sock"')
    await second.launch()
    assert await second.ended() == 1
    assert f"Another Casebell server answers at {first.directory}/one.sock" in second.text()
    assert "server.socket" in second.text()
    assert "Traceback" not in second.text()
    assert (await first.run("reload")).code == 0


async def test_it_works_on_postgresql(make_server: MakeServer, postgres: Postgres) -> None:
    """Commands ask the server there, too, at a socket beside the configuration."""
    database = await postgres.database(f"casebell_{uuid.uuid4().hex[:8]}")
    async with HttpSink() as hook:
        server = make_server(told_by(hook), storage=database.url)
        await server.start()
        socket_file = server.directory / "casebell.sock"
        assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
        assert (await post(server, encoded(document()))).status_code == 200
        assert (await post(server, odd(1))).status_code == 202
        listed = await server.run("events", "list", "--json")
        assert (listed.code, [one["id"] for one in listed.lines()]) == (0, [1])
        server.configure(told_by(hook, odd=True))
        again = await server.run("reload", "--json")
        assert again.lines()[0]["changed"] == {"sources": {"changed": ["parley"]}}
        # Only the running server has these settings in force: it is the one that releases.
        released = await server.run("held", "release", "1", "--json")
        (one,) = released.lines()
        assert (one["held"], one["status"], one["event"]) == (1, "stored", 2)
        assert await server.stop() == 0
        assert not socket_file.exists()
        alone = await server.run("held", "list", "--state", "released", "--json")
        assert [one["event"] for one in alone.lines()] == [2]


async def test_a_configuration_that_is_wrong_is_code_2(make_server: MakeServer) -> None:
    """Every command names the key that is wrong."""
    server = make_server("[sources.parley]\n")
    ran = await server.run("channels", "test", "team")
    assert ran.code == 2
    assert "sources.parley" in ran.err


@pytest.mark.slow
async def test_a_server_that_hangs_is_given_up(make_server: MakeServer) -> None:
    """A server that is stopped in its tracks is told apart; what it stored can still be read."""
    server = await make_server().start()
    await deliver(server)
    server.process.send_signal(signal.SIGSTOP)
    try:
        ran = await server.run("doctor")
        listed = await server.run("events", "list", "--json")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert ran.code == 3
    assert "it does not answer" in ran.out
    assert (listed.code, len(listed.lines())) == (0, 1)
