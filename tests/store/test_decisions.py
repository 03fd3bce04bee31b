"""Changes with what was decided about them, read a piece at a time, on either database."""

from collections.abc import Sequence
from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.events import CaseEvent, Flag, Status
from casebell.store import decisions
from casebell.store.decisions import Piece
from casebell.store.engine import Store
from casebell.store.schema import changes, events
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, body_of, case_event
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.decisions import DECISION, decide_later
from contracts.filled import append
from contracts.writing import writing

STRANGER = Actor(name="token:x", role=Role.VIEWER, person="ana")


async def read(store: Store, *, actor: Actor = ADMIN, **given: int) -> Piece:
    """A piece; by default of everything."""
    asked = {"newest": 99, "oldest": 1, "since": 0, **given}
    async with store.read() as connection:
        return await decisions.piece(connection, **asked, seen_by=actor)


def numbers(piece: Piece) -> Sequence[int]:
    """Which changes it has."""
    return [one.change.id for one in piece.changes]


async def test_what_it_has(store: Store) -> None:
    """The change as it was decided, its event without the body, and what is said of its case."""
    await change_case(store, 1, status=Status.DENIED, late=True)
    await say_of_case(store, 1, owner="ana", team="rfe", label="L", matter="M")
    (one,) = (await read(store)).changes
    assert (one.change.id, one.change.status, one.event_id) == (1, Status.DENIED, 1)
    assert (one.late, one.decided_at, one.decision) == (True, RECEIVED_AT, DECISION)
    assert (one.event.receipt, one.event.text) == (receipt_of(1), case_event().text)
    assert one.event.body == b""
    assert (one.case.owner, one.case.team, one.case.label, one.case.matter) == (
        *("ana", "rfe"),
        *("L", "M"),
    )


async def test_a_case_that_nothing_is_known_of(store: Store) -> None:
    """It is empty."""
    await change_case(store, 1, current=False)
    (one,) = (await read(store)).changes
    assert (one.case.receipt, one.case.owner) == (receipt_of(1), "")


async def test_numbers_and_times(store: Store) -> None:
    """Newest first, between two numbers; what was decided before the span is left out."""
    async with store.read() as connection:
        assert await decisions.latest(connection) == 0
    assert await read(store, since=7) == Piece((), 0, within=False, earliest=7)
    for number in range(1, 6):
        await change_case(store, number)
    async with writing(store) as connection:
        when = changes.c.id * 10
        await connection.execute(changes.update().values(decided_at=when))
    async with store.read() as connection:
        assert await decisions.latest(connection) == 5
    assert numbers(await read(store)) == [5, 4, 3, 2, 1]
    piece = await read(store, newest=4, oldest=2, since=30)
    assert numbers(piece) == [4, 3]
    assert (piece.within, piece.earliest) == (True, 20)
    piece = await read(store, newest=2, oldest=1, since=30)
    assert (numbers(piece), piece.within, piece.earliest) == ([], False, 10)


async def test_what_one_may_not_see(store: Store) -> None:
    """Others' confidential cases are left out; that the span goes on is still known."""
    await change_case(store, 1)
    await change_case(store, 2)
    await say_of_case(store, 2, confidential=True)
    assert numbers(await read(store, actor=STRANGER)) == [1]
    piece = await read(store, actor=STRANGER, oldest=2)
    assert (numbers(piece), piece.within, piece.unreadable) == ([], True, 0)
    await say_of_case(store, 2, owner="ana")
    assert numbers(await read(store, actor=STRANGER)) == [2, 1]


@pytest.mark.parametrize(
    "damage",
    [
        changes.update().values(status="paroled"),
        changes.update().values(tags=" lost "),
        changes.update().values(decision="{"),
        events.update().values(flags=" lost "),
        events.update().values(key_basis="luck"),
    ],
    ids=["status", "tag", "decision", "flag", "key basis"],
)
async def test_what_cannot_be_read(store: Store, damage: Any) -> None:
    """It is counted, and costs no other change."""
    await change_case(store, 1)
    async with writing(store) as connection:
        await connection.execute(damage)
    await change_case(store, 2)
    piece = await read(store)
    assert (numbers(piece), piece.unreadable) == ([2], 1)


def conflicting(word: str) -> CaseEvent:
    """One of several contents under a key."""
    return case_event(body=body_of("evt_1", text=word))


@pytest.mark.parametrize(
    ("first_at", "second_at", "flagged"), [(10, 20, False), (20, 20, True), (30, 20, True)]
)
async def test_a_conflict_counts_if_it_was_known_then(
    store: Store, first_at: int, second_at: int, flagged: bool
) -> None:
    """An event is flagged whenever its key comes with other content, before its decision or after.

    The conflicting body has the flag from the start.
    """
    first, second = await append(store, conflicting("a"), conflicting("b"))
    await decide_later(store, first, now=first_at)
    await decide_later(store, second, now=second_at)
    found = {one.event_id: Flag.CONFLICT in one.event.flags for one in (await read(store)).changes}
    assert found == {first: flagged, second: True}
