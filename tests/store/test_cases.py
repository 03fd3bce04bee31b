"""Changes and the cases they move."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from casebell.events import Case, Change, Flag, Status, Tag
from casebell.store import cases
from casebell.store.docket import Docket, Record
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.schema import cases as cases_table
from casebell.store.schema import changes, events, journal
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, body_of, case_event, unjudged
from contracts.dockets import docket_of

RECEIPT = "IOE0912345678"
DECISION = {"outcome": "nobody", "notify": [], "rules": [], "because": "no rule «matched»"}


async def add_change(store: Store, *, event_id: int = 1, **fields: Any) -> int:
    """A change that nobody hears of."""
    receipt = str(fields.get("receipt", RECEIPT))
    async with docket_of(store, receipt) as docket:
        return docket.add_change(
            **{
                "receipt": RECEIPT,
                "status": Status.RFE_ISSUED,
                "tags": frozenset({Tag.DEADLINE, Tag.ACTION}),
                "text_key": "request for evidence",
                "at": OCCURRED_AT,
                "seen_until": OCCURRED_AT,
                "event_id": event_id,
                "late": False,
                "now": RECEIVED_AT,
                "decision": Record(DECISION),
                **fields,
            },
        )


async def mark_routed(store: Store, event_id: int, *flags: Flag) -> None:
    """Note a verdict and a decision, and all flags that the event has with them."""
    async with docket_of(store) as docket:
        docket.mark_routed(
            event_id=event_id,
            change_id=1,
            status=Status.DENIED,
            tags=frozenset({Tag.DECISION, Tag.ADVERSE}),
            flags=frozenset(flags),
            reason="same status",
            now=RECEIVED_AT + 1,
        )


class TestUnrouted:
    """Events without a decision."""

    async def test_order(self, store: Store, log: EventLog) -> None:
        """The oldest come first, as many as are asked for, whatever times they carry."""
        sent = [case_event(f"evt_{n}", received_at=RECEIVED_AT - n) for n in range(5)]
        for event in sent:
            await log.append(event)
        first = await cases.unrouted_ids(store, limit=3)
        some = await cases.unrouted_ids(store, limit=3, leave_out=[1, 3])
        read, _ = await cases.unrouted(store, [3, 1])
        assert first == [1, 2, 3]
        assert some == [2, 4, 5]
        assert [(one.id, one.event) for one in read] == [(1, sent[0]), (3, sent[2])]

    async def test_routed(self, store: Store, log: EventLog) -> None:
        """An event that has its decision is not picked up again."""
        for number in range(3):
            await log.append(case_event(f"evt_{number}"))
        await mark_routed(store, 2)
        assert await cases.unrouted_ids(store, limit=9) == [1, 3]
        found, _ = await cases.unrouted(store, [1, 2])
        assert [one.id for one in found] == [1]

    async def test_revision(self, store: Store, log: EventLog) -> None:
        """A conflicting body waits for its decision like any other, and names its event."""
        for word in ("a", "b"):
            await log.append(case_event(body=body_of("evt_1", text=word)))
        found, _ = await cases.unrouted(store, await cases.unrouted_ids(store, limit=9))
        assert [(one.id, one.revision_of) for one in found] == [(1, None), (2, 1)]


class TestMarkRouted:
    """Noting that an event has its decision."""

    async def test_noted(self, store: Store, log: EventLog) -> None:
        """The event names its change and why, what it was taken for, and all its flags."""
        await log.append(unjudged(flags=frozenset({Flag.NAIVE_TIME})))
        await mark_routed(store, 1, Flag.NAIVE_TIME, Flag.LATE, Flag.REPEAT)
        async with store.read() as connection:
            row = (await connection.execute(select(events))).one()
        assert (row.routed_at, row.change_id, row.fold_reason) == (
            RECEIVED_AT + 1,
            1,
            "same status",
        )
        assert row.flags == " late naive_time repeat "
        assert (row.status, row.tags) == ("denied", " adverse decision ")

    async def test_flagged_meanwhile(self, store: Store, log: EventLog) -> None:
        """A conflict that arrived since the event was read stays flagged."""
        await log.append(unjudged())
        await log.append(unjudged(body=body_of("evt_1", other=True)))
        await mark_routed(store, 1)
        await mark_routed(store, 2, Flag.LATE)
        async with store.read() as connection:
            flags = (await connection.execute(select(events.c.flags).order_by(events.c.id))).all()
        assert [row.flags for row in flags] == [" conflict ", " conflict late "]


class TestChanges:
    """What a case went through."""

    async def test_stored(self, store: Store, log: EventLog) -> None:
        """A change is stored with its decision, and both are journalled."""
        await log.append(case_event())
        assert await add_change(store) == 1
        async with store.read() as connection:
            row = (await connection.execute(select(changes))).one()
            entries = (await connection.execute(select(journal).order_by(journal.c.seq))).all()
        assert row.tags == " action deadline "
        assert (json.loads(row.decision), row.late, row.decided_at) == (
            DECISION,
            False,
            RECEIVED_AT,
        )
        assert (entries[-1].kind, entries[-1].actor, entries[-1].subject) == (
            "decision.made",
            "router",
            "change:1",
        )
        told = json.loads(entries[-1].data)
        assert told == {"event": 1, "receipt": RECEIPT, "status": "rfe_issued", **DECISION}

    async def test_ids(self, store: Store, log: EventLog) -> None:
        """Ids run from 1, whatever receipt a change is of; what is not written takes none."""
        await log.append(case_event())
        for expected in (1, 2):
            async with store.read() as connection:
                unwritten = await Docket.load(connection, [RECEIPT])
            unwritten.mark_routed(
                event_id=1,
                change_id=1,
                status=Status.DENIED,
                tags=frozenset(),
                flags=frozenset(),
                reason="",
                now=1,
            )
            assert await add_change(store, receipt=f"IOE091234567{expected}") == expected

    async def test_history(self, store: Store, log: EventLog) -> None:
        """A receipt's changes come newest first by provider time; other receipts' do not."""
        await log.append(case_event())
        for at in (OCCURRED_AT, OCCURRED_AT + 9, OCCURRED_AT + 5):
            await add_change(store, at=at, seen_until=at + 1)
        await add_change(store, receipt="EAC9999103404")
        async with docket_of(store, RECEIPT, "LIN9999106498") as docket:
            found = docket.history(RECEIPT)
            assert docket.history("LIN9999106498") == []
        assert [change.id for change in found] == [2, 3, 1]
        assert found[0] == Change(
            id=2,
            receipt=RECEIPT,
            status=Status.RFE_ISSUED,
            tags=frozenset({Tag.DEADLINE, Tag.ACTION}),
            text_key="request for evidence",
            at=OCCURRED_AT + 9,
            seen_until=OCCURRED_AT + 10,
        )

    async def test_corroborated(self, store: Store, log: EventLog) -> None:
        """A further report widens the span of times, of that change only, and is journalled."""
        await log.append(case_event())
        await add_change(store)
        await add_change(store)
        async with docket_of(store, RECEIPT) as docket:
            for at, seen_until in ((3, 7), (-2, 5), (0, 0)):
                docket.corroborate(
                    receipt=RECEIPT,
                    change_id=1,
                    event_id=8,
                    status=Status.RFE_ISSUED,
                    at=OCCURRED_AT + at,
                    seen_until=OCCURRED_AT + seen_until,
                    now=RECEIVED_AT,
                )
        async with store.read() as connection:
            rows = (await connection.execute(select(changes).order_by(changes.c.id))).all()
            entries = (await connection.execute(select(journal).order_by(journal.c.seq))).all()
        assert [(row.at - OCCURRED_AT, row.seen_until - OCCURRED_AT) for row in rows] == [
            (-2, 7),
            (0, 0),
        ]
        assert (entries[-1].kind, entries[-1].subject) == ("change.corroborated", "change:1")
        assert json.loads(entries[-1].data) == {"event": 8, "status": "rfe_issued"}


class TestCases:
    """A receipt number and where it stands."""

    async def test_unknown(self, store: Store, log: EventLog) -> None:
        """Of a receipt the firm told us nothing of, there is an empty case."""
        appended = await log.append(case_event())
        async with store.read() as connection:
            found = await cases.event_with_case(connection, appended.event_id)
        assert found == (case_event(), Case(receipt=RECEIPT), None)

    async def test_no_such_event(self, store: Store) -> None:
        """There is nothing to say of an event that is not there."""
        async with store.read() as connection:
            with pytest.raises(LookupError):
                await cases.event_with_case(connection, 9)
            assert await cases.known_state_of(connection, 9) is None

    async def test_moved(self, store: Store, log: EventLog) -> None:
        """A case's status is set and set again, and what the firm told us stays."""
        ours = await log.append(case_event("evt_1"))
        other = await log.append(case_event("evt_2", receipt="EAC9999103404"))
        async with store.write() as connection:
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
        for change_id, status in ((3, Status.RFE_ISSUED), (4, Status.APPROVED)):
            for receipt in (RECEIPT, "EAC9999103404"):
                async with docket_of(store, receipt) as docket:
                    docket.move_case(
                        receipt=receipt,
                        status=status,
                        text="The text",
                        at=OCCURRED_AT,
                        change_id=change_id,
                        now=RECEIVED_AT,
                    )
        async with store.read() as connection:
            _, case, current = await cases.event_with_case(connection, ours.event_id)
            _, unnamed, _ = await cases.event_with_case(connection, other.event_id)
            rows = (await connection.execute(select(cases_table))).all()
        assert case == Case(
            receipt=RECEIPT,
            label="Acme-O1A",
            matter="2025-17",
            owner="jchan",
            team="o1",
            confidential=True,
        )
        assert (unnamed, current) == (Case(receipt="EAC9999103404"), "approved")
        assert {(row.status, row.text, row.at, row.change_id, row.updated_at) for row in rows} == {
            ("approved", "The text", OCCURRED_AT, 4, RECEIVED_AT)
        }

    async def test_within_one_batch(self, store: Store, log: EventLog) -> None:
        """What a batch did is known to the rest of it, and written once."""
        await log.append(case_event())
        async with docket_of(store, RECEIPT) as docket:
            number = docket.add_change(
                receipt=RECEIPT,
                status=Status.RFE_ISSUED,
                tags=frozenset(),
                text_key="rfe",
                at=OCCURRED_AT,
                seen_until=OCCURRED_AT,
                event_id=1,
                late=False,
                now=RECEIVED_AT,
                decision=Record(DECISION),
            )
            (change,) = docket.history(RECEIPT)
            assert (change.id, change.at) == (number, OCCURRED_AT)
            docket.corroborate(
                receipt=RECEIPT,
                change_id=number,
                event_id=2,
                status=Status.RFE_ISSUED,
                at=OCCURRED_AT - 5,
                seen_until=OCCURRED_AT + 5,
                now=RECEIVED_AT,
            )
            for status in (Status.RFE_ISSUED, Status.APPROVED):
                docket.move_case(
                    receipt=RECEIPT,
                    status=status,
                    text="",
                    at=OCCURRED_AT,
                    change_id=number,
                    now=RECEIVED_AT,
                )
        async with store.read() as connection:
            (row,) = (await connection.execute(select(changes))).all()
            (case,) = (await connection.execute(select(cases_table))).all()
        assert (row.at, row.seen_until) == (OCCURRED_AT - 5, OCCURRED_AT + 5)
        assert case.status == "approved"
