"""What runs while nobody acknowledges a change, on both backends."""

from typing import Any

from casebell.alerts import Escalating
from casebell.store import escalations
from casebell.store.engine import Store
from casebell.store.schema import escalations as table
from contracts.case_events import case_event
from contracts.decisions import append_undecided, decide_later
from contracts.stores import read_table
from contracts.writing import writing

TWO = (
    Escalating(name="Ended", due_at=50, urgent=False),
    Escalating(name="Runs", due_at=70, urgent=True),
)


async def begun(store: Store, **fields: Any) -> list[escalations.Running]:
    """Two that a change began, and that are due."""
    (event,) = await store.transact(append_undecided, batch=[case_event()])
    await decide_later(store, event.event_id, now=40, escalations=TWO, **fields)
    async with store.read() as connection:
        return await escalations.due(connection, now=70, limit=9)


async def test_it_begins_with_the_decision(store: Store) -> None:
    """At its first step, in the decision's transaction; the longest due comes first."""
    ended, runs = await begun(store)
    assert (ended.name, runs.name) == ("Ended", "Runs")
    assert (runs.began_at, runs.step, runs.repetition, runs.due_at) == (40, 0, 0, 70)
    assert (runs.urgent, runs.event_id, runs.receipt) == (True, 1, "IOE0912345678")


async def test_a_clock_that_was_set_back(store: Store) -> None:
    """What runs moves with it, its beginning too; what has ended stays as it was."""
    ended, _ = await begun(store)
    async with writing(store) as connection:
        assert await escalations.end(connection, ended, "answered")
        assert not await escalations.end(connection, ended, "answered")
        assert await escalations.bring_forward(connection, by=30) == 1
    assert {row.name: (row.began_at, row.due_at) for row in await read_table(store, table)} == {
        "Ended": (40, None),
        "Runs": (10, 40),
    }
