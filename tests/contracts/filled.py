"""A store with events in every state, for tests of what is read from it."""

from typing import Any

from casebell.alerts import (
    AlertKind,
    AlertState,
    Message,
    NewAlert,
    NextState,
    Outcome,
    SendResult,
)
from casebell.events import HeldReason
from casebell.store import held, outbox
from casebell.store.engine import Store
from contracts.case_events import RECEIVED_AT
from contracts.decisions import append_undecided, decide_later
from contracts.store_contract import verified
from contracts.writing import writing

DECISION = {
    "outcome": "told",
    "because": "the rule RFE issued matched",
    "notify": [{"channel": "slack", "target": "general", "rules": ["RFE issued"], "urgent": True}],
    "rules": [{"name": "RFE issued", "matched": True}, {"name": "Denied", "matched": False}],
}


async def append(store: Store, *sent: Any) -> list[int]:
    """Store events in one transaction; their row numbers."""
    async with writing(store) as connection:
        results = await append_undecided(connection, sent)
    return [result.event_id for result in results]


async def decide(store: Store, event_id: int) -> int:
    """A change that the event founded, with an alert for it."""
    alert = NewAlert(
        kind=AlertKind.CASE,
        subject=f"change:{event_id}",
        channel="slack",
        target="general",
        urgent=True,
        rules=("RFE issued", "Everything"),
        change_id=event_id,
        event_id=event_id,
    )
    change_id = await decide_later(store, event_id, decision=DECISION, alerts=[alert])
    # Each event founds one here.
    assert change_id == event_id
    return change_id


async def send_one(
    store: Store,
    result: SendResult = SendResult(outcome=Outcome.SENT),  # noqa: B008 - a frozen value
    state: AlertState = AlertState.SENT,
) -> int:
    """Claim an alert and record an attempt; its id."""
    async with writing(store) as connection:
        alert = await outbox.claim(
            connection, channel="slack", owner="a", now=RECEIVED_AT, lease=60
        )
        assert alert is not None
        await outbox.record(
            connection,
            tried=[
                outbox.Tried(
                    alert=alert,
                    message=Message(title="RFE issued", body="Look."),
                    result=result,
                    reached=NextState(
                        state=state, not_before=RECEIVED_AT, may_repeat=False, reason=result.reason
                    ),
                )
            ],
            started_at=RECEIVED_AT + 1,
            finished_at=RECEIVED_AT + 2,
        )
    return alert.id


async def hold(store: Store, body: bytes) -> int:
    """A held delivery."""
    async with writing(store) as connection:
        kept = await held.hold(
            connection,
            verified(body),
            reason=HeldReason.INVALID_JSON,
            detail="no JSON",
            body_sha256=body.hex(),
            idempotency_key=None,
        )
    return kept.held_id
