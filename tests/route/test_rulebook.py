"""What an event is taken for, and that it is written with its decision."""

import json

from sqlalchemy import text

from casebell.events import Flag, Status, Tag
from casebell.route.verdict import Meanings
from casebell.store.engine import Store
from casebell.store.schema import changes, events, journal
from contracts.case_events import case_event, unjudged
from contracts.workbench import rows, stored
from route.routing import Bench, rulebook


async def test_written_with_the_decision(store: Store) -> None:
    """The event has none before, and its status, tags and flags after; the journal has it."""
    await stored(
        store,
        unjudged("evt_1", type="case.rfe.issued", delivered_status="approved", text=""),
        unjudged("evt_2"),
    )
    assert {(row.status, row.tags) for row in await rows(store, events)} == {("", "")}
    bench = Bench(store)
    await bench.route()
    assert [(row.status, row.tags, row.flags) for row in await rows(store, events)] == [
        ("rfe_issued", " deadline ", " status_conflict "),
        ("rfe_issued", " deadline ", ""),
    ]
    told = {
        row.kind: json.loads(row.data)
        for row in await rows(store, journal)
        if row.actor == "router"
    }
    assert told["decision.made"]["status"] == "rfe_issued"
    assert told["change.corroborated"] == {"event": 2, "status": "rfe_issued"}
    assert [line["status"] for line in bench.book.named("event.routed")] == ["rfe_issued"] * 2


async def test_what_an_earlier_release_found_stays(store: Store) -> None:
    """An event that was stored with its verdict, and not routed, keeps it."""
    kept = case_event(
        status=Status.DENIED,
        tags=frozenset({Tag.ADVERSE}),
        flags=frozenset({Flag.STATUS_CONFLICT}),
    )
    await stored(store, kept)
    await Bench(store).route()
    (row,) = await rows(store, events)
    assert (row.status, row.tags, row.flags) == ("denied", " adverse ", " status_conflict ")
    (change,) = await rows(store, changes)
    assert (change.status, change.tags) == ("denied", " adverse ")


async def test_after_a_restart_it_is_the_same(store: Store) -> None:
    """Read back from the table or handed over by the event log, it is weighed alike."""
    told = [
        unjudged(
            f"evt_{number}",
            receipt=f"IOE{number:010d}",
            delivered_status=status,
            delivered_category=category,
            text="",
        )
        for number, (status, category) in enumerate(
            [("received", "Request for Evidence"), ("Rejected", None), (None, None)]
        )
    ]
    bench = Bench(store)
    results = await stored(store, *told)
    fresh = bench.router._fresh
    fresh.keep([(one.event_id, event) for one, event in zip(results, told, strict=True)])
    await bench.router.route_waiting()
    verdicts = [(row.status, row.tags, row.flags) for row in await rows(store, events)]
    async with store.write() as connection:
        await connection.execute(
            text("UPDATE events SET routed_at = NULL, status = '', tags = '', flags = ''")
        )
        await connection.execute(text("DELETE FROM changes"))
    await Bench(store).route()
    assert verdicts == [
        ("rfe_issued", " deadline ", " status_conflict "),
        ("other", " rejected ", ""),
        ("other", "", ""),
    ]
    again = [(row.status, row.tags, row.flags) for row in await rows(store, events)]
    assert again == verdicts


async def test_new_meanings(store: Store) -> None:
    """What the operator says of words and receipts counts from the next event on (E10)."""
    bench = Bench(store)
    for number, meanings in enumerate(
        (
            Meanings(),
            Meanings(categories={"parley": {"closed": Status.DENIED}}),
            Meanings(test_receipts=("IOE*",)),
        )
    ):
        bench.router.use(rulebook(meanings=meanings))
        await stored(
            store,
            unjudged(
                f"evt_{number}",
                receipt=f"IOE{number:010d}",
                delivered_status="Closed",
                text="",
            ),
        )
        await bench.route()
    assert [(row.status, row.tags) for row in await rows(store, events)] == [
        ("other", ""),
        ("denied", " adverse decision "),
        ("other", " test "),
    ]
