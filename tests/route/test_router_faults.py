"""The loop that decides, when something breaks: every event is decided whole or not at all."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from casebell.alerts import AlertKind
from casebell.errors import StorageUnavailable
from casebell.events import Absences, Case, CaseEvent, ClassifiedEvent
from casebell.route import rulebook as rulebook_module
from casebell.route.classification import Meanings, classify_event
from casebell.route.rulebook import CachedDecision, DecisionCache
from casebell.store.engine import Store
from casebell.store.schema import changes, events
from contracts.case_events import OCCURRED_AT, case_event
from contracts.stores import disk_failure, failing_statements, read_table, store_in, store_undecided
from contracts.writing import writing
from route.harness import (
    DAY,
    RouterHarness,
    received,
    snapshot,
)
from waiting import until


class TestAllOrNothing:
    """A crash between any two steps leaves nothing half done."""

    def story(self) -> list[CaseEvent]:
        """A batch with everything in it: a founder, a further report, a conflict, a late one."""
        return [
            received("evt_1", occurred_at=OCCURRED_AT + DAY * 10**7),
            received("evt_2", occurred_at=OCCURRED_AT + DAY * 10**7 + 1),
            case_event("evt_3", type="case.denied"),
        ]

    async def decide(self, harness: RouterHarness, *, later: bool | None) -> None:
        """Decide in the transaction that stores them, or later; None where they are stored."""
        if later is False:
            await harness.stored(*self.story())
            return
        if later:
            await store_undecided(harness.store, *self.story())
        await harness.route()

    @pytest.mark.parametrize("later", [False, True])
    async def test_at_every_statement(self, tmp_path: Path, *, later: bool) -> None:
        """Whichever statement fails, nothing is written; the next try comes to the same end."""
        folder = tmp_path / "whole"
        folder.mkdir()
        async with store_in(folder) as store:
            await self.decide(RouterHarness(store), later=later)
            whole = await snapshot(store)
        assert [len(rows_of_table) for rows_of_table in whole[:4]] == [3, 2, 1, 5]

        for place in itertools.count(1):
            folder = tmp_path / f"fails-at-{place}"
            folder.mkdir()
            async with store_in(folder) as store:
                if later:
                    await store_undecided(store, *self.story())
                before = await snapshot(store)
                harness = RouterHarness(store)
                with failing_statements(store, failing_at(place)):
                    try:
                        await self.decide(harness, later=later and None)
                    except StorageUnavailable:
                        pass
                    else:
                        break
                assert await snapshot(store) == before
                assert harness.recording.lines == []
                await self.decide(harness, later=later and None)
                assert await snapshot(store) == whole
        assert place > 6

    async def test_a_crash_of_the_process(self, store: Store) -> None:
        """A writer that is cancelled while it writes leaves no trace; the next start decides."""
        await store_undecided(store, *self.story())
        before = await snapshot(store)
        harness = RouterHarness(store)
        counted = itertools.count(1)

        def cancel(_statement: str) -> BaseException | None:
            return asyncio.CancelledError() if next(counted) == 4 else None

        with failing_statements(store, cancel), pytest.raises(StorageUnavailable):
            await harness.route()
        assert await snapshot(store) == before
        again = RouterHarness(store)
        async with again.router.loop:
            await until(
                lambda: len(again.recording.named("event.decided")) == 3, "three routed events"
            )
        assert len(await read_table(store, changes)) == 2


def failing_at(place: int) -> Callable[[str], BaseException | None]:
    """The disk fails at that statement."""
    counted = itertools.count(1)
    return lambda _statement: disk_failure() if next(counted) == place else None


class TestPoison:
    """An event that cannot be routed."""

    @pytest.fixture
    async def harness(self, store: Store) -> RouterHarness:
        """Three events; the second has a rule's worth of trouble in it."""
        await store_undecided(store, *self.story())
        return RouterHarness(store)

    def story(self) -> list[CaseEvent]:
        """Three events, of which the second is the one."""
        return [
            received("evt_1"),
            case_event("evt_2", receipt="POI0000000000"),
            received("evt_3", receipt="IOE0000000003"),
        ]

    def poisoned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make whatever decides about that receipt raise."""
        real = DecisionCache.decide

        def fails(
            cache: DecisionCache, event: ClassifiedEvent, case: Case, away: Absences
        ) -> CachedDecision:
            if event.receipt.startswith("POI"):
                raise ZeroDivisionError("IOE0912345678")
            return real(cache, event, case, away)

        monkeypatch.setattr(DecisionCache, "decide", fails)

    async def test_a_row_that_cannot_be_read(self, harness: RouterHarness) -> None:
        """A word of a later release keeps one event waiting, told once, and the others not."""
        async with writing(harness.store) as connection:
            await connection.execute(text("UPDATE events SET flags = ' novel ' WHERE id = 2"))
        await harness.route()
        routed = [row.routed_at is not None for row in await read_table(harness.store, events)]
        assert routed == [True, False, True]
        (line,) = harness.recording.named("event.defect")
        assert line["row"] == 2
        assert await harness.told(AlertKind.OPS) == [("ops", "it@example-firm.com", True)]
        # Put right, it is decided at the next try, and operations do not hear of it again.
        async with writing(harness.store) as connection:
            await connection.execute(text("UPDATE events SET flags = '' WHERE id = 2"))
        await harness.route()
        assert all(row.routed_at is not None for row in await read_table(harness.store, events))
        assert len(await harness.told(AlertKind.OPS)) == 1

    async def test_a_history_that_cannot_be_read(self, store: Store) -> None:
        """Where a case's change has a word of a later release, its next event is stored still."""
        harness = RouterHarness(store)
        await harness.stored(received("evt_1"), received("evt_2", receipt="IOE0000000002"))
        async with writing(store) as connection:
            await connection.execute(text("UPDATE changes SET status = 'novel' WHERE event_id = 1"))
        appended = await harness.stored(
            case_event("evt_3"), case_event("evt_4", receipt="IOE0000000002")
        )
        assert [one.outcome for one in appended] == ["stored"] * 2
        assert [one.decided is not None for one in appended] == [False, True]
        (note,) = await harness.notes()
        assert note.startswith("Event 3 is stored, but deciding about it failed.")
        async with writing(store) as connection:
            await connection.execute(text("UPDATE changes SET status = 'received'"))
        await harness.route()
        assert all(row.routed_at is not None for row in await read_table(store, events))

    @pytest.mark.parametrize("later", [False, True])
    async def test_it_is_isolated_and_told(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, *, later: bool
    ) -> None:
        """It is stored, the others are decided; operations hear of it, urgently and once."""
        self.poisoned(monkeypatch)
        harness = RouterHarness(store)
        if later:
            await store_undecided(store, *self.story())
            await harness.route()
        else:
            appended = await harness.stored(*self.story())
            assert [one.outcome for one in appended] == ["stored"] * 3
            assert [one.decided is not None for one in appended] == [True, False, True]
        routed = [row.routed_at is not None for row in await read_table(harness.store, events)]
        assert routed == [True, False, True]
        assert await harness.told(AlertKind.OPS) == [("ops", "it@example-firm.com", True)]
        (note,) = await harness.notes()
        assert note.startswith("Event 2 is stored, but deciding about it failed.")
        (line,) = harness.recording.named("event.defect")
        assert line["row"] == 2
        assert len(harness.recording.named("event.decided")) == (2 if later else 0)

    async def test_an_event_that_cannot_be_classified(
        self, harness: RouterHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event that cannot be classified stays undecided; the others are decided."""

        def fails(event: CaseEvent, meanings: Meanings) -> ClassifiedEvent:
            if event.receipt.startswith("POI"):
                raise ZeroDivisionError
            return classify_event(event, meanings)

        monkeypatch.setattr(rulebook_module, "classify_event", fails)
        await harness.route()
        statuses = [row.status for row in await read_table(harness.store, events)]
        assert statuses == ["received", "", "received"]
        (note,) = await harness.notes()
        assert note.startswith("Event 2 is stored, but deciding about it failed.")
        monkeypatch.undo()
        await harness.route()
        assert (await read_table(harness.store, events))[1].status == "rfe_issued"

    async def test_it_is_tried_again(
        self, harness: RouterHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is tried again, and while it fails nobody is told a second time."""
        self.poisoned(monkeypatch)
        await harness.route()
        await harness.route()
        assert len(harness.recording.named("event.defect")) == 2
        assert len(await harness.notes()) == 1
        monkeypatch.undo()
        await harness.route()
        assert all(row.routed_at for row in await read_table(harness.store, events))

    async def test_new_events_are_not_held_up(
        self, harness: RouterHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beside it, what comes later is decided, however many there are."""
        self.poisoned(monkeypatch)
        await harness.route()
        await harness.stored(received("evt_4", receipt="IOE0000000004"))
        routed = [row.routed_at is not None for row in await read_table(harness.store, events)]
        assert routed == [True, False, True, True]
