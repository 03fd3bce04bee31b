"""What the firm says of its cases, beside what deliveries make of them, on both databases."""

from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.case_file import Column
from casebell.events import Status
from casebell.store import case_directory, cases, marks
from casebell.store.case_directory import CaseSaid
from casebell.store.cases import CaseFilter
from casebell.store.engine import Store
from casebell.store.schema import cases as table
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT
from contracts.cases import change_case, receipt_of
from contracts.stores import read_table
from contracts.writing import writing

NOBODYS = Actor(name="token:x", role=Role.VIEWER)


async def say(store: Store, *numbers: int, now: int = 5, **facts: Any) -> None:
    """The firm names cases, with these facts."""
    given = {Column(name): fact for name, fact in facts.items()}
    receipts = [receipt_of(number) for number in numbers]
    async with writing(store) as connection:
        known = await case_directory.find(connection, receipts)
        rows = [
            known.get(one) or CaseSaid(receipt=one, updated_at=now, listed_at=None)
            for one in receipts
        ]
        await case_directory.put(connection, [row.with_facts(given, now=now) for row in rows])


async def silent(store: Store, *, limit: int = 50, after: Any = None, **given: Any) -> Any:
    """A page of the cases of which nothing was received."""
    where = CaseFilter(silent=True, **{"seen_by": ADMIN, **given})
    async with store.read() as connection:
        return await where.page(connection, limit=limit, after=after)


async def test_deliveries_and_the_firm_write_their_own_columns(store: Store) -> None:
    """Neither undoes the other, in whichever order they come."""
    await say(store, 1, label="Gomez", owner=" Jia  CHAN ", team="RFE", confidential=True)
    await change_case(store, 1, status=Status.DENIED)
    await change_case(store, 2)
    await say(store, 1, now=9, label="Ruiz")
    await say(store, 2, form="I-129")
    first, second = await read_table(store, table)
    assert (first.label, first.owner, first.owner_key, first.team_key, first.confidential) == (
        *("Ruiz", " Jia  CHAN ", "jia chan", "rfe"),
        True,
    )
    assert (first.status, first.change_id, first.listed_at) == ("denied", 1, 5)
    assert (second.form, second.status, second.listed_at) == ("I-129", "rfe_issued", 5)
    assert second.updated_at == RECEIVED_AT


async def test_cases_of_which_nothing_was_received(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By receipt number and in pages; not one that somebody may not see, and none that moved."""
    await change_case(store, 3)
    await say(store, 1, 2, 3, 4, 5, owner="ana")
    await say(store, 4, confidential=True)
    await say(store, 5, owner="ben")
    first = await silent(store, limit=2)
    assert [row.receipt for row in first.rows] == [receipt_of(1), receipt_of(2)]
    assert first.rows[0].since is None
    rest = await silent(store, limit=2, after=first.next)
    assert [row.receipt for row in rest.rows] == [receipt_of(4), receipt_of(5)]
    assert rest.next is None
    for given, numbers in (
        ({"seen_by": NOBODYS}, [1, 2, 5]),
        ({"owner": frozenset({"ben"})}, [5]),
        ({"confidential": True}, [4]),
        ({"receipt": receipt_of(2)}, [2]),
        ({"receipt": receipt_of(3)}, []),
        ({"unlisted": True}, []),
        ({"status": Status.DENIED}, []),
    ):
        page = await silent(store, **given)
        assert [row.receipt for row in page.rows] == [receipt_of(one) for one in numbers], given


async def test_cases_that_the_firm_has_not_named(store: Store) -> None:
    """Those that deliveries alone tell of, the newest change first."""
    for number in (1, 2, 3):
        await change_case(store, number)
    await say(store, 2, label="Gomez")
    async with store.read() as connection:
        page = await CaseFilter(seen_by=ADMIN, unlisted=True).page(connection, limit=5)
        assert await cases.find(connection, receipt_of(2), seen_by=NOBODYS) is not None
    assert [row.receipt for row in page.rows] == [receipt_of(3), receipt_of(1)]


async def test_an_export_goes_through_all_that_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece at a time, each case once."""
    await change_case(store, 9)
    await say(store, *range(1, 6), label="=1")
    monkeypatch.setattr(case_directory, "EXPORT_PAGE", 2)
    found = [row.receipt async for row in case_directory.export(store.read)]
    assert found == [receipt_of(number) for number in range(1, 6)]
    async with store.read() as connection:
        assert await case_directory.count(connection) == 5


async def test_whose_turn_it_is_to_import_a_list(store: Store) -> None:
    """One server's at a time; a list that was imported is nobody's, until there is another."""

    async def turn(sha256: str, *, now: int, before: int = 0) -> marks.Turn:
        return await store.transact(
            marks.take_turn, sha256, now=now, until=now + 100, before=before
        )

    assert await turn("a", now=1) is marks.Turn.OURS
    assert await turn("a", now=2) is marks.Turn.OTHERS
    # Who has it goes on after a failure; who waited long enough takes it over.
    assert await turn("a", now=3, before=101) is marks.Turn.OURS
    assert await turn("a", now=200) is marks.Turn.OURS
    await store.transact(marks.end_turn, "a", now=201)
    assert await turn("a", now=202) is marks.Turn.DONE
    assert await turn("b", now=203) is marks.Turn.OURS
    await store.transact(marks.end_turn, "b", now=204)
    async with store.read() as connection:
        assert await marks.last_list(connection) == "b"
