"""What a webhook is sent of an alert: the listings' own values, under an id that is its alone."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from casebell import shapes
from casebell.alerts import OPERATIONS, Alert, AlertKind
from casebell.notify.ids import message_id, thread_id
from casebell.notify.webhook_channel import TARGET, WebhookChannel
from casebell.ops_messages import ChannelTest
from casebell.sandbox.http_sink import HttpAnswer, HttpRequest, HttpSink
from casebell.settings import ChannelSettings
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.lists import AlertFilter, EventFilter
from casebell.store.restore import restore_backup
from casebell.store.schema import alerts, attempts, cases, events, keys
from contracts.actors import ADMIN
from contracts.case_events import classified_event
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table, store_classified, store_in
from contracts.writing import writing
from notify.harness import DispatcherHarness, channel_to, running, titles

RECEIPT = "IOE0912345678"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERT = Alert(
    id=7,
    kind=AlertKind.CASE,
    subject="change:1",
    channel="practice",
    target=TARGET,
    rules=("RFE issued",),
    urgent=False,
    attempts=1,
    created_at=1_760_469_813_000_000,
    may_repeat=False,
    event_id=1,
    change_id=1,
)


def hook_to(sink: HttpSink) -> WebhookChannel:
    settings = ChannelSettings(
        name="slack", webhook=SecretStr(f"{sink.url}/in"), secret=(SecretStr(SECRET),)
    )
    return WebhookChannel(settings, clock=ManualClock())


def at_work(store: Store, sink: HttpSink, **options: Any) -> DispatcherHarness:
    return DispatcherHarness(store, {"slack": hook_to(sink)}, payload=True, **options)


def data_of(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)["data"]
    return found


async def listed(store: Store) -> tuple[Any, Any]:
    """The only alert and the first event, as listings show them."""
    async with store.read() as connection:
        alert = (await connection.execute(AlertFilter(seen_by=ADMIN).columns())).one()
        events_of = EventFilter(seen_by=ADMIN).columns().where(events.c.id == 1)
        event = (await connection.execute(events_of)).one()
    return shapes.alert(alert), shapes.event(event)


async def test_the_values_of_the_listings(store: Store, sink: HttpSink) -> None:
    """No other keys, and no other values but the state of the moment."""
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET)
        await harness.until(**{"change:1": "sent"})
    (request,) = sink.requests
    alert, event = await listed(store)
    data = data_of(request)
    assert data["event"] == json.loads(json.dumps(event))
    under_way = {"state": "sending", "sent_at": None}
    assert data["alert"] == json.loads(json.dumps({**alert, **under_way}))
    (row,) = await read_table(store, attempts)
    assert data["message"] == {"title": row.title, "body": row.body}
    assert json.loads(request.body)["type"] == "alert.case"
    assert json.loads(request.body)["timestamp"] == alert["created_at"]


async def test_a_confidential_case(store: Store, sink: HttpSink) -> None:
    """A program is not one person, so that it gets nothing, even of an alert that waited."""
    async with writing(store) as connection:
        await connection.execute(
            cases.insert().values(receipt=RECEIPT, label="Acme", confidential=True, updated_at=0)
        )
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET)
        await harness.until(**{"change:1": "failed"})
    assert sink.requests == []
    ((number, outcome, reason, *_),) = await harness.attempted()
    assert (number, outcome, reason) == (1, "permanent", "confidential")


async def test_a_confidential_case_that_no_rule_tells(store: Store, sink: HttpSink) -> None:
    """Where operations read at a program, it is told what people are: that there is news."""
    async with writing(store) as connection:
        await connection.execute(
            cases.insert().values(receipt=RECEIPT, label="Acme", confidential=True, updated_at=0)
        )
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET, addressed_as=OPERATIONS)
        await harness.until(**{"change:1": "sent"})
    data = data_of(sink.requests[0])
    assert data["event"] is None
    assert data["message"]["title"] == "A confidential case has news · IOE…5678"
    told = sink.requests[0].body.decode()
    for secret in (RECEIPT, "Acme", "rfe", "Evidence", "RFE issued"):
        assert secret not in told


async def test_a_retry_has_the_same_id(store: Store, sink: HttpSink) -> None:
    """A receiver that took the first drops the second, which says that it may repeat."""
    sink.answer(HttpAnswer(status=504), HttpAnswer(status=503), HttpAnswer())
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET)
        await harness.until(**{"change:1": "retrying"})
        harness.later(5.0)
        await sink.received(2)
        await harness.until(**{"change:1": "retrying"})
        harness.later(10.0)
        await harness.until(**{"change:1": "sent"})
    assert len({request.headers["webhook-id"] for request in sink.requests}) == 1
    seen = [data_of(request)["alert"] for request in sink.requests]
    assert [(one["attempts"], one["may_repeat"]) for one in seen] == [
        (1, False),
        (2, True),
        (3, True),
    ]


async def test_messages_to_operations_and_tests(store: Store, sink: HttpSink) -> None:
    """They have a type of their own, and no event."""
    async with running(at_work(store, sink)) as harness:
        note = ChannelTest(channel="slack", id="t1")
        fields = {"target": TARGET, "event_id": None, "change_id": None, "note": note}
        await harness.put("test:1", kind=AlertKind.TEST, **fields)
        await harness.put("ops:1", kind=AlertKind.OPS, **fields)
        await harness.until(**{"test:1": "sent", "ops:1": "sent"})
    assert {json.loads(request.body)["type"] for request in sink.requests} == {
        "alert.test",
        "alert.ops",
    }
    assert all(data_of(request)["event"] is None for request in sink.requests)
    assert len({request.headers["webhook-id"] for request in sink.requests}) == 2


async def test_json_that_cannot_be_made(store: Store, sink: HttpSink) -> None:
    """Nothing is posted; the fallback tells people, and operations hear why."""
    async with HttpSink() as chat:
        channels = {"slack": hook_to(sink), "mail": channel_to(chat)}
        harness = DispatcherHarness(
            store, channels, fallbacks={"slack": "mail"}, ops=["mail"], payload=True
        )
        async with writing(store) as connection:
            await connection.execute(text("UPDATE changes SET decision = 'no JSON'"))
        async with running(harness):
            await harness.put("change:1", target=TARGET)
            await harness.until(**{"change:1": "failed"})
            await chat.received(2)
    assert not sink.requests
    assert any("RFE issued" in title for title in titles(chat))
    found = await read_table(store, attempts)
    assert found[0].detail == "not sent: its JSON could not be made"
    assert harness.recording.named("alert.render_failed")


async def test_the_key_is_the_databases_own(store: Store, sink: HttpSink, tmp_path: Path) -> None:
    """It is made once, and another database has another."""
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET)
        await harness.until(**{"change:1": "sent"})
        await harness.put("change:2", target=TARGET)
        await harness.until(**{"change:2": "sent"})
    (mine,) = await read_table(store, keys)
    (tmp_path / "other").mkdir()
    async with store_in(tmp_path / "other") as other:
        await store_classified(other, classified_event())
        async with running(at_work(other, sink)) as harness:
            await harness.put("change:1", target=TARGET)
            await harness.until(**{"change:1": "sent"})
        (theirs,) = await read_table(other, keys)
        ((there,),) = [await read_table(other, alerts)]
    async with store.read() as connection:
        first = (await connection.execute(select(alerts).where(alerts.c.id == 1))).one()
    assert (first.id, first.created_at) == (there.id, there.created_at)
    assert mine.key != theirs.key
    assert len({request.headers["webhook-id"] for request in sink.requests}) == 3


async def test_a_restored_database_keeps_the_ids_of_what_waits(
    store: Store, sink: HttpSink, tmp_path: Path
) -> None:
    """What was sent after the backup is sent again from it: the receiver knows it by its id."""
    sink.answer(HttpAnswer(status=503), HttpAnswer())
    async with running(at_work(store, sink)) as harness:
        await harness.put("change:1", target=TARGET)
        await harness.until(**{"change:1": "retrying"})
        backup = tmp_path / "backup.db"
        await asyncio.to_thread(make_backup, tmp_path / "casebell.db", backup)
        harness.later(5.0)
        await harness.until(**{"change:1": "sent"})
    restored = tmp_path / "restored"
    restored.mkdir()
    await asyncio.to_thread(restore_backup, backup, restored / "casebell.db")
    async with store_in(restored) as again, running(at_work(again, sink)) as harness:
        harness.later(5.0)
        await harness.until(**{"change:1": "sent"})
    assert len(sink.requests) == 3
    assert len({request.headers["webhook-id"] for request in sink.requests}) == 1


KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_an_id_is_the_alerts_own() -> None:
    """Whatever changes from attempt to attempt is not in it; what tells alerts apart is."""
    mine = message_id(ALERT, key=KEY)
    later = replace(ALERT, attempts=9, may_repeat=True, retried_at=ALERT.created_at + 1)
    assert message_id(later, key=KEY) == mine
    # Decided anew in a restored database: the same number, and perhaps the same subject.
    others = [
        replace(ALERT, id=8),
        replace(ALERT, created_at=ALERT.created_at + 1),
        replace(ALERT, subject="change:2"),
        replace(ALERT, channel="other"),
    ]
    ids = {message_id(one, key=KEY) for one in others} | {message_id(ALERT, key=OTHER_KEY), mine}
    assert len(ids) == len(others) + 2


def test_a_case_is_one_thread() -> None:
    """Of this database, and no other case has it; nobody without the key can try receipts."""
    receipts = ["IOE0912345678", "IOE0912345679"]
    threads = {thread_id(one, key=key) for one in receipts for key in (KEY, OTHER_KEY)}
    assert len(threads) == 4
    assert thread_id(receipts[0], key=KEY) in threads
    assert not any("0912345" in one for one in threads)


@pytest.mark.parametrize("text", ["change:\udc80", "größe", ""])
def test_any_subject_makes_an_id(text: str) -> None:
    """It goes into a header: visible ASCII, and short."""
    made = message_id(replace(ALERT, subject=text), key=KEY)
    assert made.isascii()
    assert made.isprintable()
    assert len(made) == 36
