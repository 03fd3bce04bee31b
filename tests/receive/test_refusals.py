"""A bounded memory of what did not authenticate, and the limit for each address."""

import asyncio
import hashlib
import hmac
import json
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from casebell.clock import iso
from casebell.errors import (
    EncodedBody,
    NotThere,
    SecretMismatch,
    SignatureMismatch,
    SignatureMissing,
    TooManyRefusals,
)
from casebell.events import Delivery
from casebell.receive import refusals as module
from casebell.receive.refusals import (
    LOOK_EVERY,
    MAX_NAMES,
    MAX_TEXT,
    MAX_WAITING_BYTES,
    MAX_WAITING_UNPROVEN,
    MAX_WAITING_UNPROVEN_BYTES,
    SINGLE_AN_HOUR,
    WRITE_EVERY,
    Refusals,
)
from casebell.receive.signatures import Authenticator
from casebell.settings import SourceSettings
from casebell.store import refused as memory
from casebell.store import schema
from casebell.store.engine import Store
from casebell.store.refused import TALLY_KIND
from casebell.store.schema import journal, keys, refused
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import (
    disk_failure,
    failing_statements,
    has_waiters,
    is_idle,
    read_table,
    recorded_transactions,
    store_in,
)
from contracts.writing import writing
from receive.builders import (
    BOTH,
    NOW,
    SHARED_SECRET,
    SIGNED_AT,
    authorization_header,
    make_delivery,
    make_source,
    make_torch,
    sign,
)
from waiting import TIMEOUT, until

PER_MINUTE = 3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    """Turned by hand."""
    return ManualClock(NOW)


@pytest.fixture
def refusals(store: Store, clock: ManualClock) -> Refusals:
    """Not started."""
    return Refusals(store=store, clock=clock, log=RecordingLog().log, per_minute=lambda: PER_MINUTE)


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

    def test_an_ipv6_network_by_itself(self, refusals: Refusals) -> None:
        """Whoever has one address of a /64 has all of them; a neighbour's network is another."""
        assert [limited(refusals, f"2001:db8::{n}") for n in range(5)] == [*[False] * 3, True, True]
        assert not limited(refusals, "2001:db8:0:1::1")

    def test_the_minute_ends(self, refusals: Refusals, clock: ManualClock) -> None:
        """After a minute the count begins anew, also for who never stopped."""
        for _ in range(60):
            limited(refusals)
            clock.advance(0.99)
        assert limited(refusals)
        clock.advance(0.61)
        assert not limited(refusals)

    def test_a_clock_that_is_set_back_locks_nobody_out(
        self, refusals: Refusals, clock: ManualClock
    ) -> None:
        """Minutes are counted on the clock that never jumps."""
        for _ in range(4):
            limited(refusals)
        clock.set_back(3_600)
        clock.advance(60)
        assert not limited(refusals)

    def test_memory_is_bounded(self, refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
        """More addresses than are remembered push out the one unseen for longest."""
        monkeypatch.setattr(module, "MAX_NETWORKS", 3)
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
        for number in range(12_000):
            refuse(refusals, f"2001:db8:0:{number:x}::1")
        before, _ = tracemalloc.get_traced_memory()
        for number in range(12_000, 24_000):
            refuse(refusals, f"2001:db8:0:{number:x}::1")
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(refusals._windows) == module.MAX_NETWORKS
        assert len(refusals._waiting) == MAX_WAITING_UNPROVEN
        assert after - before < 500_000


class TestMemory:
    """What is written of them."""

    async def test_what_is_kept(self, store: Store, refusals: Refusals) -> None:
        """Time, source, error, address, request and body; nothing of its headers."""
        delivery = make_delivery(
            b"vermilion forgery", [(b"authorization", b"Bearer celadon")], address="192.0.2.7"
        )
        async with refusals:
            refusals.note(delivery, SecretMismatch())
        (row,) = await read_table(store, refused)
        assert row._asdict() == {
            "id": 1,
            "at": NOW,
            "source": "parley",
            "error": "secret_mismatch",
            "address": "192.0.2.7",
            "request_id": "req_1",
            "body_sha256": hashlib.sha256(delivery.body).hexdigest(),
            "body_size": 17,
            "idempotency_key": None,
            "signature": None,
            "secret_digest": None,
            "notified_at": None,
            "readmitted_at": None,
            "event_id": None,
            "held_id": None,
            "body": b"vermilion forgery",
            "seen": '{"headers":["authorization"]}',
            "network": "192.0.2.7",
        }
        (entry,) = await read_table(store, journal)
        assert (entry.kind, entry.actor) == ("delivery.refused", "address:192.0.2.7")
        assert json.loads(entry.data)["error"] == "secret_mismatch"
        assert "vermilion" not in str(entry)
        assert "celadon" not in str(entry) + str(row)

    async def test_what_was_over_the_limit_is_not_kept(
        self, store: Store, refusals: Refusals
    ) -> None:
        """Beyond the limit of its address a refusal leaves no row."""
        async with refusals:
            for _ in range(10):
                limited(refusals)
        assert len(await read_table(store, refused)) == PER_MINUTE

    async def test_one_small_transaction_a_second(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """However many come, the disk is written once, and again a second later."""
        with recorded_transactions(store) as begun:
            async with refusals:
                refuse(refusals, "first")
                await until(lambda: clock.asleep, "a loop that waits")
                assert clock.asleep == [WRITE_EVERY]
                for number in range(MAX_WAITING_UNPROVEN + 100):
                    refuse(refusals, f"flood-{number}")
                # It had the time to write: a whole reading went through the database.
                assert len(await read_table(store, refused)) == 1
                assert len(begun) == 1
                clock.advance(WRITE_EVERY)
                await until(lambda: len(begun) == 2, "the second write")
        assert len(await read_table(store, refused)) == 1 + MAX_WAITING_UNPROVEN

    async def test_a_flood_is_counted_in_the_journal(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """A few have an entry each; one entry counts the others, kept or not."""
        async with refusals:
            refuse(refusals, "first")
            await until(lambda: clock.asleep, "a loop that waits")
            for number in range(MAX_WAITING_UNPROVEN + 100):
                refuse(refusals, f"flood-{number}")
            clock.advance(WRITE_EVERY)
            await until(lambda: not refusals._waiting, "the refusals to be written")
        *single, tally = await read_table(store, journal)
        assert [entry.kind for entry in single] == ["delivery.refused"] * SINGLE_AN_HOUR
        assert single[0].actor == "address:first"
        assert (tally.kind, tally.actor, tally.subject) == (
            "deliveries.refused",
            "server",
            "sources",
        )
        counted = MAX_WAITING_UNPROVEN + 101 - SINGLE_AN_HOUR
        assert json.loads(tally.data) == {
            "count": counted,
            "refused": {"parley": {"signature_missing": counted}},
            "addresses": MAX_WAITING_UNPROVEN + 1 - SINGLE_AN_HOUR,
            "since": iso(NOW),
        }

    async def test_what_came_after_an_entry_that_counts_is_counted_a_minute_later(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """Also where nothing more comes."""

        async def written() -> bool:
            clock.advance(WRITE_EVERY)
            return not refusals._waiting and is_idle(refusals._loop._wakeup)

        async def tallies() -> list[int]:
            clock.advance(LOOK_EVERY)
            entries = await read_table(store, journal)
            return [json.loads(e.data)["count"] for e in entries if e.kind == TALLY_KIND]

        async def two() -> bool:
            return len(await tallies()) == 2

        async with refusals:
            for number in range(SINGLE_AN_HOUR + 3):
                refuse(refusals, f"a-{number}")
            await until(written, "the first of them to be written")
            for number in range(5):
                refuse(refusals, f"b-{number}")
            await until(written, "the others to be written")
            assert len(await read_table(store, refused)) == SINGLE_AN_HOUR + 8
            await until(two, "the second entry")
            assert await tallies() == [3, 5]

    async def test_the_newest_are_kept(
        self,
        store: Store,
        refusals: Refusals,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The table holds so many and no more; the oldest go."""
        monkeypatch.setattr(memory, "UNPROVEN_BOUNDS", replace(memory.UNPROVEN_BOUNDS, count=500))
        async with refusals:
            for batch in range(5):
                for number in range(MAX_WAITING_UNPROVEN):
                    refuse(refusals, f"{batch}-{number}")
                await until(
                    lambda: not refusals._waiting and clock.asleep, "the refusals to be written"
                )
                clock.advance(WRITE_EVERY)
        kept = await read_table(store, refused)
        assert len(kept) == 500
        assert kept[-1].address == f"4-{MAX_WAITING_UNPROVEN - 1}"

    async def test_the_end_writes_what_waits(self, store: Store, refusals: Refusals) -> None:
        """Refusals that came within the last second are written at the end."""
        async with refusals:
            refuse(refusals, "first")
            await until(lambda: not refusals._waiting, "the refusals to be written")
            refuse(refusals, "last")
        assert [row.address for row in await read_table(store, refused)] == ["first", "last"]

    async def test_an_end_in_the_middle_of_a_write(self, store: Store, refusals: Refusals) -> None:
        """What was taken from the queue when the end came is written, once."""
        async with writing(store):
            # The writer is busy, so that the refusals' own write has begun and waits.
            await refusals.__aenter__()
            refuse(refusals, "first")
            await until(lambda: not refusals._waiting, "the refusals to be written")
            refuse(refusals, "second")
            ending = asyncio.create_task(refusals.__aexit__())
            await until(lambda: has_waiters(refusals._writing), "the end to begin")
        await ending
        assert [row.address for row in await read_table(store, refused)] == ["first", "second"]

    @pytest.mark.parametrize("ticks", range(6))
    async def test_an_end_in_the_same_instant(
        self, store: Store, refusals: Refusals, ticks: int
    ) -> None:
        """A refusal that comes as the server ends neither keeps it from ending nor is lost."""
        async with asyncio.timeout(TIMEOUT):
            async with refusals:
                await until(
                    lambda: is_idle(refusals._loop._wakeup), "the loop to wait for refusals"
                )
                refuse(refusals)
                # So many turns of the loop: each is another moment to end in.
                for _ in range(ticks):
                    await asyncio.sleep(0)
        assert len(await read_table(store, refused)) == 1

    async def test_a_failing_storage_is_nobody_elses_trouble(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """What cannot be written is dropped; the next second is written again."""
        failing = True

        def fails(_statement: str) -> BaseException | None:
            return disk_failure() if failing else None

        with failing_statements(store, fails):
            async with refusals:
                refuse(refusals, "lost")
                await until(lambda: clock.asleep, "a loop that waits")
                failing = False
                refuse(refusals, "kept")
                clock.advance(WRITE_EVERY)
                await until(lambda: not refusals._waiting, "the refusals to be written")
        assert [row.address for row in await read_table(store, refused)] == ["kept"]

    async def test_a_storage_that_fails_at_the_end(self, store: Store, refusals: Refusals) -> None:
        """A storage that is gone does not keep the server from ending."""
        with failing_statements(store, lambda _statement: disk_failure()):
            async with refusals:
                refuse(refusals)

    async def test_nothing_is_written_for_nothing(self, store: Store, refusals: Refusals) -> None:
        """Without refusals there is no writing transaction."""
        with recorded_transactions(store) as begun:
            async with refusals:
                await until(
                    lambda: is_idle(refusals._loop._wakeup), "the loop to wait for refusals"
                )
        assert begun == []

    async def test_old_ones_go_by_themselves(
        self, store: Store, clock: ManualClock, refusals: Refusals, tmp_path: Path
    ) -> None:
        """A server that starts forgets what is too old, without waiting for a new refusal."""
        async with refusals:
            refuse(refusals)
        clock.advance(8 * 86_400)
        async with Refusals(
            store=store, clock=clock, log=RecordingLog().log, per_minute=lambda: PER_MINUTE
        ):
            await until(lambda: nothing_in(store), "the old refusals to go")


class TestInARow:
    """What is counted since the last authentic delivery."""

    async def counted(self, store: Store) -> dict[str, dict[str, int]]:
        """By source and error."""
        return {
            row.source: json.loads(row.errors) for row in await read_table(store, schema.streaks)
        }

    async def test_every_refusal_counts(self, store: Store, refusals: Refusals) -> None:
        """Also what is answered 429, what was never a delivery, and what is only counted."""
        async with refusals:
            for _ in range(PER_MINUTE + 2):
                limited(refusals)
            refusals.note_request(EncodedBody(), source="parley", address="192.0.2.7")
            refusals.note_request(NotThere(), source="unknown", address="192.0.2.7", path="/x")
            refusals.note_request(NotThere(), source="noise", address="192.0.2.7", kept=False)
            for number in range(module.MAX_WAITING_UNPROVEN + 100):
                refuse(refusals, f"flood-{number}")
        assert await self.counted(store) == {
            "parley": {
                "signature_missing": PER_MINUTE + module.MAX_WAITING_UNPROVEN + 100,
                "too_many_refusals": 2,
                "encoded_body": 1,
            },
            "unknown": {"not_found": 1},
            "noise": {"not_found": 1},
        }
        assert "noise" not in {row.source for row in await read_table(store, refused)}

    async def test_an_authentic_delivery_begins_anew(
        self, store: Store, refusals: Refusals
    ) -> None:
        """Also within one write; another source's changes nothing."""
        async with refusals:
            for _ in range(2):
                refuse(refusals)
            refusals.authentic("torch")

            async def two() -> bool:
                return await self.counted(store) == {"parley": {"signature_missing": 2}}

            await until(two, "both to be counted")
            refusals.authentic("parley")
            refuse(refusals)
        assert await self.counted(store) == {"parley": {"signature_missing": 1}}

    async def test_an_authentic_delivery_writes_nothing_without_a_streak(
        self, store: Store, refusals: Refusals
    ) -> None:
        """Nearly always there is none, and it costs nothing."""
        async with refusals:
            await until(lambda: is_idle(refusals._loop._wakeup), "the loop to wait for refusals")
            with recorded_transactions(store) as begun:
                for _ in range(3):
                    refusals.authentic("parley")
                assert not refusals._loop._wakeup.is_set()
        assert begun == []

    async def test_a_restart_forgets_nothing(self, store: Store, clock: ManualClock) -> None:
        """The first authentic delivery after it ends what came before it."""
        for _ in range(2):
            async with fresh(store, clock) as refusals:
                refuse(refusals)
        assert await self.counted(store) == {"parley": {"signature_missing": 2}}
        async with fresh(store, clock) as refusals:
            refusals.authentic("parley")
        assert await self.counted(store) == {"parley": {}}

    async def test_before_it_could_look(self, store: Store, clock: ManualClock) -> None:
        """Where the storage is down at the start, an authentic delivery ends what came before."""
        async with fresh(store, clock) as refusals:
            refuse(refusals)
        failing = True

        def fails(statement: str) -> BaseException | None:
            return disk_failure() if failing and "FROM streaks" in statement else None

        with failing_statements(store, fails, writer=False):
            async with fresh(store, clock) as refusals:
                refusals.authentic("parley")
                refusals.authentic("torch")
                failing = False
        assert await self.counted(store) == {"parley": {}}

    async def test_an_authentic_delivery_to_another_server_ends_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        """A server looks now and then at what the others count."""
        async with fresh(store, clock) as one, fresh(store, ManualClock(NOW)) as other:
            refuse(other)
            await until(lambda: not other._waiting, "the refusal to be written")

            async def seen() -> bool:
                clock.advance(LOOK_EVERY)
                return "parley" in one._in_a_row

            await until(seen, "the first server to see it")
            one.authentic("parley")
        assert await self.counted(store) == {"parley": {}}

    async def test_a_failing_storage_loses_no_count(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """What could not be written is added to the next write."""
        failing = True

        def fails(_statement: str) -> BaseException | None:
            return disk_failure() if failing else None

        with failing_statements(store, fails):
            async with refusals:
                refuse(refusals)
                await until(lambda: clock.asleep, "a loop that waits")
                failing = False
                refuse(refusals)
        assert await self.counted(store) == {"parley": {"signature_missing": 2}}

    async def test_what_is_kept_of_a_request(self, store: Store, refusals: Refusals) -> None:
        """Names of headers and what was asked, each short; no value of a header."""
        async with refusals:
            refusals.note_request(
                NotThere(),
                source="unknown",
                address="192.0.2.7",
                headers=[(b"x-%d" % number, b"vermilion") for number in range(100)],
                path="/" + "a" * 1_000,
                method="POST",
                what="",
            )
        (row,) = await read_table(store, refused)
        seen = json.loads(row.seen)
        assert (row.source, row.error, row.body) == ("unknown", "not_found", None)
        assert seen["headers"] == [f"x-{number}" for number in range(MAX_NAMES)]
        assert (len(seen["path"]), seen["method"], "what" in seen) == (MAX_TEXT, "POST", False)
        assert "vermilion" not in str(row)


def fresh(store: Store, clock: ManualClock) -> Refusals:
    """Those of a server that starts."""
    return Refusals(store=store, clock=clock, log=RecordingLog().log, per_minute=lambda: PER_MINUTE)


async def nothing_in(store: Store) -> bool:
    """Whether no refusal is remembered."""
    return not await read_table(store, refused)


#: A password of somebody's that came where a signature or a secret was expected.
PASSWORD = b"cm9iaW46dmVybWlsaW9uLXBhc3N3b3JkLW9mLWEtcGVyc29u"
BODY = b'{"id": "evt_1"}'


def judged(refusals: Refusals, source: SourceSettings, *headers: tuple[bytes, bytes]) -> None:
    """A refusal with what the source's authenticator makes of its headers."""
    delivery = make_delivery(BODY, headers, source=source.name)
    error = SignatureMismatch()
    refusals.note(delivery, error, presented=Authenticator(source).presented)


class TestProof:
    """What is kept of credentials, so that they can be checked again."""

    async def kept(
        self,
        store: Store,
        refusals: Refusals,
        source: SourceSettings,
        *headers: tuple[bytes, bytes],
    ) -> Any:
        """The row of a refusal with these headers."""
        async with refusals:
            judged(refusals, source, *headers)
        return (await read_table(store, refused))[-1]

    async def test_a_signature(self, store: Store, refusals: Refusals) -> None:
        """The signature itself in one spelling, the whole body, and the Idempotency-Key."""
        row = await self.kept(
            store,
            refusals,
            make_source(),
            authorization_header(BODY),
            (b"idempotency-key", b"key-1"),
        )
        assert row.signature == f"t={SIGNED_AT},v1={sign(BODY)}"
        assert (bytes(row.body), row.idempotency_key) == (BODY, "key-1")
        assert row.secret_digest is None
        assert await read_table(store, keys) == []

    @pytest.mark.parametrize(
        "value",
        [
            b"Basic " + PASSWORD,
            b"Bearer " + PASSWORD,
            b"Parley-Signature=t=1,v1=" + PASSWORD,
            b"Basic " + PASSWORD + b", v1=" + PASSWORD,
            PASSWORD,
            b"v1=" + PASSWORD,
        ],
    )
    async def test_what_is_no_signature(
        self, store: Store, refusals: Refusals, tmp_path: Path, value: bytes
    ) -> None:
        """Other credentials are somebody's password: of such a delivery the body alone is kept."""
        row = await self.kept(store, refusals, make_source(), (b"authorization", value))
        assert (row.signature, row.secret_digest, bytes(row.body)) == (None, None, BODY)
        assert PASSWORD not in everything(tmp_path)

    async def test_a_password_beside_a_signature(
        self, store: Store, refusals: Refusals, tmp_path: Path
    ) -> None:
        """Where a proxy folds both into one header, the signature alone is kept."""
        name, value = authorization_header(BODY, secret="another-secret-of-the-same-kind")
        row = await self.kept(
            store, refusals, make_source(), (name, b"Basic " + PASSWORD + b", " + value)
        )
        assert row.signature is not None
        assert bytes(row.body) == BODY
        assert PASSWORD not in everything(tmp_path)

    async def test_a_shared_secret(self, store: Store, refusals: Refusals, tmp_path: Path) -> None:
        """Only its digest under this database's key, so that equal secrets can be told."""
        mistyped = (b"x-torch-secret", SHARED_SECRET.encode() + b"-mistyped")
        row = await self.kept(store, refusals, make_torch(), mistyped)
        (key,) = await read_table(store, keys)
        assert row.secret_digest == hmac.new(key.key, mistyped[1], "sha256").hexdigest()
        assert bytes(row.body) == BODY
        assert b"mistyped" not in everything(tmp_path)
        assert SHARED_SECRET.encode() not in everything(tmp_path)

    @pytest.mark.parametrize(
        "headers",
        [
            [b""],
            [b"fifteen-bytes--"],
            [b"Basic " + PASSWORD],
            [b"one-secret-of-two", b"another-secret-of-two"],
            [b"x" * 4097],
        ],
    )
    async def test_what_can_be_no_secret(
        self, store: Store, refusals: Refusals, headers: list[bytes]
    ) -> None:
        """No digest is kept that no configured secret could match, or that could be guessed."""
        named = [(b"x-torch-secret", value) for value in headers]
        row = await self.kept(store, refusals, make_torch(), *named)
        assert (row.secret_digest, bytes(row.body)) == (None, BODY)

    async def test_both(self, store: Store, refusals: Refusals) -> None:
        """A source that takes both methods has both kept."""
        secret = (b"x-torch-secret", b"another-secret-of-torch")
        row = await self.kept(
            store, refusals, make_source(**BOTH), authorization_header(BODY), secret
        )
        assert None not in (row.signature, row.secret_digest, row.body)

    async def test_memory_is_bounded_by_bytes(
        self, store: Store, refusals: Refusals, clock: ManualClock
    ) -> None:
        """Bodies that wait to be written are never more; refusals beyond are kept without."""
        source = make_source()
        big = bytes(MAX_WAITING_BYTES // 4)

        def flood(delivery: Delivery) -> None:
            refusals.note(delivery, SignatureMismatch(), presented=Authenticator(source).presented)

        for number in range(6):
            flood(make_delivery(big, [authorization_header(b"")], address=f"flood-{number}"))
        assert refusals._waiting_bytes == MAX_WAITING_BYTES
        async with refusals:
            await until(lambda: clock.asleep, "a loop that waits")
            flood(make_delivery(big, [authorization_header(b"")], address="later"))
        written = await read_table(store, refused)
        assert [row.body is not None for row in written] == [True] * 4 + [False] * 2 + [True]
        assert all((row.body is None) == (row.signature is None) for row in written)

    async def test_what_brings_no_proof_leaves_places_to_what_does(
        self, store: Store, refusals: Refusals
    ) -> None:
        """Strangers without any credentials take half of the places, and half of the bytes."""
        source = make_source()

        def note(delivery: Delivery) -> None:
            refusals.note(delivery, SignatureMismatch(), presented=Authenticator(source).presented)

        for number in range(MAX_WAITING_UNPROVEN + 9):
            note(make_delivery(bytes(MAX_WAITING_UNPROVEN_BYTES // 4), address=f"flood-{number}"))
        signed = make_delivery(BODY, [authorization_header(BODY)])
        note(signed)
        async with refusals:
            pass
        written = await read_table(store, refused)
        assert len(written) == MAX_WAITING_UNPROVEN + 1
        assert sum(row.body is not None for row in written[:-1]) == 4
        assert (bytes(written[-1].body), written[-1].address) == (BODY, signed.address)


def everything(folder: Path) -> bytes:
    """The bytes of the database and of its side files."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("casebell.db*")))
