"""Where deliveries become durable."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, text

from casebell.alerts import AlertKind, Decided, NewAlert
from casebell.clock import MINUTE
from casebell.errors import QueueFull, ShuttingDown, StorageUnavailable
from casebell.events import AppendOutcome, CaseEvent, Content, Flag, KeyBasis
from casebell.receive.content import content_of
from casebell.store import queries
from casebell.store.engine import Connection, Store
from casebell.store.event_log import (
    MAX_BATCH_DELIVERIES,
    MAX_FIELD_NAME,
    MAX_FIELDS,
    MAX_WAITING_DELIVERIES,
    Appended,
    EventLog,
)
from casebell.store.repeats import ITEMISED_REPEATS
from casebell.store.rows import decode_list, event_from_row
from casebell.store.schema import alerts, cases, changes, conflicts, deliveries, events, journal
from casebell.store.unit_of_work import UnitOfWork
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, body_of, case_event, json_content
from contracts.decisions import decide_nothing, make_decision
from contracts.stores import recorded_transactions, writer_busy
from contracts.writing import writing
from receive.builders import make_source
from waiting import TIMEOUT


async def rows_of(store: Store, table: Any) -> Sequence[Any]:
    """Every row of a table, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(table).order_by(table.c[0]))).all()


def appending(log: EventLog, event: CaseEvent) -> asyncio.Task[Appended]:
    """A delivery that waits for its turn."""
    return asyncio.create_task(log.append(event))


async def one_turn() -> None:
    """Let each task that was made do what it does before it waits."""
    await asyncio.sleep(0)


async def count(store: Store, table: Any) -> int:
    """How many rows a table has."""
    async with store.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def test_stored_whole(store: Store, log: EventLog) -> None:
    """An event comes back from its row as it went in, bytes and sets included."""
    sent = case_event(body=b'{"id": "evt_1", "t": "\xc3\xa9"}', flags=frozenset({Flag.NAIVE_TIME}))
    result = await log.append(sent)
    assert result == Appended(outcome=AppendOutcome.STORED, event_id=1, event=sent)
    [row] = await rows_of(store, events)
    assert event_from_row(row) == sent
    assert (row.routed_at, row.change_id, row.revision_of) == (None, None, None)


async def test_without_a_decision(store: Store, log: EventLog) -> None:
    """An event whose decision failed has no status, and both of its delivered words."""
    sent = case_event(delivered_category="Request for Evidence")
    await log.append(sent)
    [row] = await rows_of(store, events)
    assert (row.status, row.tags) == ("", "")
    assert event_from_row(row) == sent


async def test_absent_fields(store: Store, log: EventLog) -> None:
    """What a source did not tell stays None."""
    sent = case_event(
        delivered_status=None,
        occurred_at=None,
        occurred_raw=None,
        time_basis=None,
    )
    await log.append(sent)
    assert event_from_row((await rows_of(store, events))[0]) == sent


async def test_journalled(store: Store, log: EventLog) -> None:
    """The journal says what was stored, by digest and never by content."""
    sent = case_event()
    await log.append(sent)
    [entry] = await rows_of(store, journal)
    assert (entry.at, entry.kind, entry.actor, entry.subject) == (
        RECEIVED_AT,
        "delivery.stored",
        "source:parley",
        "event:1",
    )
    assert json.loads(entry.data) == {
        "key": "evt_1",
        "receipt": "IOE0912345678",
        "body_sha256": sent.body_sha256,
        "secret": "2026",
        "request_id": "req_1",
    }


class TestGroupCommit:
    """Deliveries that wait together share one transaction."""

    async def test_one_transaction(self, store: Store, log: EventLog) -> None:
        """A hundred that arrived while the disk was busy are written in at most two commits."""
        with recorded_transactions(store) as begun:
            async with writer_busy(store):
                begun.clear()
                tasks = [appending(log, case_event(f"evt_{n}")) for n in range(100)]
                await one_turn()
            results = await asyncio.gather(*tasks)
        assert [result.event_id for result in results] == list(range(1, 101))
        assert len(begun) == 1
        if not store.is_sqlite:
            async with store.read() as connection:
                sql = text("SELECT count(DISTINCT xmin::text) FROM events")
                assert (await connection.execute(sql)).scalar_one() == len(begun)

    async def test_alone(self, store: Store, log: EventLog) -> None:
        """Deliveries that come one after another get a commit each, at once."""
        with recorded_transactions(store) as begun:
            for number in range(3):
                await log.append(case_event(f"evt_{number}"))
                assert len(begun) == number + 1

    async def test_told_of_what_was_written(self, store: Store) -> None:
        """After each commit the router hears what became of its deliveries."""
        told: list[AppendOutcome] = []
        async with EventLog(
            store=store,
            content_of=json_content,
            decide=decide_nothing,
            committed=lambda results: told.extend(one.outcome for one in results),
        ) as log:
            await log.append(case_event())
            await log.append(case_event())
            await log.append(case_event(body=body_of("evt_1", other=True)))
        assert told == ["stored", "duplicate", "conflict"]

    async def test_one_that_cannot_be_written_fails_alone(
        self, store: Store, log: EventLog
    ) -> None:
        """A delivery that the driver does not take is refused, and the others are stored."""
        async with writer_busy(store):
            tasks = [appending(log, case_event(f"evt_{n}")) for n in range(2)]
            tasks.append(appending(log, case_event("evt_2", occurred_at=2**70)))
            tasks.append(appending(log, case_event("evt_3")))
            await one_turn()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in results] == [Appended, Appended, StorageUnavailable, Appended]
        assert [row.key for row in await rows_of(store, events)] == ["evt_0", "evt_1", "evt_3"]
        assert [row.seq for row in await rows_of(store, journal)] == [1, 2, 3]

    async def test_queue_is_bounded(self, store: Store, log: EventLog) -> None:
        """When too many wait, the next is told so at once; those that wait are all stored."""
        async with writer_busy(store):
            first = [appending(log, case_event(f"evt_{n}")) for n in range(MAX_WAITING_DELIVERIES)]
            await one_turn()
            with pytest.raises(QueueFull):
                await log.append(case_event("too many"))
        results = await asyncio.gather(*first)
        assert {result.outcome for result in results} == {AppendOutcome.STORED}
        assert await count(store, events) == MAX_WAITING_DELIVERIES > MAX_BATCH_DELIVERIES
        assert (await log.append(case_event("later"))).outcome is AppendOutcome.STORED

    async def test_cancelled_waiter(self, store: Store, log: EventLog) -> None:
        """A sender that goes away while it waits disturbs nobody else."""
        async with writer_busy(store):
            tasks = [appending(log, case_event(f"evt_{n}")) for n in range(4)]
            await one_turn()
            tasks[0].cancel()
            tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [
            asyncio.CancelledError,
            Appended,
            asyncio.CancelledError,
            Appended,
        ]
        assert await count(store, events) >= 2
        assert (await log.append(case_event("evt_1"))).outcome is AppendOutcome.DUPLICATE

    async def test_closing(self, store: Store) -> None:
        """A log that closes writes what waits, and takes no more."""
        log = await EventLog(
            store=store, content_of=json_content, decide=decide_nothing
        ).__aenter__()
        async with writer_busy(store):
            waiting = [appending(log, case_event(f"evt_{n}")) for n in range(300)]
            await one_turn()
            closing = asyncio.create_task(log.__aexit__())
            await one_turn()
            with pytest.raises(ShuttingDown):
                await log.append(case_event("late"))
        await closing
        await asyncio.gather(*waiting)
        assert await count(store, events) == 300


async def test_failing_commit(bare_url: str) -> None:
    """When the commit itself fails, every waiter hears it, nothing is stored, and it recovers."""
    async with (
        Store(bare_url) as store,
        EventLog(store=store, content_of=json_content, decide=decide_nothing) as log,
    ):
        async with writing(store) as connection:
            for statement in _BREAK_COMMITS[store.is_sqlite]:
                await connection.execute(text(statement))
        waiting = [log.append(case_event(f"evt_{n}")) for n in range(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [StorageUnavailable] * 5
        assert await count(store, events) == 0
        assert await count(store, journal) == 0
        async with writing(store) as connection:
            on = "" if store.is_sqlite else " ON journal"
            await connection.execute(text(f"DROP TRIGGER break_commit{on}"))
        assert (await log.append(case_event())).event_id == 1


#: A constraint that is looked at only when the transaction commits; by whether it is SQLite.
_TABLES = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
    "CREATE TABLE children (parent INTEGER REFERENCES parents(id) DEFERRABLE INITIALLY DEFERRED)",
)
_TRIGGER = "CREATE TRIGGER break_commit AFTER INSERT ON journal"
_ORPHAN = "BEGIN INSERT INTO children VALUES (-1);"
_BREAK_COMMITS = {
    True: (*_TABLES, f"{_TRIGGER} {_ORPHAN} END"),
    False: (
        *_TABLES,
        f"CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql AS '{_ORPHAN} RETURN new; END'",
        f"{_TRIGGER} FOR EACH ROW EXECUTE FUNCTION orphan()",
    ),
}


class TestRepeats:
    """The same key with the same content."""

    async def test_same_bytes(self, store: Store, log: EventLog) -> None:
        """A repeat is noted with its own address, time and headers, without the bytes again."""
        await log.append(case_event())
        again = case_event(
            received_at=RECEIVED_AT + 5,
            idempotency_key="another",
            address="203.0.113.8",
            secret_label="2027",
            request_id="req_2",
            flags=frozenset({Flag.STALE_SIGNATURE}),
        )
        assert await log.append(again) == Appended(
            outcome=AppendOutcome.DUPLICATE, event_id=1, event=again, repeat=True
        )
        [row] = await rows_of(store, deliveries)
        assert row._asdict() == {
            "id": row.id,
            "event_id": 1,
            "at": RECEIVED_AT + 5,
            "outcome": "duplicate",
            "idempotency_key": "another",
            "address": "203.0.113.8",
            "secret_label": "2027",
            "request_id": "req_2",
            "flags": " stale_signature ",
            "body_sha256": again.body_sha256,
            "body": None,
            "times": 1,
        }
        assert [entry.kind for entry in await rows_of(store, journal)] == [
            "delivery.stored",
            "delivery.duplicate",
        ]
        [kept] = await rows_of(store, events)
        assert event_from_row(kept) == case_event()

    async def test_other_bytes(self, store: Store, log: EventLog) -> None:
        """Where the same content came in other bytes, those are kept, too."""
        await log.append(case_event(body=b'{"id": "evt_1", "a": 1}'))
        other = b'{"a":1,"id":"evt_1"}'
        result = await log.append(case_event(body=other))
        assert result.outcome is AppendOutcome.DUPLICATE
        [row] = await rows_of(store, deliveries)
        assert bytes(row.body) == other
        assert await count(store, events) == 1

    @pytest.mark.parametrize("size", [1, 7, 64])
    async def test_after_the_first_hundred_they_are_counted(self, store: Store, size: int) -> None:
        """One row for all of them, an entry a minute, and the number is right all along."""
        minute = RECEIVED_AT // MINUTE * MINUTE
        event = case_event(received_at=minute)
        sent = 1
        async with EventLog(store=store, content_of=json_content, decide=decide_nothing) as log:
            await log.append(event)
            while sent < 400:
                # Two posts a second.
                batch = [
                    case_event(received_at=minute + (sent + i) * 500_000, request_id=f"r{sent + i}")
                    for i in range(size)
                ]
                results = await store.transact(partial(log.append_now, batch=batch))
                sent += size
                assert {(one.outcome, one.event_id) for one in results} == {("duplicate", 1)}
                assert results[-1].counted == (sent > ITEMISED_REPEATS + 1)
                # To read each time costs more than all the rest.
                if size > 1 or sent % 20 < 3:
                    async with store.read() as connection:
                        [found] = await queries.find_events(connection, "evt_1", seen_by=ADMIN)
                    assert found.extra_deliveries == sent - 1
        rows = await rows_of(store, deliveries)
        assert [row.times for row in rows] == [*[1] * ITEMISED_REPEATS, sent - 1 - ITEMISED_REPEATS]
        assert (rows[-1].request_id, rows[-1].at) == (f"r{sent - 1}", minute + (sent - 1) * 500_000)
        entries = await rows_of(store, journal)
        # The event, a hundred repeats, the first that is counted, and one in each further minute.
        assert len(entries) == 1 + ITEMISED_REPEATS + 4
        numbers = [json.loads(one.data)["repeats"] for one in entries[-4:]]
        assert numbers == [101, 120, 240, 360]

    async def test_an_event_of_which_thousands_were_kept_before(self, store: Store) -> None:
        """What an earlier release left stays; what comes now is counted in the last of its rows."""
        async with EventLog(store=store, content_of=json_content, decide=decide_nothing) as log:
            await log.append(case_event())
            await log.append(case_event())
            async with writing(store) as connection:
                [row] = (await connection.execute(select(deliveries))).all()
                copies = [{**row._asdict(), "id": row.id + n} for n in range(1, 500)]
                await connection.execute(deliveries.insert(), copies)
            for _ in range(3):
                assert (await log.append(case_event())).counted
        assert [one.times for one in await rows_of(store, deliveries)] == [*[1] * 499, 4]

    async def test_conflicts_are_counted_as_well(self, store: Store, log: EventLog) -> None:
        """The same conflict without end is one row, too; another event is not concerned."""
        await log.append(case_event())
        other = case_event(body=body_of("evt_1", status="denied"))
        batch = [other] * 300
        results = await store.transact(partial(log.append_now, batch=batch))
        assert {(one.outcome, one.event_id) for one in results} == {("conflict", 2)}
        assert await count(store, deliveries) == ITEMISED_REPEATS + 1
        assert not (await log.append(case_event())).counted

    async def test_key_belongs_to_its_source(self, store: Store, log: EventLog) -> None:
        """Two sources may use one key for two events, in one batch or later."""
        async with writer_busy(store):
            tasks = [
                log.append(case_event(source=source)) for source in ("parley", "torch", "parley")
            ]
        results = await asyncio.gather(*tasks)
        assert [result.outcome for result in results] == ["stored", "stored", "duplicate"]
        assert (await log.append(case_event(source="parley-eu"))).outcome is AppendOutcome.STORED
        assert await count(store, events) == 3


class TestConflicts:
    """The same key with other content: docs/decisions/upstream.md, B7 and C6."""

    async def test_both_are_kept(self, store: Store, log: EventLog) -> None:
        """The first stays, the other becomes a revision; both are flagged, all is journalled."""
        await log.append(case_event(flags=frozenset({Flag.NAIVE_TIME})))
        other = case_event(body=body_of("evt_1", status="denied"), text="Case Was Denied")
        result = await log.append(other)
        assert result == Appended(outcome=AppendOutcome.CONFLICT, event_id=2, event=other)
        first, revision = await rows_of(store, events)
        assert (first.key, first.body, first.flags) == (
            "evt_1",
            case_event().body,
            " conflict naive_time ",
        )
        assert revision.revision_of == first.id
        assert revision.key.startswith("evt_1\N{NO-BREAK SPACE}(revision ")
        assert revision.key_basis == KeyBasis.REVISION
        assert revision.flags == " conflict "
        assert (revision.body, revision.text) == (other.body, "Case Was Denied")
        assert [(entry.kind, entry.subject) for entry in await rows_of(store, journal)] == [
            ("delivery.stored", "event:1"),
            ("delivery.conflict", "event:2"),
        ]
        assert [tuple(row) for row in await rows_of(store, conflicts)] == [
            (2, 1, "parley", '["status"]', None)
        ]

    async def test_again(self, store: Store, log: EventLog) -> None:
        """The same conflict again is kept once, and noted as a delivery of the revision."""
        await log.append(case_event())
        other = case_event(body=body_of("evt_1", status="denied"))
        results = [await log.append(other) for _ in range(3)]
        assert {(result.outcome, result.event_id) for result in results} == {("conflict", 2)}
        assert await count(store, events) == 2
        assert [row.event_id for row in await rows_of(store, deliveries)] == [2, 2]
        assert await count(store, journal) == 4

    async def test_in_one_batch(self, store: Store, log: EventLog) -> None:
        """First, repeats and conflicts that arrive together come out as if one after another."""
        bodies = [body_of("evt_1", text=word) for word in ("a", "b", "a", "b", "c")]
        async with writer_busy(store):
            tasks = [appending(log, case_event(body=body)) for body in bodies]
            await one_turn()
        results = await asyncio.gather(*tasks)
        assert [(result.outcome, result.event_id) for result in results] == [
            ("stored", 1),
            ("conflict", 2),
            ("duplicate", 1),
            ("conflict", 2),
            ("conflict", 3),
        ]
        assert [row.flags for row in await rows_of(store, events)] == [" conflict "] * 3
        assert [row.event_id for row in await rows_of(store, deliveries)] == [1, 2]
        assert await count(store, journal) == 5

    async def test_the_same_conflict_in_other_bytes(self, store: Store, log: EventLog) -> None:
        """What contradicts the first and says the same is one conflict, however it is written."""
        await log.append(case_event())
        bodies = (b'{"id":"evt_1","status":"denied"}', b'{"status": "denied", "id": "evt_1"}')
        results = [await log.append(case_event(body=body)) for body in bodies]
        assert {(result.outcome, result.event_id) for result in results} == {("conflict", 2)}
        [row] = await rows_of(store, deliveries)
        assert (row.event_id, bytes(row.body)) == (2, bodies[1])

    async def test_the_fields_that_differ_are_named(self, store: Store) -> None:
        """By paths, as `volatile` takes them: no value, no position, and not without end."""
        source = make_source(volatile=["id"])

        def content(_source: str, body: bytes) -> Content:
            return content_of(body, source)

        first, other = (
            {
                "id": n,
                "same": "x",
                "data": {"attempts": n, "status": f"Jane Doe {n}"},
                "seen": [{"at": n}, {"at": n}],
                **{f"{n}{i:03}": 1 for i in range(30)},
                "z" * 300: n,
            }
            for n in (1, 2)
        )
        async with EventLog(store=store, content_of=content, decide=decide_nothing) as log:
            for document in (first, {**first, "more": 1}, other):
                await log.append(case_event(body=json.dumps(document).encode()))
        one, many = (decode_list(row.fields) for row in await rows_of(store, conflicts))
        assert one == ("more",)
        assert many == tuple(f"1{i:03}" for i in range(MAX_FIELDS))
        async with EventLog(store=store, content_of=content, decide=decide_nothing) as log:
            short = [{k: v for k, v in one.items() if not k.isdigit()} for one in (first, other)]
            for document in short:
                await log.append(case_event("evt_2", body=json.dumps(document).encode()))
        *_, last = (decode_list(row.fields) for row in await rows_of(store, conflicts))
        assert last == ("data.attempts", "data.status", "seen.at", "z" * MAX_FIELD_NAME)

    async def test_first_again(self, store: Store, log: EventLog) -> None:
        """After a conflict, the first body is still a duplicate of the first event."""
        for word in ("a", "b"):
            await log.append(case_event(body=body_of("evt_1", text=word)))
        result = await log.append(case_event(body=body_of("evt_1", text="a")))
        assert (result.outcome, result.event_id) == ("duplicate", 1)


class TestNamesOfOurs:
    """No key of a source can be taken for a name that we made."""

    async def test_an_id_like_the_name_of_a_revision(self, store: Store, log: EventLog) -> None:
        """A conflict is kept, whatever ids came before it, and each of those is its own event."""
        await log.append(case_event())
        await log.append(case_event(body=body_of("evt_1", status="denied")))
        name = (await rows_of(store, events))[-1].key
        other = case_event(body=body_of("evt_1", status="approved"))
        for key in (name.replace("\N{NO-BREAK SPACE}", " "), f"evt_1#{other.body_sha256[:16]}"):
            assert (await log.append(case_event(key))).outcome is AppendOutcome.STORED
        result = await log.append(other)
        assert result.outcome is AppendOutcome.CONFLICT
        assert bytes((await rows_of(store, events))[result.event_id - 1].body) == other.body

    @pytest.mark.parametrize("basis", [KeyBasis.RECEIPT_TIME, KeyBasis.DIGEST])
    @pytest.mark.parametrize("id_first", [True, False])
    async def test_an_id_like_a_key_of_ours(
        self, store: Store, log: EventLog, basis: KeyBasis, id_first: bool
    ) -> None:
        """An id that looks like a receipt and a time, or like a digest, is another event.

        Repeats and conflicts of either are found under its own name.
        """
        key = {
            KeyBasis.RECEIPT_TIME: "IOE0912345678@2025-10-14T19:22:03Z",
            KeyBasis.DIGEST: f"sha256:{'0' * 64}",
        }[basis]
        ours = case_event(key, key_basis=basis, body=b'{"said": 1}')
        theirs = case_event(key, body=body_of(key))
        order = [theirs, ours] if id_first else [ours, theirs]
        contrary = [case_event(key, key_basis=one.key_basis, body=b'{"x": 1}') for one in order]
        sent = [*order, *order, *contrary, *contrary]
        async with writer_busy(store):
            tasks = [appending(log, one) for one in sent[:3]]
            await one_turn()
        results = await asyncio.gather(*tasks)
        results += [await log.append(one) for one in sent[3:]]
        assert [(one.outcome, one.event_id) for one in results] == [
            ("stored", 1),
            ("stored", 2),
            ("duplicate", 1),
            ("duplicate", 2),
            ("conflict", 3),
            ("conflict", 4),
            ("conflict", 3),
            ("conflict", 4),
        ]
        assert {one.key for one in results} == {key}
        stored = await rows_of(store, events)
        assert [row.key_basis for row in stored] == [
            *(one.key_basis for one in order),
            *[KeyBasis.REVISION] * 2,
        ]
        assert [row.key.isprintable() for row in stored] == [True, False, False, False]


async def test_a_defect_before_a_batch_is_taken(
    store: Store, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told, and the log goes on."""

    async def fails(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(store, "transact", fails)
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(StorageUnavailable):
                await log.append(case_event())
    assert (await log.append(case_event())).outcome is AppendOutcome.STORED


async def test_full_disk(sqlite_store: Store) -> None:
    """SQLite rolls back by itself; the statements behind the failed one must not stand alone.

    The alert of an event that is not stored would be told, and as the next change has the same id,
    it would stand in the way of that one's alert.
    """

    async def let_grow(connection: Connection, *, pages: int) -> None:
        used = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {used + pages}"))

    def decide(unit: UnitOfWork) -> list[Decided]:
        made = []
        for one in unit.undecided:
            change = unit.next_change
            alert = NewAlert(
                kind=AlertKind.CASE,
                subject=f"change:{change}",
                channel="team",
                target="room",
                urgent=True,
                rules=(one.event.key,),
                change_id=change,
                event_id=one.id,
            )
            made.append(make_decision(one, change=change, alerts=[alert], current=True))
            unit.decide(made[-1], now=RECEIVED_AT)
        return made

    await sqlite_store.transact(let_grow, pages=0)
    async with EventLog(store=sqlite_store, content_of=json_content, decide=decide) as log:
        with pytest.raises(StorageUnavailable, match="full"):
            await log.append(case_event(body=body_of("evt_1", text="x" * 20_000)))
        for table in (events, changes, cases, alerts, journal):
            assert await count(sqlite_store, table) == 0, table.name
        await sqlite_store.transact(let_grow, pages=1_000)
        await log.append(case_event("evt_2", receipt="IOE0000000002"))
    [alert] = await rows_of(sqlite_store, alerts)
    assert decode_list(alert.rules) == ("evt_2",)
