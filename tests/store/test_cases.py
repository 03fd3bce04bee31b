"""Events without a decision, and an event beside what the firm told us of its case."""

import pytest

from casebell.events import Case, Status, Tag
from casebell.store import cases
from casebell.store.engine import Store
from casebell.store.schema import cases as cases_table
from casebell.store.schema import events
from contracts.case_events import case_event, classified_event
from contracts.stores import store_classified, store_undecided
from contracts.writing import writing

RECEIPT = "IOE0912345678"


async def test_none_is_undecided(store: Store) -> None:
    """Where each has its decision."""
    await store_classified(store, classified_event())
    async with store.read() as connection:
        assert not await cases.any_undecided(connection)
        assert await cases.undecided(connection, after=0, limit=9) == ([], {})


async def test_what_cannot_be_read_stands_beside(store: Store) -> None:
    """A row of a later release keeps nobody from deciding about the others."""
    await store_undecided(store, *(case_event(f"evt_{number}") for number in (1, 2, 3)))
    async with writing(store) as connection:
        later = events.update().where(events.c.id == 2).values(key_basis="moon_phase")
        await connection.execute(later)
    async with store.read() as connection:
        assert await cases.any_undecided(connection)
        found, broken = await cases.undecided(connection, after=0, limit=9)
    assert [one.event.key for one in found] == ["evt_1", "evt_3"]
    assert list(broken) == [2]
    assert "moon_phase" in str(broken[2])


async def test_an_event_with_its_case(store: Store) -> None:
    """What the firm told us of the receipt, and where the case stands; empty where nothing."""
    known, unknown = classified_event("evt_1"), classified_event("evt_2", receipt="WAC2190054321")
    await store_classified(store, known, unknown)
    async with writing(store) as connection:
        told = {"label": "Ortiz", "team": "family", "confidential": True, "updated_at": 1}
        row = {"receipt": RECEIPT, "status": "rfe_issued", **told}
        await connection.execute(cases_table.insert().values(row))
    async with store.read() as connection:
        event, case, status = await cases.event_with_case(connection, 1)
        assert (event.key, event.status, status) == ("evt_1", Status.RFE_ISSUED, "rfe_issued")
        assert (case.label, case.team, case.confidential) == ("Ortiz", "family", True)
        event, case, _ = await cases.event_with_case(connection, 2)
        assert (event.key, case) == ("evt_2", Case(receipt="WAC2190054321"))
        with pytest.raises(LookupError):
            await cases.event_with_case(connection, 3)


async def test_words_of_a_later_release(store: Store) -> None:
    """They are passed over: an alert about such an event goes out all the same."""
    await store_classified(store, classified_event())
    async with writing(store) as connection:
        later = {"status": "reopened", "tags": " deadline lunar "}
        await connection.execute(events.update().values(later))
    async with store.read() as connection:
        known = await cases.known_state_of(connection, 1)
        assert known == (Status.OTHER, frozenset({Tag.DEADLINE}))
        assert await cases.known_state_of(connection, 2) is None
