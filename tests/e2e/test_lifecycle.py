"""Starting, ending, and being killed: nothing acknowledged is lost, and nothing waits for ever."""

import asyncio
import contextlib
import json
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.sender import Wire, deliver, document, encoded, post, request
from e2e.server import SOURCES, MakeServer, Server
from waiting import TIMEOUT, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def told_by(*hooks: HttpSink) -> str:
    """A configuration in which each hook is a channel that hears of everything."""
    channels = "".join(
        f'[channels.hook-{place}]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
        for place, hook in enumerate(hooks)
    )
    names = json.dumps([f"hook-{place}" for place in range(len(hooks))])
    return f'{SOURCES}{channels}[[rules]]\nname = "All"\nwhen = {{}}\nnotify = {names}\n'


def messages(hook: HttpSink) -> list[str]:
    """What a hook was told."""
    return [json.loads(one.body)["message"] for one in hook.requests]


# ── Starting ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_start_makes_the_database(make_server: MakeServer) -> None:
    """From an empty directory to a database with this release's tables, all of it private."""
    server = await make_server().start()
    await deliver(server)
    files = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in server.directory.iterdir()
        if path.name.startswith("casebell.db")
    }
    assert files == {
        "casebell.db": 0o600,
        "casebell.db-wal": 0o600,
        "casebell.db-shm": 0o600,
        "casebell.db.lock": 0o600,
        "casebell.db.sock": 0o600,
        "casebell.db.sock.lock": 0o600,
    }
    assert len(server.rows("SELECT version_num FROM alembic_version")) == 1


async def test_a_start_migrates_what_is_there(make_server: MakeServer) -> None:
    """An empty file gets its tables; a later release's database is left alone, with exit code 3."""
    server = make_server()
    server.database.touch(mode=0o644)
    await server.start()
    await deliver(server)
    assert stat.S_IMODE(server.database.stat().st_mode) == 0o600
    await server.stop()
    server.write("UPDATE alembic_version SET version_num = '9999'")
    await server.launch()
    assert await server.ended() == 3
    assert "9999, which this release does not know" in server.text()
    assert "Traceback" not in server.text()
    assert server.rows("SELECT count(*) FROM events") == [(1,)]


async def test_one_server_for_one_database(make_server: MakeServer) -> None:
    """A second server on the same file ends at once and clearly, and does the first no harm."""
    first = await make_server().start()
    socket_file = first.directory / "casebell.db.sock"
    number = socket_file.stat().st_ino
    second = Server(first.directory.parent / "second")
    second.configure(SOURCES)
    second.config.write_text(second.config.read_text().replace("casebell.db", str(first.database)))
    await second.launch()
    assert await second.ended() == 3
    error, hint = (line for line in second.text().splitlines() if not line.startswith("{"))
    assert error == f"Error: Another Casebell server holds {first.database}."
    assert "storage.url" in hint
    # The socket, by which the command line asks, is still the first one's.
    assert socket_file.stat().st_ino == number
    assert (await first.run("held", "discard", "1")).code == 1
    await deliver(first)


async def test_a_busy_port_is_named(make_server: MakeServer) -> None:
    """A port that is taken is said so, with the keys to change, and without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = make_server(server=f"port = {port}")
        server.database.unlink()
        await server.launch()
        assert await server.ended() != 0
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in server.text()
    assert "server.port" in server.text()
    assert "Traceback" not in server.text()
    assert not server.database.exists()


@pytest.mark.slow
async def test_storage_that_cannot_be_made_is_named(make_server: MakeServer) -> None:
    """A database below what is no folder is exit code 3 and a sentence."""
    server = make_server()
    config = server.config.read_text()
    server.config.write_text(config.replace("casebell.db", "config.toml/casebell.db"))
    ran = await server.run_apart("serve")
    assert ran.code == 3
    assert "The folder of the database cannot be made: " in ran.err
    assert "Traceback" not in ran.err + ran.out


@pytest.mark.slow
async def test_a_wrong_configuration_is_named(make_server: MakeServer) -> None:
    """A configuration that is wrong is exit code 2, and names the key."""
    ran = await make_server('[sources.parley]\nkind = "parley"\nsecretz = []\n').run_apart("serve")
    assert ran.code == 2
    assert "sources.parley.secretz" in ran.err
    assert "Traceback" not in ran.err + ran.out


# ── Ending ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
async def test_an_ending_answers_what_is_in_hand(
    make_server: MakeServer, number: signal.Signals
) -> None:
    """A request that is under way is stored and answered; then the server ends with 0."""
    server = await make_server().start()
    body = encoded(document())
    data = request(body)
    async with Wire(server) as wire, Wire(server) as idle:
        await wire.say(data[:-10])
        # The head has been read once something else that came later is answered.
        await deliver(server)
        began = time.monotonic()
        server.process.send_signal(number)
        assert await idle.closed() == b""
        await wire.say(data[-10:])
        answer = await wire.hear()
    assert (answer.status, answer.json()["status"]) == (200, "stored")
    assert await server.ended() == 0
    assert time.monotonic() - began < 10
    assert server.events("server.stopped")
    # A clean end leaves one file of data.
    assert not server.database.with_name("casebell.db-wal").exists()
    assert server.rows("SELECT count(*) FROM events") == [(2,)]


@pytest.mark.slow
async def test_an_ending_does_not_wait_for_a_channel(make_server: MakeServer) -> None:
    """A channel that hangs does not keep the server; its alert goes out again and says so."""
    async with HttpSink() as hook:
        hook.answer(HttpAnswer(delay=60), HttpAnswer())
        server = await make_server(told_by(hook)).start()
        await deliver(server)
        await hook.received(1)
        began = time.monotonic()
        assert await server.stop() == 0
        took = time.monotonic() - began
        print(f"SIGTERM to exit, a channel hanging: {took:.1f} s")  # noqa: T201 - a figure
        assert took < 10
        await server.start()
        await server.settled()
        assert ["May repeat" in message for message in messages(hook)] == [False, True]


@pytest.mark.slow
async def test_an_ending_does_not_wait_for_a_sender_either(make_server: MakeServer) -> None:
    """With a body that never ends beside a channel that hangs it still takes less than 10 s.

    The sender is told to try again.
    """
    async with HttpSink() as hook:
        hook.answer(HttpAnswer(delay=60))
        server = await make_server(told_by(hook), server='body_timeout = "1m"').start()
        await deliver(server)
        await hook.received(1)
        async with Wire(server) as wire:
            await wire.say(request(encoded(document()))[:-10])
            # What is answered later on another connection shows that this one was read.
            await post(server, b"{}", {})
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            answer = await wire.hear()
            assert (answer.status, answer.json()["error"]) == (503, "shutting_down")
            assert int(answer.headers["retry-after"]) > 0
            assert await server.ended() == 0
        took = time.monotonic() - began
        print(f"SIGTERM to exit, channel and body hanging: {took:.1f} s")  # noqa: T201 - a figure
        assert took < 10
        assert "Traceback" not in server.text()


# ── Being killed between two steps ───────────────────────────────────────────────────────────────


def fault(name: str, when: str) -> str:
    """Make one step fail for as long as the trigger is there: the step before it stands alone."""
    return f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, 'fault'); END"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database as a first start leaves it."""
    server = Server(tmp_path_factory.mktemp("blank"))
    await server.start()
    await server.stop()
    return server.database.read_bytes()


async def start_with(server: Server, *statements: str, blank: bytes = b"") -> None:
    """Start on a database that has been prepared."""
    if blank:
        server.database.write_bytes(blank)
    server.write(*statements)
    await server.start()


async def test_killed_before_the_commit(make_server: MakeServer, blank: bytes) -> None:
    """No commit, no 2xx: the sender is told to come again, and does."""
    async with HttpSink() as hook:
        server = make_server(told_by(hook))
        await start_with(server, fault("broken", "INSERT ON events"), blank=blank)
        sent = encoded(document())
        assert (await post(server, sent)).status_code == 503
        await server.kill()
        await start_with(server, "DROP TRIGGER broken")
        assert server.rows("SELECT count(*) FROM events") == [(0,)]
        assert (await post(server, sent)).json()["status"] == "stored"
        await server.settled()
        assert len(messages(hook)) == 1


@pytest.mark.parametrize(
    ("step", "stage", "sent", "repeats"),
    [
        ("UPDATE OF state ON alerts WHEN NEW.state = 'sending'", "notify", 0, False),
        ("INSERT ON attempts", "notify", 1, True),
    ],
    ids=["before-the-claim", "before-the-record"],
)
async def test_killed_between_two_steps(
    make_server: MakeServer, blank: bytes, *, step: str, stage: str, sent: int, repeats: bool
) -> None:
    """Whatever had been committed is taken up after the restart; what may have gone out says so."""
    async with HttpSink() as hook:
        server = make_server(told_by(hook))
        await start_with(server, fault("broken", step), blank=blank)
        await deliver(server)
        await server.storage_failed(stage)
        assert len(messages(hook)) == sent
        await server.kill()
        await start_with(server, "DROP TRIGGER broken")
        await server.settled()
        assert len(messages(hook)) == sent + 1
        assert ["May repeat" in message for message in messages(hook)] == [False] * sent + [repeats]
        assert server.rows("SELECT DISTINCT state FROM alerts") == [("sent",)]


async def test_killed_before_the_decision_is_written(make_server: MakeServer, blank: bytes) -> None:
    """An event is stored with its decision or not at all: its sender is told to try again."""
    async with HttpSink() as hook:
        server = make_server(told_by(hook))
        await start_with(server, fault("broken", "INSERT ON changes"), blank=blank)
        body = encoded(document())
        assert (await post(server, body)).status_code == 503
        await server.kill()
        await start_with(server, "DROP TRIGGER broken")
        assert server.rows("SELECT 1 FROM events") == []
        assert (await post(server, body)).json()["status"] == "stored"
        await server.settled()
        assert len(messages(hook)) == 1


async def test_killed_while_a_service_hangs(make_server: MakeServer) -> None:
    """An alert in flight is sent again after the restart and says so; the others do not."""
    async with HttpSink() as hanging, HttpSink() as good:
        hanging.answer(HttpAnswer(delay=60), HttpAnswer())
        server = await make_server(told_by(hanging, good)).start()
        await deliver(server)
        await hanging.received(1)
        await until(
            lambda: server.rows("SELECT 1 FROM alerts WHERE state = 'sent'"), "the alert sent"
        )
        await server.kill()
        await server.start()
        await server.settled()
        assert ["May repeat" in message for message in messages(hanging)] == [False, True]
        assert ["May repeat" in message for message in messages(good)] == [False]
        assert (await server.logged("server.took_up"))[0]["interrupted"] == 1
        assert server.rows("SELECT outcome, reason FROM attempts ORDER BY id")[-2:] == [
            ("ambiguous", "interrupted"),
            ("sent", None),
        ]


# ── The log ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """Whoever read the log is gone: deliveries and alerts go on without it."""
    async with HttpSink() as hook:
        server = Server(tmp_path / "server", told_by(hook))
        process = await asyncio.create_subprocess_exec(
            *server.command("serve"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=server.directory,
        )
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                if (said := json.loads(line))["event"] == "server.started":
                    server.url = said["url"]
                    break
            transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
            transport.close()
            for count in (1, 2):
                await deliver(server)
                await hook.received(count)
            await server.settled()
            assert (await _ready(server)) == {"storage": "ok", "loops": "ok", "settings": "ok"}
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(TIMEOUT):
                assert await process.wait() == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _ready(server: Server) -> dict[str, str]:
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path="/ready", method="GET"))
        checks: dict[str, str] = (await wire.hear()).json()["checks"]
    return checks
