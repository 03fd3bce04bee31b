"""Read models: their JSON, filters and pages; and that an index serves each of them."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    Message,
    NewAlert,
    NextState,
    Outcome,
    SendResult,
)
from casebell.clock import iso
from casebell.events import Flag, HeldReason, HeldState, Status, Tag
from casebell.store import (
    event_listing,
    held,
    leases,
    ops,
    outbox,
    queries,
    refused,
    unit_of_work,
)
from casebell.store.engine import Store
from casebell.store.event_listing import EventFilter
from casebell.store.event_log import EventLog
from casebell.store.schema import metadata
from contracts.case_events import (
    OCCURRED_AT,
    RECEIVED_AT,
    body_of,
    case_event,
)
from contracts.decisions import append_undecided, decide_later
from contracts.store_contract import verified
from contracts.stores import watched_driver
from contracts.writing import writing

#: contract.md, "An event as JSON".
EVENT_FIELDS = [
    *("id", "source", "key", "key_basis", "type", "receipt", "status", "delivered_status"),
    *("tags", "text", "occurred_at", "received_at", "flags", "change", "decision"),
    *("deliveries", "body_sha256"),
]
#: contract.md, "An alert".
ALERT_FIELDS = [
    *("id", "event", "change", "channel", "target", "rule", "state", "attempts", "reason"),
    *("created_at", "sent_at"),
]

DECISION = {
    "outcome": "told",
    "because": "the rule RFE issued matched",
    "notify": [{"channel": "slack", "target": "general", "rules": ["RFE issued"], "urgent": True}],
    "rules": [{"name": "RFE issued", "matched": True}, {"name": "Denied", "matched": False}],
}


async def append(store: Store, *sent: Any) -> list[int]:
    """Store events in one transaction; their row numbers."""
    async with writing(store) as connection:
        results = await append_undecided(connection, sent)
    return [result.event_id for result in results]


async def decide(store: Store, event_id: int) -> int:
    """A change that the event founded, with an alert for it."""
    alert = NewAlert(
        kind=AlertKind.CASE,
        subject=f"change:{event_id}",
        channel="slack",
        target="general",
        urgent=True,
        rules=("RFE issued", "Everything"),
        change_id=event_id,
        event_id=event_id,
    )
    change_id = await decide_later(store, event_id, decision=DECISION, alerts=[alert])
    # Each event founds one here.
    assert change_id == event_id
    return change_id


class TestEventJson:
    """An event as docs/contract.md has it."""

    async def test_without_a_verdict(self, store: Store) -> None:
        """An event that waits to be routed has no status and no tags, and no filter takes it."""
        await append(store, case_event())
        async with store.read() as connection:
            [found] = (await event_listing.list_events(connection, EventFilter(), limit=5)).events
            filtered = [
                await event_listing.count_events(connection, EventFilter(status=status))
                for status in Status
            ]
        assert list(found) == EVENT_FIELDS
        assert (found["status"], found["tags"], found["decision"]) == (None, [], None)
        assert found["delivered_status"] == "rfe_issued"
        assert not any(filtered)

    async def test_without_a_decision(self, store: Store) -> None:
        """The fields are those of docs/contract.md, and the values those that were stored."""
        sent = case_event(flags=frozenset({Flag.NAIVE_TIME}))
        await append(store, sent, sent)
        async with store.read() as connection:
            [found] = (await event_listing.list_events(connection, EventFilter(), limit=5)).events
        assert list(found) == EVENT_FIELDS
        assert found == {
            "id": 1,
            "source": "parley",
            "key": "evt_1",
            "key_basis": "id",
            "type": "case.status.updated",
            "receipt": "IOE0912345678",
            "status": None,
            "delivered_status": "rfe_issued",
            "tags": [],
            "text": "Request for Additional Evidence Was Sent",
            "occurred_at": "2025-10-14T19:22:03.000000Z",
            "received_at": "2025-10-14T19:23:33.000000Z",
            "flags": ["naive_time"],
            "change": None,
            "decision": None,
            "deliveries": 2,
            "body_sha256": sent.body_sha256,
        }

    async def test_unread_time(self, store: Store) -> None:
        """A time that could not be read is shown as it was delivered."""
        await append(store, case_event(occurred_at=None, occurred_raw="last Tuesday"))
        async with store.read() as connection:
            [found] = (await event_listing.list_events(connection, EventFilter(), limit=5)).events
        assert found["occurred_at"] == "last Tuesday"

    async def test_decided(self, store: Store) -> None:
        """The event that founded a change shows its decision; a later one, why it is the same."""
        first, second = await append(store, case_event("evt_1"), case_event("evt_2"))
        change = await decide(store, first)
        await decide_later(
            store,
            second,
            change=change,
            flags=frozenset({Flag.REPEAT}),
            reason="same status, same time",
            now=RECEIVED_AT + 1_000_000,
        )
        async with store.read() as connection:
            later, earlier = (
                await event_listing.list_events(connection, EventFilter(), limit=5)
            ).events
        assert (earlier["change"], later["change"]) == (change, change)
        assert earlier["decision"] == {
            "at": iso(RECEIVED_AT),
            "outcome": "told",
            "notify": DECISION["notify"],
            "rules": ["RFE issued"],
            "because": DECISION["because"],
        }
        assert later["decision"]["outcome"] == "same_change"
        assert later["decision"]["because"] == "same status, same time"
        assert later["flags"] == ["repeat"]


class TestFind:
    """What a reader may mean by a key."""

    async def test_key(self, store: Store) -> None:
        """A source's key finds its events of all sources, oldest first, and no other."""
        await append(
            store,
            case_event("evt_1"),
            case_event("evt_10"),
            case_event("evt_1", source="torch"),
        )
        async with store.read() as connection:
            found = await queries.find_events(connection, "evt_1")
            assert await queries.find_events(connection, "evt_") == []
            assert await queries.find_events(connection, "evt_%") == []
        assert [(one["id"], one["source"]) for one in found] == [(1, "parley"), (3, "torch")]

    async def test_row_number(self, store: Store) -> None:
        """Where no key is spelt so, a number is a row's."""
        await append(store, case_event("evt_1"), case_event("evt_2"), case_event("1"))
        async with store.read() as connection:
            for key, expected in (("2", "evt_2"), ("1", "1"), ("3", "1")):
                assert [one["key"] for one in await queries.find_events(connection, key)] == [
                    expected
                ]
            for key in ("0", "4", "-1", "٢", "9" * 30, ""):
                assert await queries.find_events(connection, key) == []

    async def test_revisions(self, store: Store) -> None:
        """Conflicting bodies follow the event whose key they came under; each has a key, too."""
        sent = [case_event(body=body_of("evt_1", text=word)) for word in "abc"]
        await append(store, *sent, case_event("evt_2"))
        async with store.read() as connection:
            for key in ("evt_1", "1"):
                found = await queries.find_events(connection, key)
                assert [one["id"] for one in found] == [1, 2, 3]
            assert found[1]["key_basis"] == "revision"
            [alone] = await queries.find_events(connection, found[2]["key"])
        assert alone["id"] == 3


class TestWhy:
    """What explains an event."""

    async def test_deliveries(self, store: Store) -> None:
        """Every authentic delivery is told, the first included, without any body."""
        conflict = case_event(body=body_of("evt_1", text="other"), request_id="req_3")
        await append(
            store,
            case_event(idempotency_key="k"),
            case_event(
                request_id="req_2",
                received_at=RECEIVED_AT + 5,
                flags=frozenset({Flag.STALE_SIGNATURE}),
            ),
            conflict,
            conflict,
        )
        async with store.read() as connection:
            told = await queries.deliveries_of(connection, 1)
            of_revision = await queries.deliveries_of(connection, 2)
            assert await queries.deliveries_of(connection, 99) == []
        assert told[0] == {
            "at": iso(RECEIVED_AT),
            "outcome": "stored",
            "secret": "2026",
            "address": "203.0.113.7",
            "idempotency_key": "k",
            "request_id": "req_1",
            "body_sha256": case_event().body_sha256,
            # The first delivery is told by the event's row, and so with the event's flags.
            "flags": ["conflict"],
        }
        assert [(one["outcome"], one["request_id"], one["flags"]) for one in told[1:]] == [
            ("duplicate", "req_2", ["stale_signature"])
        ]
        assert [one["outcome"] for one in of_revision] == ["conflict", "conflict"]

    async def test_change(self, store: Store) -> None:
        """A change comes with its whole decision and every event that reported it."""
        first, second = await append(store, case_event("evt_1"), case_event("evt_2"))
        change = await decide(store, first)
        await decide_later(store, second, change=change)
        async with store.read() as connection:
            assert await queries.change_of(connection, 99) is None
            assert await queries.change_of(connection, change) == {
                "id": change,
                "status": "rfe_issued",
                "tags": ["deadline"],
                "at": iso(OCCURRED_AT),
                "late": False,
                "decided_at": iso(RECEIVED_AT),
                "event": first,
                "events": [first, second],
                "decision": DECISION,
            }

    async def test_alerts(self, store: Store) -> None:
        """With the fields of docs/contract.md, newest first; filters and cursor narrow them."""
        ids = await append(store, *[case_event(f"evt_{n}") for n in range(3)])
        changes = [await decide(store, event_id) for event_id in ids]
        await send_one(store)
        async with store.read() as connection:
            listed = await queries.list_alerts(connection, limit=9)
            sent = await queries.list_alerts(connection, state=AlertState.SENT, limit=9)
            of_change = await queries.list_alerts(connection, change_id=changes[1], limit=9)
            last = await queries.list_alerts(connection, limit=1)
            before = await queries.list_alerts(connection, limit=9, before=last[0]["id"])
            [alone] = await queries.list_alerts(connection, alert_id=last[0]["id"], limit=9)
        assert set(ALERT_FIELDS) <= set(listed[0])
        assert [one["event"] for one in listed] == ["evt_2", "evt_1", "evt_0"]
        assert [one["change"] for one in of_change] == [changes[1]]
        assert alone == last[0] == listed[0]
        assert before == listed[1:]
        assert {name: sent[0][name] for name in ALERT_FIELDS} == {
            "id": sent[0]["id"],
            "event": "evt_0",
            "change": changes[0],
            "channel": "slack",
            "target": "general",
            "rule": "RFE issued, Everything",
            "state": "sent",
            "attempts": 1,
            "reason": None,
            "created_at": iso(RECEIVED_AT),
            "sent_at": iso(RECEIVED_AT + 2),
        }
        assert (listed[0]["sent_at"], listed[0]["state"]) == (None, "pending")

    async def test_attempts(self, store: Store) -> None:
        """Each attempt comes with what was said, when, and what came of it, oldest first."""
        [event_id] = await append(store, case_event())
        await decide(store, event_id)
        refused = SendResult(
            outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR, detail="503"
        )
        await send_one(store, refused, AlertState.RETRYING)
        alert_id = await send_one(store)
        async with store.read() as connection:
            first, second = await queries.attempts_of(connection, alert_id)
        assert first == {
            "number": 1,
            "started_at": iso(RECEIVED_AT + 1),
            "finished_at": iso(RECEIVED_AT + 2),
            "outcome": "retryable",
            "reason": "server_error",
            "detail": "503",
            "title": "RFE issued",
            "body": "Look.",
        }
        assert (second["number"], second["outcome"]) == (2, "sent")


async def send_one(
    store: Store,
    result: SendResult = SendResult(outcome=Outcome.SENT),  # noqa: B008 - a frozen value
    state: AlertState = AlertState.SENT,
) -> int:
    """Claim an alert and record an attempt; its id."""
    async with writing(store) as connection:
        alert = await outbox.claim(
            connection, channel="slack", owner="a", now=RECEIVED_AT, lease=60
        )
        assert alert is not None
        await outbox.record(
            connection,
            alert=alert,
            message=Message(title="RFE issued", body="Look."),
            result=result,
            reached=NextState(
                state=state, not_before=RECEIVED_AT, may_repeat=False, reason=result.reason
            ),
            started_at=RECEIVED_AT + 1,
            finished_at=RECEIVED_AT + 2,
        )
    return alert.id


async def hold(store: Store, body: bytes) -> int:
    """A held delivery."""
    async with writing(store) as connection:
        return await held.hold(
            connection,
            verified(body),
            reason=HeldReason.INVALID_JSON,
            detail="no JSON",
            body_sha256=body.hex(),
            idempotency_key=None,
        )


async def test_held(store: Store) -> None:
    """Held deliveries come newest first, by state, with bodies that can be shown, UTF-8 or not."""
    ids = [await hold(store, body) for body in (b"a", b"\xff\xc3\xa9", b"c")]
    async with writing(store) as connection:
        await held.resolve(
            connection, ids[0], state=HeldState.DISCARDED, now=RECEIVED_AT, actor="cli"
        )
    async with store.read() as connection:
        everything = await queries.list_held(connection, state=None, limit=9)
        waiting = await queries.list_held(connection, state="held", limit=9)
        page = await queries.list_held(connection, state="held", limit=9, before=ids[2])
    assert [one["id"] for one in everything] == ids[::-1]
    assert [one["id"] for one in waiting] == [ids[2], ids[1]]
    assert [one["body"] for one in page] == ["\\xffé"]
    assert (page[0]["reason"], page[0]["times"], page[0]["state"]) == ("invalid_json", 1, "held")


async def test_backlog(store: Store) -> None:
    """What waits is counted: decisions, alerts, held deliveries; and alerts that failed."""
    async with store.read() as connection:
        assert await queries.backlog(connection) == dict.fromkeys(
            ("unrouted", "alerts", "failed", "held"), 0
        )
    ids = await append(store, *[case_event(f"evt_{n}") for n in range(5)])
    for event_id in ids[:3]:
        await decide(store, event_id)
    await send_one(store)
    await send_one(store, state=AlertState.FAILED)
    await hold(store, b"x")
    async with store.read() as connection:
        assert await queries.backlog(connection) == {
            "unrouted": 2,
            "alerts": 1,
            "failed": 1,
            "held": 1,
        }


async def test_journal_pages(store: Store, log: EventLog) -> None:
    """The journal is read on from any sequence number."""
    for number in range(5):
        await log.append(case_event(f"evt_{number}"))
    async with store.read() as connection:
        page = await queries.journal_entries(connection, after=1, limit=3)
        rest = await queries.journal_entries(connection, after=4, limit=3)
        assert await queries.latest_sequence(connection) == 5
    assert [entry.seq for entry in page] == [2, 3, 4]
    assert [entry.seq for entry in rest] == [5]


Query = Callable[[AsyncConnection], Awaitable[Any]]


def listing(**given: Any) -> Query:
    """A listing of events."""
    return lambda connection: event_listing.list_events(connection, EventFilter(**given), limit=50)


_CLAIMED = Alert(
    id=1,
    kind=AlertKind.CASE,
    subject="change:1",
    channel="slack",
    target="general",
    rules=(),
    urgent=False,
    attempts=1,
    created_at=1,
    may_repeat=False,
    event_id=1,
    change_id=1,
)

#: What a loop or a listing asks, by whether it may sort what it found.
HOT_QUERIES: dict[str, tuple[Query, bool]] = {
    "append": (lambda c: append_undecided(c, [case_event("evt_2")]), False),
    "claim": (
        lambda c: outbox.claim(c, channel="slack", owner="a", now=2**50, lease=60),
        False,
    ),
    "next_due": (lambda c: outbox.next_due(c, channel="slack"), False),
    # Channels that are gone: looked for now and then, and seldom there.
    "channels_waiting": (lambda c: outbox.channels_waiting(c, ["slack"]), True),
    "release leases": (lambda c: leases.release(c, now=1), False),
    "renew a lease": (lambda c: leases.renew(c, _CLAIMED, owner="a", now=1, lease=1), False),
    "any undecided": (unit_of_work.any_undecided, False),
    "undecided": (lambda c: unit_of_work.read_undecided(c, after=5, limit=50), False),
    # Few are being sent at any time.
    "holders": (leases.holders, True),
    "untold": (held.untold, True),
    "mark_told": (
        lambda c: held.mark_told(c, source="a", reason="b", last=9, now=1),
        False,
    ),
    "find by key": (lambda c: queries.find_events(c, "evt_1"), True),
    "find by number": (lambda c: queries.find_events(c, "1"), True),
    "list": (lambda c: event_listing.list_events(c, EventFilter(), limit=5, before=9), False),
    "list by status": (listing(status=Status.DENIED), False),
    "list by receipt": (listing(receipt="IOE0912345678"), True),
    "list by source": (listing(source="parley"), False),
    "list since": (listing(since=RECEIVED_AT), False),
    "list until": (listing(until=RECEIVED_AT), False),
    "list by status since": (listing(status=Status.DENIED, since=RECEIVED_AT), False),
    "count by status": (
        lambda c: event_listing.count_events(c, EventFilter(status=Status.DENIED)),
        False,
    ),
    "list by source and status": (listing(source="parley", status=Status.DENIED), False),
    "list by all": (
        listing(source="a", status=Status.DENIED, receipt="b", since=1, tag=Tag.CARD, text="c"),
        True,
    ),
    "count by receipt": (lambda c: event_listing.count_events(c, EventFilter(receipt="b")), True),
    "count since": (lambda c: event_listing.count_events(c, EventFilter(since=RECEIVED_AT)), False),
    "deliveries": (lambda c: queries.deliveries_of(c, 1), False),
    "change": (lambda c: queries.change_of(c, 1), False),
    "alerts by state": (
        lambda c: queries.list_alerts(c, state=AlertState.FAILED, limit=50),
        False,
    ),
    "alerts by change": (lambda c: queries.list_alerts(c, change_id=1, limit=50), False),
    "alerts": (lambda c: queries.list_alerts(c, limit=50, before=9), False),
    "attempts": (lambda c: queries.attempts_of(c, 1), False),
    "held by state": (lambda c: queries.list_held(c, state="held", limit=50), False),
    "refused": (lambda c: refused.list_refused(c, limit=50, before=9), False),
    "readmittable": (lambda c: refused.readmittable(c, source=None), False),
    "named": (lambda c: refused.known(c, [1, 2]), False),
    "too old": (lambda c: refused.any_too_old(c, now=1), False),
    "forget": (lambda c: refused.forget(c, now=1), False),
    "too much": (refused._first_too_much, True),
    "rising": (refused.rising, True),
    "told of": (lambda c: ops.known_subjects(c, ["held:parley:invalid_json:1"]), False),
    "told of refusals": (lambda c: refused.mark_told(c, source="a", last=9, now=1), False),
    "backlog": (queries.backlog, False),
    "journal": (lambda c: queries.journal_entries(c, after=5, limit=50), False),
}

#: A walk through a partial index meets only what waits.
_PARTIAL = (
    r"(?! USING (COVERING )?INDEX ix_"
    r"(events_unrouted|held_untold|alerts_waiting|refused_kept|refused_untold)\b)"
)
_WHOLE_TABLE = re.compile(
    rf"SCAN (events|deliveries|held|refused|changes|cases|alerts|attempts|journal)\b{_PARTIAL}"
)


async def plan_of(sqlite_store: Store, *queries: Query) -> list[str]:
    """What SQLite says of the way it goes."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    await append(sqlite_store, case_event())
    await decide(sqlite_store, 1)
    async with writing(sqlite_store) as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        with watched_driver(lambda sql, given: statements.append((sql, tuple(given)))):
            for query in queries:
                await query(connection)
        event.remove(connection.sync_connection, "before_cursor_execute", note)
        return [
            str(row.detail)
            for statement, parameters in statements
            if not statement.startswith("INSERT")
            for row in await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
        ]


@pytest.mark.parametrize("name", HOT_QUERIES)
async def test_plan(sqlite_store: Store, name: str) -> None:
    """No query of a loop or a listing walks a whole table, or sorts what an index has in order."""
    query, may_sort = HOT_QUERIES[name]
    plan = await plan_of(sqlite_store, query)
    assert plan
    assert [line for line in plan if _WHOLE_TABLE.match(line)] == []
    if not may_sort:
        assert [line for line in plan if "TEMP B-TREE" in line] == []


async def test_each_index_is_read(sqlite_store: Store) -> None:
    """No index is there that none of these queries uses: each row would pay for it."""
    plan = "\n".join(await plan_of(sqlite_store, *(query for query, _ in HOT_QUERIES.values())))
    there = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    assert {name for name in there if not re.search(rf"INDEX {name}\b", plan)} == set()


@pytest.mark.parametrize("name", ["list by status", "count by status", "list by source and status"])
async def test_status_has_its_index(sqlite_store: Store, name: str) -> None:
    """Where the status is what leads, its index serves."""
    plan = await plan_of(sqlite_store, HOT_QUERIES[name][0])
    assert [line for line in plan if "INDEX ix_events_status_id" in line], plan
