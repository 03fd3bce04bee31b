"""Deliveries that did not authenticate: what is kept of them, and for how long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from casebell.store import pushed_out, refused, walk
from casebell.store.engine import Store
from casebell.store.lists import RefusedFilter
from casebell.store.schema import journal
from casebell.store.schema import refused as table
from casebell.store.walk import Place
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT
from contracts.store_contract import refusal
from contracts.writing import writing

HOUR = 3_600_000_000
DAY = 24 * HOUR
SIGNATURE = "t=1734020000,v1=" + "ab" * 32


def kept(size: int = 2, **fields: Any) -> refused.Refused:
    """A refusal that can be checked again."""
    return refusal(**{"body": b"x" * size, "body_size": size, "signature": SIGNATURE, **fields})


def narrow(monkeypatch: pytest.MonkeyPatch, group: str, **fields: int) -> None:
    """Keep less of one group."""
    monkeypatch.setattr(refused, group, replace(getattr(refused, group), **fields))


async def refuse(store: Store, *batch: refused.Refused, now: int = RECEIVED_AT) -> None:
    """Remember them in one transaction."""
    async with writing(store) as connection:
        entries = [refused.single_entry(one) for one in batch]
        await refused.refuse(connection, batch, now=now, entries=entries)


async def rows_of(store: Store, of: Any = table) -> Sequence[Any]:
    """Every row, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(of).order_by(of.c[0]))).all()


async def listed(
    store: Store, *, limit: int = 50, after: Place | None = None, **options: Any
) -> Sequence[Any]:
    """What the listing shows."""
    async with store.read() as connection:
        page = await walk.page_of(connection, RefusedFilter(**options), limit=limit, after=after)
    return page.rows


async def rising(store: Store) -> list[tuple[str, int]]:
    """Sources of which operations should hear, and how many refusals each has."""
    async with store.read() as connection:
        found = await refused.rising(connection)
    return [(row.source, row.number) for row in found]


async def tell(store: Store, *, now: int, source: str = "parley") -> None:
    """Operations are told of all there are."""
    last = max(row.id for row in await rows_of(store))
    async with writing(store) as connection:
        await refused.mark_told(connection, source=source, last=last, now=now)


class TestKept:
    """What a row and the journal hold."""

    async def test_a_row_and_an_entry(self, store: Store) -> None:
        """Where it came from, why it was refused and what proves it; the journal has no content."""
        await refuse(store, kept(5, idempotency_key="key-1"), refusal(error="signature_missing"))
        first, second = await rows_of(store)
        assert (bytes(first.body), first.signature) == (b"xxxxx", SIGNATURE)
        assert (first.address, first.idempotency_key) == ("198.51.100.9", "key-1")
        assert (second.error, second.body, second.signature) == ("signature_missing", None, None)
        entries = await rows_of(store, journal)
        assert [(entry.kind, entry.actor, entry.subject) for entry in entries] == [
            ("delivery.refused", "address:198.51.100.9", "source:parley")
        ] * 2
        assert "xxxxx" not in str(entries)
        assert "abab" not in str(entries)

    async def test_one_key_for_ever(self, store: Store) -> None:
        """Secrets are digested under one random key, made once for a database."""
        found = set()
        for _ in range(3):
            async with writing(store) as connection:
                found.add(await refused.digest_key(connection))
        assert [len(key) for key in found] == [32]

    async def test_nothing_of_nothing(self, store: Store) -> None:
        """An empty batch leaves neither a row nor an entry."""
        await refuse(store)
        assert [*await rows_of(store), *await rows_of(store, journal)] == []


class TestBounds:
    """Count, bytes and age; the oldest go first."""

    async def test_count(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the newest are kept, however many come, at once or one after another."""
        narrow(monkeypatch, "UNPROVEN_BOUNDS", count=100)
        for first in (0, 100, 195):
            batch = [refusal(request_id=f"req_{n}") for n in range(first, first + 105)]
            await refuse(store, *batch)
            rows = await rows_of(store)
            assert len(rows) == 100
            assert rows[0].request_id == f"req_{first + 5}"
            assert rows[-1].request_id == f"req_{first + 104}"

    async def test_bytes(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """All bodies together are never more; as many of the newest are kept as fit exactly."""
        narrow(monkeypatch, "PROVEN_BOUNDS", size=1_000)
        await refuse(store, *[kept(400, request_id=str(n)) for n in range(2)])
        await refuse(store, kept(200, request_id="2"))
        assert len(await rows_of(store)) == 3
        await refuse(store, kept(1, request_id="3"))
        assert [row.request_id for row in await rows_of(store)] == ["1", "2", "3"]
        await refuse(store, kept(1_001, request_id="4"))
        assert await rows_of(store) == []

    async def test_bodies_that_are_not_kept_take_no_room(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refusals without a body push none out that has one."""
        narrow(monkeypatch, "UNPROVEN_BOUNDS", size=1_000)
        await refuse(store, refusal(body=b"x" * 900, body_size=900))
        await refuse(store, *[refusal(body_size=500) for _ in range(9)])
        assert len(await rows_of(store)) == 10

    async def test_what_has_no_proof_pushes_out_none_that_has(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither their number nor their bodies; nor the other way round."""
        for group in ("PROVEN_BOUNDS", "UNPROVEN_BOUNDS"):
            narrow(monkeypatch, group, count=3, size=1_000)
        without = refusal(body=b"x" * 300, body_size=300)
        await refuse(store, *[kept(300)] * 3)
        await refuse(store, *[without] * 9)
        await refuse(store, *[kept(300, source="torch")] * 2, *[without] * 9)
        rows = await rows_of(store)
        assert [row.source for row in rows if row.signature] == ["parley", "torch", "torch"]
        assert [row.source for row in rows if not row.signature] == ["parley"] * 3

    @pytest.mark.parametrize("bound", ["count", "size"])
    @pytest.mark.parametrize("group", ["PROVEN_BOUNDS", "UNPROVEN_BOUNDS"])
    async def test_whoever_holds_most_loses_first(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, group: str, bound: str
    ) -> None:
        """A flood pushes out itself: from one address, and from all of an IPv6 network."""
        narrow(monkeypatch, group, **{bound: 20 if bound == "count" else 20 * 100})
        proof = {} if group == "UNPROVEN_BOUNDS" else {"signature": SIGNATURE}

        def one(address: str, **fields: Any) -> refused.Refused:
            return refusal(address=address, body=b"x" * 100, body_size=100, **proof, **fields)

        await refuse(store, *[one("203.0.113.7", request_id=f"real{n}") for n in range(4)])
        await refuse(store, *[one("192.0.2.1", source="torch") for _ in range(3)])
        for n in range(12):
            await refuse(store, *[one(f"2001:db8::{n:x}:{m:x}") for m in range(5)])
            await refuse(store, one("198.51.100.1", source="torch"))
        rows = await rows_of(store)
        assert len(rows) == 20
        assert [row.request_id for row in rows[:4]] == [f"real{n}" for n in range(4)]
        networks = Counter(row.network for row in rows)
        flooding = [networks.pop(one) for one in ("2001:db8::/64", "198.51.100.1")]
        assert networks == {"203.0.113.7": 4, "192.0.2.1": 3}
        assert sorted(flooding) == [6, 7]

    async def test_what_was_pushed_out_and_had_a_proof_is_on_record(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By source and number, once for each flood; what had none is not missed."""
        for group in ("PROVEN_BOUNDS", "UNPROVEN_BOUNDS"):
            narrow(monkeypatch, group, count=3)

        async def untold() -> dict[str, int]:
            async with store.read() as connection:
                found = await pushed_out.unnotified(connection)
            return {row.source: row.number for row in found}

        await refuse(store, *[kept()] * 3, *[refusal()] * 9)
        assert await untold() == {}
        await refuse(store, *[kept()] * 2)
        await refuse(store, *[kept()] * 2)
        assert await untold() == {"parley": 4}
        async with writing(store) as connection:
            await pushed_out.mark_told(connection, source="parley", now=RECEIVED_AT)
        later = RECEIVED_AT + 3 * DAY
        await refuse(store, kept(at=later), now=later)
        assert await untold() == {}
        later += 8 * DAY
        await refuse(store, *[kept(at=later)] * 4, now=later)
        assert await untold() == {"parley": 1}

    async def test_age(self, store: Store) -> None:
        """After a week it is forgotten, with the next refusal or by itself."""
        await refuse(store, kept(request_id="old"))
        await refuse(store, kept(at=RECEIVED_AT + DAY, request_id="new"), now=RECEIVED_AT + 7 * DAY)
        assert len(await rows_of(store)) == 2
        late = kept(at=RECEIVED_AT + 7 * DAY + 1, request_id="late")
        await refuse(store, late, now=RECEIVED_AT + 7 * DAY + 1)
        assert [row.request_id for row in await rows_of(store)] == ["new", "late"]
        now = RECEIVED_AT + 8 * DAY + 1
        async with writing(store) as connection:
            assert await refused.any_too_old(connection, now=now)
            await refused.forget(connection, now=now)
            assert not await refused.any_too_old(connection, now=now)
        assert [row.request_id for row in await rows_of(store)] == ["late"]


class TestListed:
    """The listing."""

    async def test_newest_first(self, store: Store) -> None:
        """Newest first, with a cursor, and without bodies or proofs."""
        await refuse(store, kept(3), refusal(), kept(4))
        all_of_them = await listed(store)
        assert [one.body_size for one in all_of_them] == [4, 2, 3]
        assert [bool(one.readmittable) for one in all_of_them] == [True, False, True]
        assert "xxx" not in str(all_of_them)
        assert "v1=" not in str(all_of_them)
        newest = all_of_them[0].id
        assert [one.body_size for one in await listed(store, after=(newest,), limit=1)] == [2]

    async def test_narrowed(self, store: Store) -> None:
        """By source, by error, by both."""
        await refuse(
            store,
            refusal(source="parley", error="stale_signature"),
            refusal(source="parley"),
            refusal(source="torch", error="secret_mismatch"),
        )
        narrowed: list[tuple[dict[str, Any], int]] = [
            ({"source": "parley"}, 2),
            ({"error": "stale_signature"}, 1),
            ({"source": "torch", "error": "stale_signature"}, 0),
        ]
        for options, count in narrowed:
            assert len(await listed(store, **options)) == count

    async def test_what_can_be_checked_again(self, store: Store) -> None:
        """Those with a proof that are not readmitted yet, oldest first."""
        await refuse(store, kept(), refusal(body=b"xx"), kept(source="torch"), kept())
        first, _, third, fourth = [row.id for row in await rows_of(store)]
        async with writing(store) as connection:
            await refused.mark_readmitted(
                connection, fourth, now=RECEIVED_AT, actor=ADMIN, event_id=7
            )
            assert await refused.readmittable(connection, source=None) == [first, third]
            assert await refused.readmittable(connection, source="torch") == [third]
            assert await refused.known(connection, [fourth, 999]) == {fourth}
        row = (await rows_of(store))[-1]
        assert (row.body, row.signature, row.event_id) == (None, None, 7)
        entry = (await rows_of(store, journal))[-1]
        assert (entry.kind, entry.actor) == ("delivery.readmitted", ADMIN.name)
        assert entry.subject == f"refused:{fourth}"


class TestRising:
    """When operations should hear."""

    async def test_from_the_fifth_on(self, store: Store) -> None:
        """A source of which as many were refused that brought something, however slowly."""
        nothing = refusal(body=b"xx")
        for number in range(refused.RISE - 1):
            await refuse(store, kept(at=RECEIVED_AT + number * DAY), nothing, nothing)
        assert await rising(store) == []
        await refuse(store, kept())
        assert await rising(store) == [("parley", refused.RISE)]

    async def test_each_source_by_itself(self, store: Store) -> None:
        """What two sources have together is nobody's rise."""
        await refuse(store, *[kept(source=name) for name in ("parley", "torch") * 3])
        assert await rising(store) == []
        await refuse(store, *[kept(source="torch")] * 2)
        assert await rising(store) == [("torch", 5)]

    async def test_what_was_told_is_not_counted_again(self, store: Store) -> None:
        """After a message only refusals that came since then count."""
        await refuse(store, *[kept()] * 5)
        await tell(store, now=3 * HOUR + 5)
        assert await rising(store) == []
        await refuse(store, *[kept()] * 6)
        assert await rising(store) == [("parley", 6)]

    async def test_what_was_readmitted_is_no_trouble(self, store: Store) -> None:
        """Refusals that were readmitted are not told any more."""
        await refuse(store, *[kept()] * 5)
        async with writing(store) as connection:
            (first, *_) = await refused.readmittable(connection, source=None)
            await refused.mark_readmitted(connection, first, now=1, actor=ADMIN, event_id=1)
        assert await rising(store) == []
