"""The alerts that wait to be sent, and what came of each attempt."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

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
)
from casebell.errors import NotFound, Refusal
from casebell.ops_messages import DeliveriesRefused
from casebell.store import failed, journal, leases, outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts
from casebell.store.schema import journal as journal_table
from contracts.actors import ADMIN
from contracts.writing import writing

RECEIPT = "IOE0912345678"
NOW = 1_760_469_723_000_000
SECOND = 1_000_000
LEASE = 60 * SECOND
MESSAGE = Message(title="RFE issued", body="IOE09…678\nhttps://casebell.example/1")
SENT = SendResult(outcome=Outcome.SENT)
REFUSED = SendResult(
    outcome=Outcome.RETRYABLE, reason=FailureReason.CONNECTION_REFUSED, detail="refused"
)


def new(subject: str = "change:1", **fields: Any) -> NewAlert:
    """An alert for the channel `slack`."""
    return NewAlert(
        **{
            "kind": AlertKind.CASE,
            "subject": subject,
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
    store: Store, owner: str = "a", *, now: int = NOW, channel: str = "slack"
) -> Alert | None:
    """Claim as a dispatcher does."""
    async with writing(store) as connection:
        return await outbox.claim(connection, channel=channel, owner=owner, now=now, lease=LEASE)


async def claimed(store: Store, owner: str = "a", *, now: int = NOW) -> Alert:
    """Claim where there is something to claim."""
    alert = await claim(store, owner, now=now)
    assert alert is not None
    return alert


async def record(
    store: Store,
    alert: Alert,
    state: AlertState,
    result: SendResult = SENT,
    *,
    not_before: int = NOW,
    may_repeat: bool = False,
) -> None:
    """Record an attempt that took a second."""
    async with writing(store) as connection:
        await outbox.record(
            connection,
            tried=[
                outbox.Tried(
                    alert=alert,
                    message=MESSAGE,
                    result=result,
                    reached=NextState(
                        state=state,
                        not_before=not_before,
                        may_repeat=may_repeat,
                        reason=result.reason,
                    ),
                )
            ],
            started_at=NOW,
            finished_at=NOW + SECOND,
        )


async def rows_of(store: Store, table: Any) -> Sequence[Any]:
    """Every row of a table, in order."""
    async with store.read() as connection:
        return (await connection.execute(select(table).order_by(table.c[0]))).all()


async def row_of(store: Store, alert: Alert) -> Any:
    """An alert's row."""
    async with store.read() as connection:
        return (await connection.execute(select(alerts).where(alerts.c.id == alert.id))).one()


class TestAdd:
    """Putting alerts in."""

    async def test_once(self, store: Store) -> None:
        """A subject goes to each target of each channel once, for ever."""
        await add(store, new(), new(target="other"), new(channel="email"), new("change:2"), new())
        sent = await claimed(store)
        await record(store, sent, AlertState.SENT)
        await add(store, new(urgent=True), now=NOW + 5)
        rows = await rows_of(store, alerts)
        assert sorted((row.subject, row.channel, row.target) for row in rows) == [
            ("change:1", "email", "general"),
            ("change:1", "slack", "general"),
            ("change:1", "slack", "other"),
            ("change:2", "slack", "general"),
        ]
        assert (await row_of(store, sent)).state == "sent"

    async def test_nothing(self, store: Store) -> None:
        """A decision for nobody adds nothing."""
        await add(store)
        assert await rows_of(store, alerts) == []

    async def test_as_claimed(self, store: Store) -> None:
        """What was put in comes out, and waits for nothing."""
        await add(
            store,
            new(
                kind=AlertKind.OPS,
                rules=("RFE issued", "Überfällig"),
                urgent=True,
                event_id=12,
                change_id=9,
                note=DeliveriesRefused(source="parley", count=3),
                stands_in_for="email",
            ),
        )
        alert = await claimed(store)
        assert alert == Alert(
            id=alert.id,
            kind=AlertKind.OPS,
            subject="change:1",
            channel="slack",
            target="general",
            rules=("RFE issued", "Überfällig"),
            urgent=True,
            attempts=1,
            created_at=NOW,
            may_repeat=False,
            event_id=12,
            change_id=9,
            stands_in_for="email",
            note=DeliveriesRefused(source="parley", count=3),
        )
        assert (await row_of(store, alert)).lease_until == NOW + LEASE

    async def test_claimed_at_once(self, store: Store) -> None:
        """A test that somebody waits for is taken as it is put in, past everything that waits."""
        await add(store, new("s:waiting", urgent=True))
        async with writing(store) as connection:
            test = await outbox.add_claimed(
                connection, new("test:1", kind=AlertKind.TEST), owner="cli", now=NOW, lease=LEASE
            )
        assert (test.subject, test.attempts, test.may_repeat) == ("test:1", 1, False)
        assert (await claimed(store, "b")).subject == "s:waiting"
        assert await claim(store, "b") is None
        await record(store, test, AlertState.SENT)
        assert (await row_of(store, test)).state == "sent"


class TestClaim:
    """Which alert is next."""

    async def test_order(self, store: Store) -> None:
        """Urgent ones first, then by when they are due, then as they came."""
        await add(store, new("s:late"), new("s:late too"), now=NOW + 2)
        await add(store, new("s:early"), now=NOW + 1)
        await add(store, new("s:urgent", urgent=True), now=NOW + 3)
        order = []
        while alert := await claim(store, now=NOW + 3):
            order.append((await row_of(store, alert)).subject)
        assert order == ["s:urgent", "s:early", "s:late", "s:late too"]

    async def test_not_yet_due(self, store: Store) -> None:
        """What is not due yet stays, be it urgent; from its microsecond on it is taken."""
        await add(store, new(urgent=True), now=NOW + 1)
        assert await claim(store, now=NOW) is None
        assert await claim(store, now=NOW + 1) is not None

    async def test_own_channel(self, store: Store) -> None:
        """A channel takes its own alerts only."""
        await add(store, new(channel="email"))
        assert await claim(store) is None
        assert await claim(store, channel="email") is not None

    @pytest.mark.parametrize("state", [AlertState.RETRYING, AlertState.DEFERRED])
    async def test_waiting_states(self, store: Store, state: AlertState) -> None:
        """An alert that was put off is taken again when due, with its attempts counted on."""
        await add(store, new())
        await record(store, await claimed(store), state, REFUSED, not_before=NOW + 5)
        assert await claim(store, now=NOW + 4) is None
        again = await claimed(store, now=NOW + 5)
        assert (again.attempts, again.may_repeat) == (2, False)

    @pytest.mark.parametrize("state", [AlertState.SENT, AlertState.FAILED])
    async def test_final_states(self, store: Store, state: AlertState) -> None:
        """What has ended is never taken again."""
        await add(store, new())
        await record(store, await claimed(store), state)
        assert await claim(store, "b", now=NOW + 10 * LEASE) is None

    async def test_once_each(self, store: Store) -> None:
        """Twenty dispatchers that claim at once get twenty different alerts, or none."""
        await add(store, *(new(f"s:{n}") for n in range(15)))
        taken = await asyncio.gather(*(claim(store, f"owner {n}") for n in range(20)))
        ids = [alert.id for alert in taken if alert is not None]
        assert len(ids) == len(set(ids)) == 15

    async def test_servers_claim_at_once(self, postgresql_url: str) -> None:
        """So do dispatchers of several servers."""
        stores = [Store(postgresql_url) for _ in range(4)]
        try:
            for store in stores:
                await store.open()
            await add(stores[0], *(new(f"s:{n}") for n in range(12)))
            taken = await asyncio.gather(
                *(claim(store, f"{store!r}") for store in stores for _ in range(4))
            )
        finally:
            for store in stores:
                await store.close()
        ids = [alert.id for alert in taken if alert is not None]
        assert len(ids) == len(set(ids)) == 12


class TestLeases:
    """What becomes of an alert whose sender died."""

    async def test_held_while_it_runs(self, store: Store) -> None:
        """Nobody takes an alert from a sender whose lease runs."""
        await add(store, new())
        await claimed(store, "a")
        assert await claim(store, "b", now=NOW + LEASE - 1) is None

    async def test_taken_over(self, store: Store) -> None:
        """When the lease ran out another takes over: it may repeat, and the attempt is kept."""
        await add(store, new())
        first = await claimed(store, "a", now=NOW + 7)
        second = await claimed(store, "b", now=NOW + 7 + LEASE)
        assert second == dataclasses.replace(first, attempts=2, may_repeat=True)
        [attempt] = await rows_of(store, attempts)
        assert (attempt.number, attempt.outcome, attempt.reason) == (1, "ambiguous", "interrupted")
        assert (attempt.started_at, attempt.finished_at) == (NOW + 7, NOW + 7 + LEASE)
        [entry] = await rows_of(store, journal_table)
        assert (entry.kind, entry.subject) == ("alert.interrupted", f"alert:{first.id}")
        assert json.loads(entry.data) == {"number": 1, "target": "general"}

    async def test_own_lease(self, store: Store) -> None:
        """A dispatcher that is slow does not take its own alert a second time."""
        await add(store, new())
        await claimed(store, "a")
        assert await claim(store, "a", now=NOW + 10 * LEASE) is None

    async def test_urgent_before_taken_over(self, store: Store) -> None:
        """An alert left behind is taken in its turn, not before an urgent one."""
        await add(store, new("s:left"))
        await claimed(store, "a")
        await add(store, new("s:urgent", urgent=True))
        later = NOW + LEASE
        assert (await row_of(store, await claimed(store, "b", now=later))).subject == "s:urgent"
        assert (await row_of(store, await claimed(store, "b", now=later))).subject == "s:left"

    async def test_a_claim_in_doubt(self, store: Store) -> None:
        """Whoever does not know whether its claim was committed keeps it, if it was."""
        await add(store, new())
        mine = await claimed(store, "a")
        for owner, keeps in (("a", True), ("b", False)):
            async with writing(store) as connection:
                renewed = await leases.renew(
                    connection, mine, owner=owner, now=NOW + LEASE, lease=LEASE
                )
                assert renewed is keeps
        assert await claim(store, "b", now=NOW + 2 * LEASE - 1) is None
        theirs = await claimed(store, "b", now=NOW + 2 * LEASE)
        assert theirs.attempts == 2
        async with writing(store) as connection:
            assert not await leases.renew(connection, mine, owner="a", now=NOW, lease=LEASE)

    async def test_late_result(self, store: Store) -> None:
        """A sender that was only slow has its attempt recorded, and moves the alert no more."""
        await add(store, new())
        slow = await claimed(store, "a")
        quick = await claimed(store, "b", now=NOW + LEASE)
        await record(store, quick, AlertState.SENT)
        await record(store, slow, AlertState.FAILED, REFUSED)
        row = await row_of(store, quick)
        assert (row.state, row.reason, row.sent_at) == ("sent", None, NOW + SECOND)
        assert [one.number for one in await rows_of(store, attempts)] == [1, 2, 1]
        entries = await rows_of(store, journal_table)
        assert [json.loads(entry.data).get("state") for entry in entries] == [None, "sent", None]

    async def test_late_result_during_the_next(self, store: Store) -> None:
        """Nor while the next attempt still runs: the alert stays with whoever makes that."""
        await add(store, new())
        slow = await claimed(store, "a")
        quick = await claimed(store, "b", now=NOW + LEASE)
        await record(store, slow, AlertState.FAILED, REFUSED)
        row = await row_of(store, quick)
        assert (row.state, row.lease_owner, row.reason) == ("sending", "b", None)
        await record(store, quick, AlertState.SENT)
        assert (await row_of(store, quick)).state == "sent"

    async def test_the_dead_are_released(self, store: Store) -> None:
        """Only what the named owners held is given up; the others are told apart by name."""
        await add(store, new("s:dead"), new("s:alive"))
        await claimed(store, "dead")
        await claimed(store, "alive")
        async with writing(store) as connection:
            assert await leases.holders(connection) == {"dead", "alive"}
            assert await leases.release(connection, now=NOW + 9, owners=["dead"]) == 1
            assert await leases.holders(connection) == {"alive"}
        again = await claimed(store, "b", now=NOW + 9)
        assert (again.subject, again.may_repeat) == ("s:dead", True)

    async def test_released_at_start(self, store: Store) -> None:
        """The only server of a database takes up at its start what it left behind."""
        await add(store, new("s:1"), new("s:2"), new("s:3"))
        first = await claimed(store, "before")
        await claimed(store, "before")
        async with writing(store) as connection:
            assert await leases.release(connection, now=NOW + 9) == 2
        row = await row_of(store, first)
        assert (row.state, row.not_before, row.reason) == ("retrying", NOW + 9, "interrupted")
        assert (row.lease_owner, row.lease_until) == (None, None)
        assert [one.reason for one in await rows_of(store, attempts)] == ["interrupted"] * 2
        assert [one.kind for one in await rows_of(store, journal_table)] == [
            "alert.interrupted"
        ] * 2
        again = [await claimed(store, "after", now=NOW + 9) for _ in range(3)]
        assert sorted((alert.attempts, alert.may_repeat) for alert in again) == [
            (1, False),
            (2, True),
            (2, True),
        ]
        async with writing(store) as connection:
            await leases.release(connection, now=NOW + 10)
            assert await leases.release(connection, now=NOW + 10) == 0


class TestRecord:
    """What an attempt came to."""

    async def test_final(self, store: Store) -> None:
        """A sent alert says when; the attempt keeps what was said, the journal only its digest."""
        await add(store, new())
        alert = await claimed(store)
        await record(store, alert, AlertState.SENT)
        row = await row_of(store, alert)
        assert (row.state, row.sent_at, row.finished_at) == ("sent", NOW + SECOND, NOW + SECOND)
        assert (row.lease_owner, row.lease_until, row.reason) == (None, None, None)
        [attempt] = await rows_of(store, attempts)
        assert attempt._asdict() == {
            "id": attempt.id,
            "alert_id": alert.id,
            "number": 1,
            "started_at": NOW,
            "finished_at": NOW + SECOND,
            "outcome": "sent",
            "reason": None,
            "detail": "",
            "title": MESSAGE.title,
            "body": MESSAGE.body,
        }
        [entry] = await rows_of(store, journal_table)
        assert (entry.at, entry.kind, entry.actor) == (
            NOW + SECOND,
            "alert.attempted",
            "channel:slack",
        )
        assert json.loads(entry.data) == {
            "number": 1,
            "target": "general",
            "outcome": "sent",
            "reason": None,
            "state": "sent",
            "message_sha256": journal.digest(f"{MESSAGE.title}\n{MESSAGE.body}"),
        }

    async def test_failed(self, store: Store) -> None:
        """A failed alert has an end and a reason, and was not sent."""
        await add(store, new())
        alert = await claimed(store)
        await record(store, alert, AlertState.FAILED, REFUSED)
        row = await row_of(store, alert)
        assert (row.state, row.reason) == ("failed", "connection_refused")
        assert (row.sent_at, row.finished_at) == (None, NOW + SECOND)

    async def test_not_final(self, store: Store) -> None:
        """An alert that will be tried again has no end yet, and remembers that it may repeat."""
        await add(store, new())
        alert = await claimed(store)
        await record(
            store, alert, AlertState.RETRYING, REFUSED, not_before=NOW + 30, may_repeat=True
        )
        row = await row_of(store, alert)
        assert (row.state, row.not_before, row.may_repeat) == ("retrying", NOW + 30, True)
        assert (row.sent_at, row.finished_at, row.lease_owner) == (None, None, None)
        assert (await claimed(store, now=NOW + 30)).may_repeat


class TestRetry:
    """Sending a failed alert once more, by hand."""

    async def test_failed(self, store: Store) -> None:
        """It waits again, from now on; who asked for it is in the journal."""
        await add(store, new())
        alert = await claimed(store)
        await record(store, alert, AlertState.FAILED, REFUSED, may_repeat=True)
        async with writing(store) as connection:
            await failed.retry(connection, [alert.id], now=NOW + 99, actor=ADMIN)
        row = await row_of(store, alert)
        assert (row.state, row.not_before, row.reason, row.finished_at) == (
            "pending",
            NOW + 99,
            None,
            None,
        )
        entry = (await rows_of(store, journal_table))[-1]
        assert (entry.kind, entry.actor, entry.subject) == (
            "alert.retried",
            ADMIN.name,
            f"alert:{alert.id}",
        )
        again = await claimed(store, now=NOW + 99)
        assert (again.attempts, again.may_repeat) == (2, True)
        # When it was created stays true; its age counts from the retry.
        assert (again.created_at, again.retried_at) == (alert.created_at, NOW + 99)

    @pytest.mark.parametrize("state", sorted(set(AlertState) - {AlertState.FAILED}))
    async def test_any_other(self, store: Store, state: AlertState) -> None:
        """One that has not failed cannot be retried, and nothing is journalled."""
        await add(store, new())
        alert = await claimed(store)
        if state is AlertState.PENDING:
            await record(store, alert, AlertState.FAILED)
            async with writing(store) as connection:
                await failed.retry(connection, [alert.id], now=NOW, actor=ADMIN)
        elif state is not AlertState.SENDING:
            await record(store, alert, state)
        before = len(await rows_of(store, journal_table))
        with pytest.raises(Refusal, match=state):
            async with writing(store) as connection:
                await failed.retry(connection, [alert.id], now=NOW, actor=ADMIN)
        assert len(await rows_of(store, journal_table)) == before

    async def test_unknown(self, store: Store) -> None:
        """There must be such an alert."""
        with pytest.raises(NotFound, match="77"):
            async with writing(store) as connection:
                await failed.retry(connection, [77], now=NOW, actor=ADMIN)


async def test_next_due(store: Store) -> None:
    """The earliest time of a channel's waiting alerts, urgent or not, and of leases that run."""

    async def due(channel: str = "slack") -> int | None:
        async with store.read() as connection:
            return await outbox.next_due(connection, channel=channel)

    assert await due() is None
    await add(store, new("s:1", urgent=True), now=NOW + 20)
    assert await due() == NOW + 20
    await add(store, new("s:2"), now=NOW + 10)
    await add(store, new("s:3", channel="email"), now=NOW)
    assert await due() == NOW + 10
    alert = await claimed(store, now=NOW + 10)
    assert await due() == NOW + 20
    await record(store, alert, AlertState.DEFERRED, REFUSED, not_before=NOW + 15)
    assert await due() == NOW + 15
    await record(store, await claimed(store, now=NOW + 15), AlertState.SENT)
    assert await due() == NOW + 20
    await claimed(store, now=NOW + 20)
    # Its sender may have died: somebody has to look again when its lease is over.
    assert await due() == NOW + 20 + LEASE
    assert (await claimed(store, "b", now=NOW + 20 + LEASE)).attempts == 2
    async with writing(store) as connection:
        await leases.release(connection, now=NOW + 20)
    await record(store, await claimed(store, now=NOW + 20), AlertState.FAILED)
    assert await due() is None
    assert await due("email") == NOW


async def test_channels_waiting(store: Store) -> None:
    """Channels that are gone from the configuration are found while alerts wait for them."""
    await add(store, new(channel="gone"), new(channel="done"), new(), new(channel="sending"))
    done = await claim(store, channel="done")
    assert done is not None
    await record(store, done, AlertState.SENT)
    await claim(store, channel="sending")

    async with store.read() as connection:
        assert await outbox.channels_waiting(connection, ["slack"]) == {"gone", "sending"}
        assert await outbox.channels_waiting(connection, []) == {"gone", "sending", "slack"}
        assert await outbox.channels_waiting(connection, ["slack", "gone", "sending"]) == set()
