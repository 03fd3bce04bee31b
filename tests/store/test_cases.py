"""The list of cases: each once, at its current change, and none that somebody may not see."""

from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind, NewAlert
from casebell.events import Status
from casebell.store import cases, walk
from casebell.store.cases import CaseFilter
from casebell.store.engine import Store
from casebell.store.schema import cases as table
from contracts.actors import ADMIN
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.writing import writing

VIEWER = Actor(name="token:ana", role=Role.VIEWER, person="ana", teams=frozenset({"rfe"}))


async def listed(store: Store, *, limit: int = 50, **given: Any) -> list[int]:
    """The numbers of the cases that are listed."""
    where = CaseFilter(**{"seen_by": ADMIN, **given})
    async with store.read() as connection:
        page = await walk.page_of(connection, where, limit=limit)
    return [int(row.receipt[3:]) for row in page.rows]


async def test_each_case_once_by_its_newest_change(store: Store) -> None:
    """What happened last comes first, and earlier changes of a case do not list it again."""
    for number in (1, 2, 3, 1, 2):
        await change_case(store, number)
    assert await listed(store) == [2, 1, 3]
    # A change that came late leaves the case where it was.
    await change_case(store, 3, current=False)
    assert await listed(store) == [2, 1, 3]


async def test_pages(store: Store) -> None:
    """A page goes on behind the last; a case that moved meanwhile is not listed twice."""
    for number in range(1, 6):
        await change_case(store, number)
    where = CaseFilter(seen_by=ADMIN)
    async with store.read() as connection:
        first = await walk.page_of(connection, where, limit=2)
    assert [row.receipt for row in first.rows] == [receipt_of(5), receipt_of(4)]
    await change_case(store, 3)
    async with store.read() as connection:
        second = await walk.page_of(connection, where, limit=2, after=first.next)
    assert [row.receipt for row in second.rows] == [receipt_of(2), receipt_of(1)]
    assert second.next is None


#: A filter, and the cases it leaves.
NARROWED: list[tuple[dict[str, Any], list[int]]] = [
    ({"status": Status.DENIED}, [3]),
    ({"owner": frozenset({"ana"})}, [4, 1]),
    ({"team": frozenset({"rfe"})}, [3, 2]),
    ({"confidential": True}, [4, 3]),
    ({"confidential": False}, [2, 1]),
    ({"receipt": receipt_of(2)}, [2]),
    ({"receipt": receipt_of(9)}, []),
    ({"owner": frozenset({"ana"}), "confidential": True}, [4]),
]


async def test_filters(store: Store) -> None:
    """Each condition is of the case as it is now."""
    for number in (1, 2, 3, 4):
        await change_case(store, number, status=Status.DENIED)
    for number in (1, 2, 4):
        await change_case(store, number, status=Status.APPROVED)
    await say_of_case(store, 1, owner="ana")
    await say_of_case(store, 2, team="rfe")
    await say_of_case(store, 3, team="rfe", confidential=True)
    await say_of_case(store, 4, owner="ana", confidential=True)
    for given, found in NARROWED:
        expected = sorted(found, key=[4, 2, 1, 3].index)
        assert await listed(store, **given) == expected, given


async def test_what_somebody_may_not_see(store: Store) -> None:
    """A confidential case is its owner's and its team's: for others it is not there at all."""
    for number in (1, 2, 3, 4):
        await change_case(store, number)
    await say_of_case(store, 1, confidential=True, owner="ben", team="appeals")
    await say_of_case(store, 2, confidential=True, owner="ana")
    await say_of_case(store, 3, confidential=True, team="rfe")
    stranger = Actor(name="token:x", role=Role.OPERATOR)
    for actor, seen in ((ADMIN, [4, 3, 2, 1]), (VIEWER, [4, 3, 2]), (stranger, [4])):
        assert await listed(store, seen_by=actor) == seen
        assert await listed(store, seen_by=actor, confidential=True) == [
            number for number in seen if number != 4
        ]
        async with store.read() as connection:
            there = [
                number
                for number in (4, 3, 2, 1)
                if await cases.find(connection, receipt_of(number), seen_by=actor)
            ]
        assert there == seen
        assert await listed(store, seen_by=actor, receipt=receipt_of(1)) == [
            number for number in seen if number == 1
        ]


async def test_a_case_without_a_change(store: Store) -> None:
    """Of which nothing was received is found by its receipt, and not listed."""
    async with writing(store) as connection:
        await connection.execute(
            table.insert().values(receipt=receipt_of(1), updated_at=1, label="X")
        )
        assert await cases.find(connection, receipt_of(1), seen_by=VIEWER)
    assert await listed(store) == []


async def test_a_page_looks_so_far(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where little matches it ends, and says where to go on."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 3)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    for number in (1, 2, 2, 2, 2):
        await change_case(store, number)
    async with store.read() as connection:
        where = CaseFilter(seen_by=ADMIN)
        page = await walk.page_of(connection, where, limit=2)
        assert [row.receipt for row in page.rows] == [receipt_of(2)]
        assert page.looked_back_to is not None
        rest = await walk.page_of(connection, where, limit=2, after=page.next)
    assert [row.receipt for row in rest.rows] == [receipt_of(1)]
    assert (rest.next, rest.looked_back_to) == (None, None)


async def test_what_cases_have_in_common(store: Store) -> None:
    """Each combination with the number of its cases; without columns, of all."""
    for number, owner in enumerate(("ana", "ana", "kim", ""), 1):
        await change_case(store, number)
        await say_of_case(store, number, owner=owner, confidential=number == 1)
    async with store.read() as connection:
        by_owner = await cases.alike(connection, ("owner",))
        by_both = await cases.alike(connection, ("owner", "confidential"))
        ((whole,),) = await cases.alike(connection, ())
    assert {row.owner: row.number for row in by_owner} == {"ana": 2, "kim": 1, "": 1}
    assert sorted((row.owner, bool(row.confidential), row.number) for row in by_both) == [
        ("", False, 1),
        ("ana", False, 1),
        ("ana", True, 1),
        ("kim", False, 1),
    ]
    assert whole == 4


async def test_who_was_told_by_name(store: Store) -> None:
    """Of each change; who is told at an address alone is nobody."""

    def to(person: str | None, change: int) -> NewAlert:
        return NewAlert(
            kind=AlertKind.CASE,
            subject=f"change:{change}",
            channel="mail",
            target=person or "rfe@f.com",
            urgent=True,
            change_id=change,
            event_id=change,
            person=person,
        )

    await change_case(store, 1, alerts=[to("jchan", 1), to("kim", 1), to(None, 1)])
    await change_case(store, 2, alerts=[to(None, 2)])
    await change_case(store, 3, alerts=[to("ana", 3)])
    async with store.read() as connection:
        found = await cases.told_by_name(connection, [1, 2])
    assert found == {1: {"jchan", "kim"}}
