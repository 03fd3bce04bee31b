"""The outbox of a machine whose clock was set back."""

from typing import Any

from casebell.alerts import AlertKind, NewAlert
from casebell.store import outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts
from contracts.stores import read_table
from contracts.writing import writing

NOW = 1_760_469_723_000_000
LEASE = 60_000_000
HOUR = 3_600_000_000


def new(subject: str) -> NewAlert:
    """An alert for the channel `slack`."""
    kind, target = AlertKind.CASE, "general"
    return NewAlert(kind=kind, subject=subject, channel="slack", target=target, urgent=False)


async def claimed(store: Store, *, owner: str, now: int) -> Any:
    """Who is taken up at that time."""
    async with writing(store) as connection:
        alert = await outbox.claim(connection, channel="slack", owner=owner, now=now, lease=LEASE)
    return alert and (alert.subject, alert.may_repeat)


async def test_what_waits_is_brought_forward(store: Store) -> None:
    """What waits is due, and what is left by a dead server is free, an hour before; in order."""
    async with writing(store) as connection:
        await outbox.add(connection, [new("left")], now=NOW - 1)
    assert await claimed(store, owner="dead", now=NOW) == ("left", False)
    async with writing(store) as connection:
        await outbox.add(connection, [new("first")], now=NOW)
        await outbox.add(connection, [new("second")], now=NOW + 1)
    then = NOW - HOUR + LEASE
    assert await claimed(store, owner="this", now=then) is None
    async with writing(store) as connection:
        assert await outbox.bring_forward(connection, by=HOUR, owner=None) == 3
        assert await outbox.next_due(connection, channel="slack") == NOW - HOUR
    found = [await claimed(store, owner="this", now=then) for _ in range(4)]
    assert found == [("left", True), ("first", False), ("second", False), None]
    assert [row.created_at for row in await read_table(store, alerts)] == [NOW - 1, NOW, NOW + 1]


async def test_what_has_ended_stays_as_it_is(store: Store) -> None:
    """A failed alert keeps its times."""
    async with writing(store) as connection:
        await outbox.add(connection, [new("ended")], now=NOW)
        await connection.execute(alerts.update().values(state="failed"))
        assert await outbox.bring_forward(connection, by=HOUR, owner=None) == 0
    (row,) = await read_table(store, alerts)
    assert row.not_before == NOW


async def test_another_servers_lease_is_its_own_to_move(store: Store) -> None:
    """Of two servers on one machine each follows its clock; neither takes what the other sends."""
    async with writing(store) as connection:
        await outbox.add(connection, [new("sending")], now=NOW)
    assert await claimed(store, owner="other", now=NOW) == ("sending", False)
    for owner, count in (("other", 1), ("this", 0)):
        async with writing(store) as connection:
            assert await outbox.bring_forward(connection, by=HOUR, owner=owner) == count
    assert await claimed(store, owner="this", now=NOW - HOUR + LEASE - 1) is None
    assert await claimed(store, owner="this", now=NOW - HOUR + LEASE) == ("sending", True)
    rows = await read_table(store, attempts)
    assert [row.started_at for row in rows] == [NOW - HOUR]
