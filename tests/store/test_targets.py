"""What is known of each target: when it was last reached, what last failed, what waits."""

from typing import Any

from casebell.alerts import AlertKind, AlertState, FailureReason, NewAlert, Outcome, SendResult
from casebell.store import leases, outbox, queries, targets
from casebell.store.engine import Store
from casebell.store.schema import alerts
from casebell.store.targets import Waiting
from contracts.case_events import RECEIVED_AT, case_event
from contracts.filled import append, decide, send_one
from contracts.writing import writing

REFUSED = SendResult(
    outcome=Outcome.RETRYABLE, reason=FailureReason.CONNECTION_REFUSED, detail="nobody listens"
)
#: When `send_one` ends an attempt.
AT = RECEIVED_AT + 2


async def known(store: Store) -> list[tuple[Any, ...]]:
    """Every row."""
    async with store.read() as connection:
        return [tuple(row) for row in await targets.known(connection)]


async def test_each_attempt_is_noted(store: Store) -> None:
    """A failure leaves when the target was last reached, and a success what last failed."""
    for number in await append(store, *(case_event(f"evt_{n}") for n in range(3))):
        await decide(store, number)
    await send_one(store, REFUSED, AlertState.FAILED)
    failed = (AT, "connection_refused", "nobody listens")
    assert await known(store) == [("slack", "general", None, *failed)]
    await send_one(store)
    assert await known(store) == [("slack", "general", AT, *failed)]
    gave_up = SendResult(outcome=Outcome.AMBIGUOUS, reason=FailureReason.GAVE_UP)
    await send_one(store, gave_up, AlertState.FAILED)
    assert await known(store) == [("slack", "general", AT, AT, "gave_up", "")]


async def test_accepted_counts_as_sent(store: Store) -> None:
    """Of a service that will not say more nothing better is ever known."""
    await append(store, case_event())
    await decide(store, 1)
    await send_one(store, SendResult(outcome=Outcome.ACCEPTED))
    assert await known(store) == [("slack", "general", AT, None, None, "")]


async def test_who_was_told_by_name(store: Store) -> None:
    """Each once, whatever came of it, and for ever: they may leave the configuration."""
    for subject, person in (("a", "jchan"), ("b", "jchan"), ("c", "kim"), ("d", None)):
        new = NewAlert(
            kind=AlertKind.OPS,
            subject=subject,
            channel="slack",
            target=person or "general",
            urgent=False,
            person=person,
        )
        async with writing(store) as connection:
            await outbox.add(connection, [new], now=RECEIVED_AT)
        result = REFUSED if person == "kim" else SendResult(outcome=Outcome.SENT)
        await send_one(store, result, AlertState.FAILED)
    async with store.read() as connection:
        assert await queries.names_on_record(connection, "person") == {"jchan", "kim"}


async def test_our_own_end_is_no_failure_of_the_target(store: Store) -> None:
    """An attempt that ended with its process says nothing of whom it was for."""
    await append(store, case_event())
    await decide(store, 1)
    async with writing(store) as connection:
        await outbox.claim(connection, channel="slack", owner="a", now=RECEIVED_AT, lease=60)
        assert await leases.release(connection, now=AT) == 1
    assert await known(store) == []


async def test_what_waits(store: Store) -> None:
    """Alerts that wait are counted for each target; what was sent is not."""
    new = [
        NewAlert(kind=AlertKind.OPS, subject=subject, channel=channel, target=target, urgent=False)
        for subject, channel, target in (
            ("a", "slack", "general"),
            ("b", "slack", "general"),
            ("a", "slack", "random"),
            ("a", "mail", "general"),
        )
    ]
    async with writing(store) as connection:
        await outbox.add(connection, new, now=RECEIVED_AT)
        assert await targets.waiting(connection) == {
            ("mail", "general"): Waiting(alerts=1),
            ("slack", "general"): Waiting(alerts=2),
            ("slack", "random"): Waiting(alerts=1),
        }
        hours = {"state": AlertState.DEFERRED, "reason": FailureReason.QUIET_HOURS}
        due = alerts.c.subject == "b"
        await connection.execute(alerts.update().where(due).values(**hours))
        found = await targets.waiting(connection)
        assert found["slack", "general"] == Waiting(alerts=2, for_hours=1)
        await connection.execute(
            alerts.update().where(due).values(state=AlertState.PENDING, reason=None)
        )
    for _ in range(3):
        await send_one(store)
    async with store.read() as connection:
        assert await targets.waiting(connection) == {("mail", "general"): Waiting(alerts=1)}
        # Of the one everything was sent, of the other nothing.
        assert await queries.names_on_record(connection, "channel") == {"mail", "slack"}
