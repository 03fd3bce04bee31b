"""The loop that sends, when something breaks: a defect of ours, or the storage."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import AlertKind, Message, NewAlert, SendResult
from casebell.errors import StorageUnavailable
from casebell.notify.sender import STORAGE_WAIT
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store import connections, outbox
from casebell.store.engine import Store
from casebell.store.schema import attempts
from contracts.stores import disk_failure, failing_statements, read_table
from contracts.writing import writing
from notify.harness import (
    TARGET,
    DefectiveChannel,
    DispatcherHarness,
    bodies,
    channel_to,
    running,
    titles,
)
from waiting import until

OPS_ALERT = NewAlert(kind=AlertKind.OPS, subject="x", channel="slack", target=TARGET, urgent=False)
#: Notes that this release cannot read.
STRANGE_NOTES = ('{"topic": "solar_flare", "count": 9}', "", '{"topic": "held"}', '["held", "one"]')


class StrangeChannel(DefectiveChannel):
    """Sends, and says something strange about it."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(defects=0)
        self._detail = detail

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send it."""
        return replace(await super().send(target=target, message=message), detail=self._detail)


class TestDefects:
    """Whatever breaks, alerts go on."""

    async def test_a_defect_of_a_channel(self, store: Store) -> None:
        """A channel that raises leaves doubt: on record with its message, tried again, told."""
        channel = DefectiveChannel(defects=1)
        harness = DispatcherHarness(store, {"slack": channel})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "retrying"})
            harness.later(5.0)
            await harness.until(**{"change:1": "sent"})
        title = "RFE issued · IOE…5678"
        assert await harness.attempted() == [
            (1, "ambiguous", "unknown", title),
            (2, "sent", None, title),
        ]
        assert "May repeat" in channel.sent[1].body
        (row, _) = await read_table(store, attempts)
        assert row.detail == "defect: ZeroDivisionError"

    async def test_an_event_that_cannot_be_read(self, store: Store, sink: HttpSink) -> None:
        """Where the message cannot be made, a plain one goes out and the log says so."""
        async with writing(store) as connection:
            await connection.execute(text("UPDATE events SET status = 'martian'"))
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1", urgent=True)
            await harness.until(**{"change:1": "sent"})
        # The tags can still be read.
        assert titles(sink) == ["URGENT: Notice with deadline"]
        assert "Ask for: casebell why 1" in bodies(sink)[0]
        (line,) = harness.recording.named("alert.render_failed")
        assert isinstance(line["error"], ValueError)
        (row,) = await read_table(store, attempts)
        assert row.detail == "a plain message, for making it failed: ValueError"

    async def test_its_failure_is_told_all_the_same(
        self, store: Store, sink: HttpSink, other: HttpSink
    ) -> None:
        """Such an alert that also fails is escalated, in the words that are known."""
        async with writing(store) as connection:
            await connection.execute(text("UPDATE events SET status = 'martian'"))
        sink.answer(HttpAnswer(status=401))
        harness = DispatcherHarness(
            store, {"slack": channel_to(sink), "ops": channel_to(other)}, ops=("ops",)
        )
        async with running(harness):
            await harness.put("change:1", urgent=True)
            await other.received(1)
            assert harness.dispatcher.turns
        assert "It spoke of event 1: USCIS notice with a deadline." in bodies(other)[0]

    async def test_a_topic_of_another_release(self, store: Store, sink: HttpSink) -> None:
        """An operations message whose topic is unknown goes out in plain words, not as a change."""
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            for number, stored in enumerate(STRANGE_NOTES):
                async with writing(store) as connection:
                    await outbox.add(
                        connection,
                        [replace(OPS_ALERT, subject=f"x:{number}")],
                        now=harness.clock.now(),
                    )
                    await connection.execute(
                        text("UPDATE alerts SET note = :note WHERE subject = :subject"),
                        {"note": stored, "subject": f"x:{number}"},
                    )
            harness.dispatcher.wake()
            await harness.until(**{f"x:{number}": "sent" for number in range(len(STRANGE_NOTES))})
        assert set(titles(sink)) == {"Casebell operations: a message could not be made"}

    async def test_a_text_that_the_database_does_not_take(self, store: Store) -> None:
        """The attempt is on record without its texts, and the alert is not left as it was."""
        harness = DispatcherHarness(store, {"slack": StrangeChannel(detail="\ud800")})
        async with running(harness):
            await harness.put("change:1")
            await harness.until(**{"change:1": "sent"})
        (row,) = await read_table(store, attempts)
        assert (row.outcome, row.title) == ("sent", "")
        assert row.detail == "the texts of the attempt could not be kept: UnicodeEncodeError"
        assert harness.recording.named("alert.defect")

    async def test_a_defect_between_send_and_record(self, store: Store, sink: HttpSink) -> None:
        """A record that cannot be written for a reason of ours does not end the channel's loop."""
        broken = True

        def fails(statement: str) -> BaseException | None:
            return RuntimeError() if broken and "INSERT INTO attempts" in statement else None

        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        with failing_statements(store, fails):
            async with running(harness):
                await harness.put("change:1")
                await until(lambda: harness.recording.named("loop.defect"), "the defect in the log")
                broken = False
                await harness.pauses(STORAGE_WAIT)
                harness.later(STORAGE_WAIT)
                await harness.put("change:2")
                await harness.until(**{"change:2": "sent"})
                assert harness.dispatcher.turns
        # Whether the first arrived is known to nobody here; the next start says "may repeat".
        assert (await harness.states())["change:1", "slack"] == "sending"


class TestStorageTrouble:
    """The database does not answer for a while."""

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite gives up on another process's lock quickly."""
        monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 20)

    def errors(self, harness: DispatcherHarness) -> float:
        """Storage errors that the dispatcher met."""
        value = harness.metrics.registry.get_sample_value(
            "casebell_storage_errors_total", {"stage": "notify"}
        )
        return value or 0.0

    async def test_between_send_and_record(
        self, store: Store, sink: HttpSink, tmp_path: Path
    ) -> None:
        """What was sent is recorded as soon as another process gives the database free; once."""
        database = tmp_path / "casebell.db"
        answered = asyncio.Event()
        sink.answer(HttpAnswer(after=answered))
        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        async with running(harness):
            await harness.put("change:1")
            await sink.received(1)
            with closing(sqlite3.connect(database, isolation_level=None)) as holder:
                holder.execute("BEGIN IMMEDIATE")
                answered.set()
                await until(lambda: self.errors(harness) >= 1, "a storage error")
                await harness.pauses(STORAGE_WAIT)
                harness.clock.advance(STORAGE_WAIT)
                await until(lambda: self.errors(harness) >= 2, "two storage errors")
                holder.execute("ROLLBACK")
            await harness.pauses(STORAGE_WAIT)
            harness.clock.advance(STORAGE_WAIT)
            await harness.until(**{"change:1": "sent"})
            harness.later(60.0)
            await harness.go_round()
        assert len(sink.requests) == 1
        assert len(await harness.attempted()) == 1

    @pytest.mark.parametrize("statement", ["UPDATE alerts", "INSERT INTO attempts"])
    async def test_a_commit_that_got_no_answer(
        self, store: Store, sink: HttpSink, statement: str
    ) -> None:
        """A claim or a record that was committed unbeknown to us is neither lost nor repeated."""
        silent, silenced = statement, 0

        async def transact(piece: Callable[..., Awaitable[Any]], *args: Any, **given: Any) -> Any:
            nonlocal silent, silenced
            said: list[str] = []

            def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
                said.append(statement)

            async def watched(connection: AsyncConnection) -> Any:
                event.listen(connection.sync_connection, "before_cursor_execute", note)
                try:
                    return await piece(connection, *args, **given)
                finally:
                    event.remove(connection.sync_connection, "before_cursor_execute", note)

            result = await whole(watched)
            if silent and any(silent in one for one in said):
                silent, silenced = "", silenced + 1
                raise StorageUnavailable
            return result

        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        await harness.put("change:1")
        whole = store.transact
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "transact", transact)
            async with running(harness):
                await until(lambda: self.errors(harness) >= 1, "a storage error")
                await harness.pauses(STORAGE_WAIT)
                harness.later(STORAGE_WAIT)
                await until(
                    lambda: harness.recording.named("alert.attempted"), "the attempt in the log"
                )
        assert silenced == 1
        assert ["May repeat" in body for body in bodies(sink)] == [False]
        assert [attempt[:3] for attempt in await harness.attempted()] == [(1, "sent", None)]
        assert await harness.states() == {("change:1", "slack"): "sent"}

    async def test_between_claim_and_send(self, store: Store, sink: HttpSink) -> None:
        """Where the event could not be read nothing was sent, so the next attempt is no repeat."""
        failing = True

        def fails(statement: str) -> BaseException | None:
            return disk_failure() if failing and "FROM events" in statement else None

        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        with failing_statements(store, fails, writer=False):
            async with running(harness):
                await harness.put("change:1")
                await harness.until(**{"change:1": "retrying"})
                assert sink.requests == []
                failing = False
                harness.later(5.0)
                await harness.until(**{"change:1": "sent"})
        assert "May repeat" not in bodies(sink)[0]
        assert [attempt[:3] for attempt in await harness.attempted()] == [
            (1, "retryable", "unknown"),
            (2, "sent", None),
        ]
        assert harness.recording.named("alert.defect") == []

    async def test_while_looking_for_work(self, store: Store, sink: HttpSink) -> None:
        """A storage that cannot be read is counted and asked again; the loop stays alive."""
        failing = True

        def fails(_statement: str) -> BaseException | None:
            return disk_failure() if failing else None

        harness = DispatcherHarness(store, {"slack": channel_to(sink)})
        await harness.put("change:1")
        with failing_statements(store, fails, writer=False):
            async with running(harness):
                await until(lambda: self.errors(harness) >= 2, "two storage errors")
                assert harness.dispatcher.turns
                await harness.pauses(STORAGE_WAIT)
                failing = False
                harness.clock.advance(STORAGE_WAIT)
                await sink.received(1)
