"""What operations hear of a source from which nothing comes; on both backends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from casebell import ops_messages
from casebell.alerts import Message
from casebell.clock import DAY, HOUR, MINUTE, SECOND
from casebell.events import HeldReason, Micros, VerifiedDelivery
from casebell.notify.render_ops import render_ops
from casebell.notify.silence_watch import SilenceWatch
from casebell.ops_targets import OpsTargets
from casebell.settings import Settings, SourceSettings
from casebell.store import held
from casebell.store.engine import Store
from casebell.store.schema import alerts
from casebell.telemetry import Metrics
from contracts.case_events import RECEIVED_AT, case_event
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table, store_undecided
from contracts.writing import writing
from receive.builders import make_delivery, make_source

EXPECT: Micros = 3 * DAY
OPS = OpsTargets(targets=(("ops", "it@example-firm.com"),))
SILENT = "Casebell operations: Nothing comes from parley"
HEARD = "Casebell operations: Deliveries come again: parley"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store on each backend."""
    async with Store(store_url) as opened:
        yield opened


def settings_of(**sources: SourceSettings) -> Settings:
    """These sources."""
    return Settings(sources=sources, path=Path("/config.toml"), base_dir=Path("/"), sha256="")


class Server:
    """A watch of one server, and the deliveries that came to it."""

    def __init__(self, store: Store, clock: ManualClock, *, expect: Micros | None = EXPECT) -> None:
        self.store, self.clock = store, clock
        self.expect(expect)
        self.came: dict[str, Micros] = {}
        self.recording = RecordingLog()
        self.watch = SilenceWatch(
            store=store,
            settings=lambda: self.settings,
            ops=lambda: OPS,
            came=self.came,
            clock=clock,
            metrics=Metrics(),
            log=self.recording.log,
        )

    def expect(self, span: Micros | None) -> None:
        """A configuration with this `expect_every`."""
        source = make_source(expect_every=None if span is None else span / SECOND)
        self.settings = settings_of(parley=source)

    async def hear(self, key: str) -> None:
        """A new event comes."""
        now = self.clock.now()
        await store_undecided(self.store, case_event(key, received_at=now))
        self.came["parley"] = now

    def hear_again(self) -> None:
        """A repeat comes, which no event's row has the time of."""
        self.came["parley"] = self.clock.now()

    async def after(self, span: Micros) -> list[str]:
        """What operations have heard in all, once so much time has passed."""
        self.clock.advance(span / SECOND)
        await self.watch.check()
        return await titles(self.store)


async def titles(store: Store) -> list[str]:
    """Of all messages to operations."""
    return [message.title for message in await messages(store)]


async def messages(store: Store) -> list[Message]:
    """As they read."""
    return [render_ops(ops_messages.from_json(row.note)) for row in await read_table(store, alerts)]


async def test_a_silence_and_its_end(store: Store) -> None:
    """Told once, urgently, when it is longer than expected; and once when it is over."""
    server = Server(store, ManualClock())
    await server.watch.check()
    await server.hear("evt_1")
    assert await server.after(EXPECT - MINUTE) == []
    assert await server.after(MINUTE) == [SILENT]
    assert await server.after(10 * DAY) == [SILENT]
    await server.hear("evt_2")
    assert await server.after(MINUTE) == [SILENT, HEARD]
    assert await server.after(EXPECT) == [SILENT, HEARD, SILENT]
    silent, heard, _ = await messages(store)
    assert (silent.urgent, heard.urgent) == (True, False)
    assert "came 2025-10-14 15:23:33 EDT. One is expected in every 3 days." in silent.body
    assert "started" not in silent.body
    assert [line[1] for line in server.recording.lines] == [
        "source.silent",
        "source.heard",
        "source.silent",
    ]


async def test_one_that_never_delivered(store: Store) -> None:
    """Counts from when the server first knew that something is expected, a restart or not."""
    clock = ManualClock()
    await Server(store, clock).watch.check()
    assert await Server(store, clock).after(2 * DAY) == []
    server = Server(store, clock)
    assert await server.after(DAY) == [SILENT]
    assert "ever came; they are awaited since" in (await messages(store))[0].body


async def test_repeats_and_held_ones_are_heard(store: Store) -> None:
    """Whatever authenticated shows that the source delivers, after a restart as well."""
    clock = ManualClock()
    server = Server(store, clock)
    await server.hear("evt_1")
    await server.watch.check()
    clock.advance(2 * DAY / SECOND)
    server.hear_again()
    await server.watch.check()
    restarted = Server(store, clock)
    assert await restarted.after(EXPECT - HOUR) == []
    async with writing(store) as connection:
        await held.hold(
            connection,
            VerifiedDelivery(
                delivery=replace(make_delivery(b"x"), received_at=clock.now()), secret_label="1"
            ),
            reason=HeldReason.INVALID_JSON,
            detail="The body is not JSON.",
            body_sha256="x",
            idempotency_key=None,
        )
    assert await restarted.after(EXPECT - HOUR) == []
    assert await restarted.after(HOUR) == [SILENT]


async def test_two_servers_and_restarts(store: Store) -> None:
    """Each of them looks; operations hear once."""
    clock = ManualClock()
    servers = [Server(store, clock) for _ in range(2)]
    await servers[0].hear("evt_1")
    # The second got a repeat a moment later.
    clock.advance(5)
    servers[1].hear_again()
    for _ in range(3):
        clock.advance(60)
        for server in servers:
            await server.watch.check()
    clock.advance(EXPECT / SECOND)
    for server in (*servers, *servers):
        await server.watch.check()
    assert await titles(store) == [SILENT]
    for _ in range(2):
        assert await Server(store, clock).after(15 * MINUTE) == [SILENT]
    servers[1].hear_again()
    for server in (*servers, *servers):
        await server.watch.check()
    assert await titles(store) == [SILENT, HEARD]


async def test_a_server_that_was_down(store: Store) -> None:
    """What could not be delivered meanwhile has its time to come; the message says so."""
    clock = ManualClock()
    server = Server(store, clock)
    await server.watch.check()
    await server.hear("evt_1")
    clock.advance(5 * DAY / SECOND)
    server = Server(store, clock)
    assert await server.after(0) == []
    assert await server.after(15 * MINUTE - SECOND) == []
    assert await server.after(SECOND) == [SILENT]
    (told,) = await messages(store)
    assert "This server was started 2025-10-19 15:23:33 EDT: what was sent while" in told.body


async def test_a_reload(store: Store) -> None:
    """Neither repeats what was told nor forgets that the end is to be told."""
    server = Server(store, ManualClock())
    await server.watch.check()
    await server.hear("evt_1")
    assert await server.after(EXPECT) == [SILENT]
    server.expect(2 * DAY)
    assert await server.after(DAY) == [SILENT]
    server.expect(None)
    assert await server.after(DAY) == [SILENT]
    await server.hear("evt_2")
    assert await server.after(MINUTE) == [SILENT, HEARD]
    assert await server.after(10 * DAY) == [SILENT, HEARD]


async def test_a_clock_that_was_set_back(store: Store) -> None:
    """A delivery from the future ends no silence before its time, and begins none."""
    clock = ManualClock(RECEIVED_AT)
    server = Server(store, clock)
    await server.watch.check()
    await server.hear("evt_1")
    clock.set_back(DAY / SECOND)
    assert await server.after(EXPECT) == []
    assert await server.after(DAY) == [SILENT]
