"""Changes and the cases they move, decided in the transaction of their events or later."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from casebell.alerts import Decided
from casebell.events import Case, Change, ClassifiedEvent, Flag, Status, Tag
from casebell.store import subjects, unit_of_work
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, append_events
from casebell.store.schema import cases as cases_table
from casebell.store.schema import changes, events, journal
from casebell.store.statements import Driver
from casebell.store.unit_of_work import UnitOfWork
from contracts.case_events import (
    OCCURRED_AT,
    RECEIVED_AT,
    body_of,
    case_event,
    classified_event,
    json_content,
)
from contracts.decisions import (
    DECISION,
    decide_as_classified,
    decide_later,
    make_decision,
)
from contracts.stores import read_table, store_classified, store_undecided
from contracts.writing import writing

RECEIPT = "IOE0912345678"


async def append(store: Store, *sent: ClassifiedEvent) -> list[Appended]:
    """Store events in one transaction, in which each founds a change."""

    async def piece(connection: Connection) -> list[Appended]:
        return await append_events(
            connection, sent, content_of=json_content, decide=decide_as_classified
        )

    return await store.transact(piece)


class TestUndecided:
    """Events whose decision failed."""

    async def test_order(self, store: Store) -> None:
        """The oldest come first, a page at a time, whatever times they carry."""
        sent = [case_event(f"evt_{n}", received_at=RECEIVED_AT - n) for n in range(5)]
        await store_undecided(store, *sent)
        async with store.read() as connection:
            first, _ = await unit_of_work.read_undecided(connection, after=0, limit=3)
            rest, _ = await unit_of_work.read_undecided(connection, after=3, limit=3)
        assert [one.event for one in first + rest] == sent
        assert [one.id for one in first + rest] == [1, 2, 3, 4, 5]

    async def test_decided_later(self, store: Store) -> None:
        """An event that has its decision is not picked up again; any that is left is seen."""
        await store_undecided(store, *(case_event(f"evt_{n}") for n in range(2)))
        for left in ([2], []):
            await decide_later(store, 2 - len(left))
            async with store.read() as connection:
                found, _ = await unit_of_work.read_undecided(connection, after=0, limit=9)
                assert await unit_of_work.any_undecided(connection) is bool(left)
            assert [one.id for one in found] == left

    async def test_revision(self, store: Store) -> None:
        """A conflicting body waits for its decision like any other, and names its event."""
        await store_undecided(
            store, *(case_event(body=body_of("evt_1", text=word)) for word in "ab")
        )
        async with store.read() as connection:
            found, _ = await unit_of_work.read_undecided(connection, after=0, limit=9)
        assert [(one.id, one.revision_of) for one in found] == [(1, None), (2, 1)]
        assert all(Flag.CONFLICT in one.event.flags for one in found)

    async def test_row(self, store: Store) -> None:
        """Its row names its change and why, what it was taken for, and all its flags."""
        await store_undecided(store, case_event(flags=frozenset({Flag.NAIVE_TIME})))
        await decide_later(
            store,
            1,
            status=Status.DENIED,
            tags=frozenset({Tag.DECISION, Tag.ADVERSE}),
            flags=frozenset({Flag.LATE, Flag.REPEAT}),
            reason="same status",
            now=RECEIVED_AT + 1,
        )
        (row,) = await read_table(store, events)
        assert (row.routed_at, row.change_id, row.fold_reason) == (
            RECEIVED_AT + 1,
            1,
            "same status",
        )
        assert row.flags == " late naive_time repeat "
        assert (row.status, row.tags) == ("denied", " adverse decision ")


class TestChanges:
    """What a case went through."""

    async def test_stored(self, store: Store) -> None:
        """A change is stored with its event and its decision, and both are journalled."""
        (appended,) = await append(
            store, classified_event(tags=frozenset({Tag.DEADLINE, Tag.ACTION}))
        )
        assert appended.decided is not None
        assert appended.decided.change.id == 1
        (row,) = await read_table(store, changes)
        assert row.tags == " action deadline "
        assert (json.loads(row.decision), row.late, row.decided_at) == (
            DECISION,
            False,
            RECEIVED_AT,
        )
        (event,) = await read_table(store, events)
        assert (event.status, event.change_id, event.routed_at) == ("rfe_issued", 1, RECEIVED_AT)
        entry = (await read_table(store, journal))[-1]
        assert (entry.kind, entry.actor, entry.subject) == ("decision.made", "router", "change:1")
        told = json.loads(entry.data)
        assert told == {"event": 1, "receipt": RECEIPT, "status": "rfe_issued", **DECISION}

    @pytest.mark.parametrize("together", [False, True])
    async def test_ids(self, store: Store, *, together: bool) -> None:
        """Ids run from 1, whatever receipt a change is of, in one transaction or several."""
        sent = [classified_event(f"evt_{n}", receipt=f"IOE091234567{n}") for n in range(3)]
        for batch in [sent] if together else [[one] for one in sent]:
            await append(store, *batch)
        assert [row.change_id for row in await read_table(store, events)] == [1, 2, 3]
        assert [row.id for row in await read_table(store, changes)] == [1, 2, 3]
        assert [row.seq for row in await read_table(store, journal)] == list(range(1, 7))

    async def test_history(self, store: Store) -> None:
        """A receipt's changes come newest first by provider time; other receipts' do not."""
        await store_undecided(
            store,
            *(case_event(f"evt_{n}") for n in range(3)),
            case_event("evt_3", receipt="EAC9999103404"),
        )
        for number, at in enumerate((OCCURRED_AT, OCCURRED_AT + 9, OCCURRED_AT + 5), start=1):
            await decide_later(store, number, at=at, seen_until=at + 1)
        await decide_later(store, 4)
        async with store.read() as connection:
            unit = UnitOfWork(await Driver.of(connection))
            await unit.load([case_event(), case_event(receipt="LIN9999106498")])
        found = unit.history(RECEIPT)
        assert unit.history("LIN9999106498") == []
        assert [change.id for change in found] == [2, 3, 1]
        assert found[0] == Change(
            id=2,
            receipt=RECEIPT,
            status=Status.RFE_ISSUED,
            tags=frozenset({Tag.DEADLINE}),
            text_key="request for evidence",
            at=OCCURRED_AT + 9,
            seen_until=OCCURRED_AT + 10,
        )

    async def test_corroborated(self, store: Store) -> None:
        """A further report sets the span of times, of that change only, and is journalled."""
        await store_undecided(store, *(case_event(f"evt_{n}") for n in range(3)))
        await decide_later(store, 1)
        await decide_later(store, 2)
        await decide_later(store, 3, change=1, at=OCCURRED_AT - 2, seen_until=OCCURRED_AT + 7)
        assert [
            (row.at - OCCURRED_AT, row.seen_until - OCCURRED_AT)
            for row in await read_table(store, changes)
        ] == [(-2, 7), (0, 0)]
        entry = (await read_table(store, journal))[-1]
        assert (entry.kind, entry.subject) == ("change.corroborated", "change:1")
        assert json.loads(entry.data) == {"event": 3, "status": "rfe_issued"}


class TestCases:
    """A receipt number and where it stands."""

    async def test_unknown(self, store: Store) -> None:
        """Of a receipt the firm told us nothing of, there is an empty case."""
        await append(store, classified_event())
        async with store.read() as connection:
            found = await subjects.event_with_case(connection, 1)
        assert found == (classified_event(), Case(receipt=RECEIPT), None)

    async def test_no_such_event(self, store: Store) -> None:
        """There is nothing to say of an event that is not there."""
        async with store.read() as connection:
            with pytest.raises(LookupError):
                await subjects.event_with_case(connection, 9)
            assert await subjects.known_state_of(connection, 9) is None

    async def test_moved(self, store: Store) -> None:
        """A case's status is set and set again, and what the firm told us stays."""
        known = Case(
            receipt=RECEIPT,
            label="Acme-O1A",
            matter="2025-17",
            owner="jchan",
            team="o1",
            confidential=True,
        )
        async with writing(store) as connection:
            await connection.execute(
                cases_table.insert().values(
                    receipt=RECEIPT,
                    updated_at=1,
                    label="Acme-O1A",
                    matter="2025-17",
                    owner="jchan",
                    team="o1",
                    confidential=True,
                )
            )
        other = "EAC9999103404"
        for number, receipt in enumerate((RECEIPT, other) * 2, start=1):
            await store_undecided(
                store, case_event(f"evt_{number}", receipt=receipt, text="The text")
            )
            status = Status.RFE_ISSUED if number < 3 else Status.APPROVED
            await decide_later(store, number, status=status, current=True)
        async with store.read() as connection:
            _, case, current = await subjects.event_with_case(connection, 3)
            _, unnamed, _ = await subjects.event_with_case(connection, 4)
            found = (await connection.execute(select(cases_table))).all()
        assert case == known
        assert (unnamed, current) == (Case(receipt=other), "approved")
        assert {(row.status, row.text, row.at, row.change_id, row.updated_at) for row in found} == {
            ("approved", "The text", OCCURRED_AT, 3, RECEIVED_AT),
            ("approved", "The text", OCCURRED_AT, 4, RECEIVED_AT),
        }

    async def test_within_one_batch(self, store: Store) -> None:
        """What a batch did is known to the rest of it, and written once."""
        seen: list[int] = []

        def decide(unit: UnitOfWork) -> list[Decided]:
            first, second, third = unit.undecided
            spans: list[dict[str, Any]] = [
                {"at": OCCURRED_AT, "seen_until": OCCURRED_AT},
                {"at": OCCURRED_AT - 5, "seen_until": OCCURRED_AT + 5},
                {"at": OCCURRED_AT - 5, "seen_until": OCCURRED_AT + 9},
            ]
            made = [
                make_decision(first, change=unit.next_change, current=True, **spans[0]),
                make_decision(second, change=1, known=True, current=True, **spans[1]),
                make_decision(
                    third, change=1, known=True, current=True, status=Status.APPROVED, **spans[2]
                ),
            ]
            for one in made:
                unit.decide(one, now=RECEIVED_AT)
                (change,) = unit.history(RECEIPT)
                seen.append(change.seen_until - OCCURRED_AT)
            return made

        batch = [case_event(f"evt_{n}") for n in range(3)]

        async def piece(connection: Connection) -> list[Appended]:
            return await append_events(connection, batch, content_of=json_content, decide=decide)

        await store.transact(piece)
        (row,) = await read_table(store, changes)
        (case,) = await read_table(store, cases_table)
        assert seen == [0, 5, 9]
        assert (row.at, row.seen_until) == (OCCURRED_AT - 5, OCCURRED_AT + 9)
        assert case.status == "approved"
        assert [one.change_id for one in await read_table(store, events)] == [1, 1, 1]


async def test_an_event_is_noted_whole_or_not_at_all(store: Store) -> None:
    """A decision that cannot be written down leaves nothing of itself in the transaction."""

    def decide(unit: UnitOfWork) -> list[Decided]:
        bad, good = unit.undecided
        with pytest.raises(TypeError):
            unit.decide(
                make_decision(
                    bad, change=unit.next_change, current=True, decision={"who": object()}
                ),
                now=RECEIVED_AT,
            )
        made = make_decision(good, change=unit.next_change)
        unit.decide(made, now=RECEIVED_AT)
        return [made]

    async def piece(connection: Connection) -> list[Appended]:
        batch = [case_event("evt_1"), case_event("evt_2")]
        return await append_events(connection, batch, content_of=json_content, decide=decide)

    first, second = await store.transact(piece)
    assert (first.decided, second.decided is not None) == (None, True)
    assert [row.change_id for row in await read_table(store, events)] == [None, 1]
    assert [row.event_id for row in await read_table(store, changes)] == [2]
    assert await read_table(store, cases_table) == []


async def test_none_is_undecided(store: Store) -> None:
    """Where each has its decision."""
    await store_classified(store, classified_event())
    async with store.read() as connection:
        assert not await unit_of_work.any_undecided(connection)
        assert await unit_of_work.read_undecided(connection, after=0, limit=9) == ([], {})


async def test_what_cannot_be_read_stands_beside(store: Store) -> None:
    """A row of a later release keeps nobody from deciding about the others."""
    await store_undecided(store, *(case_event(f"evt_{number}") for number in (1, 2, 3)))
    async with writing(store) as connection:
        later = events.update().where(events.c.id == 2).values(key_basis="moon_phase")
        await connection.execute(later)
    async with store.read() as connection:
        assert await unit_of_work.any_undecided(connection)
        found, broken = await unit_of_work.read_undecided(connection, after=0, limit=9)
    assert [one.event.key for one in found] == ["evt_1", "evt_3"]
    assert list(broken) == [2]
    assert "moon_phase" in str(broken[2])
