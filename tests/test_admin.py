"""The Unix socket of the command line: who may ask, and what is answered."""

import asyncio
import json
import os
import select
import socket
import stat
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from casebell.actors import Actor, Right
from casebell.admin import MAX_REQUEST_BYTES, AdminSocket, listen
from casebell.app import REQUEST_GRACE
from casebell.errors import ConfigError, NotFound, Problem, Refusal, StorageUnavailable
from casebell.files import user_name
from casebell.runtime import SEND_GRACE
from casebell.service import Service
from contracts.clock_and_log import RecordingLog
from raw_admin import ask, say
from waiting import until


class Verbs:
    """Verbs of every kind."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = False

    async def add(self, *, one: int, other: int = 0, actor: Actor) -> Mapping[str, int]:
        """Answers."""
        return {"sum": one + other}

    async def echo(self, *, text: str, actor: Actor) -> str:
        """Answers with what it was told."""
        return text

    async def who(self, *, actor: Actor) -> Sequence[str | None]:
        """Answers with who asks."""
        return actor.name, actor.role, actor.by

    async def miss(self, *, actor: Actor) -> None:
        """Finds nothing."""
        raise NotFound("There is no alert 9.", hint="`casebell alerts list` shows them.")

    async def fail(self, *, actor: Actor) -> None:
        """Cannot tell."""
        raise StorageUnavailable

    async def reject(self, *, actor: Actor) -> None:
        """Cannot use a configuration."""
        raise ConfigError([Problem(key="server.prot", message="No.", hint="Port?", where="/a")])

    async def break_down(self, *, actor: Actor) -> None:
        """Has a defect."""
        raise ZeroDivisionError("vermilion")

    async def wait(self, *, actor: Actor) -> str:
        """Takes its time."""
        self.began.set()
        await self.may_end.wait()
        self.ended = True
        return "done"


VERBS = [name for name in vars(Verbs) if not name.startswith("_")]


class Admin:
    """A running socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verbs = Verbs()
        self.recording = RecordingLog()
        self.socket = AdminSocket(
            path=path,
            service=Service(
                {name: getattr(self.verbs, name) for name in VERBS},
                rights=dict.fromkeys(VERBS, Right.OPERATE),
            ),
            timezone=lambda: "America/Chicago",
            log=self.recording.log,
        )

    async def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask for a verb."""
        return await ask(self.path, verb, **arguments)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Admin]:
    """A socket there, until the block ends."""
    admin = Admin(path)
    async with admin.socket:
        yield admin


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    """A running socket."""
    async with running(tmp_path / "a.sock") as started:
        yield started


class TestFile:
    """Where it stands, and who may ask."""

    def test_this_user_alone(self, tmp_path: Path) -> None:
        """The file has mode 0600 from its first moment, whatever the process's umask."""
        before = os.umask(0)
        try:
            with listen(tmp_path / "a.sock"):
                assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o600
            assert os.umask(0) == 0
        finally:
            os.umask(before)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
    async def test_another_user_is_refused(
        self, admin: Admin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Though they can reach the folder: the mode of the socket is what refuses them."""
        monkeypatch.chdir(admin.path.parent)
        admin.path.parent.chmod(0o711)

        def connect() -> None:
            os.seteuid(65534)
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(admin.path.name)
            finally:
                os.seteuid(0)

        with pytest.raises(PermissionError):
            connect()
        admin.path.chmod(0o666)
        connect()

    def test_a_dead_servers_socket_is_replaced(self, tmp_path: Path) -> None:
        """What a crash left behind is in nobody's way."""
        path = tmp_path / "a.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        path.chmod(0o666)
        with listen(path), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async def test_a_living_servers_socket_is_left_alone(self, admin: Admin) -> None:
        """A second server says that another one answers there; the first one goes on."""
        with pytest.raises(Refusal, match="Another Casebell server answers at") as caught:
            listen(admin.path)
        assert "server.socket" in caught.value.hint
        assert (await admin.ask("add", one=1))["value"] == {"sum": 1}

    def test_nor_is_one_that_is_too_busy_to_answer(self, tmp_path: Path) -> None:
        """A server whose queue is full lives."""
        path = tmp_path / "a.sock"
        clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(str(path))
            busy.listen(0)
            for client in clients:
                client.setblocking(False)
                client.connect_ex(str(path))
            with pytest.raises(Refusal, match="Another Casebell server answers at"):
                listen(path)
        for client in clients:
            client.close()

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_what_is_no_socket_is_left_alone(self, tmp_path: Path, kind: str) -> None:
        """Somebody's file does not disappear because a key names it."""
        path, file = tmp_path / "a.sock", tmp_path / "file"
        file.write_text("dear")
        if kind == "file":
            path.write_text("dear")
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(file)
        with pytest.raises(Refusal, match="is no socket"):
            listen(path)
        assert path.exists()
        assert file.read_text() == "dear"

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """The system's reason, and the key."""
        with pytest.raises(Refusal, match="No such file or directory") as caught:
            listen(tmp_path / "nowhere" / "a.sock")
        assert "server.socket" in caught.value.hint

    async def test_of_two_that_find_a_dead_one_the_second_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else it would remove the new socket of the first, and both would believe it theirs."""
        path, unlink, heard = tmp_path / "a.sock", Path.unlink, list[str]()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

        async def second() -> None:
            try:
                async with running(path):
                    heard.append("it runs")
            except Refusal as error:
                heard.append(error.message)

        def after_the_second(removed: Path, *, missing_ok: bool = False) -> None:
            monkeypatch.undo()
            thread = threading.Thread(target=lambda: asyncio.run(second()))
            thread.start()
            thread.join()
            unlink(removed, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", after_the_second)
        async with running(path) as first:
            assert heard == [f"Another Casebell server answers at {path}."]
            assert (await first.ask("add", one=1))["value"] == {"sum": 1}
        async with running(path) as next_one:
            assert (await next_one.ask("add", one=1))["value"] == {"sum": 1}

    async def test_it_is_taken_away_at_the_end(self, tmp_path: Path) -> None:
        """Nobody waits at a socket behind which nothing is."""
        path = tmp_path / "a.sock"
        async with running(path):
            assert path.exists()
        assert not path.exists()

    async def test_another_servers_is_not_taken_away(self, tmp_path: Path) -> None:
        """Where the file was replaced meanwhile, it is not ours."""
        path = tmp_path / "a.sock"
        async with running(path):
            path.unlink()
            with listen(path):
                pass
        assert path.exists()


class TestAnswers:
    """What is said to who may ask."""

    async def test_a_value(self, admin: Admin) -> None:
        """With it comes the time zone in which its reader reads times."""
        answer = await admin.ask("add", one=1, other=2)
        assert answer == {"value": {"sum": 3}, "timezone": "America/Chicago"}

    @pytest.mark.parametrize(
        "text", ["", "Año “sí”\n\x1b\x00", "lone \udcff \ud800", "x" * 500_000]
    )
    async def test_any_text_goes_both_ways(self, admin: Admin, text: str) -> None:
        """Line ends, lone surrogates and long texts too."""
        assert (await admin.ask("echo", text=text))["value"] == text

    @pytest.mark.parametrize(
        ("verb", "code", "exit_code", "hint"),
        [
            ("miss", "not_found", 1, "`casebell alerts list` shows them."),
            ("fail", "storage_unavailable", 3, StorageUnavailable.hint),
            ("reject", "config_invalid", 2, ConfigError.hint),
        ],
    )
    async def test_an_error_is_told_in_full(
        self, admin: Admin, verb: str, code: str, exit_code: int, hint: str
    ) -> None:
        """Sentence, hint, exit code, and each problem of a configuration."""
        error = (await admin.ask(verb))["error"]
        assert (error["code"], error["exit_code"], error["hint"]) == (code, exit_code, hint)
        assert error["message"]
        told = {"key": "server.prot", "message": "No.", "hint": "Port?", "where": "/a"}
        problems = [{**told, "absent": False}]
        assert error["problems"] == (problems if verb == "reject" else [])

    async def test_who_asks(self, admin: Admin) -> None:
        """The system says whose process it is; who it is beside that is as claimed."""
        me = f"cli:{user_name(os.geteuid())}"
        for claimed in ("Jia Chan", None):
            request = json.dumps({"verb": "who", "arguments": {}, "by": claimed})
            answer = json.loads(await say(admin.path, request.encode() + b"\n"))
            assert answer["value"] == [me, "admin", claimed]
        assert (await admin.ask("who"))["value"] == [me, "admin", None]
        # Nobody is somebody else by saying so.
        error = (await admin.ask("who", actor={"name": "cli:root"}))["error"]
        assert "does not know this command" in error["message"]

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
    async def test_another_user_asks(self, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the file's mode was opened to others, the journal will name them."""
        monkeypatch.chdir(admin.path.parent)
        admin.path.parent.chmod(0o711)
        admin.path.chmod(0o666)
        with socket.socket(socket.AF_UNIX) as client:
            os.seteuid(65534)
            try:
                client.connect(admin.path.name)
            finally:
                os.seteuid(0)
            client.sendall(b'{"verb": "who", "arguments": {}}\n')
            answer = await asyncio.to_thread(client.makefile("rb").readline)
        assert json.loads(answer)["value"] == [f"cli:{user_name(65534)}", "admin", None]

    async def test_a_defect(self, admin: Admin) -> None:
        """The log says what it was, the answer does not; the next one is answered."""
        error = (await admin.ask("break_down"))["error"]
        assert (error["code"], error["exit_code"]) == ("error", 3)
        assert "vermilion" not in str(error)
        (line,) = admin.recording.named("admin.defect")
        assert line["verb"] == "break_down"
        assert isinstance(line["error"], ZeroDivisionError)
        assert (await admin.ask("add", one=1))["value"] == {"sum": 1}

    @pytest.mark.parametrize(
        "line",
        [
            b"\n",
            b"nonsense\n",
            b"[]\n",
            b'"add"\n',
            b"{}\n",
            b'{"verb": "add"}\n',
            b'{"verb": "add", "arguments": {}}\n',
            b'{"verb": "add", "arguments": [1]}\n',
            b'{"verb": "add", "arguments": {"one": 1, "two": 2}}\n',
            b'{"verb": "subtract", "arguments": {}}\n',
            b'{"verb": "__class__", "arguments": {}}\n',
            b'{"verb": [], "arguments": {}}\n',
            b"\xff\xfe\n",
            b"[" * 100_000 + b"\n",
        ],
    )
    async def test_what_is_no_request(self, admin: Admin, line: bytes) -> None:
        """It is of another release, and nothing is done."""
        error = json.loads(await say(admin.path, line))["error"]
        assert "does not know this command" in error["message"]
        assert error["exit_code"] == 1

    async def test_a_request_without_an_end(self, admin: Admin) -> None:
        """A line that is too long is read no further, and other requests are answered."""
        assert await say(admin.path, b"x" * (MAX_REQUEST_BYTES + 1)) == b""
        assert (await admin.ask("add", one=1))["value"] == {"sum": 1}

    async def test_who_goes_away_is_not_waited_for(self, admin: Admin) -> None:
        """What was asked for is done all the same."""
        _, writer = await asyncio.open_unix_connection(admin.path)
        writer.write(b'{"verb": "wait", "arguments": {}}\n')
        await admin.verbs.began.wait()
        writer.transport.abort()
        admin.verbs.may_end.set()
        await until(lambda: admin.verbs.ended, "the end of the verb")
        assert (await admin.ask("add", one=1))["value"] == {"sum": 1}
        assert admin.recording.lines == []

    async def test_who_does_not_read_the_answer_is_not_waited_for(
        self, admin: Admin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A command that was stopped would keep a task, a file and its answer for ever."""
        monkeypatch.setattr("casebell.admin.REQUEST_TIMEOUT", 0.2)
        request = {"verb": "echo", "arguments": {"text": "x" * 900_000}}
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(admin.path))
            await asyncio.to_thread(client.sendall, json.dumps(request).encode() + b"\n")
            poll = select.poll()
            poll.register(client, 0)
            await until(lambda: poll.poll(0) == [(client.fileno(), select.POLLHUP)], "the end")
        assert (await admin.ask("add", one=1))["value"] == {"sum": 1}

    async def test_an_answer_under_way_is_finished(self, tmp_path: Path) -> None:
        """The server ends after it, and takes nothing new meanwhile."""
        async with running(tmp_path / "a.sock") as admin:
            asked = asyncio.create_task(admin.ask("wait"))
            await admin.verbs.began.wait()
            asyncio.get_running_loop().call_later(0.05, admin.verbs.may_end.set)
        assert (await asked)["value"] == "done"

    async def test_a_long_answer_does_not_hold_up_the_end(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Deliveries and sends have their time as well, and after ten seconds the system kills."""
        async with running(tmp_path / "a.sock") as admin:
            line = b'{"verb": "wait", "arguments": {}}\n'
            asked = asyncio.create_task(say(admin.path, line))
            await admin.verbs.began.wait()
            began = time.monotonic()
        assert REQUEST_GRACE + time.monotonic() - began + SEND_GRACE < 9.5
        assert await asked == b""
        assert caplog.records == []
