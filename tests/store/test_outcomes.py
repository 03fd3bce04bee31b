"""What became of cases in a span, on either database; and of what an earlier release stored."""

import importlib

from sqlalchemy import text

from casebell.actors import Actor, Role
from casebell.clock import DAY
from casebell.events import Status
from casebell.store import outcomes
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import OCCURRED_AT, RECEIVED_AT
from contracts.cases import change_case, say_of_case
from contracts.writing import writing

VIEWER = Actor(name="token:x", role=Role.VIEWER, teams=frozenset({"rfe"}))


async def fill(store: Store) -> None:
    """Two decisions of which one has its receipt on record; and what is counted nowhere."""
    start = {"at": OCCURRED_AT, "tags": frozenset()}
    await change_case(store, 1, status=Status.RECEIVED, **start)
    await change_case(store, 1, status=Status.INTERVIEW_SCHEDULED, **start)
    end = {"at": OCCURRED_AT + 3 * DAY + 1, "tags": frozenset()}
    await change_case(store, 1, status=Status.APPROVED, **end)
    await change_case(store, 2, status=Status.DENIED, **end)


async def test_a_span(store: Store) -> None:
    """It begins at its first moment, and ends before its last."""
    await fill(store)
    everything = {
        outcomes.Outcome(Status.RECEIVED, None): 1,
        outcomes.Outcome(Status.APPROVED, 3): 1,
        outcomes.Outcome(Status.DENIED, None): 1,
    }
    end = OCCURRED_AT + 3 * DAY + 1
    async with store.read() as connection:
        assert await outcomes.began(connection) == RECEIVED_AT
        for first, behind, found in (
            (OCCURRED_AT, end + 1, everything),
            (OCCURRED_AT, end, {outcomes.Outcome(Status.RECEIVED, None): 1}),
            (OCCURRED_AT + 1, end, {}),
        ):
            assert await outcomes.between(connection, first, behind, seen_by=ADMIN) == found


async def test_what_somebody_may_not_see(store: Store) -> None:
    """A confidential case counts for its team alone."""
    await fill(store)
    await say_of_case(store, 1, confidential=True)
    denied = {outcomes.Outcome(Status.DENIED, None): 1}
    async with store.read() as connection:
        assert await outcomes.between(connection, 0, 2**60, seen_by=VIEWER) == denied
    await say_of_case(store, 1, team="rfe")
    async with store.read() as connection:
        assert len(await outcomes.between(connection, 0, 2**60, seen_by=VIEWER)) == 3


async def test_what_an_earlier_release_stored(store: Store) -> None:
    """The migration counts the days as deciding does."""
    await fill(store)
    migration = importlib.import_module("casebell.store.migrations.versions.0002_field")
    async with writing(store) as connection:
        before = await outcomes.between(connection, 0, 2**60, seen_by=ADMIN)
        await connection.execute(text("UPDATE changes SET days = NULL"))
        assert await outcomes.between(connection, 0, 2**60, seen_by=ADMIN) != before
        await connection.execute(text(migration.DAYS_SO_FAR))
        assert await outcomes.between(connection, 0, 2**60, seen_by=ADMIN) == before
