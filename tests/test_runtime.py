"""The composition root: what is wired, and in what order it starts and ends."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from casebell.errors import (
    ConfigError,
    EncodedBody,
    StorageUnavailable,
    StoreInUse,
    StoreLocked,
)
from casebell.events import Delivery
from casebell.notify.load import load_channels, policies
from casebell.receive.refusals import WRITE_EVERY
from casebell.route.rulebook import Rulebook
from casebell.runtime import Runtime
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import ChannelSettings, Rule, Settings
from casebell.settings.models import Ops, ServerSettings, Storage
from casebell.store.connections import BUSY_TIMEOUT_MS
from casebell.store.engine import Store
from casebell.store.lock import take_lock
from casebell.store.schema import alerts, events, journal
from casebell.uscis import classify
from casebell.uscis.table import table
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table, store_in
from receive.builders import NOW, authorization_header, make_delivery, make_source
from waiting import until

BODY = (
    b'{"id": "evt_1", "receipt_number": "IOE0912345678", "normalized_status": "rfe_issued",'
    b' "raw_status_text": "Request for Additional Evidence Was Sent"}'
)


def settings(folder: Path, *channels: ChannelSettings) -> Settings:
    """A configuration that tells everybody of everything, and a store that is not new."""
    store_in(folder)
    names = tuple(channel.name for channel in channels)
    return Settings(
        server=ServerSettings(timezone="Europe/Berlin", public_url="https://casebell.example"),
        storage=Storage(url=SecretStr(f"sqlite:///{folder / 'casebell.db'}")),
        sources={"parley": make_source()},
        channels={channel.name: channel for channel in channels},
        rules=(Rule.model_validate({"name": "All", "when": {}, "notify": names}),),
        ops=Ops(notify=names),
        path=folder / "config.toml",
        base_dir=folder,
        sha256="0" * 64,
    )


async def test_a_command_is_waited_for(tmp_path: Path) -> None:
    """A server that starts while a command holds the store serves once that has let go of it."""
    given = settings(tmp_path)
    command = Store(given.storage.url.get_secret_value())
    await command.open()
    runtime = Runtime(given)

    async def serve() -> None:
        async with runtime.running():
            assert runtime.store.is_open

    serving = asyncio.create_task(serve())
    path = tmp_path / "casebell.db"
    for _ in range(3):
        with pytest.raises(StoreInUse, match="A command of Casebell"):
            await asyncio.to_thread(take_lock, path)
    assert not serving.done()
    await command.close()
    await serving


async def test_a_server_is_not_waited_for(tmp_path: Path) -> None:
    """A second server on one file fails at once."""
    given = settings(tmp_path)
    async with Runtime(given).running():
        with pytest.raises(StoreLocked, match="Another Casebell server"):
            async with Runtime(given, clock=ManualClock()).running():
                pass


def channel(name: str, url: str, **fields: object) -> ChannelSettings:
    """A channel of the configuration."""
    return ChannelSettings.model_validate(
        {"name": name, "url": SecretStr(url), "pace": 0.0, **fields}
    )


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """Where messages go."""
    async with HttpSink() as server:
        yield server


def delivery() -> Delivery:
    """An authentic one."""
    return make_delivery(BODY, [authorization_header(BODY)])


async def test_from_delivery_to_people(tmp_path: Path, sink: HttpSink) -> None:
    """Wired together, a delivery is stored, decided and told, each stage waking the next."""
    within = settings(tmp_path, channel("slack", f"json://127.0.0.1:{sink.port}/"))
    runtime = Runtime(within, clock=ManualClock(NOW))
    async with runtime.running():
        assert (await runtime.receiver.accept(delivery())).status == "stored"
        await sink.received(1)
        assert runtime.router.loop.alive
        assert runtime.dispatcher.turns
        assert runtime.event_log.alive
    assert not runtime.router.loop.alive


async def test_the_first_delivery_need_not_wait(tmp_path: Path) -> None:
    """The table of statuses, which takes a while to read, is there before anything can come in."""
    table.cache_clear()
    classify._cached.cache_clear()
    runtime = Runtime(settings(tmp_path), clock=ManualClock(NOW))
    assert table.cache_info().currsize == 0
    async with runtime.running():
        assert table.cache_info().currsize == 1


async def test_a_start_is_journalled(tmp_path: Path) -> None:
    """Each start is in the journal with the release and the configuration it runs with."""
    for _ in range(2):
        runtime = Runtime(settings(tmp_path), clock=ManualClock(NOW))
        async with runtime.running():
            entries = await read_table(runtime.store, journal)
    assert [entry.kind for entry in entries] == ["server.started"] * 2
    assert '"config_sha256":"' + "0" * 64 in entries[0].data


async def test_deliveries_and_sends_under_way_end_together(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other they would take longer than the system waits before it kills."""
    monkeypatch.setattr("casebell.runtime.SEND_GRACE", 1.5)
    sink.answer(HttpAnswer(delay=60))
    within = settings(tmp_path, channel("slack", f"json://127.0.0.1:{sink.port}/"))
    runtime = Runtime(within, clock=ManualClock(NOW))
    with closing(sqlite3.connect(tmp_path / "casebell.db", isolation_level=None)) as other:
        async with runtime.running():
            await runtime.receiver.accept(delivery())
            await sink.received(1)
            other.execute("BEGIN IMMEDIATE")
            body = BODY.replace(b"evt_1", b"evt_2")
            late = make_delivery(body, [authorization_header(body)])
            waiting = asyncio.create_task(runtime.receiver.accept(late))
            await asyncio.sleep(0.05)
            began = time.monotonic()
        assert time.monotonic() - began < BUSY_TIMEOUT_MS / 1000 + 1
    with pytest.raises(StorageUnavailable):
        await waiting


async def test_what_was_left_over_is_taken_up(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event whose decision failed before the end is decided and told after the next start."""
    within = settings(tmp_path, channel("slack", f"json://127.0.0.1:{sink.port}/"))
    first = Runtime(within, clock=ManualClock(NOW))
    monkeypatch.setattr(Rulebook, "decide", lambda *_, **__: 1 / 0)
    async with first.opened(), first.event_log:
        await first.receiver.accept(delivery())
        assert (await read_table(first.store, events))[0].routed_at is None
    monkeypatch.undo()
    second = Runtime(within, clock=ManualClock(NOW))
    async with second.running():
        await sink.received(1)

        async def sent() -> bool:
            return [row.state for row in await read_table(second.store, alerts)] == ["sent"] * 2

        await until(sent, "the alert sent")


async def test_what_was_refused_is_told_when_a_start_gets_ready(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a start without storage, and while it lasted: as soon as the storage works."""
    monkeypatch.setattr("casebell.store.connections.BUSY_TIMEOUT_MS", 10)
    within = settings(tmp_path, channel("ops", f"json://127.0.0.1:{sink.port}/"))
    clock, subjects = ManualClock(NOW), {"refused", "requests_refused"}

    async def refuse(runtime: Runtime, source: str) -> None:
        for _ in range(5):
            runtime.receiver.refuse_request(
                EncodedBody(), path=f"/webhooks/{source}", address="192.0.2.7"
            )

    earlier = Runtime(within, clock=clock)
    async with earlier.opened(), earlier.refusals:
        await refuse(earlier, "parley")
    runtime = Runtime(within, clock=clock)
    with closing(sqlite3.connect(tmp_path / "casebell.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with runtime.running():
            assert not runtime.store.is_open
            await refuse(runtime, "nobody")
            await until(lambda: not runtime.refusals._waiting, "an attempt to write them")
            other.execute("ROLLBACK")

            def works() -> bool:
                clock.advance(1)
                return runtime.store.is_open and not runtime.alarm.failing

            await until(works, "the storage")
            ready_at = clock.monotonic()

            async def told() -> bool:
                if clock.monotonic() - ready_at < WRITE_EVERY:
                    clock.advance(0.5)
                found = await read_table(runtime.store, alerts)
                return {row.subject.split(":")[0] for row in found} == subjects

            await until(told, "both messages")


def test_every_problem_of_every_channel(tmp_path: Path) -> None:
    """Channels that cannot be loaded are all told at once, with their file, and without a URL."""
    within = settings(
        tmp_path, channel("one", "nosuch://vermilion"), channel("two", "slack://vermilion")
    )
    with pytest.raises(ConfigError) as caught:
        load_channels(within, clock=ManualClock())
    assert {problem.key.split(".")[1] for problem in caught.value.problems} == {"one", "two"}
    for problem in caught.value.problems:
        assert problem.where == str(tmp_path / "config.toml")
        assert "vermilion" not in problem.message + problem.hint


def test_policies(tmp_path: Path) -> None:
    """What the configuration says of a channel reaches the dispatcher and the messages."""
    within = settings(
        tmp_path,
        channel("slack", "json://127.0.0.1/", disclose="full", timeout=7, max_age="2h", pace=3),
    )
    policy = policies(within)["slack"]
    assert (policy.timeout, policy.max_age, policy.pace) == (7.0, 7_200.0, 3.0)
    assert policy.style.disclose == "full"
    assert policy.style.timezone == ZoneInfo("Europe/Berlin")
    assert policy.style.public_url == "https://casebell.example"


async def test_a_new_store_is_told(tmp_path: Path, sink: HttpSink) -> None:
    """Operations hear of it, urgently where a server had run; the next start is an ordinary one."""
    within = settings(tmp_path, channel("ops", f"json://127.0.0.1:{sink.port}/"))
    path = tmp_path / "casebell.db"
    for had_server, starts in ((False, 2), (True, 1)):
        path.unlink()
        for _ in range(starts):
            runtime = Runtime(within, clock=ManualClock(NOW))
            async with runtime.running():
                await sink.received(2 if had_server else 1)
                told = await read_table(runtime.store, alerts)
                entries = await read_table(runtime.store, journal)
        assert [(one.priority, one.kind) for one in told] == [(0 if had_server else 1, "ops")]
        created = [json.loads(one.data) for one in entries if one.kind == "store.created"]
        assert created == [{"place": str(path), "had_server": had_server}]
    assert str(path) in json.loads(sink.requests[0].body)["message"]


async def test_a_store_that_a_command_makes_is_told(tmp_path: Path, sink: HttpSink) -> None:
    """Whoever makes it: the server that starts later sends the message."""
    within = settings(tmp_path, channel("ops", f"json://127.0.0.1:{sink.port}/"))
    (tmp_path / "casebell.db").unlink()
    async with Runtime(within, clock=ManualClock(NOW)).opened():
        pass
    async with Runtime(within, clock=ManualClock(NOW)).running():
        await sink.received(1)
    assert "new, empty database" in json.loads(sink.requests[0].body)["title"]
