"""Held deliveries, tried again with today's configuration."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from casebell.errors import NotFound, Refusal
from casebell.events import AppendOutcome, Flag, HeldReason, VerifiedDelivery
from casebell.receive import parts
from casebell.receive.parts import BATCH
from casebell.receive.release import Release, Releases, choose
from casebell.settings import FieldMap, Settings, SourceSettings
from casebell.store import held
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.rows import event_from_row
from casebell.store.schema import events, journal
from casebell.store.schema import held as held_table
from contracts.actors import ADMIN
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock
from contracts.decisions import decide_nothing
from contracts.stores import read_table, store_in
from contracts.writing import writing
from receive.builders import NOW, make_delivery, make_source

SECOND = 1_000_000
#: The receipt stands where today's field map does not look.
SAID = {"beneficiary": {"receipt": "IOE0912345678"}, "normalized_status": "other"}
BODY = json.dumps({"id": "evt_1", **SAID}).encode()
MENDED = FieldMap(receipt=("beneficiary.receipt",))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


def settings(*sources: SourceSettings) -> Settings:
    """A configuration with these sources."""
    return Settings(
        sources={source.name: source for source in sources},
        path=Path("/config.toml"),
        base_dir=Path("/"),
        sha256="",
    )


AS_IT_WAS = settings(make_source())
MENDED_SETTINGS = settings(make_source(fields=MENDED))


async def hold(
    store: Store,
    body: bytes = BODY,
    *,
    reason: HeldReason = HeldReason.MISSING_RECEIPT,
    **fields: Any,
) -> int:
    """Hold a delivery as the receiver does."""
    verified = VerifiedDelivery(delivery=make_delivery(body), secret_label="2026", **fields)
    async with writing(store) as connection:
        kept = await held.hold(
            connection,
            verified,
            reason=reason,
            detail="",
            body_sha256=hashlib.sha256(body).hexdigest(),
            idempotency_key="key-1",
        )
    return kept.held_id


async def released(
    store: Store, held_id: int = 1, *, within: Settings = MENDED_SETTINGS
) -> Release:
    """Release one that is one event."""
    (one,) = await release(store, held_id, within=within)
    return one


async def release(store: Store, *ids: int, within: Settings = MENDED_SETTINGS) -> list[Release]:
    """Release some, a minute later."""
    clock = ManualClock(NOW + 60 * SECOND)
    log = EventLog(store=store, content_of=json_content, decide=decide_nothing)
    releases = Releases(store=store, settings=within, event_log=log, clock=clock, actor=ADMIN)
    return await releases.release(ids)


async def test_an_event_comes_of_it(store: Store) -> None:
    """After the fix it is an event, with everything that was known of the delivery."""
    await hold(store, flags=frozenset({Flag.STALE_SIGNATURE}))
    assert await released(store) == Release(held_id=1, status="stored", event_id=1)
    (row,) = await read_table(store, events)
    event = event_from_row(row)
    assert (event.receipt, event.body) == ("IOE0912345678", BODY)
    assert (event.secret_label, event.address, event.request_id) == ("2026", "192.0.2.7", "req_1")
    assert event.idempotency_key == "key-1"
    assert event.received_at == NOW
    assert event.flags == {Flag.STALE_SIGNATURE}


async def test_it_is_resolved(store: Store) -> None:
    """The held delivery is closed, points to its event, and keeps its body; who did it is known."""
    await hold(store)
    await released(store)
    (row,) = await read_table(store, held_table)
    assert (row.state, row.event_id, row.resolved_at) == ("released", 1, NOW + 60 * SECOND)
    assert bytes(row.body) == BODY
    last = (await read_table(store, journal))[-1]
    assert (last.kind, last.actor, last.subject) == ("delivery.released", ADMIN.name, "held:1")
    kinds = [entry.kind for entry in await read_table(store, journal)]
    assert kinds == ["delivery.held", "delivery.stored", "delivery.released"]


async def test_it_stays_held_while_it_cannot_be_understood(store: Store) -> None:
    """Without a fix nothing changes, and the answer says why and what to do."""
    await hold(store)
    one = await released(store, within=AS_IT_WAS)
    assert one.status == "still_held"
    assert one.problem == (
        "No receipt under a known name. Fields that came: id, beneficiary.receipt, "
        "normalized_status. Try under [sources.parley]: "
        'fields = { receipt = ["beneficiary.receipt", "receipt_number", "data.receipt_number", '
        '"receipt", "data.receipt"] }'
    )
    assert "[sources.NAME.fields]" in one.hint
    (row,) = await read_table(store, held_table)
    assert row.state == "held"
    assert await read_table(store, events) == []
    assert len(await read_table(store, journal)) == 1


@pytest.mark.parametrize("reason", [HeldReason.SIGNATURE_TOO_OLD, HeldReason.SIGNATURE_IN_FUTURE])
async def test_the_operator_vouches_for_its_age(store: Store, reason: HeldReason) -> None:
    """What was held for its signature's time only is released as it is."""
    body = json.dumps(
        {"id": "evt_1", "receipt_number": "IOE0912345678", "normalized_status": "other"}
    ).encode()
    await hold(store, body, reason=reason, hold=reason)
    assert (await released(store, within=AS_IT_WAS)).status == AppendOutcome.STORED


async def test_it_may_have_come_otherwise_meanwhile(store: Store) -> None:
    """An event that was delivered again in good order is not stored a second time."""
    await hold(store)
    again = json.dumps({**SAID, "id": "evt_1"}).encode()
    await hold(store, again)
    assert (await released(store, 1)).status == AppendOutcome.STORED
    second = await released(store, 2)
    assert (second.status, second.event_id) == (AppendOutcome.DUPLICATE, 1)
    assert [row.event_id for row in await read_table(store, held_table)] == [1, 1]


async def test_it_may_contradict_what_came_meanwhile(store: Store) -> None:
    """Other content under the same id is kept as a revision, to which the held delivery points."""
    await hold(store)
    other = json.dumps(
        {"id": "evt_1", "beneficiary": {"receipt": "IOE0912345678"}, "status_text": "x"}
    ).encode()
    await hold(store, other)
    await released(store, 1)
    second = await released(store, 2)
    assert (second.status, second.event_id) == (AppendOutcome.CONFLICT, 2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", HeldReason.INVALID_JSON),
        (b"\xff", HeldReason.INVALID_ENCODING),
        (b"[]", HeldReason.NOT_AN_OBJECT),
    ],
)
async def test_the_hint_fits_the_reason(store: Store, body: bytes, reason: HeldReason) -> None:
    """No field map makes these readable: the hint leads to their end."""
    await hold(store, body, reason=reason)
    one = await released(store)
    assert (one.status, one.event_id) == ("still_held", None)
    assert one.hint.endswith("then `casebell held discard 1`.")


async def test_an_array_that_was_held_is_its_events(store: Store) -> None:
    """Each is what it would have been alone; what cannot be understood is held by itself."""
    other = json.dumps({"id": "evt_2", **SAID}, indent=1).encode()
    body = b"[ %b, {},\n%b]" % (BODY, other)
    await hold(store, body, reason=HeldReason.NOT_AN_OBJECT)
    assert await release(store, 1) == [
        Release(held_id=1, status="stored", event_id=1),
        Release(held_id=1, status="held", part=2),
        Release(held_id=1, status="stored", event_id=2),
    ]
    assert [bytes(row.body) for row in await read_table(store, events)] == [BODY, other]
    whole, part = await read_table(store, held_table)
    assert (whole.state, whole.event_id) == ("released", 1)
    assert (part.state, part.reason, bytes(part.body)) == ("held", "missing_receipt", b"{}")


async def test_a_long_array_is_released_by_hand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is for what comes by itself."""
    monkeypatch.setattr(parts, "MAX_EVENTS", 1)
    await hold(store, b"[%b,%b]" % (BODY, BODY), reason=HeldReason.TOO_MANY_EVENTS)
    assert [one.status for one in await release(store, 1)] == ["stored", "duplicate"]


async def test_the_payload_of_a_form_is_released_by_hand(store: Store) -> None:
    """It becomes the event that it would have been as JSON, and so a repeat as JSON is known."""
    form = urlencode({"payload": BODY.decode()}).encode()
    await hold(store, form, reason=HeldReason.FORM_ENCODED)
    await hold(store, BODY)
    first, second = await release(store, 1, 2)
    assert (first.status, second.status) == ("stored", "duplicate")
    (row,) = await read_table(store, events)
    assert bytes(row.body) == BODY


@pytest.mark.parametrize("form", [b"payload=%7B%7D&x=1", b"x=%7B%7D", b"payload=x", b"a=b"])
async def test_another_form_stays_held(store: Store, form: bytes) -> None:
    """Only one that is nothing but a payload is read."""
    await hold(store, form, reason=HeldReason.FORM_ENCODED)
    assert (await released(store)).status == "still_held"


async def test_a_test_is_closed(store: Store) -> None:
    """What an earlier release held as lacking a receipt is known as a provider's test now."""
    await hold(store, b'{"type": "ping"}')
    assert await released(store) == Release(held_id=1, status="closed")
    (row,) = await read_table(store, held_table)
    assert (row.state, row.event_id) == ("closed", None)


async def test_all_of_a_reason(store: Store) -> None:
    """Oldest first, in batches; the others wait."""
    for number in range(BATCH + 2):
        await hold(store, json.dumps({"id": f"evt_{number}", **SAID}).encode())
    await hold(store, b"not json", reason=HeldReason.INVALID_JSON)
    chosen = await choose(store, (), reason=HeldReason.MISSING_RECEIPT)
    assert chosen == list(range(1, BATCH + 3))
    assert {one.status for one in await release(store, *chosen)} == {"stored"}
    assert await choose(store, (), reason=None) == [BATCH + 3]


async def test_a_source_that_is_gone(store: Store) -> None:
    """Without its source nobody could read it; the answer says what to put back."""
    await hold(store)
    await hold(store, b"not json")
    for one in await release(store, 1, 2, within=settings()):
        assert one.status == "still_held"
        assert one.problem == "Source parley is no longer in the configuration."
        assert "[sources.parley]" in one.hint


async def test_no_such_delivery(store: Store) -> None:
    """A number that no held delivery has is told as that."""
    with pytest.raises(NotFound):
        await released(store, 9)


async def test_only_once(store: Store) -> None:
    """What was released is not released again."""
    await hold(store)
    await released(store)
    with pytest.raises(Refusal, match="has been released already"):
        await released(store)
    assert len(await read_table(store, events)) == 1
