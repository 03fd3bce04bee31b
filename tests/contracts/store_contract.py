"""What every storage backend promises, whichever database is behind it.

A backend passes by giving the fixtures `store_url` (an empty database), `store` and `log` (open on
it) and collecting these classes.
"""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from casebell.alerts import AlertKind, NewAlert
from casebell.errors import StorageUnavailable
from casebell.events import AppendOutcome, Delivery, HeldReason, VerifiedDelivery
from casebell.store import failed, held, outbox, refused
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.schema import alerts, deliveries, events
from casebell.store.schema import journal as journal_table
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event, json_content
from contracts.decisions import append_undecided, decide_nothing
from contracts.writing import writing

#: Appends events, names each that is acknowledged, and waits to be killed.
WRITER = Path(__file__).with_name("store_writer.py")


async def read_journal(store: Store) -> Sequence[Any]:
    """Every journal entry, in sequence."""
    async with store.read() as connection:
        rows = await connection.execute(select(journal_table).order_by(journal_table.c.seq))
        return rows.all()


async def write_and_fail(store: Store) -> None:
    """A writer that gives up after it wrote an event and an entry of the journal."""
    async with writing(store) as connection:
        await append_undecided(connection, [case_event("no")])
        raise LookupError


async def read_keys(store: Store) -> list[str]:
    """The key of every event, in order of arrival."""
    async with store.read() as connection:
        rows = await connection.execute(select(events.c.key).order_by(events.c.id))
        return list(rows.scalars())


def assert_whole(entries: Sequence[Any]) -> None:
    """The sequence runs from 1 without gaps; each leaf is RFC 6962's hash of its columns."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        words = [json.dumps(word) for word in (entry.kind, entry.actor, entry.subject)]
        told = f"[{entry.seq},{entry.at},{','.join(words)},{entry.data}]"
        assert bytes(entry.leaf) == hashlib.sha256(b"\0" + told.encode("utf-8")).digest()


class OneEventId:
    """An event is stored once, for ever, however often and however concurrently it is delivered."""

    async def test_concurrent_deliveries_of_one_event(self, store: Store, log: EventLog) -> None:
        """Of 32 that deliver one event at once, one is told "stored"; all learn the same id."""
        results = await asyncio.gather(
            *(log.append(case_event(request_id=f"req_{n}")) for n in range(32))
        )
        assert Counter(result.outcome for result in results) == {
            AppendOutcome.STORED: 1,
            AppendOutcome.DUPLICATE: 31,
        }
        assert len({result.event_id for result in results}) == 1
        assert {result.key for result in results} == {"evt_1"}
        async with store.read() as connection:
            assert (await connection.execute(select(func.count(events.c.id)))).scalar_one() == 1
            repeats = (await connection.execute(select(deliveries.c.request_id))).scalars().all()
        assert len(set(repeats)) == 31
        entries = await read_journal(store)
        assert Counter(entry.kind for entry in entries) == {
            "delivery.stored": 1,
            "delivery.duplicate": 31,
        }
        assert_whole(entries)

    async def test_once_for_ever(self, store_url: str) -> None:
        """A repeat is known after a restart, too."""
        outcomes = []
        for _ in range(2):
            async with (
                Store(store_url) as store,
                EventLog(store=store, content_of=json_content, decide=decide_nothing) as log,
            ):
                outcomes.append(await log.append(case_event()))
        assert [one.outcome for one in outcomes] == [AppendOutcome.STORED, AppendOutcome.DUPLICATE]
        assert outcomes[0].event_id == outcomes[1].event_id


class Transactions:
    """What is written together is there together, on disk, or not at all."""

    async def test_rollback(self, store: Store) -> None:
        """An error inside the writing transaction leaves nothing of it, and the store usable."""
        with pytest.raises(LookupError):
            await write_and_fail(store)
        async with store.read() as connection:
            assert (await connection.execute(select(func.count(events.c.id)))).scalar_one() == 0
        async with writing(store) as connection:
            await append_undecided(connection, [case_event()])
        entries = await read_journal(store)
        assert [entry.seq for entry in entries] == [1]

    async def test_cancelled_writer(self, store: Store) -> None:
        """A writer cancelled in the middle leaves nothing, and the next one writes."""
        began = asyncio.Event()

        async def write_slowly() -> None:
            async with writing(store) as connection:
                await append_undecided(connection, [case_event()])
                began.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write_slowly())
        await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with writing(store) as connection:
            results = await append_undecided(connection, [case_event()])
        assert [result.outcome for result in results] == [AppendOutcome.STORED]

    async def test_reader_sees_one_moment(self, store: Store) -> None:
        """What is committed during a reading transaction is not seen in it, but after it."""
        async with store.read() as reader:
            before = (await reader.execute(select(func.count(events.c.id)))).scalar_one()
            async with writing(store) as connection:
                await append_undecided(connection, [case_event()])
            again = (await reader.execute(select(func.count(events.c.id)))).scalar_one()
        async with store.read() as reader:
            after = (await reader.execute(select(func.count(events.c.id)))).scalar_one()
        assert (before, again, after) == (0, 0, 1)

    async def test_reader_cannot_write(self, store: Store) -> None:
        """A reading connection refuses to write, in a sentence."""
        with pytest.raises(StorageUnavailable, match="The storage failed"):
            async with store.read() as connection:
                await connection.execute(insert(events).values(id=1))
        with pytest.raises(StorageUnavailable, match="The storage failed"):
            async with store.read() as connection:
                await connection.execute(text("CREATE TABLE mine (id INTEGER)"))

    async def test_closed_store(self, store_url: str) -> None:
        """A store that is not open says so, to readers and writers."""
        store = Store(store_url)
        with pytest.raises(StorageUnavailable, match="not open"):
            async with store.read():
                pass
        await store.open()
        await store.close()
        with pytest.raises(StorageUnavailable, match="not open"):
            async with writing(store):
                pass

    async def test_reader_only(self, store: Store, store_url: str) -> None:
        """Opened for reading beside a server, a store sees each commit, and cannot write."""
        reader = await Store(store_url).open_for_reading()
        try:
            async with writing(store) as connection:
                await append_undecided(connection, [case_event()])
            assert len(await read_journal(reader)) == 1
            with pytest.raises(StorageUnavailable, match="not open for writing"):
                async with writing(reader):
                    pass
        finally:
            await reader.close()

    @pytest.mark.parametrize("acknowledged", [pytest.param(1, marks=pytest.mark.slow), 40])
    async def test_acknowledged_survives_a_kill(self, store_url: str, acknowledged: int) -> None:
        """What a writer told us is stored is there when it is killed the moment after."""
        with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
            [sys.executable, WRITER, store_url, "evt"], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline() for _ in range(acknowledged)]
            writer.send_signal(signal.SIGKILL)
            told += writer.stdout.readlines()
        # First as a command that only reads: nobody has repaired anything yet.
        reader = await Store(store_url).open_for_reading()
        try:
            before = await read_keys(reader)
            assert_whole(await read_journal(reader))
        finally:
            await reader.close()
        async with Store(store_url) as store:
            assert await read_keys(store) == before
            assert len(await read_journal(store)) == len(before)
        assert {word.strip() for word in told} <= set(before)
        assert len(before) == len(set(before))


class JournalSequence:
    """The journal's sequence runs from 1 without gaps, whoever writes at once."""

    async def test_writers_of_all_kinds(self, store: Store, log: EventLog) -> None:
        """Deliveries, holds, refusals, attempts and failing writers at once leave no gap."""

        async def hold(number: int) -> None:
            async with writing(store) as connection:
                await held.hold(
                    connection,
                    verified(b"%d" % number),
                    reason=HeldReason.INVALID_JSON,
                    detail="",
                    body_sha256=str(number),
                    idempotency_key=None,
                )

        async def refuse() -> None:
            async with writing(store) as connection:
                entries = [refused.single_entry(refusal())] * 2
                await refused.refuse(connection, [refusal()], now=RECEIVED_AT, entries=entries)

        async def retry(alert_id: int) -> None:
            async with writing(store) as connection:
                await failed.retry(connection, [alert_id], now=RECEIVED_AT, actor=ADMIN)

        async def fail() -> None:
            with pytest.raises(LookupError):
                await write_and_fail(store)

        async with writing(store) as connection:
            new = [
                NewAlert(
                    kind=AlertKind.OPS, subject=f"s:{n}", channel="c", target="t", urgent=False
                )
                for n in range(8)
            ]
            await outbox.add(connection, new, now=RECEIVED_AT)
            await connection.execute(alerts.update().values(state="failed"))
            ids = (await connection.execute(select(alerts.c.id))).scalars().all()
        work = []
        for number, alert_id in enumerate(ids):
            work += [log.append(case_event(f"evt_{number}")), hold(number), fail(), refuse()]
            work += [retry(alert_id), log.append(case_event("evt_0"))]
        await asyncio.gather(*work)
        entries = await read_journal(store)
        assert_whole(entries)
        assert Counter(entry.kind for entry in entries) == {
            "delivery.stored": 8,
            "delivery.duplicate": 8,
            "delivery.held": 8,
            "delivery.refused": 16,
            "alert.retried": 8,
        }


def verified(body: bytes, *, source: str = "parley") -> VerifiedDelivery:
    """A delivery as `receive.signatures` hands it on."""
    delivery = Delivery(
        source=source,
        body=body,
        headers=(),
        address="203.0.113.7",
        received_at=RECEIVED_AT,
        request_id="req_1",
    )
    return VerifiedDelivery(delivery=delivery, secret_label="2026")


def refusal(**fields: Any) -> refused.Refused:
    """A delivery that did not authenticate."""
    return refused.Refused(
        **{
            "at": RECEIVED_AT,
            "source": "parley",
            "error": "signature_mismatch",
            "address": "198.51.100.9",
            "request_id": "req_1",
            "body_sha256": "00",
            "body_size": 2,
            **fields,
        }
    )
