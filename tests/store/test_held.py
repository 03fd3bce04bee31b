"""Deliveries that were not understood, until somebody decides."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select

from casebell.clock import MINUTE
from casebell.errors import NotFound, Refusal
from casebell.events import Flag, HeldReason, HeldState, Origin, VerifiedDelivery
from casebell.store import held, walk
from casebell.store.engine import Connection, Store
from casebell.store.lists import HeldFilter
from casebell.store.repeats import ITEMISED_REPEATS
from casebell.store.schema import held as held_table
from casebell.store.schema import journal
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT
from contracts.store_contract import verified
from contracts.writing import writing

BODY = b'{"receipt_number": "?", \xff'


async def hold(store: Store, body: bytes = BODY, **fields: Any) -> int:
    """Hold a delivery in a transaction of its own."""
    async with writing(store) as connection:
        return await hold_in(connection, body, **fields)


async def hold_in(
    connection: Connection,
    body: bytes = BODY,
    *,
    reason: HeldReason = HeldReason.INVALID_JSON,
    source: str = "parley",
    at: int = RECEIVED_AT,
    flags: frozenset[Flag] = frozenset(),
    shape: str | None = None,
    origin: Origin = Origin.WEBHOOK,
) -> int:
    """Hold a delivery in the transaction that is under way; its number."""
    one = verified(body, source=source)
    one = VerifiedDelivery(
        delivery=structs.replace(one.delivery, received_at=at),
        secret_label=one.secret_label,
        flags=flags,
        origin=origin,
    )
    kept = await held.hold(
        connection,
        one,
        reason=reason,
        detail=f"It is {reason}.",
        body_sha256=hashlib.sha256(body).hexdigest(),
        idempotency_key="key-1",
        shape=shape,
    )
    return kept.held_id


async def resolve(
    store: Store, held_id: int, state: HeldState, event_id: int | None = None
) -> None:
    """Close a held delivery."""
    async with writing(store) as connection:
        await held.resolve(
            connection,
            held_id,
            state=state,
            now=RECEIVED_AT + 50,
            actor=ADMIN,
            event_id=event_id,
        )


async def rows_of(store: Store, table: Any) -> Sequence[Any]:
    """Every row of a table, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(table).order_by(table.c[0]))).all()


async def unnotified(store: Store) -> list[tuple[str, str, int]]:
    """What operations would be told: source, reason, how many."""
    async with store.read() as connection:
        rows = [row._mapping for row in await held.unnotified(connection)]
    return [(row["source"], row["reason"], row["number"]) for row in rows]


class TestHold:
    """Keeping what could not be understood."""

    async def test_kept_whole(self, store: Store) -> None:
        """All that is needed to understand it later is kept, the exact bytes first."""
        held_id = await hold(store, flags=frozenset({Flag.STALE_SIGNATURE}))
        [row] = await rows_of(store, held_table)
        assert row._asdict() == {
            "id": held_id,
            "source": "parley",
            "reason": "invalid_json",
            "detail": "It is invalid_json.",
            "state": "held",
            "received_at": RECEIVED_AT,
            "last_at": RECEIVED_AT,
            "times": 1,
            "body": BODY,
            "body_sha256": hashlib.sha256(BODY).hexdigest(),
            "flags": " stale_signature ",
            "secret_label": "2026",
            "address": "203.0.113.7",
            "idempotency_key": "key-1",
            "request_id": "req_1",
            "notified_at": None,
            "resolved_at": None,
            "event_id": None,
            "shape": None,
            "origin": "webhook",
        }
        [entry] = await rows_of(store, journal)
        assert (entry.kind, entry.actor, entry.subject) == (
            "delivery.held",
            "source:parley",
            f"held:{held_id}",
        )
        assert json.loads(entry.data)["reason"] == "invalid_json"
        assert "receipt" not in entry.data

    async def test_again(self, store: Store) -> None:
        """The same body from the same source counts up, and each time is journalled."""
        ids = {await hold(store, at=RECEIVED_AT + n) for n in range(3)}
        other = await hold(store, source="torch")
        assert len(ids) == 1
        assert other not in ids
        first = (await rows_of(store, held_table))[0]
        assert (first.times, first.received_at, first.last_at) == (3, RECEIVED_AT, RECEIVED_AT + 2)
        assert len(await rows_of(store, journal)) == 4

    async def test_after_discarding(self, store: Store) -> None:
        """A body that comes again after it was discarded is held anew, and told anew."""
        held_id = await hold(store)
        async with writing(store) as connection:
            await held.mark_told(
                connection, source="parley", reason="invalid_json", last=held_id, now=RECEIVED_AT
            )
        await resolve(store, held_id, HeldState.DISCARDED)
        assert await hold(store, reason=HeldReason.INVALID_FIELD) == held_id
        [row] = await rows_of(store, held_table)
        assert (row.state, row.times, row.resolved_at, row.notified_at) == ("held", 2, None, None)
        assert (row.reason, row.detail) == ("invalid_field", "It is invalid_field.")
        assert await unnotified(store) == [("parley", "invalid_field", 1)]

    async def test_after_release(self, store: Store) -> None:
        """A body that comes again after its release stays released: its event is known."""
        held_id = await hold(store)
        await resolve(store, held_id, HeldState.RELEASED, event_id=4)
        await hold(store)
        [row] = await rows_of(store, held_table)
        assert (row.state, row.times, row.event_id) == ("released", 2, 4)


class TestResolve:
    """Closing a held delivery."""

    @pytest.mark.parametrize(
        ("state", "event_id"), [(HeldState.RELEASED, 4), (HeldState.DISCARDED, None)]
    )
    async def test_once(self, store: Store, state: HeldState, event_id: int | None) -> None:
        """It is closed once, its body is kept, and the journal says who did it."""
        held_id = await hold(store)
        async with store.read() as connection:
            assert bytes((await held.get_held(connection, held_id)).body) == BODY
        await resolve(store, held_id, state, event_id)
        [row] = await rows_of(store, held_table)
        assert (row.state, row.resolved_at, row.event_id) == (state, RECEIVED_AT + 50, event_id)
        assert bytes(row.body) == BODY
        entry = (await rows_of(store, journal))[-1]
        assert (entry.kind, entry.actor) == (f"delivery.{state}", ADMIN.name)
        assert json.loads(entry.data) == {"event": event_id}
        with pytest.raises(Refusal, match=f"{held_id} has been {state} already"):
            async with store.read() as connection:
                await held.get_held(connection, held_id)

    async def test_unknown(self, store: Store) -> None:
        """There must be such a delivery."""
        with pytest.raises(NotFound, match="77"):
            async with store.read() as connection:
                await held.get_held(connection, 77)


async def test_telling(store: Store) -> None:
    """Operations are told in groups; what came after the telling is told next time."""
    assert await unnotified(store) == []
    ids = [await hold(store, b"%d" % n) for n in range(3)]
    await hold(store, b"x", reason=HeldReason.INVALID_RECEIPT)
    await hold(store, b"x", source="torch")
    assert await unnotified(store) == [
        ("parley", "invalid_json", 3),
        ("parley", "invalid_receipt", 1),
        ("torch", "invalid_json", 1),
    ]
    async with store.read() as connection:
        group = (await held.unnotified(connection))[0]
    assert (group.first, group.last) == (ids[0], ids[2])
    await hold(store, b"later")
    async with writing(store) as connection:
        await held.mark_told(
            connection,
            source="parley",
            reason="invalid_json",
            last=group.last,
            now=RECEIVED_AT,
        )
    assert await unnotified(store) == [
        ("parley", "invalid_receipt", 1),
        ("torch", "invalid_json", 1),
        ("parley", "invalid_json", 1),
    ]
    await hold(store, b"0")
    assert ("parley", "invalid_json", 1) in await unnotified(store)


async def test_the_same_body_without_end_is_an_entry_a_minute(store: Store) -> None:
    """Each repeat counts, and after the first hundred they cannot fill the journal."""
    minute = RECEIVED_AT // MINUTE * MINUTE
    async with writing(store) as connection:
        for number in range(400):
            await hold_in(connection, at=minute + number * 500_000)
    async with store.read() as connection:
        [row] = (await walk.page_of(connection, HeldFilter(), limit=10)).rows
        entries = (await connection.execute(select(journal).order_by(journal.c.seq))).all()
    assert (row.times, row.last_at) == (400, minute + 399 * 500_000)
    assert len(entries) == ITEMISED_REPEATS + 1 + 3
    assert [json.loads(one.data)["times"] for one in entries[-3:]] == [121, 241, 361]


async def test_a_providers_tests_without_end_are_a_hundred_rows(store: Store) -> None:
    """Of one shape, and an entry a minute; another shape has its own, and what is news stays."""
    minute = RECEIVED_AT // MINUTE * MINUTE
    test = HeldReason.PROVIDER_TEST
    await hold(store, b"news")
    async with writing(store) as connection:
        for number in range(ITEMISED_REPEATS + 300):
            at = minute + number * 500_000
            await hold_in(connection, b"%d" % number, at=at, shape="ping", reason=test)
    await hold(store, b"other", shape="other", reason=test)
    await hold(store, b"elsewhere", source="torch", shape="ping", reason=test)
    async with store.read() as connection:
        rows = (await walk.page_of(connection, HeldFilter(), limit=500)).rows
        entries = (await connection.execute(select(journal).order_by(journal.c.seq))).all()
    tests = [row for row in rows if row.source == "parley" and row.shape == "ping"]
    assert len(tests) == ITEMISED_REPEATS
    assert sum(row.times for row in tests) == ITEMISED_REPEATS + 300
    last, *others = tests
    assert {row.times for row in others} == {1}
    assert (bytes(last.body), last.state) == (b"%d" % (ITEMISED_REPEATS + 299), "closed")
    assert last.body_sha256 == hashlib.sha256(last.body).hexdigest()
    assert len(rows) == ITEMISED_REPEATS + 3
    assert len(entries) == ITEMISED_REPEATS + 3 + 3
    # The first of a hundred again is that one again.
    assert await hold(store, b"5", shape="ping", reason=test) == others[-6].id


@pytest.mark.parametrize("first", [Origin.WEBHOOK, Origin.RECONCILED])
async def test_what_a_webhook_brings_is_its_own(store: Store, first: Origin) -> None:
    """Whichever is first: released it is no first look, and what an API tells no delivery."""
    order = (Origin.WEBHOOK, Origin.RECONCILED)
    for at, origin in enumerate(order if first is Origin.WEBHOOK else reversed(order), RECEIVED_AT):
        flags = frozenset({Flag.BASELINE} if origin is Origin.RECONCILED else ())
        await hold(store, at=at, origin=origin, flags=flags)
    async with store.read() as connection:
        row = (await connection.execute(select(held_table))).one()
    assert (row.origin, row.flags.strip()) == (Origin.WEBHOOK, "")
    assert row.last_at == (RECEIVED_AT if first is Origin.WEBHOOK else RECEIVED_AT + 1)
