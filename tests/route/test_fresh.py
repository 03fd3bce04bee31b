"""The short way from the event log to the router tells nothing else than the long one."""

import dataclasses
from collections.abc import Sequence

import pytest

from casebell.events import CaseEvent
from casebell.route.fresh import LARGEST, LIMIT, Fresh
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from contracts.case_events import body_of, same_json, unjudged
from route.routing import Bench


def test_taken_out_once() -> None:
    """An event is there for one routing; after that the table has it."""
    fresh = Fresh()
    event = unjudged()
    fresh.keep([(7, event)])
    assert [(one.id, one.event, one.revision_of) for one in fresh.pick([6, 7]).values()] == [
        (7, event, None)
    ]
    assert fresh.pick([7]) == {}


def test_bounded() -> None:
    """A burst, or a large body, is not kept in memory."""
    fresh = Fresh()
    event = unjudged()
    large = dataclasses.replace(event, body=b" " * (LARGEST + 1))
    fresh.keep([(0, large), *((number, event) for number in range(1, LIMIT + 9))])
    kept = fresh.pick(range(LIMIT + 9))
    assert 0 not in kept
    assert len(kept) <= LIMIT


def test_forgotten() -> None:
    """When an event that is stored may have changed, all are read again."""
    fresh = Fresh()
    fresh.keep([(1, unjudged())])
    fresh.keep(())
    assert fresh.pick([1]) == {}


@pytest.mark.parametrize("handed_over", [True, False])
async def test_a_flag_from_a_conflict_counts(store: Store, *, handed_over: bool) -> None:
    """A rule that asks for conflicts sees the flag that an event got before it was routed."""
    bench = Bench(
        store, rules=({"name": "Twice", "when": {"flags": ["conflict"]}, "notify": ["slack"]},)
    )

    def appended(stored: Sequence[tuple[int, CaseEvent]]) -> None:
        bench.router.take(stored if handed_over else ())

    async with EventLog(store=store, same_content=same_json, appended=appended) as log:
        await log.append(unjudged(body=body_of("evt_1", text="first")))
        await log.append(unjudged(body=body_of("evt_1", text="second")))
    await bench.route()
    assert await bench.outcomes() == ["notified"]
