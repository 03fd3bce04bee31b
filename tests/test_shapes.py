"""Rows as the JSON values of docs/contract.md, on both databases."""

from collections.abc import AsyncIterator

import pytest

from casebell.alerts import AlertState, FailureReason, Outcome, SendResult
from casebell.clock import iso
from casebell.events import Flag, HeldState, Status
from casebell.service.reading import Reading
from casebell.store import held, refused
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, body_of, case_event
from contracts.clock_and_log import ManualClock
from contracts.decisions import decide_later
from contracts.exports import exporting
from contracts.filled import DECISION, append, decide, hold, send_one
from contracts.store_contract import refusal
from contracts.writing import writing
from service.harness import settings_of

#: contract.md, "An event as JSON".
EVENT_FIELDS = [
    *("id", "source", "key", "key_basis", "origin", "type", "receipt", "status"),
    "delivered_status",
    *("tags", "text", "occurred_at", "received_at", "flags", "change", "decision"),
    *("deliveries", "body_sha256"),
]
#: contract.md, "An alert".
ALERT_FIELDS = [
    *(
        "id",
        "event",
        "event_key",
        "receipt",
        "change",
        "channel",
        "target",
        "rule",
        "state",
        "attempts",
        "reason",
    ),
    *("created_at", "sent_at"),
]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store on each database."""
    async with Store(store_url) as opened:
        yield opened


def reading(store: Store) -> Reading:
    """What an operator reads."""
    settings = settings_of("parley")
    return Reading(store=store, settings=lambda: settings, clock=ManualClock())


class TestEvent:
    """An event as docs/contract.md has it."""

    async def test_without_a_verdict(self, store: Store) -> None:
        """An event that waits to be routed has no status and no tags, and no filter takes it."""
        await append(store, case_event())
        [found] = (await reading(store).list_events(actor=ADMIN, limit=5))["items"]
        filtered = [
            await exporting(store).count_events(actor=ADMIN, status=status) for status in Status
        ]
        assert list(found) == EVENT_FIELDS
        assert (found["status"], found["tags"], found["decision"]) == (None, [], None)
        assert found["delivered_status"] == "rfe_issued"
        assert not any(filtered)

    async def test_without_a_decision(self, store: Store) -> None:
        """The fields are those of docs/contract.md, and the values those that were stored."""
        sent = case_event(flags=frozenset({Flag.NAIVE_TIME}))
        await append(store, sent, sent)
        [found] = (await reading(store).list_events(actor=ADMIN, limit=5))["items"]
        assert list(found) == EVENT_FIELDS
        assert found == {
            "id": 1,
            "source": "parley",
            "key": "evt_1",
            "key_basis": "id",
            "origin": "webhook",
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
        [found] = (await reading(store).list_events(actor=ADMIN, limit=5))["items"]
        assert found["occurred_at"] == "last Tuesday"

    async def test_a_date_alone(self, store: Store) -> None:
        """It is shown as delivered: no time of day is made up, which a zone would shift."""
        naive = frozenset({Flag.NAIVE_TIME})
        await append(store, case_event(occurred_raw="2024-01-20", flags=naive))
        [found] = (await reading(store).list_events(actor=ADMIN, limit=5))["items"]
        assert found["occurred_at"] == "2024-01-20"

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
        later, earlier = (await reading(store).list_events(actor=ADMIN, limit=5))["items"]
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
        shown, revision = await reading(store).show_event(actor=ADMIN, key="evt_1")
        told, of_revision = shown["delivered"], revision["delivered"]
        assert told[0] == {
            "at": iso(RECEIVED_AT),
            "times": 1,
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
        for key in ("evt_1", "evt_2"):
            [story] = await reading(store).why(actor=ADMIN, key=key)
            assert story["change"] == {
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

    async def test_without_a_change(self, store: Store) -> None:
        """An undecided event has neither a change nor alerts."""
        await append(store, case_event())
        [story] = await reading(store).why(actor=ADMIN, key="evt_1")
        assert (story["change"], story["alerts"], story["event"]["id"]) == (None, [], 1)

    async def test_alerts(self, store: Store) -> None:
        """With the fields of docs/contract.md, newest first; filters and cursor narrow them."""
        ids = await append(store, *[case_event(f"evt_{n}") for n in range(3)])
        changes = [await decide(store, event_id) for event_id in ids]
        await send_one(store)
        models = reading(store)
        listed = (await models.list_alerts(actor=ADMIN, limit=9))["items"]
        sent = (await models.list_alerts(actor=ADMIN, state="sent", limit=9))["items"]
        last = (await models.list_alerts(actor=ADMIN, limit=1))["items"]
        before = (await models.list_alerts(actor=ADMIN, limit=9, cursor=str(last[0]["id"])))[
            "items"
        ]
        [story] = await models.why(actor=ADMIN, key="evt_1")
        assert set(ALERT_FIELDS) <= set(listed[0])
        assert [one["event_key"] for one in listed] == ["evt_2", "evt_1", "evt_0"]
        assert [one["change"] for one in story["alerts"]] == [changes[1]]
        assert last == listed[:1]
        assert before == listed[1:]
        assert {name: sent[0][name] for name in ALERT_FIELDS} == {
            "id": sent[0]["id"],
            "event": ids[0],
            "event_key": "evt_0",
            "receipt": "IOE0912345678",
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
        await send_one(store)
        [story] = await reading(store).why(actor=ADMIN, key="evt_1")
        [alert] = story["alerts"]
        first, second = alert["tried"]
        assert alert["attempts"] == 2
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


async def test_held(store: Store) -> None:
    """Held deliveries come newest first, by state, with bodies that can be shown, UTF-8 or not."""
    ids = [await hold(store, body) for body in (b"a", b"\xff\xc3\xa9", b"c")]
    async with writing(store) as connection:
        await held.resolve(
            connection, ids[0], state=HeldState.DISCARDED, now=RECEIVED_AT, actor=ADMIN
        )
    models = reading(store)
    everything = (await models.list_held(actor=ADMIN, state=None, limit=9))["items"]
    waiting = (await models.list_held(actor=ADMIN, limit=9))["items"]
    page = (await models.list_held(actor=ADMIN, limit=9, cursor=str(ids[2])))["items"]
    assert [one["id"] for one in everything] == ids[::-1]
    assert [one["id"] for one in waiting] == [ids[2], ids[1]]
    assert [one["body"] for one in page] == ["\\xffé"]
    assert (page[0]["reason"], page[0]["times"], page[0]["state"]) == ("invalid_json", 1, "held")


async def test_refused(store: Store) -> None:
    """A refused delivery says where it came from and whether it can be readmitted, no more."""
    sent = refusal(body=b"xxx", body_size=3, signature="v1=ab", error="signature_mismatch")
    async with writing(store) as connection:
        await refused.refuse(connection, [sent], now=RECEIVED_AT)
    [found] = (await reading(store).list_refused(actor=ADMIN, limit=9))["items"]
    shown = {
        "id": found["id"],
        "at": iso(RECEIVED_AT),
        "source": "parley",
        "error": "signature_mismatch",
        "address": "198.51.100.9",
        "size": 3,
        "body_sha256": "00",
        "request_id": "req_1",
        "readmittable": True,
        "readmitted_at": None,
        "event": None,
        "held": None,
    }
    assert found == shown
    async with writing(store) as connection:
        await refused.mark_readmitted(
            connection, found["id"], now=RECEIVED_AT + 1, actor=ADMIN, event_id=7
        )
    [readmitted] = (await reading(store).list_refused(actor=ADMIN, limit=9))["items"]
    later = {"readmittable": False, "readmitted_at": iso(RECEIVED_AT + 1), "event": 7}
    assert readmitted == {**shown, **later}
