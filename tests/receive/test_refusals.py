"""A bounded memory of what did not authenticate, and the limit for each address."""

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell.errors import SecretMismatch, SignatureMissing, TooManyRefusals
from casebell.receive import refusals as module
from casebell.receive.refusals import (
    ITEMISED_PER_MINUTE,
    QUEUE_LIMIT,
    WRITE_EVERY,
    Refusals,
)
from casebell.store.engine import Store
from casebell.store.held import REFUSED_LIMIT
from casebell.store.schema import journal, refused
from contracts.workbench import (
    HandClock,
    disk_failure,
    eventually,
    faults,
    rows,
    store_in,
    writes_of,
)
from receive.making import NOW, make_delivery

PER_MINUTE = 3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def clock() -> HandClock:
    """Turned by hand."""
    return HandClock()


@pytest.fixture
def refusals(store: Store, clock: HandClock) -> Refusals:
    """Not started."""
    return Refusals(store=store, clock=clock, per_minute=PER_MINUTE)


def refuse(refusals: Refusals, address: str = "192.0.2.7", body: bytes = b"forged") -> None:
    """One refusal."""
    refusals.note(make_delivery(body, address=address), SignatureMissing())


def limited(refusals: Refusals, address: str = "192.0.2.7") -> bool:
    """Whether the next refusal of an address is answered 429."""
    try:
        refuse(refusals, address)
    except TooManyRefusals:
        return True
    return False


class TestLimit:
    """429 for an address that goes on and on."""

    def test_the_share_of_a_minute(self, refusals: Refusals) -> None:
        """An address may be refused so many times in a minute; from then on it is told to wait."""
        assert [limited(refusals) for _ in range(5)] == [False, False, False, True, True]

    def test_each_address_by_itself(self, refusals: Refusals) -> None:
        """What one address does is not held against another."""
        assert any(limited(refusals) for _ in range(4))
        assert not limited(refusals, "192.0.2.8")

    def test_the_minute_ends(self, refusals: Refusals, clock: HandClock) -> None:
        """After a minute the count begins anew, also for who never stopped."""
        for _ in range(60):
            limited(refusals)
            clock.advance(0.99)
        assert limited(refusals)
        clock.advance(0.61)
        assert not limited(refusals)

    def test_a_clock_that_is_set_back_locks_nobody_out(
        self, refusals: Refusals, clock: HandClock
    ) -> None:
        """Minutes are counted on the clock that never jumps."""
        for _ in range(4):
            limited(refusals)
        clock.set_back(3_600)
        clock.advance(60)
        assert not limited(refusals)

    def test_memory_is_bounded(self, refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
        """More addresses than are remembered push out the one unseen for longest."""
        monkeypatch.setattr(module, "ADDRESS_LIMIT", 3)
        for _ in range(3):
            refuse(refusals, "a")
        for address in ("b", "c"):
            refuse(refusals, address)
        # Seen again, so it is no longer the one unseen for longest.
        assert limited(refusals, "a")
        refuse(refusals, "d")
        assert list(refusals._windows) == ["c", "a", "d"]
        assert limited(refusals, "a")
        assert not limited(refusals, "b")

    def test_a_flood_from_everywhere_costs_little(self, refusals: Refusals) -> None:
        """However many addresses it comes from, what is remembered stops growing."""
        tracemalloc.start()
        for number in range(30_000):
            refuse(refusals, f"2001:db8::{number:x}")
        before, _ = tracemalloc.get_traced_memory()
        for number in range(30_000, 60_000):
            refuse(refusals, f"2001:db8::{number:x}")
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(refusals._windows) == module.ADDRESS_LIMIT
        assert len(refusals._waiting) == QUEUE_LIMIT
        assert after - before < 500_000


class TestMemory:
    """What is written of them."""

    async def test_what_is_kept(self, store: Store, refusals: Refusals) -> None:
        """Time, source, error, address, request and the body's digest; nothing of its content."""
        delivery = make_delivery(
            b"vermilion forgery", [(b"authorization", b"Bearer vermilion")], address="192.0.2.7"
        )
        async with refusals:
            refusals.note(delivery, SecretMismatch())
        (row,) = await rows(store, refused)
        assert row._asdict() == {
            "id": 1,
            "at": NOW,
            "source": "parley",
            "error": "secret_mismatch",
            "address": "192.0.2.7",
            "request_id": "req_1",
            "body_sha256": hashlib.sha256(delivery.body).hexdigest(),
            "body_size": 17,
        }
        (entry,) = await rows(store, journal)
        assert (entry.kind, entry.actor) == ("delivery.refused", "address:192.0.2.7")
        assert json.loads(entry.data)["error"] == "secret_mismatch"
        assert "vermilion" not in str(entry) + str(row)

    async def test_what_was_over_the_limit_is_not_kept(
        self, store: Store, refusals: Refusals
    ) -> None:
        """Beyond the limit of its address a refusal leaves no row."""
        async with refusals:
            for _ in range(10):
                limited(refusals)
        assert len(await rows(store, refused)) == PER_MINUTE

    async def test_one_small_transaction_a_second(
        self, store: Store, refusals: Refusals, clock: HandClock
    ) -> None:
        """However many come, the disk is written once, and again a second later."""
        with writes_of(store) as begun:
            async with refusals:
                refuse(refusals, "first")
                await eventually(lambda: clock.asleep)
                assert clock.asleep == [WRITE_EVERY]
                for number in range(QUEUE_LIMIT + 100):
                    refuse(refusals, f"flood-{number}")
                await asyncio.sleep(0.02)
                assert len(begun) == 1
                clock.advance(WRITE_EVERY)
                await eventually(lambda: len(begun) == 2)
        assert len(await rows(store, refused)) == 1 + QUEUE_LIMIT

    async def test_a_flood_is_counted_in_the_journal(
        self, store: Store, refusals: Refusals, clock: HandClock
    ) -> None:
        """Single entries up to a number in a minute, then one entry for all that a write holds."""
        async with refusals:
            refuse(refusals, "first")
            await eventually(lambda: clock.asleep)
            for number in range(QUEUE_LIMIT + 100):
                refuse(refusals, f"flood-{number}")
            clock.advance(WRITE_EVERY)
            await eventually(lambda: not refusals._waiting)
        single, tally = await rows(store, journal)
        assert (single.kind, single.actor) == ("delivery.refused", "address:first")
        assert (tally.kind, tally.actor, tally.subject) == (
            "deliveries.refused",
            "server",
            "sources",
        )
        assert json.loads(tally.data) == {
            "count": QUEUE_LIMIT + 100,
            "addresses": QUEUE_LIMIT,
            "sources": {"parley": QUEUE_LIMIT},
            "errors": {"signature_missing": QUEUE_LIMIT},
            "since": NOW,
        }

    async def test_after_a_minute_single_entries_again(
        self, store: Store, refusals: Refusals, clock: HandClock
    ) -> None:
        """The minute that was flooded is over."""
        async with refusals:
            for number in range(ITEMISED_PER_MINUTE + 1):
                refuse(refusals, f"flood-{number}")
            await eventually(lambda: clock.asleep)
            clock.advance(61)
            refuse(refusals, "later")
            await eventually(lambda: not refusals._waiting)
        kinds = [entry.kind for entry in await rows(store, journal)]
        assert kinds == ["deliveries.refused", "delivery.refused"]

    async def test_the_newest_are_kept(
        self, store: Store, refusals: Refusals, clock: HandClock
    ) -> None:
        """The table holds so many and no more; the oldest go."""
        async with refusals:
            for batch in range(5):
                for number in range(QUEUE_LIMIT):
                    refuse(refusals, f"{batch}-{number}")
                await eventually(lambda: not refusals._waiting and clock.asleep)
                clock.advance(WRITE_EVERY)
        kept = await rows(store, refused)
        assert len(kept) == REFUSED_LIMIT
        assert kept[-1].address == f"4-{QUEUE_LIMIT - 1}"

    async def test_the_end_writes_what_waits(self, store: Store, refusals: Refusals) -> None:
        """Refusals that came within the last second are written at the end."""
        async with refusals:
            refuse(refusals, "first")
            await eventually(lambda: not refusals._waiting)
            refuse(refusals, "last")
        assert [row.address for row in await rows(store, refused)] == ["first", "last"]

    async def test_an_end_in_the_middle_of_a_write(self, store: Store, refusals: Refusals) -> None:
        """What was taken from the queue when the end came is written, once."""
        async with store.write():
            # The writer is busy, so that the refusals' own write has begun and waits.
            await refusals.__aenter__()
            refuse(refusals, "first")
            await eventually(lambda: not refusals._waiting)
            refuse(refusals, "second")
            ending = asyncio.create_task(refusals.__aexit__())
            await asyncio.sleep(0.02)
        await ending
        assert [row.address for row in await rows(store, refused)] == ["first", "second"]

    async def test_a_failing_storage_is_nobody_elses_trouble(
        self, store: Store, refusals: Refusals, clock: HandClock
    ) -> None:
        """What cannot be written is dropped; the next second is written again."""
        failing = True

        def fails(_statement: str) -> BaseException | None:
            return disk_failure() if failing else None

        with faults(store, fails):
            async with refusals:
                refuse(refusals, "lost")
                await eventually(lambda: clock.asleep)
                failing = False
                refuse(refusals, "kept")
                clock.advance(WRITE_EVERY)
                await eventually(lambda: not refusals._waiting)
        assert [row.address for row in await rows(store, refused)] == ["kept"]

    async def test_a_storage_that_fails_at_the_end(self, store: Store, refusals: Refusals) -> None:
        """A storage that is gone does not keep the server from ending."""
        with faults(store, lambda _statement: disk_failure()):
            async with refusals:
                refuse(refusals)

    async def test_nothing_is_written_for_nothing(self, store: Store, refusals: Refusals) -> None:
        """Without refusals there is no writing transaction."""
        with writes_of(store) as begun:
            async with refusals:
                await asyncio.sleep(0.02)
        assert begun == []
