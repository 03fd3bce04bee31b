"""Lists of alerts on both backends: what each filter leaves, in lists, counts and exports."""

from typing import Any

import pytest

from casebell.alerts import AlertKind, AlertState, NewAlert
from casebell.store import failed, outbox, queries, walk
from casebell.store.engine import Store
from casebell.store.lists import AlertFilter
from casebell.store.walk import EXPORT_PAGE
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event
from contracts.filled import append, decide, send_one
from contracts.writing import writing

#: A filter, and which alerts it leaves.
NARROWED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["test:5", "ops:4", "change:3", "change:2", "change:1"]),
    ({"state": AlertState.FAILED}, ["test:5", "ops:4", "change:2"]),
    ({"state": AlertState.SENT}, ["change:1"]),
    ({"channel": "email"}, ["test:5", "ops:4"]),
    ({"channel": "ema"}, []),
    ({"kind": AlertKind.TEST}, ["test:5"]),
    ({"target": "it"}, ["test:5", "ops:4"]),
    (
        {"target": "general", "kind": AlertKind.CASE, "since": 0},
        ["change:3", "change:2", "change:1"],
    ),
    ({"target": "gen"}, []),
    ({"person": "jchan"}, ["test:5", "ops:4"]),
    ({"person": "jchan", "state": AlertState.FAILED, "kind": AlertKind.OPS}, ["ops:4"]),
    ({"person": "jchan", "since": RECEIVED_AT + 61}, ["test:5"]),
    ({"person": "jcha"}, []),
    ({"receipt": "EAC9999103404"}, ["change:3"]),
    ({"receipt": "EAC"}, []),
    ({"outstanding": True}, ["change:2"]),
    ({"outstanding": True, "channel": "email"}, []),
    ({"outstanding": True, "receipt": "IOE0912345678", "since": 0}, ["change:2"]),
    ({"since": RECEIVED_AT + 60}, ["test:5", "ops:4"]),
    ({"until": RECEIVED_AT + 60}, ["change:3", "change:2", "change:1"]),
    ({"since": RECEIVED_AT + 60, "until": RECEIVED_AT + 61}, ["ops:4"]),
    ({"since": RECEIVED_AT + 60, "state": AlertState.SENT}, []),
    ({"since": 0, "channel": "slack", "state": AlertState.FAILED}, ["change:2"]),
]


async def add_failed(store: Store, subject: str, *, kind: AlertKind, at: int) -> int:
    """An alert over e-mail that has failed; its id."""
    new = NewAlert(
        kind=kind, subject=subject, channel="email", target="it", urgent=False, person="jchan"
    )
    async with writing(store) as connection:
        alert = await outbox.add_claimed(connection, new, owner="a", now=at, lease=60)
        await connection.execute(
            AlertFilter.table.update()
            .where(AlertFilter.table.c.id == alert.id)
            .values(state=AlertState.FAILED)
        )
    return alert.id


async def test_one_with_its_event(store: Store) -> None:
    """Both as listings have them; an event only where the alert tells of one."""
    await append(store, case_event("a"), case_event("b"))
    for number in (1, 2):
        await decide(store, number)
    other = await add_failed(store, "ops:1", kind=AlertKind.OPS, at=RECEIVED_AT)
    async with store.read() as connection:
        listed = (await walk.page_of(connection, AlertFilter(kind=AlertKind.CASE), limit=1)).rows
        alert, event = await queries.alert_with_event(connection, listed[0].id)
        assert event is not None
        assert (alert.event_key, event.key, event.extra_deliveries) == ("b", "b", 0)
        assert (await queries.alert_with_event(connection, other))[1] is None
        with pytest.raises(LookupError):
            await queries.alert_with_event(connection, other + 1)


class TestFilters:
    """What a listing is narrowed to."""

    async def test_each(self, store: Store) -> None:
        """Each filter, alone and together, leaves what matches, newest first, and counts it."""
        await append(
            store, case_event("a"), case_event("b"), case_event("c", receipt="EAC9999103404")
        )
        for number in (1, 2, 3):
            await decide(store, number)
        await send_one(store)
        await send_one(store, state=AlertState.FAILED)
        dismissed = await add_failed(store, "ops:4", kind=AlertKind.OPS, at=RECEIVED_AT + 60)
        await add_failed(store, "test:5", kind=AlertKind.TEST, at=RECEIVED_AT + 61)
        async with writing(store) as connection:
            await failed.dismiss(connection, [dismissed], now=RECEIVED_AT + 99, actor=ADMIN)
        for given, expected in NARROWED:
            where = AlertFilter(**given)
            async with store.read() as connection:
                listed = (await walk.page_of(connection, where, limit=50)).rows
                counted = await walk.count(connection, where)
            exported = [one async for one in walk.export(store.read, where)]
            assert (given, [one.subject for one in listed]) == (given, expected)
            assert (given, [one.subject for one in exported]) == (given, expected[::-1])
            assert (given, counted) == (given, len(expected))
        # Each with the key and the receipt of its event, where it tells of one.
        assert [(one.event_id, one.event_key, one.receipt) for one in listed] == [
            (2, "b", "IOE0912345678")
        ]

    async def test_clock_set_back(self, store: Store) -> None:
        """A span of time finds every alert that carries such a time, in lists and exports."""
        for number, at in enumerate((10, 3_600, 20, 30)):
            await add_failed(store, f"ops:{number}", kind=AlertKind.OPS, at=RECEIVED_AT + at)
        spans: list[tuple[dict[str, Any], list[str]]] = [
            ({"since": RECEIVED_AT + 15, "until": RECEIVED_AT + 40}, ["ops:2", "ops:3"]),
            ({"since": RECEIVED_AT + 100}, ["ops:1"]),
            ({"until": RECEIVED_AT + 15}, ["ops:0"]),
        ]
        for given, expected in spans:
            where = AlertFilter(**given)
            exported = [one.subject async for one in walk.export(store.read, where)]
            async with store.read() as connection:
                listed = (await walk.page_of(connection, where, limit=9)).rows
            assert (exported, [one.subject for one in listed]) == (expected, expected[::-1])

    async def test_export(self, store: Store) -> None:
        """An export gives everything once, oldest first, over any number of pages."""
        new = [
            NewAlert(kind=AlertKind.OPS, subject=f"s:{n}", channel="c", target="t", urgent=False)
            for n in range(2 * EXPORT_PAGE + 1)
        ]
        async with writing(store) as connection:
            await outbox.add(connection, new, now=RECEIVED_AT)
        exported = [one.subject async for one in walk.export(store.read, AlertFilter())]
        assert exported == [one.subject for one in new]


class TestBound:
    """A page whose filter no index answers looks at so many alerts, and says how far it came."""

    async def test_a_channel_that_is_seldom_used(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Going on where the last page stopped looking finds everything, over gaps in the ids."""
        monkeypatch.setattr(walk, "SCAN_LIMIT", 7)
        monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
        async with writing(store) as connection:
            for n in range(40):
                channel = "rare" if n in (0, 3, 30) else "c"
                new = NewAlert(
                    kind=AlertKind.OPS, subject=f"s:{n}", channel=channel, target="t", urgent=False
                )
                await outbox.add(connection, [new], now=RECEIVED_AT + n)
            await connection.execute(
                AlertFilter.table.delete().where(AlertFilter.table.c.id.in_((8, 9, 26, 33)))
            )
        found: list[str] = []
        until = None
        for _ in range(20):
            where = AlertFilter(channel="rare", until=until)
            async with store.read() as connection:
                page = await walk.page_of(connection, where, limit=5)
            found += [one.subject for one in page.rows]
            if page.looked_back_to is None:
                break
            until = page.looked_back_to - 1
        assert found == ["s:30", "s:3", "s:0"]
        assert until is not None
