"""A configuration that changes under a running server: real store, real channels, real files."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from structlog.testing import capture_logs

from casebell.app import build
from casebell.runtime import Runtime
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import Settings, load
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from e2e.sender import document, encoded, signed
from raw_admin import ask
from receive.builders import make_delivery
from waiting import until

OLD, NEW = "the-old-signing-secret", "the-new-signing-secret"
#: A change that is urgent to nobody.
ORDINARY = {"normalized_status": "received", "raw_status_text": "Case Was Received"}


def source(*secrets: str, more: str = "") -> str:
    """The one source, with these secrets."""
    return f'[sources.parley]\nkind = "parley"\nsecrets = {json.dumps(secrets)}\n{more}\n'


def channel(name: str, sink: HttpSink, *, more: str = "", path: str = "") -> str:
    """A channel to a sink."""
    return f'[channels.{name}]\nurl = "json://127.0.0.1:{sink.port}/{path}"\npace = "0s"\n{more}\n'


def rule(*notify: str, name: str = "All", when: str = "{}") -> str:
    """A rule, for everything unless told otherwise."""
    return f'[[rules]]\nname = "{name}"\nwhen = {when}\nnotify = {json.dumps(notify)}\n'


def ops(*notify: str) -> str:
    """Who hears of trouble."""
    return f"[ops]\nnotify = {json.dumps(notify)}\n"


def written(folder: Path, text: str) -> Settings:
    """The settings that a file with this text gives."""
    file = folder / "config.toml"
    file.write_text(f'[storage]\nurl = "sqlite:///casebell.db"\n{text}')
    return load(file, environ={})


class RunningApplication:
    """A running application and the file it was started from."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "config.toml"
        self.write(text)
        self.hangup = asyncio.Event()
        self.read: Callable[[], Settings] = lambda: load(self.file, environ={})
        self.log: list[MutableMapping[str, Any]] = []
        self._app = build(
            load(self.file, environ={}),
            url="http://casebell.test",
            read=self._read,
            hangup=self.hangup,
        )
        transport = httpx2.ASGITransport(app=self._app, client=("127.0.0.1", 9))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def _read(self) -> Settings:
        return self.read()

    def write(self, text: str) -> str:
        """Write the file; returns its hash."""
        content = f'[storage]\nurl = "sqlite:///casebell.db"\n{text}'.encode()
        self.file.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RunningApplication"]:
        """Everything runs, on a database that is there: of a new one operations would hear."""
        async with Store(f"sqlite:///{self.file.with_name('casebell.db')}"):
            pass
        with capture_logs() as self.log:
            async with self._app.router.lifespan_context(self._app):
                yield self

    async def reload(self, text: str) -> dict[str, Any]:
        """Write the file and have it read; the answer must be yes."""
        self.write(text)
        answer = await self.ask()
        assert "error" not in answer, answer
        content: dict[str, Any] = answer["value"]
        return content

    async def ask(self) -> dict[str, Any]:
        """Have the file read, as the command line does."""
        return await ask(self.file.with_name("casebell.db.sock"), "reload")

    async def post(self, *, secret: str = OLD, **fields: Any) -> httpx2.Response:
        """Post one delivery."""
        body = encoded(document(**ORDINARY | fields))
        return await self.client.post(
            "/webhooks/parley", content=body, headers=signed(body, secret=secret)
        )

    async def deliver(self, **fields: Any) -> None:
        """Post one that must be taken."""
        answer = await self.post(**fields)
        assert answer.status_code == 200, answer.text

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read from the server's database."""
        database = self.file.with_name("casebell.db")
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def journalled(self, kind: str) -> list[dict[str, Any]]:
        """The data of the journal's entries of one kind."""
        return [
            json.loads(data)
            for found, data in self.rows("SELECT kind, data FROM journal ORDER BY seq")
            if found == kind
        ]

    def states(self) -> list[tuple[Any, ...]]:
        """Channel, state and number of attempts of each alert of a case."""
        return self.rows(
            "SELECT channel, state, attempts FROM alerts WHERE kind = 'case' ORDER BY id"
        )

    async def routed(self) -> None:
        """Wait until everything that was delivered is decided."""
        await until(
            lambda: not self.rows("SELECT 1 FROM events WHERE routed_at IS NULL"), "every decision"
        )

    def logged(self, name: str) -> list[Mapping[str, Any]]:
        """Log lines of one kind."""
        return [line for line in self.log if line["event"] == name]


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """Where messages go."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[HttpSink]:
    """Where they go, too."""
    async with HttpSink() as server:
        yield server


def authorized(body: bytes) -> bytes:
    """The signature's header, made with the old secret."""
    return signed(body, secret=OLD)["Authorization"].encode()


def titles(sink: HttpSink) -> list[str]:
    """What came in, in order."""
    return [json.loads(request.body)["title"] for request in sink.requests]


class TestSecrets:
    """Rotation."""

    async def test_a_secret_is_rotated(self, tmp_path: Path) -> None:
        """Both secrets are taken while both are configured; then the old one is refused."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            assert (await application.post(secret=NEW)).status_code == 401
            answer = await application.reload(source(NEW, OLD))
            assert answer["changed"] == {"sources": {"changed": ["parley"]}}
            await application.deliver(secret=OLD)
            await application.deliver(secret=NEW)
            await application.reload(source(NEW))
            assert (await application.post(secret=OLD)).status_code == 401
            await application.deliver(secret=NEW)
        assert OLD not in str(application.log)
        assert NEW not in str(application.log)
        assert NEW not in str(application.journalled("config.reloaded"))

    async def test_sources_come_and_go(self, tmp_path: Path) -> None:
        """A new one is known at once; one that is gone answers as an address nobody knew."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            answer = await application.reload(source(OLD).replace("parley]", "second]"))
            assert answer["changed"] == {"sources": {"added": ["second"], "removed": ["parley"]}}
            assert (await application.post()).status_code == 404
            body = encoded(document())
            taken = await application.client.post(
                "/webhooks/second", content=body, headers=signed(body, secret=OLD)
            )
            assert taken.status_code == 200

    async def test_a_delivery_of_a_source_that_goes_is_stored(self, tmp_path: Path) -> None:
        """What authenticated before its source was removed is compared and stored as any other."""
        old = written(tmp_path, source(OLD))
        new = written(tmp_path, source(OLD).replace("parley]", "other]"))
        runtime = Runtime(old)
        async with runtime.running():
            bodies = [
                encoded(document(id="evt_1", receipt_number="IOE0912345678", sent_at=at))
                for at in "12"
            ]
            first, again = (
                make_delivery(body, [(b"authorization", authorized(body))]) for body in bodies
            )
            await runtime.receiver.accept(first)
            on_its_way = asyncio.create_task(runtime.receiver.accept(again))
            await asyncio.sleep(0)
            runtime.swap(runtime.prepare(new))
            assert not runtime.receiver.knows("parley")
            assert (await on_its_way).status == "duplicate"


async def test_times_are_read_in_the_new_zone(tmp_path: Path) -> None:
    """What a person types and sees at the command line has the zone of the new file."""
    application = RunningApplication(tmp_path, source(OLD))
    socket_file = application.file.with_name("casebell.db.sock")
    async with application.running():
        assert (await ask(socket_file, "waiting"))["timezone"] == "America/New_York"
        await application.post()
        received = (await ask(socket_file, "list_events", limit=1))["value"]["items"][0]
        tokyo = datetime.fromisoformat(received["received_at"]).astimezone(ZoneInfo("Asia/Tokyo"))
        typed = tokyo.replace(tzinfo=None).isoformat()
        await application.reload(source(OLD) + '[server]\ntimezone = "Asia/Tokyo"\n')
        answer = await ask(socket_file, "list_events", since=typed, limit=5)
        assert answer["timezone"] == "Asia/Tokyo"
        assert [one["id"] for one in answer["value"]["items"]] == [received["id"]]
        later = await ask(socket_file, "list_events", until=typed, limit=5)
        assert later["value"]["items"] == []


class TestLimits:
    """What strangers and proxies may do."""

    async def test_they_change(self, tmp_path: Path) -> None:
        """Body size, refusals and who reads the metrics are those of the new file."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            assert (await application.client.get("/metrics")).status_code == 200
            answer = await application.reload(
                source(OLD)
                + '[server]\nmax_body = "1KiB"\nmetrics_from = "10.0.0.1"\n'
                + "refusals_per_minute = 2\n"
            )
            keys = ["server.metrics_from", "server.max_body", "server.refusals_per_minute"]
            assert answer["changed"] == {"settings": {"changed": keys}}
            assert (await application.client.get("/metrics")).status_code == 404
            assert (await application.post(raw_status_text="x" * 2048)).status_code == 413
            # The body that was too large counts, too.
            found = [(await application.post(secret=NEW)).status_code for _ in range(2)]
            assert found == [401, 429]

    async def test_what_needs_a_restart_is_told(self, tmp_path: Path) -> None:
        """The rest is used, and each reload says again what is not, until it is taken back."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            for _ in range(2):
                answer = await application.reload(source(NEW) + "[server]\nport = 9\n")
                assert answer["needs_restart"] == ["server.port"]
            assert [line["keys"] for line in application.logged("config.needs_restart")] == [
                ["server.port"]
            ] * 2
            await application.deliver(secret=NEW)
            assert (await application.reload(source(NEW)))["needs_restart"] == []


async def test_who_is_sure_to_hear_is_told(tmp_path: Path, sink: HttpSink) -> None:
    """At the start and at each reload, the log and the answer name what no rule is sure to tell."""
    heard = source(OLD) + channel("team", sink) + ops("team")
    application = RunningApplication(tmp_path, heard + rule("team", when='{ status = "denied" }'))
    async with application.running():
        (warned,) = [
            line["message"]
            for line in application.logged("config.warning")
            if "sure to hear of status rfe_issued; tag deadline" in line["message"]
        ]
        answer = await application.reload(heard + rule("team", when='{ status = "approved" }'))
        assert any("status rfe_issued, denied; tag deadline" in one for one in answer["warnings"])
        assert warned not in answer["warnings"]
        answer = await application.reload(heard + rule("team"))
        assert not any("sure to hear" in one for one in answer["warnings"])


class TestWrongFiles:
    """A file that cannot be used."""

    async def test_nothing_changes(self, tmp_path: Path, sink: HttpSink) -> None:
        """The old secrets and rules stay; log, journal and operations say why, the latter once."""
        good = source(OLD) + channel("team", sink) + rule("team") + ops("team")
        application = RunningApplication(tmp_path, good)
        async with application.running():
            sha256 = application.write(
                source(NEW) + channel("team", sink) + rule("tame") + "[server]\nprot = 1\n"
            )
            for _ in range(2):
                error = (await application.ask())["error"]
                assert error["code"] == "config_invalid"
                assert {one["key"] for one in error["problems"]} == {
                    "rules[1].notify[1]",
                    "server.prot",
                }
            await sink.received(1)
            assert titles(sink) == ["Casebell operations: A new configuration cannot be used"]
            await application.deliver()
            await sink.received(2)
            assert (await application.post(secret=NEW)).status_code == 401
        assert len(sink.requests) == 2
        text = json.loads(sink.requests[0].body)["message"]
        assert "casebell check" in text
        assert sha256[:12] in text
        entries = application.journalled("config.rejected")
        assert [entry["config_sha256"] for entry in entries] == [sha256] * 2
        assert application.journalled("config.reloaded") == []
        assert NEW not in str(application.log) + str(entries) + text
        for line in application.logged("config.rejected"):
            assert line["config_sha256"] == sha256
            assert {"server.prot"} < {one["key"] for one in line["problems"]}

    async def test_a_channel_that_cannot_be_loaded(self, tmp_path: Path, sink: HttpSink) -> None:
        """What only loading finds out is found before anything changes."""
        good = source(OLD) + channel("team", sink) + rule("team")
        application = RunningApplication(tmp_path, good)
        async with application.running():
            application.write(source(NEW) + channel("team", sink).replace("json://", "nosuch://"))
            error = (await application.ask())["error"]
            assert [one["key"] for one in error["problems"]] == ["channels.team.url"]
            await application.deliver()
            await sink.received(1)

    async def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        """It is told like any other problem, without a hash."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            application.file.unlink()
            assert "error" in await application.ask()
            await application.deliver()
        assert [entry["config_sha256"] for entry in application.journalled("config.rejected")] == [
            ""
        ]


class TestRules:
    """Who hears of what."""

    async def test_the_next_event_meets_the_new_rules(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """A rule that names another channel sends there from the next event on."""
        channels = source(OLD) + channel("team", sink) + channel("second", other)
        application = RunningApplication(tmp_path, channels + rule("team"))
        async with application.running():
            await application.deliver()
            await sink.received(1)
            answer = await application.reload(channels + rule("second") + rule("team", name="More"))
            assert answer["changed"] == {"rules": {"added": ["More"], "changed": ["All"]}}
            await application.deliver()
            await sink.received(2)
            await other.received(1)
        assert len(sink.requests) == 2

    async def test_the_next_event_meets_the_new_meanings(self, tmp_path: Path) -> None:
        """What a source means by a word, and which receipts are tests, is routing's to know."""
        application = RunningApplication(tmp_path, source(OLD) + rule())
        closed = {"normalized_status": "Closed", "raw_status_text": ""}
        async with application.running():
            await application.deliver(id="evt_1", receipt_number="IOE0000000001", **closed)
            await application.routed()
            await application.reload(
                source(OLD, more='categories = { Closed = "denied" }') + rule()
            )
            await application.deliver(id="evt_2", receipt_number="IOE0000000002", **closed)
            await application.routed()
            await application.reload(source(OLD) + '[routing]\ntest_receipts = ["IOE*"]\n' + rule())
            await application.deliver(id="evt_3", receipt_number="IOE0000000003", **closed)
            await application.routed()
        assert application.rows("SELECT status, tags FROM events ORDER BY id") == [
            ("other", ""),
            ("denied", " adverse decision "),
            ("other", " test "),
        ]


class TestChannels:
    """While messages are on their way."""

    async def test_a_new_channel_sends(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """Its worker starts with it."""
        application = RunningApplication(
            tmp_path, source(OLD) + channel("team", sink) + rule("team")
        )
        async with application.running():
            await application.reload(
                source(OLD)
                + channel("team", sink)
                + channel("second", other)
                + rule("team", "second")
            )
            await application.deliver()
            await asyncio.gather(sink.received(1), other.received(1))
            assert (await application.client.get("/ready")).status_code == 200

    async def test_a_changed_channel_ends_its_send(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """What is being sent ends where it began, once; the next goes the new way at once."""
        answered = asyncio.Event()
        sink.answer(HttpAnswer(after=answered), HttpAnswer())
        application = RunningApplication(
            tmp_path, source(OLD) + channel("team", sink) + rule("team")
        )
        async with application.running():
            await application.deliver()
            await sink.received(1)
            await application.reload(source(OLD) + channel("team", other) + rule("team"))
            await application.deliver()
            await other.received(1)
            answered.set()
            await until(
                lambda: application.states() == [("team", "sent", 1)] * 2, "two alerts sent"
            )
        assert (len(sink.requests), len(other.requests)) == (1, 1)

    async def test_a_removed_channel_ends_its_send(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """What it is sending is sent and recorded once; what waits fails at once, and is told."""
        answered = asyncio.Event()
        sink.answer(HttpAnswer(after=answered), HttpAnswer())
        both = source(OLD) + channel("team", sink) + channel("duty", other) + ops("duty")
        application = RunningApplication(tmp_path, both + rule("team"))
        async with application.running():
            await application.deliver()
            await sink.received(1)
            await application.deliver()
            await until(lambda: len(application.states()) == 2, "two alerts")
            await application.reload(
                source(OLD) + channel("duty", other) + ops("duty") + rule("duty")
            )
            await other.received(1)
            assert titles(other) == ["Casebell operations: Channel team is gone"]
            assert application.states()[1][:2] == ("team", "failed")
            answered.set()
            await until(
                lambda: application.states()[0] == ("team", "sent", 1), "the first alert sent"
            )
            assert (await application.client.get("/ready")).status_code == 200
        assert len(sink.requests) == 1
        assert len(application.rows("SELECT 1 FROM attempts WHERE alert_id = 1")) == 1

    async def test_a_removed_channel_whose_last_send_fails(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """What would have been tried again ends visibly, and operations hear of it."""
        answered = asyncio.Event()
        # By then the alert is older than `max_age`.
        sink.answer(HttpAnswer(delay=0.5, after=answered, status=500))
        duty = channel("duty", other) + ops("duty")
        team = channel("team", sink, more='max_age = "100ms"')
        application = RunningApplication(tmp_path, source(OLD) + team + duty + rule("team"))
        async with application.running():
            await application.deliver()
            await sink.received(1)
            await application.reload(source(OLD) + duty + rule("duty"))
            answered.set()
            await other.received(1)
            assert titles(other) == ["Casebell operations: Channel team is gone"]
            assert application.states() == [("team", "failed", 1)]

    async def test_nothing_is_lost_in_a_storm(
        self, tmp_path: Path, sink: HttpSink, other: HttpSink
    ) -> None:
        """Reloads without end, a channel that changes with each: every alert arrives once."""
        application = RunningApplication(
            tmp_path, source(OLD) + channel("team", sink) + rule("team")
        )
        async with application.running():
            # As many as go one by one.
            for number in range(10):
                await application.deliver()
                where = (sink, other)[number % 2]
                changed = channel("team", where, path=str(number))
                await application.reload(source(OLD) + changed + rule("team"))
            await until(
                lambda: application.states() == [("team", "sent", 1)] * 10, "ten alerts sent"
            )
        received = titles(sink) + titles(other)
        assert len(received) == 10

    async def test_the_same_service_keeps_its_instance(
        self, tmp_path: Path, sink: HttpSink
    ) -> None:
        """A channel whose service is the same keeps its instance, whatever its policy becomes."""
        first = source(OLD) + channel("team", sink) + channel("second", sink)
        elsewhere = source(OLD) + channel("team", sink) + channel("second", sink, path="2")
        policy = channel(
            "team", sink, more='disclose = "full"\nfallback = "second"\nmax_age = "1h"'
        )
        old, new = written(tmp_path, first), written(tmp_path, elsewhere)
        last = written(tmp_path, source(OLD) + policy + channel("second", sink, path="2"))
        runtime = Runtime(old, clock=ManualClock())
        before = runtime.dispatcher.channels.by_name
        runtime.swap(runtime.prepare(new))
        between = runtime.dispatcher.channels.by_name
        assert between["team"] is before["team"]
        assert between["second"] is not before["second"]
        runtime.swap(runtime.prepare(last))
        assert runtime.dispatcher.channels.by_name == between


class TestSignals:
    """SIGHUP, as the event that it sets."""

    async def test_many_are_few(self, tmp_path: Path) -> None:
        """What comes before a reload begins is one; what comes during it is one more."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            sha256 = application.write(source(NEW))
            for _ in range(50):
                application.hangup.set()
            await until(lambda: application.logged("config.reloaded"), "the reload in the log")
            await application.deliver(secret=NEW)
            # One more shows that nothing of the fifty was left.
            later = application.write(source(NEW) + "# later\n")
            application.hangup.set()
            await until(
                lambda: application.logged("config.reloaded")[-1]["config_sha256"] == later,
                "the later reload in the log",
            )
            assert len(application.logged("config.reloaded")) == 2
        entries = application.journalled("config.reloaded")
        assert [entry["config_sha256"] for entry in entries] == [sha256, later]

    async def test_a_wrong_file_is_no_end(self, tmp_path: Path) -> None:
        """After a file that cannot be used the next signal is heard."""
        application = RunningApplication(tmp_path, source(OLD))
        async with application.running():
            application.write("nonsense")
            application.hangup.set()
            await until(lambda: application.logged("config.rejected"), "the rejection in the log")
            application.write(source(NEW))
            application.hangup.set()
            await until(lambda: application.logged("config.reloaded"), "the reload in the log")

    async def test_a_defect_is_no_end(self, tmp_path: Path) -> None:
        """Nor after one that nobody foresaw."""
        application = RunningApplication(tmp_path, source(OLD))
        reads = iter([ZeroDivisionError(OLD), None])

        def read() -> Any:
            if error := next(reads):
                raise error
            return load(application.file, environ={})

        application.read = read
        async with application.running():
            application.hangup.set()
            await until(lambda: application.logged("loop.defect"), "the defect in the log")
            application.hangup.set()
            await until(lambda: application.logged("config.reloaded"), "the reload in the log")


async def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    """A change that cannot be recorded is not made; who asked hears that the storage fails."""
    application = RunningApplication(tmp_path, source(OLD))
    async with application.running():
        database = application.file.with_name("casebell.db")
        application.write(source(NEW))
        with closing(sqlite3.connect(database, isolation_level=None)) as beside:
            beside.execute("BEGIN IMMEDIATE")
            error = (await application.ask())["error"]
            assert (error["code"], error["exit_code"]) == ("storage_unavailable", 3)
            beside.execute("ROLLBACK")
        assert [
            line["problems"][0]["message"] for line in application.logged("config.rejected")
        ] == [error["message"]]
        await application.deliver(secret=OLD)
        assert "error" not in await application.ask()
        await application.deliver(secret=NEW)
