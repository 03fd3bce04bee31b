"""Refused deliveries, checked again after a secret was mended."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from casebell.errors import NotFound, RefusedDelivery
from casebell.events import Delivery, Flag
from casebell.receive.parts import BATCH
from casebell.receive.readmit import Readmission, Readmissions, choose
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.settings import Settings, SourceSettings
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.rows import event_from_row
from casebell.store.schema import deliveries, events, journal, refused
from casebell.store.schema import held as held_table
from contracts.actors import ADMIN
from contracts.case_events import case_event, json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import decide_nothing
from contracts.stores import read_table, store_in, store_undecided
from receive.builders import (
    BOTH,
    HMAC_SECRET,
    NOW,
    SHARED_SECRET,
    SIGNED_AT,
    authorization_header,
    make_delivery,
    make_secret,
    make_source,
    make_torch,
)

BODY = json.dumps(
    {"id": "evt_1", "receipt_number": "IOE0912345678", "normalized_status": "other"}
).encode()
WRONG = "mistyped-secret-of-the-firm"
SECOND = 1_000_000
KEY = (b"idempotency-key", b"key-1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


def mistyped(source: SourceSettings, **more: Any) -> SourceSettings:
    """The same source as it is configured at first: with a wrong secret."""
    return source.model_copy(update={"secrets": (make_secret(WRONG),), **more})


def configured(*sources: SourceSettings) -> Settings:
    """A configuration with these sources."""
    return Settings(
        sources={source.name: source for source in sources},
        path=Path("/config.toml"),
        base_dir=Path("/"),
        sha256="",
    )


async def refuse(store: Store, source: SourceSettings, *received: Delivery) -> None:
    """Let a source's authenticator refuse deliveries, and remember them."""
    authenticator = Authenticator(source)
    async with Refusals(
        store=store, clock=ManualClock(NOW), log=RecordingLog().log, per_minute=lambda: 1_000
    ) as refusals:
        for one in received:
            with pytest.raises(RefusedDelivery) as caught:
                authenticator.authenticate(one, now=NOW)
            refusals.note(one, caught.value, presented=authenticator.presented)


async def readmit(
    store: Store, *sources: SourceSettings, ids: Sequence[int] = (), of: str | None = None
) -> list[Readmission]:
    """Check again with these sources, an hour later."""
    readmissions = Readmissions(
        store=store,
        settings=configured(*sources),
        event_log=EventLog(store=store, content_of=json_content, decide=decide_nothing),
        clock=ManualClock(NOW + 3_600 * SECOND),
        actor=ADMIN,
    )
    return await readmissions.readmit(await choose(store, ids, source=of))


def signed(body: bytes = BODY, *, at: int = SIGNED_AT, secret: str = HMAC_SECRET) -> Delivery:
    """A delivery as Parley signs it."""
    return make_delivery(body, [authorization_header(body, time=at, secret=secret), KEY])


def shared(value: str = SHARED_SECRET) -> Delivery:
    """A delivery as Torch sends it."""
    return make_delivery(BODY, [(b"x-torch-secret", value.encode())], source="torch")


def statuses(results: Sequence[Readmission]) -> list[str]:
    """What came of each."""
    return [one.status for one in results]


async def test_a_mistyped_secret_loses_nothing(store: Store) -> None:
    """With the right secret it is an event, with everything that was known of the delivery."""
    source = make_source()
    await refuse(store, mistyped(source), signed())
    assert await readmit(store, source) == [
        Readmission(refused_id=1, source="parley", status="stored", event_id=1)
    ]
    (row,) = await read_table(store, events)
    event = event_from_row(row)
    assert (event.receipt, event.body, event.key) == ("IOE0912345678", BODY, "evt_1")
    assert (event.address, event.request_id, event.secret_label) == ("192.0.2.7", "req_1", "1")
    assert (event.idempotency_key, event.received_at) == ("key-1", NOW)
    # The signature was fresh when it came, however long ago that is now.
    assert event.flags == frozenset()


async def test_it_is_journalled_and_closed(store: Store) -> None:
    """The journal says who readmitted what; the refusal points to its event and is bare."""
    source = make_source()
    await refuse(store, mistyped(source), signed())
    await readmit(store, source)
    entries = await read_table(store, journal)
    assert [(one.kind, one.actor, one.subject) for one in entries] == [
        ("delivery.refused", "address:192.0.2.7", "source:parley"),
        ("delivery.stored", "source:parley", "event:1"),
        ("delivery.readmitted", ADMIN.name, "refused:1"),
    ]
    (row,) = await read_table(store, refused)
    assert (row.readmitted_at, row.event_id) == (NOW + 3_600 * SECOND, 1)
    assert (row.body, row.signature, row.secret_digest) == (None, None, None)
    # A second time there is nothing to do; asked for by number, it says so.
    assert await readmit(store, source) == []
    assert statuses(await readmit(store, source, ids=[1])) == ["readmitted"]
    assert len(await read_table(store, events)) == 1


async def test_a_rotated_secret(store: Store) -> None:
    """What was signed with the provider's new secret comes in once that stands beside the old."""
    new = "the-new-secret-of-the-provider"
    await refuse(store, make_source(), signed(secret=new))
    both = (make_secret(HMAC_SECRET, label="old"), make_secret(new, label="new"))
    assert statuses(await readmit(store, make_source(secrets=both))) == ["stored"]
    (row,) = await read_table(store, events)
    assert row.secret_label == "new"


async def test_a_shared_secret(store: Store) -> None:
    """It is recognised by its digest alone."""
    source = make_torch()
    await refuse(store, mistyped(source), shared())
    assert statuses(await readmit(store, mistyped(source))) == ["refused"]
    assert statuses(await readmit(store, source)) == ["stored"]


async def test_a_shared_secret_with_its_prefix(store: Store) -> None:
    """The prefix is taken off before the digest, as it is before the comparison."""
    source = make_torch(prefix="Bearer")
    await refuse(store, mistyped(source), shared(f"bearer {SHARED_SECRET}"))
    assert statuses(await readmit(store, source)) == ["stored"]


@pytest.mark.parametrize(("require", "status"), [("any", "stored"), ("all", "refused")])
async def test_both_methods(store: Store, require: str, status: str) -> None:
    """Where both are required, one mended secret is not enough."""
    chosen = {**BOTH, "require": require}
    before = make_source(
        **{
            **chosen,
            "secrets": (
                make_secret(WRONG, label="key", use="hmac"),
                make_secret(WRONG, label="word", use="shared-secret"),
            ),
        }
    )
    delivery = make_delivery(
        BODY, [authorization_header(BODY), (b"x-torch-secret", b"still-not-right!")]
    )
    await refuse(store, before, delivery)
    assert statuses(await readmit(store, make_source(**chosen))) == [status]


async def test_wrong_for_ever(store: Store) -> None:
    """What no secret of ours made stays refused and stays remembered, with the reason."""
    await refuse(store, make_source(), signed(secret="a-forgers-own-secret"))
    for _ in range(2):
        (result,) = await readmit(store, make_source())
        assert (result.status, result.error) == ("refused", "signature_mismatch")
        assert not result.is_in
    assert await read_table(store, events) == []
    (row,) = await read_table(store, refused)
    assert bytes(row.body) == BODY
    assert len(await read_table(store, journal)) == 1


async def test_a_body_altered_on_the_way(store: Store) -> None:
    """The right secret does not bring in a body that it never signed."""
    delivery = make_delivery(BODY + b" ", [authorization_header(BODY)])
    await refuse(store, make_source(), delivery)
    assert statuses(await readmit(store, make_source())) == ["refused"]


async def test_strictness_as_of_then(store: Store) -> None:
    """A signature that was stale when it came is refused again, until the source is lenient."""
    strict = make_source(strict=True)
    await refuse(store, strict, signed(at=SIGNED_AT - 3_600))
    (result,) = await readmit(store, strict)
    assert (result.status, result.error) == ("refused", "stale_signature")
    assert statuses(await readmit(store, make_source())) == ["stored"]
    (row,) = await read_table(store, events)
    assert event_from_row(row).flags == {Flag.STALE_SIGNATURE}


async def test_an_address_that_is_allowed_now(store: Store) -> None:
    """The allow-list is today's, too."""
    elsewhere = SourceSettings.model_validate(
        {**mistyped(make_source()).model_dump(), "allow_from": ["198.51.100.0/24"]}
    )
    await refuse(store, elsewhere, signed())
    right = elsewhere.model_copy(update={"secrets": (make_secret(HMAC_SECRET),)})
    assert statuses(await readmit(store, right)) == ["refused"]
    assert statuses(await readmit(store, make_source())) == ["stored"]


async def test_what_cannot_be_understood_is_held(store: Store) -> None:
    """Authentic after all, but without a receipt: held like any other."""
    source = make_source()
    await refuse(store, mistyped(source), signed(b"{}"))
    (result,) = await readmit(store, source)
    assert (result.status, result.held_id, result.event_id) == ("held", 1, None)
    (row,) = await read_table(store, held_table)
    assert (bytes(row.body), row.reason, row.notified_at) == (b"{}", "missing_receipt", None)
    (kept,) = await read_table(store, refused)
    assert (kept.held_id, kept.body) == (1, None)


async def test_it_came_again_meanwhile(store: Store) -> None:
    """A redelivery that was stored in good order makes it a duplicate: one event, one decision."""
    source = make_source()
    await refuse(store, mistyped(source), signed(), signed(), signed())
    await store_undecided(store, case_event("evt_1", body=BODY))
    results = await readmit(store, source)
    assert statuses(results) == ["duplicate"] * 3
    assert {one.event_id for one in results} == {1}
    assert len(await read_table(store, events)) == 1
    assert len(await read_table(store, deliveries)) == 3


async def test_what_brought_nothing(store: Store) -> None:
    """Without a proof there is nothing to check; `all` leaves it out, by number it says so."""
    await refuse(store, make_source(), make_delivery(BODY))
    assert await readmit(store, make_source()) == []
    assert statuses(await readmit(store, make_source(), ids=[1])) == ["not_kept"]


async def test_only_one_source(store: Store) -> None:
    """Narrowed to a source, the others are left as they are."""
    await refuse(store, mistyped(make_source()), signed())
    await refuse(store, mistyped(make_torch()), shared())
    results = await readmit(store, make_source(), make_torch(), of="torch")
    assert [(one.source, one.status) for one in results] == [("torch", "stored")]


async def test_a_source_that_is_gone(store: Store) -> None:
    """Without its source nobody can check it; it stays."""
    await refuse(store, make_source(), signed(secret=WRONG))
    (result,) = await readmit(store, make_torch())
    assert (result.status, result.error) == ("refused", "unknown_source")


async def test_a_number_that_is_not_there(store: Store) -> None:
    """One unknown number among others: nothing is checked, and it is named."""
    await refuse(store, mistyped(make_source()), signed())
    with pytest.raises(NotFound, match="no refused delivery 9,"):
        await readmit(store, make_source(), ids=[1, 9])
    assert await read_table(store, events) == []


async def test_many(store: Store) -> None:
    """More than a batch at a time: every one is checked, oldest first, once."""
    count = 2 * BATCH + 3
    bodies = [
        json.dumps(
            {
                "id": f"evt_{number}",
                "receipt_number": "IOE0912345678",
                "normalized_status": "other",
            }
        ).encode()
        for number in range(count)
    ]
    await refuse(store, mistyped(make_source()), *[signed(body) for body in bodies])
    results = await readmit(store, make_source(), ids=[*range(count, 0, -1), 1])
    assert [one.refused_id for one in results] == list(range(1, count + 1))
    assert [row.key for row in await read_table(store, events)] == [
        f"evt_{n}" for n in range(count)
    ]
