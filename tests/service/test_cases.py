"""Cases as they are told: their keys, and who was told of their changes."""

from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind, FailureReason, NewAlert, Outcome, SendResult
from casebell.alerts import AlertState as State
from casebell.clock import iso
from casebell.errors import BadArgument, NotFound
from casebell.events import Flag, Status
from casebell.service import cases
from casebell.service.cases import CaseReading
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, case_event
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.decisions import decide_later
from contracts.filled import append, send_one

STRANGER = Actor(name="token:x", role=Role.VIEWER)


def alert_for(target: str, *, change: int) -> NewAlert:
    """An alert of a change."""
    return NewAlert(
        kind=AlertKind.CASE,
        subject=f"change:{change}",
        channel="slack",
        target=target,
        urgent=target == "general",
        rules=("RFE issued",),
        change_id=change,
        event_id=change,
    )


async def test_keys_of_a_case(store: Store) -> None:
    """What the firm did not say, and what nothing can set yet, is null."""
    await change_case(store, 1)
    (found,) = (await CaseReading(store=store).list_cases(limit=5, actor=ADMIN))["items"]
    assert found == {
        "receipt": receipt_of(1),
        "label": None,
        "matter": None,
        "owner": None,
        "owner_email": None,
        "team": None,
        "form": None,
        "confidential": False,
        "status": "rfe_issued",
        "since": iso(OCCURRED_AT),
        "change": 1,
        "tags": ["deadline"],
        "due": None,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "updated_at": iso(RECEIVED_AT),
    }
    facts = {"label": "Gomez", "matter": "12-7", "owner": "ana", "team": "rfe"}
    await say_of_case(store, 1, **facts, confidential=True)
    shown = await CaseReading(store=store).find_case(receipt=receipt_of(1), actor=ADMIN)
    assert shown.items() >= {**found, **facts, "confidential": True}.items()


async def test_who_was_told(store: Store) -> None:
    """Each change with its alerts, the newest first: when each was sent, or what became of it."""
    await change_case(store, 1, alerts=[alert_for("general", change=1)])
    alerts = [alert_for("general", change=2), alert_for("random", change=2)]
    await change_case(store, 1, status=Status.DENIED, at=OCCURRED_AT + 5, alerts=alerts)
    await change_case(store, 2, alerts=[alert_for("general", change=3)])
    await send_one(store)
    failed = SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.NOT_FOUND)
    await send_one(store, failed, State.FAILED)
    # A receipt number in any spelling.
    shown = await CaseReading(store=store).find_case(receipt="ioe 00-0000-0001", actor=STRANGER)
    newest, oldest = shown["changes"]
    assert (newest["id"], newest["status"], newest["at"]) == (2, "denied", iso(OCCURRED_AT + 5))
    assert (oldest["id"], oldest["outcome"], oldest["because"]) == (
        1,
        "nobody",
        "no rule «matched»",
    )
    assert not shown["earlier_changes"]
    told = [
        (one["target"], one["state"], one["reason"], one["sent_at"] is not None)
        for change in (oldest, newest)
        for one in change["told"]
    ]
    assert told == [
        ("general", "sent", None, True),
        ("general", "failed", "not_found", False),
        ("random", "pending", None, False),
    ]


async def test_a_case_of_very_many_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest are shown, and that there are others."""
    monkeypatch.setattr(cases, "MAX_CHANGES", 2)
    for at in (1, 3, 2):
        await change_case(store, 1, at=at)
    shown = await CaseReading(store=store).find_case(receipt=receipt_of(1), actor=ADMIN)
    assert [one["id"] for one in shown["changes"]] == [2, 3]
    assert shown["earlier_changes"]


async def test_who_reported_a_change(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of it with its source, what is to be said of one of them, and the first text."""
    await change_case(store, 1, late=True, flags=frozenset({Flag.LATE}))
    sent = case_event("obs_1", source="torch", receipt=receipt_of(1), text="Said otherwise")
    (event_id,) = await append(store, sent)
    await decide_later(store, event_id, change=1, flags=frozenset({Flag.TEXT_CONFLICT}))
    await change_case(store, 2)
    shown = await CaseReading(store=store).find_case(receipt=receipt_of(1), actor=STRANGER)
    (change,) = shown["changes"]
    assert (change["event"], change["events"], change["sources"]) == (
        1,
        [1, 2],
        ["parley", "torch"],
    )
    assert (change["late"], change["flags"]) == (True, ["late", "text_conflict"])
    assert change["text"] != "Said otherwise"
    monkeypatch.setattr(cases, "MAX_EVENTS", 1)
    shown = await CaseReading(store=store).find_case(receipt=receipt_of(1), actor=STRANGER)
    (change,) = shown["changes"]
    assert (change["event"], change["events"]) == (1, [2])


async def test_a_case_that_one_may_not_see(store: Store) -> None:
    """It is as if there were none, in the words of one that there is not."""
    await change_case(store, 1)
    await say_of_case(store, 1, confidential=True)
    models = CaseReading(store=store)
    said = []
    for receipt in (receipt_of(1), receipt_of(2)):
        with pytest.raises(NotFound) as caught:
            await models.find_case(receipt=receipt, actor=STRANGER)
        said.append((caught.value.message, caught.value.hint))
    assert said[0] == said[1]
    listed = await models.list_cases(limit=5, actor=STRANGER)
    assert listed == {"items": [], "next": None, "looked_back_to": None}
    assert (await models.find_case(receipt=receipt_of(1), actor=ADMIN))["confidential"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"status": "rfe"}, "status; known: received"),
        ({"receipt": "A12"}, "three letters and ten digits"),
        ({"confidential": "yes"}, "Write `true` or `false`"),
        ({"cursor": "1-2"}, "cursor is none that this listing gave"),
        ({"cursor": "-1"}, "cursor is none that this listing gave"),
    ],
    ids=str,
)
async def test_what_cannot_be_understood(store: Store, given: dict[str, Any], said: str) -> None:
    """Whoever asks is told what can be."""
    with pytest.raises(BadArgument, match=said):
        await CaseReading(store=store).list_cases(**given, limit=5, actor=ADMIN)


async def test_pages_by_their_cursor(store: Store) -> None:
    """A server's answer goes on where its last page ended."""
    for number in range(1, 6):
        await change_case(store, number)
    models, cursor, seen = CaseReading(store=store), None, []
    for _ in range(3):
        page = await models.list_cases(limit=2, confidential="false", cursor=cursor, actor=ADMIN)
        seen += [one["receipt"] for one in page["items"]]
        cursor = page["next"]
    assert seen == [receipt_of(number) for number in (5, 4, 3, 2, 1)]
    assert cursor is None
