"""Who sends an alert; and what becomes of it when that one dies."""

from typing import Any

from sqlalchemy import select

from casebell.alerts import Alert, AlertKind, NewAlert
from casebell.store import leases, outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts, journal
from contracts.stores import read_table
from contracts.writing import writing

NOW = 1_760_469_723_000_000
LEASE = 60_000_000


async def claimed(store: Store, owner: str, *, target: str) -> Alert:
    """An alert that somebody sends."""
    new = NewAlert(
        kind=AlertKind.CASE, subject="change:1", channel=target, target=target, urgent=False
    )
    async with writing(store) as connection:
        await outbox.add(connection, [new], now=NOW)
        alert = await outbox.claim(connection, channel=target, owner=owner, now=NOW, lease=LEASE)
    assert alert is not None
    return alert


async def row_of(store: Store, alert: Alert) -> Any:
    """An alert's row."""
    async with store.read() as connection:
        return (await connection.execute(select(alerts).where(alerts.c.id == alert.id))).one()


async def test_only_its_holder_renews(store: Store) -> None:
    """And only the claim that it was: another one's, or a later attempt's, is not kept."""
    alert = await claimed(store, "a", target="slack")
    async with writing(store) as connection:
        later = NOW + 5
        assert not await leases.renew(connection, alert, owner="b", now=later, lease=LEASE)
        assert await leases.renew(connection, alert, owner="a", now=later, lease=LEASE)
    assert (await row_of(store, alert)).lease_until == NOW + 5 + LEASE


async def test_the_leases_of_the_dead_end(store: Store) -> None:
    """Theirs are sent again at once and may repeat; the attempt is on record; others go on."""
    dead = await claimed(store, "dead", target="slack")
    alive = await claimed(store, "alive", target="email")
    async with writing(store) as connection:
        assert await leases.holders(connection) == {"dead", "alive"}
        assert await leases.release(connection, now=NOW + 9, owners={"dead"}) == 1
    row = await row_of(store, dead)
    assert (row.state, row.not_before, row.may_repeat) == ("retrying", NOW + 9, True)
    assert (row.reason, row.lease_owner) == ("interrupted", None)
    assert (await row_of(store, alive)).lease_owner == "alive"
    (attempt,) = await read_table(store, attempts)
    assert (attempt.alert_id, attempt.outcome) == (dead.id, "ambiguous")
    assert (await read_table(store, journal))[-1].kind == "alert.interrupted"


async def test_at_the_start_of_the_only_server_all_end(store: Store) -> None:
    """Whoever had them is dead."""
    for owner in ("a", "b"):
        await claimed(store, owner, target=owner)
    async with writing(store) as connection:
        assert await leases.release(connection, now=NOW + 9) == 2
        assert await leases.holders(connection) == set()
        assert await leases.release(connection, now=NOW + 9) == 0
