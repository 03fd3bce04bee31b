"""Alerts of a target on their way: put into the outbox, claimed and recorded as by a dispatcher."""

from typing import Any

from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    Message,
    NewAlert,
    NextState,
    Outcome,
    SendResult,
    Waits,
)
from casebell.store import outbox
from casebell.store.engine import Store
from contracts.writing import writing

NOW = 1_760_469_723_000_000
SECOND = 1_000_000
LEASE = 60 * SECOND
#: Of a channel whose alerts wait for no hours.
OPEN = Waits()


def new(number: int, **fields: Any) -> NewAlert:
    """An ordinary alert of a case for the target `general`."""
    return NewAlert(
        **{
            "kind": AlertKind.CASE,
            "subject": f"change:{number}",
            "channel": "slack",
            "target": "general",
            "urgent": False,
            **fields,
        }
    )


async def add(store: Store, *added: NewAlert, now: int = NOW) -> None:
    """Put alerts into the outbox."""
    async with writing(store) as connection:
        await outbox.add(connection, added, now=now)


async def claim(
    store: Store, *, now: int, waits: Waits = OPEN, owner: str = "a", shared: bool = True
) -> list[Alert]:
    """Claim as a dispatcher does: the alerts of one message."""
    async with writing(store) as connection:
        first = await outbox.claim(
            connection,
            channel="slack",
            owner=owner,
            now=now,
            lease=LEASE,
            shared=shared,
            grouped=shared,
            waits=waits,
        )
    return [] if first is None else [first, *first.others]


async def record(
    store: Store, claimed: list[Alert], *, now: int, state: AlertState = AlertState.SENT
) -> None:
    """Record an attempt with all of them."""
    failed = SendResult(outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR)
    sent = state is AlertState.SENT
    reached = NextState(
        state=state,
        not_before=now,
        may_repeat=False,
        reason=None if sent else FailureReason.SERVER_ERROR,
    )
    tried = [
        outbox.Tried(
            alert=one,
            message=Message(title="RFE issued", body=one.subject),
            result=SendResult(outcome=Outcome.SENT) if sent else failed,
            reached=reached,
        )
        for one in claimed
    ]
    async with writing(store) as connection:
        await outbox.record(connection, tried=tried, started_at=now, finished_at=now)


async def send(store: Store, *, now: int, waits: Waits = OPEN, owner: str = "a") -> list[str]:
    """Claim and record; the subjects of the message."""
    claimed = await claim(store, now=now, waits=waits, owner=owner)
    if claimed:
        await record(store, claimed, now=now)
    return [one.subject for one in claimed]
