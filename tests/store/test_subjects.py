"""What an alert tells of, as it is stored."""

import pytest

from casebell.events import Case, Flag, Status, Tag
from casebell.store import subjects
from casebell.store.engine import Store
from casebell.store.schema import cases as cases_table
from casebell.store.schema import events
from contracts.case_events import classified_event
from contracts.stores import store_classified
from contracts.writing import writing

RECEIPT = "IOE0912345678"


async def test_an_event_with_its_case(store: Store) -> None:
    """What the firm told us of the receipt, and where the case stands; empty where nothing."""
    known, unknown = classified_event("evt_1"), classified_event("evt_2", receipt="WAC2190054321")
    await store_classified(store, known, unknown)
    async with writing(store) as connection:
        told = {"label": "Ortiz", "team": "family", "confidential": True, "updated_at": 1}
        row = {"receipt": RECEIPT, "status": "rfe_issued", **told}
        await connection.execute(cases_table.insert().values(row))
    async with store.read() as connection:
        event, case, status = await subjects.event_with_case(connection, 1)
        assert (event.key, event.status, status) == ("evt_1", Status.RFE_ISSUED, "rfe_issued")
        assert (case.label, case.team, case.confidential) == ("Ortiz", "family", True)
        event, case, _ = await subjects.event_with_case(connection, 2)
        assert (event.key, case) == ("evt_2", Case(receipt="WAC2190054321"))
        with pytest.raises(LookupError):
            await subjects.event_with_case(connection, 3)


async def test_words_of_a_later_release(store: Store) -> None:
    """They are passed over: an alert about such an event goes out all the same."""
    await store_classified(store, classified_event())
    async with writing(store) as connection:
        later = {"status": "reopened", "tags": " deadline lunar ", "flags": " late lunar "}
        await connection.execute(events.update().values(later))
    async with store.read() as connection:
        known = await subjects.known_state_of(connection, 1)
        assert known is not None
        assert known.status is Status.OTHER
        assert known.tags == {Tag.DEADLINE}
        assert known.flags == {Flag.LATE}
        assert await subjects.known_state_of(connection, 2) is None
