"""What is read of the queue, and what people write into it, on both backends."""

from datetime import date
from typing import Any

from casebell.actors import Actor, Role
from casebell.alerts import Asked
from casebell.store import queue_by_hand, queue_list
from casebell.store.engine import Store
from casebell.store.queue_list import QueueFilter
from casebell.store.schema import escalations
from contracts.actors import ADMIN
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.writing import writing

ASKED = Asked(deadline=True, urgent=True)
DUE = date(2026, 12, 24)


async def listed(store: Store, limit: int = 50, **given: Any) -> list[int]:
    """The changes of every page, in order."""
    where, found, after = QueueFilter(**given), [], None
    while True:
        async with store.read() as connection:
            page = await where.page(connection, limit=limit, after=after)
        found += [row.change_id for row in page.rows]
        if (after := page.next) is None:
            return found


async def enter(store: Store, change: int, due: date) -> None:
    """Somebody types a date."""
    async with writing(store) as connection:
        await queue_by_hand.enter_due(
            connection, change, due, by="ana", remind_at=7, was=None, now=5, actor=ADMIN
        )


async def test_both_orders(store: Store) -> None:
    """The newest first; by date the soonest first, then those without one, the oldest first."""
    changes = [await change_case(store, n, asked=ASKED, at=100 - n) for n in range(1, 7)]
    await enter(store, changes[1], DUE)
    await enter(store, changes[4], DUE)
    await enter(store, changes[2], date(2026, 12, 1))
    async with writing(store) as connection:
        await queue_by_hand.answer(connection, changes[5], now=6, actor=ADMIN)
    by_date = [changes[n] for n in (2, 4, 1, 3, 0)]
    for limit in (1, 2, 50):
        assert await listed(store, limit) == changes[4::-1]
        assert await listed(store, limit, by_date=True) == by_date


async def test_whose(store: Store) -> None:
    """Of an owner, a team, or of whom both are; hidden cases are left out of either order."""
    jia = Actor(name="a", role=Role.VIEWER, person="jchan", teams=frozenset({"RFE"}))
    changes = [await change_case(store, n, asked=ASKED) for n in range(1, 5)]
    await say_of_case(store, 1, owner="jchan")
    await say_of_case(store, 2, team="rfe", confidential=True)
    await say_of_case(store, 3, owner="kim", confidential=True)
    for by_date in (False, True):
        found = {
            "mine": await listed(store, of=jia, seen_by=jia, by_date=by_date),
            "seen": await listed(store, seen_by=jia, by_date=by_date),
            "stranger": await listed(store, by_date=by_date),
            "all": await listed(store, seen_by=ADMIN, by_date=by_date),
            "receipt": await listed(store, receipt=receipt_of(1), by_date=by_date),
        }
        assert {name: sorted(numbers) for name, numbers in found.items()} == {
            "mine": changes[:2],
            "seen": [changes[0], changes[1], changes[3]],
            "stranger": [changes[0], changes[3]],
            "all": changes,
            "receipt": changes[:1],
        }


async def test_a_date_and_its_confirmation(store: Store) -> None:
    """Another date forgets who confirmed the one before; a cleared one leaves nothing."""
    change = await change_case(store, 1, asked=ASKED)
    await enter(store, change, DUE)
    async with writing(store) as connection:
        await queue_by_hand.confirm_due(connection, change, DUE, by="kim", now=6, actor=ADMIN)
        confirmed = await queue_list.find(connection, change)
    assert (confirmed.due, confirmed.due_by, confirmed.due_confirmed_by) == (  # type: ignore[union-attr]
        *("2026-12-24", "ana", "kim"),
    )
    await enter(store, change, date(2026, 12, 26))
    async with writing(store) as connection:
        other = await queue_list.find(connection, change)
        assert await queue_list.due_of(connection, [change, 99]) == {change: "2026-12-26"}
        await queue_by_hand.clear_due(connection, change, was="2026-12-26", now=8, actor=ADMIN)
        cleared = await queue_list.find(connection, change)
        assert await queue_list.due_of(connection, [change]) == {}
    assert other is not None
    assert cleared is not None
    assert (other.due_confirmed_at, other.remind_at) == (None, 7)
    assert (cleared.due, cleared.due_by, cleared.due_entered_at, cleared.remind_at) == (
        *(None, None, None, None),
    )


async def test_reopened(store: Store) -> None:
    """It is in the queue again, and an escalation that had ended with the answer is due at once."""
    change = await change_case(store, 1, asked=ASKED)
    row = {"change_id": change, "urgent": True, "began_at": 1, "step": 1, "repetition": 0}
    ended = {"seen": "acknowledged", "answered": "answered"}
    async with writing(store) as connection:
        for name, why in ended.items():
            await connection.execute(escalations.insert().values(**row, name=name, ended=why))
        await queue_by_hand.answer(connection, change, now=6, actor=ADMIN)
    assert await listed(store) == []
    async with writing(store) as connection:
        await queue_by_hand.reopen(
            connection, change, remind_at=9, was="a", since=6, now=8, actor=ADMIN
        )
        assert await queue_list.escalating(connection, receipt_of(1)) == [change]
        due = {one.name: one.due_at for one in await connection.execute(escalations.select())}
    assert due == {"seen": None, "answered": 8}
    assert await listed(store) == [change]


async def test_when_people_were_reminded(store: Store) -> None:
    """The last time, of all escalations of a change; none where nobody was."""
    change, other = await change_case(store, 1, asked=ASKED), await change_case(store, 2)
    row = {"urgent": True, "began_at": 1, "step": 1, "repetition": 0, "due_at": 9}
    async with writing(store) as connection:
        for of, name, at in ((change, "a", 4), (change, "b", 6), (other, "a", None)):
            values = {**row, "change_id": of, "name": name, "reminded_at": at}
            await connection.execute(escalations.insert().values(**values))
        assert await queue_list.last_escalated(connection, [change, other]) == {change: 6}
