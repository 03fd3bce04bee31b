"""Who has seen a change, on both backends."""

import json
from functools import partial
from typing import Any

from sqlalchemy import select

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind, Asked, NewAlert
from casebell.store import acknowledgements as acks
from casebell.store import outbox, queries
from casebell.store.engine import Store
from casebell.store.schema import acknowledgements, alerts, escalations, journal
from contracts.case_events import case_event
from contracts.decisions import append_undecided, decide_later
from contracts.stores import read_table

REMINDER = AlertKind.REMINDER
LINK = Actor(name="link:jchan", role=Role.VIEWER, person="jchan")
ROOT = Actor(name="cli:root", role=Role.ADMIN, by="ana")


async def a_change(store: Store, key: str) -> int:
    """The number of a change that asks for something."""
    (appended,) = await store.transact(append_undecided, batch=[case_event(key=key)])
    asked = Asked(deadline=True, urgent=True)
    return await decide_later(store, appended.event_id, now=5, asked=asked)


async def escalate(store: Store, change_id: int, *, due_at: int | None = 50) -> None:
    """Let an escalation of a change run."""
    row = escalations.insert().values(
        change_id=change_id,
        name="RFE unseen",
        urgent=True,
        began_at=5,
        step=0,
        repetition=0,
        due_at=due_at,
        ended=None if due_at else "done",
    )
    await store.transact(lambda connection: connection.execute(row))


async def remind(store: Store, change_id: int, *targets: str, kind: AlertKind = REMINDER) -> None:
    """Put an alert of a change into the outbox for each target."""
    new = [
        NewAlert(
            kind=kind,
            subject=f"{kind}:{change_id}",
            channel="email",
            target=target,
            urgent=True,
            change_id=change_id,
        )
        for target in targets
    ]
    await store.transact(outbox.add, new, now=6)


async def said(store: Store, *change_ids: int, **given: Any) -> list[int]:
    """Acknowledge, by the link where nobody else is given."""
    given = {"actor": LINK, "now": 9, **given}
    return await store.transact(partial(acks.acknowledge, change_ids=change_ids, **given))


async def test_who_has_seen_it_is_kept_and_on_record(store: Store) -> None:
    """Who, how, when and with which note; the journal has all of it but the note's text."""
    change = await a_change(store, "rfe")
    assert await said(store, change, note="Client called.") == [change]
    (row,) = await read_table(store, acknowledgements)
    assert (row.change_id, row.at, row.actor, row.by, row.person, row.note) == (
        *(change, 9, "link:jchan", None, "jchan", "Client called."),
    )
    entry = (await read_table(store, journal))[-1]
    assert (entry.kind, entry.actor, entry.subject) == (
        *("change.acknowledged", "link:jchan", f"change:{change}"),
    )
    assert "Client called" not in entry.data
    assert json.loads(entry.data)["person"] == "jchan"


async def test_the_same_twice_is_once(store: Store) -> None:
    """By the same actor with the same note; another actor, claim or note is another row."""
    change = await a_change(store, "rfe")
    assert await said(store, change) == [change]
    assert await said(store, change) == []
    entries = len(await read_table(store, journal))
    assert await said(store, change, note="On it.") == [change]
    assert await said(store, change, actor=ROOT) == [change]
    assert await said(store, change, actor=ROOT) == []
    assert len(await read_table(store, acknowledgements)) == 3
    assert len(await read_table(store, journal)) == entries + 2


async def test_escalations_end(store: Store) -> None:
    """Those of the change that run, in the same transaction; no other, and none that has ended."""
    first, other = await a_change(store, "rfe"), await a_change(store, "other")
    await escalate(store, first)
    await escalate(store, other)
    await said(store, first)
    found = {row.change_id: row for row in await read_table(store, escalations)}
    assert (found[first].due_at, found[first].ended) == (None, "acknowledged")
    assert (found[other].due_at, found[other].ended) == (50, None)


async def test_an_ended_escalation_keeps_its_reason(store: Store) -> None:
    """What it ended by is on record."""
    change = await a_change(store, "rfe")
    await escalate(store, change, due_at=None)
    await said(store, change)
    (row,) = await read_table(store, escalations)
    assert row.ended == "done"


async def test_waiting_reminders_are_closed(store: Store) -> None:
    """They are never outstanding; one that is being sent and an alert of the case go on."""
    change, other = await a_change(store, "rfe"), await a_change(store, "other")
    await remind(store, change, "a@x", "b@x")
    await remind(store, change, "a@x", kind=AlertKind.CASE)
    await remind(store, other, "a@x")
    sending = await store.transact(outbox.claim, channel="email", owner="me", now=7, lease=60)
    assert sending is not None
    await said(store, change)
    async with store.read() as connection:
        rows = (await connection.execute(select(alerts).order_by(alerts.c.id))).all()
        assert (await queries.backlog(connection))["failed"] == 0
    assert [(row.state, row.reason, row.dismissed_at) for row in rows] == [
        ("sending", None, None),
        ("failed", "acknowledged", 9),
        ("pending", None, None),
        ("pending", None, None),
    ]


async def test_what_is_read_of_them(store: Store) -> None:
    """Which changes have one, all of them in order, and the latest of each."""
    first, other = await a_change(store, "rfe"), await a_change(store, "other")
    await said(store, first, note="one")
    await said(store, first, actor=ROOT, now=12)
    async with store.read() as connection:
        found = await acks.of_changes(connection, [first, other])
        latest = await acks.latest_of(connection, [first, other])
    assert [(row.note, row.at) for row in found] == [("one", 9), ("", 12)]
    assert {change: row.by for change, row in latest.items()} == {first: "ana"}
