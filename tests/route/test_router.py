"""The loop that decides: what comes of an event, and what operations hear."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from casebell.events import (
    Flag,
    TimeBasis,
)
from casebell.route.router import UNDECIDED_BATCH
from casebell.store.engine import Store
from casebell.store.schema import alerts, cases, changes, events, journal
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, body_of, case_event
from contracts.stores import (
    disk_failure,
    failing_statements,
    is_idle,
    read_table,
    recorded_transactions,
    store_in,
    store_undecided,
)
from contracts.writing import writing
from route.harness import (
    DAY,
    RULES,
    RouterHarness,
    received,
    snapshot,
)
from waiting import until


class TestDeciding:
    """What comes of an event."""

    async def test_a_change_its_case_and_its_alerts(self, store: Store) -> None:
        """A new change gets its decision, moves its case, and puts its alerts into the outbox."""
        await store_undecided(store, case_event())
        harness = RouterHarness(store)
        await harness.route()
        (event,) = await read_table(store, events)
        assert (event.routed_at, event.change_id) == (harness.clock.now(), 1)
        assert event.fold_reason == "first change with this status"
        (change,) = await read_table(store, changes)
        assert (change.event_id, change.status, change.at) == (1, "rfe_issued", OCCURRED_AT)
        (case,) = await read_table(store, cases)
        assert (case.receipt, case.status, case.change_id) == ("IOE0912345678", "rfe_issued", 1)
        assert await harness.told() == [
            ("slack", "general", True),
            ("email", "jchan@example-firm.com", True),
            ("email", "rfe-team@example-firm.com", True),
        ]
        first = (await read_table(store, alerts))[0]
        assert (first.subject, first.event_id, first.change_id) == ("change:1", 1, 1)
        assert json.loads(first.rules) == ["RFE", "Rest"]
        assert harness.wakeups == 1
        (line,) = harness.recording.named("event.decided")
        assert (line["receipt"], line["decision"]) == ("IOE******5678", "notified")

    async def test_the_journal_has_the_decision(self, store: Store) -> None:
        """The decision is in the journal as it is in its row: who, by which rules, and why."""
        await store_undecided(store, case_event())
        await RouterHarness(store).route()
        (entry,) = [row for row in await read_table(store, journal) if row.kind == "decision.made"]
        (change,) = await read_table(store, changes)
        data = json.loads(entry.data)
        decision = json.loads(change.decision)
        assert entry.subject == "change:1"
        assert decision.items() <= data.items()
        assert data["event"] == 1
        assert [rule["name"] for rule in decision["rules"]] == ["RFE", "Partner", "Rest"]
        assert [rule["matched"] for rule in decision["rules"]] == [True, False, True]

    async def test_urgency_is_each_recipients_own(self, store: Store) -> None:
        """An urgent rule makes it urgent for whom it names, and a known owner meets its glob."""
        await store_undecided(store, received("evt_1"))
        async with writing(store) as connection:
            await connection.execute(
                text(
                    "INSERT INTO cases (receipt, owner, updated_at, confidential) VALUES "
                    "('IOE0912345678', 'jchan@example-firm.com', 1, 0)"
                )
            )
        harness = RouterHarness(store)
        await harness.route()
        assert await harness.told() == [
            ("email", "jchan@example-firm.com", True),
            ("email", "rfe-team@example-firm.com", True),
            ("slack", "general", False),
        ]

    async def test_nobody_is_recorded(self, store: Store) -> None:
        """A change that no rule wants told has a decision that says so, and no alert."""
        await store_undecided(store, received("evt_1"))
        harness = RouterHarness(store, rules=RULES[:1])
        await harness.route()
        assert await harness.outcomes() == ["nobody"]
        assert await harness.told() == []

    async def test_a_placeholder_is_no_news(self, store: Store) -> None:
        """A text without information is decided for nobody and moves no case that is known."""
        placeholder = received(
            "evt_2",
            delivered_status=None,
            text="CASE STATUS",
            occurred_at=OCCURRED_AT + 10,
        )
        await store_undecided(store, received("evt_1"), placeholder)
        harness = RouterHarness(store)
        await harness.route()
        assert await harness.outcomes() == ["notified", "nobody"]
        (case,) = await read_table(store, cases)
        assert case.status == "received"

    async def test_a_test_receipt_is_for_operations(self, store: Store) -> None:
        """A staging receipt reaches operations and nobody else, whatever the rules say."""
        await store_undecided(store, case_event(receipt="EAC9999103403"))
        harness = RouterHarness(store)
        await harness.route()
        assert await harness.told() == [("ops", "it@example-firm.com", False)]

    async def test_several_reports_are_one_change(self, store: Store) -> None:
        """The generic and the specific type in one batch are told once; both events point to it."""
        await store_undecided(
            store,
            case_event("evt_1", type="case.status.updated"),
            case_event("evt_2", type="case.rfe.issued", occurred_at=OCCURRED_AT + 1),
        )
        harness = RouterHarness(store)
        await harness.route()
        assert [row.change_id for row in await read_table(store, events)] == [1, 1]
        assert len(await read_table(store, changes)) == 1
        assert [line["decision"] for line in harness.recording.named("event.decided")] == [
            "notified",
            "same_change",
        ]
        assert len(await harness.told()) == 3

    async def test_a_repeated_observation_is_flagged(self, store: Store) -> None:
        """The same state at a new time of observation is stored with its flag, and not told."""
        await store_undecided(
            store,
            received("evt_1", time_basis=TimeBasis.OBSERVED),
            received("evt_2", time_basis=TimeBasis.OBSERVED, occurred_at=OCCURRED_AT + 10**9),
        )
        harness = RouterHarness(store)
        await harness.route()
        assert [row.flags for row in await read_table(store, events)] == ["", " repeat "]
        (change,) = await read_table(store, changes)
        assert change.seen_until == OCCURRED_AT + 10**9

    async def test_the_same_without_any_time_is_told_once(self, store: Store) -> None:
        """A source that tells no time is not news each month because its body has another note."""
        harness = RouterHarness(store)
        timeless = {"occurred_at": None, "occurred_raw": None, "time_basis": None}
        for month in range(4):
            body = body_of("none", note=f"fetched {month} times")
            at = RECEIVED_AT + month * 30 * 86_400 * 10**6
            await harness.stored(
                case_event(f"sha256:{month}", body=body, received_at=at, **timeless)
            )
        assert [row.flags for row in await read_table(store, events)] == ["", *[" repeat "] * 3]
        assert len(await harness.told()) == 3  # one for each target

    async def test_a_late_change_is_told_and_does_not_turn_the_case_back(
        self, store: Store
    ) -> None:
        """What happened earlier but comes later still alerts; the case keeps its status."""
        late = OCCURRED_AT + DAY * 10**7
        approved = received("evt_1", delivered_status="approved", text="", occurred_at=late)
        await store_undecided(store, approved, case_event("evt_2"))
        harness = RouterHarness(
            store, rules=({"name": "Late", "when": {"flags": ["late"]}, "notify": ["ops"]},)
        )
        await harness.route()
        assert [row.flags for row in await read_table(store, events)] == ["", " late "]
        # Rules may ask for what folding found out.
        assert await harness.told() == [("ops", "it@example-firm.com", True)]
        (case,) = await read_table(store, cases)
        assert case.status == "approved"

    async def test_at_once_or_later(self, tmp_path: Path) -> None:
        """An event gets the same decision in the transaction that stores it and afterwards."""
        story = [
            received("evt_1", time_basis=TimeBasis.OBSERVED),
            case_event("evt_2", occurred_at=OCCURRED_AT + 5),
            received("evt_3", time_basis=TimeBasis.OBSERVED, occurred_at=OCCURRED_AT + 10**9),
            received("evt_1", body=body_of("evt_1", x=1)),
            case_event("evt_4", occurred_at=OCCURRED_AT - DAY * 10**6, receipt="EAC9999103403"),
        ]
        found = []
        for name in ("together", "one by one", "later"):
            folder = tmp_path / name
            folder.mkdir()
            async with store_in(folder) as store:
                harness = RouterHarness(store)
                if name == "later":
                    await store_undecided(store, *story)
                    await harness.route()
                for batch in {"together": [story], "one by one": [[one] for one in story]}.get(
                    name, []
                ):
                    await harness.stored(*batch)
                tables = await snapshot(store)
                entries = sorted((row[2:6] for row in tables.pop()), key=str)
                found.append([tables, entries])
        assert found[1:] == found[:1] * 2


class TestOperations:
    """What operations hear."""

    async def test_a_conflict_is_routed(self, store: Store) -> None:
        """Another body under a used key is routed like any event."""
        await store_undecided(store, received("evt_1"))
        harness = RouterHarness(store)
        await harness.route()
        other = received(
            "evt_1",
            delivered_status="approved",
            text="Case Was Approved",
            body=body_of("evt_1", x=1),
        )
        await store_undecided(store, other, other)
        await harness.route()
        assert [row.flags for row in await read_table(store, events)] == [
            " conflict ",
            " conflict ",
        ]
        assert await harness.outcomes() == ["notified", "notified"]

    @pytest.mark.parametrize(
        ("delivered", "text", "flag"),
        [
            ("approved", "", Flag.STATUS_CONFLICT),
            ("rfe_issued", "Case Was Approved", Flag.TEXT_CONFLICT),
        ],
    )
    async def test_a_contradiction_is_told_once(
        self, store: Store, delivered: str, text: str, flag: Flag
    ) -> None:
        """A source that contradicts itself is told of with what it said."""
        event = case_event(delivered_status=delivered, text=text, type="case.rfe.issued")
        await store_undecided(store, event)
        harness = RouterHarness(store)
        await harness.route()
        await harness.route()
        assert await harness.notes() == [
            (
                "Source parley delivered event 1 with parts that contradict each other.\n"
                f"Delivered status: “{delivered}”. Event type: “case.rfe.issued”.\n"
                "Taken as: rfe_issued.\n"
                "See what was decided: casebell why 1"
            )
        ]
        assert [row.flags for row in await read_table(store, events)] == [f" {flag} "]

    async def test_a_contradiction_is_told_hourly(self, store: Store) -> None:
        """A source that says the same two things each time is told of once an hour."""
        harness = RouterHarness(store)

        async def contradict(count: int, **fields: Any) -> int:
            before = len(await read_table(store, events))
            for number in range(before, before + count):
                event = case_event(
                    f"evt_{number}", receipt=f"IOE{number:010}", type="case.rfe.issued", **fields
                )
                await harness.stored(event)
            return len(await harness.notes())

        assert await contradict(3, delivered_status="approved", text="") == 1
        assert await contradict(3, delivered_status="denied", text="") == 2
        harness.clock.advance(3_600)
        assert await contradict(3, delivered_status="approved", text="") == 3

    async def test_nobody_for_operations(self, store: Store) -> None:
        """Without a channel for operations, the events are routed all the same."""
        await store_undecided(store, case_event(text="Case Was Approved"))
        harness = RouterHarness(store, ops=())
        await harness.route()
        assert await harness.notes() == []
        assert await harness.outcomes() == ["notified"]


class TestLoop:
    """Waking, resting, ending."""

    async def test_more_than_a_batch(self, store: Store) -> None:
        """What is more than one transaction takes is taken in several, in order of arrival."""
        count = UNDECIDED_BATCH + 3
        many = [received(f"evt_{i}", receipt=f"IOE{i:010d}") for i in range(count)]
        await store_undecided(store, *many)
        harness = RouterHarness(store)
        with recorded_transactions(store) as begun:
            await harness.route()
        assert len(begun) == 2
        assert [line["row"] for line in harness.recording.named("event.decided")] == list(
            range(1, count + 1)
        )

    async def test_a_start_picks_up_what_is_there(self, store: Store) -> None:
        """Events that were left undecided are decided after the start, once."""
        await store_undecided(store, received("evt_1"))
        for _ in range(2):
            harness = RouterHarness(store)
            async with harness.router.loop:
                await until(partial(is_idle, harness.router.loop._wakeup), "the loop to go round")
        assert len(await read_table(store, changes)) == 1
        assert len(await harness.told()) == 1

    async def test_new_rules_wake_it(self, store: Store) -> None:
        """What could not be decided before is decided when the rules change."""
        harness = RouterHarness(store)
        async with harness.router.loop:
            await until(lambda: is_idle(harness.router.loop._wakeup), "the loop to rest")
            await store_undecided(store, received("evt_1"))
            harness.router.loop.wake()
            await until(
                lambda: harness.recording.named("event.decided"), "the routed event in the log"
            )
        assert harness.wakeups == 1

    async def test_it_outlives_trouble(self, store: Store) -> None:
        """Neither a failing storage nor a defect ends the loop; it goes on when they are over."""
        await store_undecided(store, received("evt_1"))
        harness = RouterHarness(store)
        errors: list[BaseException] = [disk_failure(), RuntimeError("a secret")]

        def fails(_statement: str) -> BaseException | None:
            return errors.pop(0) if errors else None

        with failing_statements(store, fails):
            async with harness.router.loop:
                await until(lambda: len(errors) < 2, "the first error")
                harness.router.loop.wake()
                await until(lambda: harness.recording.named("loop.defect"), "the defect in the log")
                assert harness.router.loop.alive
                harness.router.loop.wake()
                await until(
                    lambda: harness.recording.named("event.decided"), "the routed event in the log"
                )
        met = harness.metrics.registry.get_sample_value(
            "casebell_storage_errors_total", {"stage": "route"}
        )
        assert met == 1.0

    async def test_looking_costs_no_writing(self, store: Store) -> None:
        """Where every event has its decision, nothing is written."""
        harness = RouterHarness(store)
        await harness.stored(received("evt_1"))
        with recorded_transactions(store) as begun:
            await harness.route()
        assert begun == []

    async def test_alive(self, store: Store) -> None:
        """It says whether its loop runs."""
        harness = RouterHarness(store)
        told = [harness.router.loop.alive]
        async with harness.router.loop:
            told.append(harness.router.loop.alive)
        told.append(harness.router.loop.alive)
        assert told == [False, True, False]
