"""Operations hear that nothing can be stored, past the storage itself."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from casebell.errors import StorageUnavailable
from casebell.notify.alarm import CHECK_EVERY, LOOK_EVERY, NOTIFY_AFTER, StorageAlarm
from casebell.sandbox.http_sink import HttpSink
from casebell.store.engine import Store
from casebell.store.schema import journal
from contracts.case_events import case_event
from contracts.channel_contract import load
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import (
    disk_failure,
    failing_statements,
    failing_transactions,
    read_table,
    store_undecided,
)
from contracts.writing import writing
from notify.harness import DefectiveChannel, channels_of
from waiting import until


class AlarmHarness:
    """An alarm over one chat room, and its clock."""

    def __init__(self, store: Store, room: HttpSink, **others: DefectiveChannel) -> None:
        self.clock = ManualClock()
        self.recording = RecordingLog()
        self.room = room
        self.recovered = asyncio.Event()
        self.store = store
        channel = load(f"json://127.0.0.1:{room.port}/ops")
        self.alarm = StorageAlarm(
            store=store,
            channels=lambda: channels_of({"room": channel, **others}, ops=("room", *others)),
            open_store=store.open,
            recovered=self.recovered.set,
            clock=self.clock,
            log=self.recording.log,
        )

    async def seconds(self, count: float) -> None:
        """Let time pass, a test of the storage at a time."""
        for _ in range(round(count / CHECK_EVERY)):
            await self.rests()
            self.clock.advance(CHECK_EVERY)
        await self.rests()

    async def rests(self) -> None:
        """Wait until the alarm waits for its next look at the storage, or test of it."""

        def rests() -> bool:
            heard = self.alarm._began is not None or not self.store.failed.is_set()
            return heard and bool(self.clock.asleep)

        await until(rests, "the alarm to rest")

    def titles(self) -> list[str]:
        """What the room was told."""
        return [json.loads(request.body)["title"] for request in self.room.requests]


@pytest.fixture
async def watch(store: Store) -> AsyncIterator[AlarmHarness]:
    """An alarm that runs."""
    async with HttpSink() as room:
        one = AlarmHarness(store, room)
        async with one.alarm:
            yield one


FAILS = "Casebell operations: Casebell cannot store deliveries"
WORKS = "Casebell operations: Casebell stores deliveries again"


async def fail_to_store(store: Store) -> None:
    """A delivery that cannot be stored."""
    with pytest.raises(Exception, match="storage failed"):
        await store_undecided(store, case_event("evt_2"))


async def test_one_message_while_it_lasts(store: Store, watch: AlarmHarness) -> None:
    """However long nothing can be stored, operations hear of it once, and once when it is over."""
    with failing_statements(store, lambda _statement: disk_failure()):
        await fail_to_store(store)
        await watch.seconds(NOTIFY_AFTER - 1)
        assert watch.titles() == []
        await watch.seconds(1)
        assert watch.titles() == [FAILS]
        await watch.seconds(60)
        assert watch.titles() == [FAILS]
    await watch.seconds(2)
    assert watch.titles() == [FAILS, WORKS]
    entry = (await read_table(store, journal))[-1]
    assert entry.kind == "storage.recovered"
    assert json.loads(entry.data)["seconds"] >= 60


async def test_a_defect_of_a_channel(store: Store) -> None:
    """The others hear of the trouble all the same, and that it is over."""
    async with HttpSink() as room:
        watch = AlarmHarness(store, room, slack=DefectiveChannel(defects=1))
        async with watch.alarm:
            with failing_statements(store, lambda _statement: disk_failure()):
                await fail_to_store(store)
                await watch.seconds(NOTIFY_AFTER)
                await room.received(1)
            await until(lambda: watch.recording.named("loop.defect"), "the defect in the log")
            await watch.seconds(3)
            await room.received(2)
        assert watch.titles() == [FAILS, WORKS]


async def test_each_trouble_is_told(store: Store, watch: AlarmHarness) -> None:
    """The next time is another message."""
    for told in ([FAILS, WORKS], [FAILS, WORKS, FAILS, WORKS]):
        with failing_statements(store, lambda _statement: disk_failure()):
            await fail_to_store(store)
            await watch.seconds(NOTIFY_AFTER + 2)
        await watch.seconds(2)
        assert watch.titles() == told


async def test_a_moment_is_no_trouble(store: Store, watch: AlarmHarness) -> None:
    """What is over before anybody could look at it is on record, and told to nobody."""
    with failing_statements(store, lambda _statement: disk_failure()):
        await fail_to_store(store)
        await watch.seconds(2)
    await watch.seconds(NOTIFY_AFTER * 3)
    assert watch.titles() == []
    kinds = [entry.kind for entry in await read_table(store, journal)]
    assert kinds == ["delivery.stored", "decision.made", "storage.recovered"]


async def test_all_is_well(store: Store, watch: AlarmHarness) -> None:
    """Nothing is written and nobody told while nothing fails."""
    await watch.seconds(30)
    assert watch.titles() == []
    assert len(await read_table(store, journal)) == 2


async def test_a_transaction_without_a_word_proves_nothing(
    store: Store, watch: AlarmHarness
) -> None:
    """On a full disk `/ready` can still begin and end one; operations hear of it all the same."""
    with failing_statements(
        store, lambda sql: disk_failure() if sql.startswith("INSERT") else None
    ):
        for _ in range(round(NOTIFY_AFTER) + 2):
            await fail_to_store(store)
            async with writing(store):
                pass
            await watch.seconds(1)
        assert watch.titles() == [FAILS]


async def test_trouble_without_traffic_is_told(store: Store, watch: AlarmHarness) -> None:
    """Nobody writes; the alarm itself meets the trouble, and its end."""
    with failing_transactions(store):
        await watch.seconds(LOOK_EVERY + NOTIFY_AFTER)
        assert watch.titles() == [FAILS]
        assert "disk I/O error" in json.loads(watch.room.requests[0].body)["message"]
        assert not watch.recovered.is_set()
    await watch.seconds(2)
    assert watch.titles() == [FAILS, WORKS]
    assert watch.recovered.is_set()


async def test_a_disk_without_room_is_told_before_a_delivery_fails(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not over while there is room for a journal entry and for no delivery."""
    async with HttpSink() as room:
        watch = AlarmHarness(sqlite_store, room)
        with monkeypatch.context() as patch:
            patch.setattr("casebell.store.database_file.MIN_ROOM", 1 << 60)
            async with watch.alarm:
                await watch.seconds(LOOK_EVERY + NOTIFY_AFTER)
                await room.received(1)
                assert "KiB of its disk are free" in json.loads(room.requests[0].body)["message"]
                await store_undecided(sqlite_store, case_event("evt_2"))
                await watch.seconds(2)
                assert (await watch.alarm.state())["failing"]
                patch.undo()
                await watch.seconds(2)
                assert not (await watch.alarm.state())["failing"]
        assert watch.titles() == [FAILS, WORKS]


async def test_a_store_that_could_not_be_opened_is_opened_later(
    sqlite_path: Path, migrated_sqlite: Path
) -> None:
    """Operations hear why; once it can be, it is open, and they hear that, too."""
    shutil.copyfile(migrated_sqlite, sqlite_path)
    store = Store(f"sqlite:///{sqlite_path}")
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="database is locked") as caught:
            await store.open()
        assert caught.value.passes
        async with HttpSink() as room:
            watch = AlarmHarness(store, room)
            watch.alarm._seen_failures = 0
            async with watch.alarm:
                with pytest.raises(StorageUnavailable, match="database is locked"):
                    await store_undecided(store, case_event("evt_1"))
                await until(lambda: watch.alarm.failing, "the alarm")
                other.execute("ROLLBACK")
                await watch.seconds(2)
                assert store.is_open
                assert not watch.alarm.failing
            await store_undecided(store, case_event("evt_1"))
            await store.close()
