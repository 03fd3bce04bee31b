"""From a delivery's bytes to its durable answer: what becomes of each kind, on a real store."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from casebell.errors import (
    RefusedDelivery,
    SecretMismatch,
    ShuttingDown,
    SignatureMismatch,
    SignatureMissing,
    StorageUnavailable,
    TooManyRefusals,
    UnknownSource,
)
from casebell.events import Delivery, Flag, HeldReason, KeyBasis
from casebell.receive import parts
from casebell.receive.accept import Accepted, Receiver, Several, source_receivers
from casebell.receive.parts import Held
from casebell.receive.refusals import Refusals
from casebell.settings import SourceSettings
from casebell.store.engine import Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.rows import event_from_row
from casebell.store.schema import deliveries, events, journal, refused
from casebell.store.schema import held as held_table
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import decide_nothing
from contracts.stores import (
    disk_failure,
    failing_statements,
    read_table,
    recorded_transactions,
    store_in,
)
from receive.builders import (
    NOW,
    SHARED_SECRET,
    SIGNED_AT,
    authorization_header,
    make_delivery,
    make_source,
    make_torch,
)

RFE = {
    "id": "evt_1",
    "type": "case.rfe.issued",
    "receipt_number": "ioe-091-234-5678",
    "normalized_status": "rfe_issued",
    "raw_status_text": "Request for Additional Evidence Was Sent",
    "occurred_at": "2024-12-12T15:00:00Z",
}
DAY = 86_400


class ReceiverHarness:
    """A receiver over a store."""

    def __init__(self, store: Store, *sources: SourceSettings) -> None:
        self.store = store
        self.clock = ManualClock(NOW)
        self.log = EventLog(store=store, content_of=json_content, decide=decide_nothing)
        self.refusals = Refusals(
            store=store, clock=self.clock, log=RecordingLog().log, per_minute=lambda: 2
        )
        self.held_back = 0
        receivers = source_receivers(
            {source.name: source for source in sources or (make_source(), make_torch())}
        )
        self.receiver = Receiver(
            sources=lambda: receivers,
            store=store,
            event_log=self.log,
            refusals=self.refusals,
            clock=self.clock,
            held_back=self._hold,
        )

    def _hold(self) -> None:
        self.held_back += 1

    async def append(self, delivery: Delivery) -> Appended:
        """What became of a delivery that is understood."""
        accepted = await self.receiver.accept(delivery)
        assert isinstance(accepted, Appended)
        return accepted

    async def hold(self, delivery: Delivery) -> Held:
        """What became of one that is not."""
        accepted = await self.receiver.accept(delivery)
        assert isinstance(accepted, Held)
        return accepted

    async def count(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        tables = {
            "events": events,
            "deliveries": deliveries,
            "held": held_table,
            "refused": refused,
            "journal": journal,
        }
        return {name: len(await read_table(self.store, table)) for name, table in tables.items()}


@asynccontextmanager
async def receiving(harness: ReceiverHarness) -> AsyncIterator[ReceiverHarness]:
    """Everything behind the receiver at work."""
    async with harness.refusals, harness.log:
        yield harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ReceiverHarness]:
    """A receiver for both kinds of source."""
    async with store_in(tmp_path) as store, receiving(ReceiverHarness(store)) as ready:
        yield ready


def signed(
    content: object = RFE, *, at: int = SIGNED_AT, address: str = "192.0.2.7", **changed: Any
) -> Delivery:
    """A delivery of Parley's."""
    if isinstance(content, dict):
        content = json.dumps({**content, **changed}).encode()
    assert isinstance(content, bytes)
    return make_delivery(content, [authorization_header(content, time=at)], address=address)


def shared(content: dict[str, Any], secret: str = SHARED_SECRET) -> Delivery:
    """A delivery of Torch's."""
    body = json.dumps(content).encode()
    return make_delivery(body, [(b"x-torch-secret", secret.encode())], source="torch")


class TestStored:
    """Authentic and understood."""

    async def test_an_event_is_on_disk(self, harness: ReceiverHarness) -> None:
        """When the answer comes, the event and its journal entry are there."""
        accepted = await harness.append(signed())
        assert (accepted.status, accepted.key, accepted.event_id) == ("stored", "evt_1", 1)
        (row,) = await read_table(harness.store, events)
        assert event_from_row(row) == accepted.event
        assert (row.receipt, row.receipt_raw) == ("IOE0912345678", "ioe-091-234-5678")
        assert (row.status, row.address, row.secret_label) == ("", "192.0.2.7", "1")
        assert bytes(row.body) == json.dumps(RFE).encode()
        (entry,) = await read_table(harness.store, journal)
        assert (entry.kind, entry.subject) == ("delivery.stored", "event:1")
        assert await harness.count() == {
            "events": 1,
            "deliveries": 0,
            "held": 0,
            "refused": 0,
            "journal": 1,
        }

    async def test_a_repeat_is_a_duplicate(self, harness: ReceiverHarness) -> None:
        """The same event again is acknowledged with the same row, and on record as a delivery."""
        await harness.receiver.accept(signed())
        accepted = await harness.append(signed(at=SIGNED_AT + 20))
        assert (accepted.status, accepted.key, accepted.event_id) == ("duplicate", "evt_1", 1)
        count = await harness.count()
        assert (count["events"], count["deliveries"], count["journal"]) == (1, 1, 2)

    async def test_many_at_once_are_one_event(self, harness: ReceiverHarness) -> None:
        """However concurrently an event is delivered, it is stored once and one of them did it."""
        results = await asyncio.gather(*(harness.append(signed()) for _ in range(20)))
        assert sorted(one.status for one in results) == ["duplicate"] * 19 + ["stored"]
        assert {one.event_id for one in results} == {1}
        assert (await harness.count())["events"] == 1

    async def test_another_body_is_a_conflict(self, harness: ReceiverHarness) -> None:
        """Other content under a used id is acknowledged by that id, and kept beside the first."""
        await harness.receiver.accept(signed())
        accepted = await harness.append(signed(normalized_status="denied"))
        assert (accepted.status, accepted.key, accepted.event_id) == ("conflict", "evt_1", 2)
        first, second = await read_table(harness.store, events)
        assert second.key_basis == KeyBasis.REVISION
        assert Flag.CONFLICT in first.flags
        assert Flag.CONFLICT in second.flags

    async def test_a_stale_signature_is_flagged(self, harness: ReceiverHarness) -> None:
        """A delivery that an outage held up counts, and carries its flag."""
        accepted = await harness.append(signed(at=SIGNED_AT - 3_600))
        assert accepted.event.flags == {Flag.STALE_SIGNATURE}

    async def test_each_source_by_its_own_secret(self, harness: ReceiverHarness) -> None:
        """A source's deliveries are proven by its own means and stored under its name."""
        accepted = await harness.append(
            shared({"receipt_number": "IOE0912345678", "status_text": "Case Was Approved"})
        )
        assert (accepted.event.source, accepted.event.text) == ("torch", "Case Was Approved")


class TestHeld:
    """Authentic, but not understood: never lost."""

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"not json", HeldReason.INVALID_JSON),
            (b'{"a": "\xff"}', HeldReason.INVALID_ENCODING),
            (b"[]", HeldReason.NOT_AN_OBJECT),
            (b"{}", HeldReason.MISSING_RECEIPT),
            (b'{"receipt_number": "A012345678"}', HeldReason.INVALID_RECEIPT),
            (b'{"id": "a", "id": "b", "receipt_number": "x"}', HeldReason.DUPLICATE_KEYS),
            (b'{"id": [], "receipt_number": "IOE0912345678"}', HeldReason.INVALID_FIELD),
        ],
    )
    async def test_it_is_kept_with_its_reason(
        self, harness: ReceiverHarness, body: bytes, reason: HeldReason
    ) -> None:
        """The body stays as it came, the reason beside it, and operations are to hear."""
        accepted = await harness.hold(signed(body))
        assert (accepted.status, accepted.reason, accepted.held_id) == ("held", reason, 1)
        (row,) = await read_table(harness.store, held_table)
        assert bytes(row.body) == body
        assert (row.reason, row.state, row.times, row.secret_label) == (reason, "held", 1, "1")
        assert harness.held_back == 1
        assert (await harness.count())["events"] == 0

    @pytest.mark.parametrize(
        ("age", "reason"),
        [
            (8 * DAY, HeldReason.SIGNATURE_TOO_OLD),
            (-3_600, HeldReason.SIGNATURE_IN_FUTURE),
        ],
    )
    async def test_a_time_out_of_bounds(
        self, harness: ReceiverHarness, age: int, reason: HeldReason
    ) -> None:
        """What was signed too long ago, or tomorrow, is kept for somebody to look at."""
        accepted = await harness.hold(signed(at=SIGNED_AT - age))
        assert (accepted.status, accepted.reason) == ("held", reason)

    async def test_the_same_again_is_one_row(self, harness: ReceiverHarness) -> None:
        """A sender that repeats what cannot be understood fills no table."""
        for _ in range(3):
            accepted = await harness.hold(signed(b"not json"))
            assert accepted.held_id == 1
        (row,) = await read_table(harness.store, held_table)
        assert row.times == 3

    async def test_no_answer_without_the_disk(self, harness: ReceiverHarness) -> None:
        """Where a held delivery cannot be kept, the sender is asked to come again."""
        trouble = failing_statements(harness.store, lambda _statement: disk_failure())
        with trouble, pytest.raises(StorageUnavailable):
            await harness.receiver.accept(signed(b"not json"))
        assert harness.held_back == 0
        assert (await harness.count())["held"] == 0


class TestArray:
    """A body of several events."""

    OTHER: ClassVar = {"id": "evt_2", **{k: v for k, v in RFE.items() if k != "id"}}

    @pytest.mark.parametrize("written", ["[{0},{1}]", "\ufeff [ {0} ,\r\n\t{1}\n]\n"])
    async def test_each_is_stored_as_if_it_had_come_alone(
        self, harness: ReceiverHarness, written: str
    ) -> None:
        """In the order sent, each with its own bytes, in one transaction."""
        first, second = json.dumps(self.OTHER, indent=1), json.dumps(RFE)
        body = written.format(first, second).encode()
        with recorded_transactions(harness.store) as begun:
            accepted = await harness.receiver.accept(signed(body))
        assert said(accepted) == [("stored", "evt_2"), ("stored", "evt_1")]
        assert len(begun) == 1
        rows = await read_table(harness.store, events)
        assert [bytes(row.body).decode() for row in rows] == [first, second]
        assert {row.body_sha256 for row in rows} == {
            hashlib.sha256(one.encode()).hexdigest() for one in (first, second)
        }
        # Alone, each is known.
        for one in (first, second):
            assert (await harness.append(signed(one.encode()))).status == "duplicate"

    async def test_the_same_array_again(self, harness: ReceiverHarness) -> None:
        """A retry stores nothing new, whether the events have an id, a time or neither."""
        timed = {k: v for k, v in RFE.items() if k != "id"}
        bare = {k: v for k, v in timed.items() if k != "occurred_at"}
        body = json.dumps([RFE, timed, bare, {"id": "evt_3"}]).encode()
        first = said(await harness.receiver.accept(signed(body)))
        again = said(await harness.receiver.accept(signed(body)))
        assert [status for status, _ in first] == ["stored"] * 3 + ["held"]
        assert [status for status, _ in again] == ["duplicate"] * 3 + ["held"]
        assert [key for _, key in first] == [key for _, key in again]
        count = await harness.count()
        assert (count["events"], count["held"]) == (3, 1)
        assert harness.held_back == 2

    async def test_one_twice_in_an_array(self, harness: ReceiverHarness) -> None:
        """The second of an array may be the first again, or contradict it."""
        contradicts = {**RFE, "raw_status_text": "Case Was Approved"}
        body = json.dumps([RFE, RFE, contradicts]).encode()
        statuses = [status for status, _ in said(await harness.receiver.accept(signed(body)))]
        assert statuses == ["stored", "duplicate", "conflict"]

    async def test_an_array_of_one(self, harness: ReceiverHarness) -> None:
        """It is answered as an array."""
        assert said(await harness.receiver.accept(signed(json.dumps([RFE]).encode()))) == [
            ("stored", "evt_1")
        ]

    async def test_another_delivery_does_not_wait_for_all_of_a_long_one(
        self, harness: ReceiverHarness
    ) -> None:
        """It is stored between the events of arrays, however many come at once."""
        answered: dict[str, int] = {}

        async def take(name: str, body: bytes) -> None:
            await harness.receiver.accept(signed(body))
            answered[name] = len(begun)

        def events_of(name: str) -> bytes:
            each = ({**RFE, "id": f"{name}_{number}"} for number in range(4 * parts.TOGETHER))
            return json.dumps(list(each)).encode()

        with recorded_transactions(harness.store) as begun:
            await asyncio.gather(
                take("a", events_of("a")),
                take("b", events_of("b")),
                take("alone", json.dumps(RFE).encode()),
            )
        assert list(answered) == ["alone", "a", "b"]
        assert answered["alone"] <= 3
        assert answered["b"] >= 8
        assert (await harness.count())["events"] == 8 * parts.TOGETHER + 1

    async def test_a_long_one_that_fails_in_the_middle(self, harness: ReceiverHarness) -> None:
        """Its sender is asked to come again; then each event is stored once, in the order sent."""
        each = [{**RFE, "id": f"evt_{number}"} for number in range(2 * parts.TOGETHER)]
        body = json.dumps([*each, {"id": "evt_last"}]).encode()

        def fails(statement: str) -> Exception | None:
            return disk_failure() if "INSERT INTO held" in statement else None

        with failing_statements(harness.store, fails), pytest.raises(StorageUnavailable):
            await harness.receiver.accept(signed(body))
        accepted = await harness.receiver.accept(signed(body))
        assert [status for status, _ in said(accepted)] == ["duplicate"] * len(each) + ["held"]
        keys = [row.key for row in await read_table(harness.store, events)]
        assert keys == [one["id"] for one in each]

    async def test_a_short_one_is_stored_whole_or_not_at_all(
        self, harness: ReceiverHarness
    ) -> None:
        """Where one cannot be stored, none is, and the sender is asked to come again."""
        body = json.dumps([RFE, {"id": "evt_3"}]).encode()

        def fails(statement: str) -> Exception | None:
            return disk_failure() if "INSERT INTO held" in statement else None

        with failing_statements(harness.store, fails), pytest.raises(StorageUnavailable):
            await harness.receiver.accept(signed(body))
        assert set((await harness.count()).values()) == {0}
        accepted = await harness.receiver.accept(signed(body))
        assert [status for status, _ in said(accepted)] == ["stored", "held"]

    @pytest.mark.parametrize("body", ["[]", "[1]", "[[{}]]", "[{},null]", '["{}"]', "[ ]"])
    async def test_an_array_of_other_things_is_held_whole(
        self, harness: ReceiverHarness, body: str
    ) -> None:
        """Nothing says what of it would be an event."""
        accepted = await harness.hold(signed(body.encode()))
        assert accepted.reason is HeldReason.NOT_AN_OBJECT
        assert (await harness.count())["held"] == 1

    async def test_a_long_array_is_held_whole(
        self, harness: ReceiverHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One transaction writes no more than it can."""
        monkeypatch.setattr(parts, "MAX_EVENTS", 2)
        body = json.dumps([RFE, self.OTHER, {}]).encode()
        assert (await harness.hold(signed(body))).reason is HeldReason.TOO_MANY_EVENTS

    async def test_out_of_time(self, harness: ReceiverHarness) -> None:
        """The age of the signature holds each of them."""
        body = json.dumps([RFE, self.OTHER]).encode()
        accepted = await harness.receiver.accept(signed(body, at=SIGNED_AT - 8 * DAY))
        assert said(accepted) == [("held", "signature_too_old")] * 2


class TestProviderTest:
    """A provider's own test."""

    async def test_is_kept_and_closed(self, harness: ReceiverHarness) -> None:
        """Its sender is told so; it waits for nobody, and the same again is the same row."""
        for _ in range(2):
            accepted = await harness.hold(signed(b'{"type": "ping"}'))
            assert accepted.reason is HeldReason.PROVIDER_TEST
        (row,) = await read_table(harness.store, held_table)
        assert (row.state, row.reason, row.times) == ("closed", "provider_test", 2)
        assert bytes(row.body) == b'{"type": "ping"}'
        assert row.resolved_at == NOW


def said(accepted: Accepted) -> list[tuple[str, str]]:
    """Status, and key or reason, of each event of an array."""
    assert isinstance(accepted, Several)
    return [(one.status, one.reason if isinstance(one, Held) else one.key) for one in accepted.each]


class TestRefused:
    """Not authentic."""

    async def test_forged(self, harness: ReceiverHarness) -> None:
        """What does not authenticate is an error and nothing more: no event, nothing held."""
        forged = make_delivery(json.dumps(RFE).encode(), [authorization_header(b"other bytes")])
        with pytest.raises(SignatureMismatch):
            await harness.receiver.accept(forged)
        with pytest.raises(SignatureMissing):
            await harness.receiver.accept(make_delivery(b"not json"))
        await harness.refusals._write()
        assert await harness.count() == {
            "events": 0,
            "deliveries": 0,
            "held": 0,
            "refused": 2,
            "journal": 2,
        }

    async def test_another_sources_credentials(self, harness: ReceiverHarness) -> None:
        """A secret opens its own source only."""
        with pytest.raises(SecretMismatch):
            await harness.receiver.accept(shared(RFE, "sample-webhook-secret-parley"))

    async def test_the_authentic_are_never_limited(self, harness: ReceiverHarness) -> None:
        """An address that forges is told to wait; its authentic deliveries are taken."""
        forged = make_delivery(b"{}", [authorization_header(b"other bytes")])
        answers: list[type[Exception]] = []
        for _ in range(5):
            try:
                await harness.receiver.accept(forged)
            except (RefusedDelivery, TooManyRefusals) as error:
                answers.append(type(error))
        assert answers == [SignatureMismatch] * 2 + [TooManyRefusals] * 3
        assert (await harness.receiver.accept(signed())).status == "stored"
        assert (await harness.receiver.accept(signed(b"not json"))).status == "held"
        # And being authentic does not forgive the others.
        with pytest.raises(TooManyRefusals):
            await harness.receiver.accept(forged)

    async def test_an_unknown_source(self, harness: ReceiverHarness) -> None:
        """A name that no source has leaves no trace at all."""
        stranger = make_delivery(b"{}", source="parley-eu")
        assert not harness.receiver.knows("parley-eu")
        with pytest.raises(UnknownSource):
            await harness.receiver.accept(stranger)
        await harness.refusals._write()
        assert set((await harness.count()).values()) == {0}


class TestInARow:
    """What ends the refusals of a source in a row, and shows that it delivers."""

    LATER = 2 * 3_600
    ARRAY = json.dumps([RFE, {**RFE, "id": "evt_2"}]).encode()

    async def ends(self, harness: ReceiverHarness, delivery: Delivery) -> bool:
        """Whether a delivery ends a row of refusals."""
        harness.receiver.last_delivery.clear()
        forged = make_delivery(b"{}", [authorization_header(b"forged")], source=delivery.source)
        with pytest.raises((RefusedDelivery, TooManyRefusals)):
            await harness.receiver.accept(forged)
        assert delivery.source in harness.refusals._in_a_row
        await harness.receiver.accept(delivery)
        ended = delivery.source not in harness.refusals._in_a_row
        assert ended is (delivery.source in harness.receiver.last_delivery)
        return ended

    @pytest.mark.parametrize("body", [json.dumps(RFE).encode(), b'{"id": "?"}', ARRAY])
    async def test_a_replay_ends_nothing(self, harness: ReceiverHarness, body: bytes) -> None:
        """Whoever captured a delivery, understood or held, can post it for ever.

        After a week it is held for its time, as something new.
        """
        captured = signed(body)
        assert await self.ends(harness, captured)
        harness.clock.advance(self.LATER)
        assert not await self.ends(harness, captured)
        harness.clock.advance(8 * DAY)
        assert not await self.ends(harness, captured)

    async def test_what_was_waiting_for_hours_is_news(self, harness: ReceiverHarness) -> None:
        """A provider that repeats what never arrived is delivering, however old it is."""
        harness.clock.advance(self.LATER)
        assert await self.ends(harness, signed())
        assert await self.ends(harness, signed(raw_status_text="Case Was Approved"))
        assert await self.ends(harness, signed(self.ARRAY))
        assert await self.ends(harness, signed(b'{"id": "?"}'))

    async def test_what_is_held_for_its_time_ends_nothing(self, harness: ReceiverHarness) -> None:
        """Also where it never came before: of such a delivery a person judges."""
        assert not await self.ends(harness, signed(at=SIGNED_AT + 8 * DAY))
        assert not await self.ends(harness, signed(at=SIGNED_AT - 8 * DAY))

    async def test_a_repeat_with_a_proof_of_today(self, harness: ReceiverHarness) -> None:
        """A signature of this minute, or the shared secret, whose holder needs no replay."""
        for _ in range(2):
            assert await self.ends(harness, signed())
            assert await self.ends(harness, shared({**RFE, "id": "evt_torch"}))
            harness.clock.advance(60)


class TestTrouble:
    """Storage trouble is an answer that brings the sender back."""

    async def test_no_commit_no_answer(self, harness: ReceiverHarness) -> None:
        """A commit that fails is an error; the same delivery is stored when the disk is back."""
        trouble = failing_statements(harness.store, lambda _statement: disk_failure())
        with trouble, pytest.raises(StorageUnavailable):
            await harness.receiver.accept(signed())
        assert (await harness.count())["events"] == 0
        assert (await harness.receiver.accept(signed())).status == "stored"

    async def test_after_the_end(self, tmp_path: Path) -> None:
        """A receiver whose log has closed takes nothing."""
        async with store_in(tmp_path) as store:
            harness = ReceiverHarness(store)
            async with receiving(harness):
                pass
            with pytest.raises(ShuttingDown):
                await harness.receiver.accept(signed())
