"""What a key finds, what waits; and that an index serves each query of a loop or a list."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event, true
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import NOBODY, Actor, Role
from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
    Asked,
    FailureReason,
    Wait,
)
from casebell.events import Flag, HeldState, Status, Tag
from casebell.store import (
    acknowledgements,
    cases,
    conflicts,
    decisions,
    due_dates,
    escalations,
    failed,
    feeds,
    grouping,
    held,
    holding,
    journal,
    leases,
    links,
    ops,
    outbox,
    outcomes,
    pushed_out,
    queries,
    queue_by_hand,
    queue_list,
    reconciliations,
    refused,
    registrations,
    sessions,
    subscriptions,
    targets,
    tracked,
    unit_of_work,
    walk,
    wordings,
)
from casebell.store import attempts as failed_attempts
from casebell.store.cases import CaseFilter
from casebell.store.engine import Store
from casebell.store.lists import (
    AlertFilter,
    EventFilter,
    HeldFilter,
    JournalFilter,
    RefusedFilter,
)
from casebell.store.queue_list import QueueFilter
from casebell.store.schema import metadata
from casebell.store.walk import Filter
from contracts.actors import ADMIN
from contracts.case_events import (
    RECEIVED_AT,
    body_of,
    case_event,
)
from contracts.decisions import append_undecided, decide_later
from contracts.filled import append, decide, hold, send_one
from contracts.plans import sorts, walks_a_whole_table
from contracts.stores import watched_driver
from contracts.writing import writing


class TestFind:
    """What a reader may mean by a key."""

    async def test_key(self, store: Store) -> None:
        """A source's key finds its events of all sources, oldest first, and no other."""
        await append(
            store,
            case_event("evt_1"),
            case_event("evt_10"),
            case_event("evt_1", source="torch"),
        )
        async with store.read() as connection:
            found = await queries.find_events(connection, "evt_1", seen_by=ADMIN)
            assert await queries.find_events(connection, "evt_", seen_by=ADMIN) == []
            assert await queries.find_events(connection, "evt_%", seen_by=ADMIN) == []
        assert [(one.id, one.source) for one in found] == [(1, "parley"), (3, "torch")]

    async def test_row_number(self, store: Store) -> None:
        """A number is a row's, as operations are told it, whatever keys look like it."""
        await append(store, case_event("evt_1"), case_event("evt_2"), case_event("1"))
        async with store.read() as connection:
            for key, expected in (("2", ["evt_2"]), ("1", ["evt_1", "1"]), ("3", ["1"])):
                assert [
                    one.key for one in await queries.find_events(connection, key, seen_by=ADMIN)
                ] == expected
            for key in ("0", "4", "-1", "٢", "9" * 30, ""):
                assert await queries.find_events(connection, key, seen_by=ADMIN) == []

    async def test_revisions(self, store: Store) -> None:
        """Conflicting bodies follow the event whose key they came under; each has a key, too."""
        sent = [case_event(body=body_of("evt_1", text=word)) for word in "abc"]
        await append(store, *sent, case_event("evt_2"))
        async with store.read() as connection:
            for key in ("evt_1", "1"):
                found = await queries.find_events(connection, key, seen_by=ADMIN)
                assert [one.id for one in found] == [1, 2, 3]
            assert found[1].key_basis == "revision"
            [alone] = await queries.find_events(connection, found[2].key, seen_by=ADMIN)
        assert alone.id == 3


async def test_backlog(store: Store) -> None:
    """What waits is counted: decisions, alerts, held deliveries; and alerts that failed."""
    async with store.read() as connection:
        assert await queries.backlog(connection) == dict.fromkeys(
            ("unrouted", "alerts", "failed", "held"), 0
        )
    ids = await append(store, *[case_event(f"evt_{n}") for n in range(5)])
    for event_id in ids[:3]:
        await decide(store, event_id)
    await send_one(store)
    await send_one(store, state=AlertState.FAILED)
    await hold(store, b"x")
    async with store.read() as connection:
        assert await queries.backlog(connection) == {
            "unrouted": 2,
            "alerts": 1,
            "failed": 1,
            "held": 1,
        }


Query = Callable[[AsyncConnection], Awaitable[Any]]


def to_decide_again(actor: Actor) -> Query:
    """A piece of changes with what was decided about them."""
    return lambda c: decisions.piece(c, newest=9, oldest=1, since=1, seen_by=actor)


def listing(**given: Any) -> Query:
    """A listing of events."""
    return lambda connection: walk.page_of(connection, EventFilter(**given), limit=50)


def exporting(where: walk.Filter) -> Query:
    """A whole export."""

    async def export(connection: AsyncConnection) -> None:
        async for _ in walk.export(lambda: nullcontext(connection), where):
            pass

    return export


#: Who sees nothing, and who sees little, of others' confidential cases.
VIEWER = Actor(name="token:ana", role=Role.VIEWER, person="ana", teams=frozenset({"rfe"}))
OPERATOR = Actor(name="token:ben", role=Role.OPERATOR)

_CLAIMED = Alert(
    id=1,
    kind=AlertKind.CASE,
    subject="change:1",
    channel="slack",
    target="general",
    rules=(),
    urgent=False,
    attempts=1,
    created_at=1,
    may_repeat=False,
    event_id=1,
    change_id=1,
)


_QUIET = Wait(until=2**51, reason=FailureReason.QUIET_HOURS)
_ESCALATION = escalations.Running(
    change_id=1,
    event_id=1,
    receipt="IOE0912345678",
    name="RFE unseen",
    urgent=True,
    began_at=1,
    step=0,
    repetition=0,
    due_at=1,
)
_NEAR = due_dates.Near(
    change_id=1,
    event_id=1,
    urgent=True,
    due="2026-12-24",
    due_by="account:ana",
    due_confirmed_by=None,
    remind_at=1,
    channels=(),
)


def _waiting(together: int | None) -> Any:
    """The row of an alert that waits, or goes again, in one message with others."""
    return SimpleNamespace(
        id=1,
        channel="slack",
        target="general",
        priority=1,
        kind="case",
        state="deferred",
        reason="grouped",
        not_before=5,
        together=together,
    )


def _for_digest() -> Any:
    """The row of an alert that waits for a digest."""
    return SimpleNamespace(**{**vars(_waiting(None)), "person": None, "addressed_as": ""})


LINK = links.Link(digest="a", change_id=1, alert_id=1, person="ana", expires_at=1)
#: What a loop or a listing asks, by whether it may sort what it found.
HOT_QUERIES: dict[str, tuple[Query, bool]] = {
    "append": (lambda c: append_undecided(c, [case_event("evt_2")]), False),
    "claim": (
        lambda c: outbox.claim(c, channel="slack", owner="a", now=2**50, lease=60),
        False,
    ),
    "let wait": (lambda c: grouping.defer(c, _waiting(None), until=2**51, now=2**50), False),
    # A hundred, of those that go in one message.
    "go together": (
        lambda c: grouping.others_of(c, _waiting(None), free=true(), at={"now": 2**50}),
        True,
    ),
    "go together again": (
        lambda c: grouping.others_of(c, _waiting(7), free=true(), at={"now": 2**50}),
        True,
    ),
    "let wait for hours": (
        lambda c: holding.hold(c, _waiting(None), wait=_QUIET, now=2**50),
        False,
    ),
    # At most as many as a digest takes; of two that are due at the same time the older one first.
    "what a digest takes": (
        lambda c: holding.digest_of(c, _for_digest(), now=2**50),
        False,
    ),
    "digests that were put ahead": (holding.planned, False),
    "digests to take back": (lambda c: holding.unplan(c, "slack", [("general", 5)]), False),
    # As many groups as there are times for which something waits.
    "for which times they wait": (lambda c: holding.held(c, now=1), True),
    "due at once": (lambda c: holding.reconsider(c, "slack", "case", _QUIET, now=1), False),
    "the next cases to look at": (
        lambda c: tracked.next_cases(c, "parley", before=2**50, limit=9),
        False,
    ),
    "cases that are left": (
        lambda c: tracked.count_left(c, "parley", before=2**50),
        False,
    ),
    "cases that are new to an API": (
        lambda c: tracked.add_missing(c, "parley", after="", is_test=bool),
        False,
    ),
    # A case has a few dozen events, and few are undecided.
    "what is known of cases": (
        lambda c: tracked.known_events(c, ["IOE0912345678"]),
        False,
    ),
    "the present of cases": (
        lambda c: tracked.present(c, ["IOE0912345678"]),
        False,
    ),
    "what other APIs told of": (
        lambda c: tracked.told_since(c, ["IOE0912345678"]),
        False,
    ),
    # Those of a run.
    "first looks to tell": (lambda c: tracked.to_tell(c, "parley"), True),
    "the run that goes on": (lambda c: reconciliations.going_on(c, "parley"), False),
    "the last run": (lambda c: reconciliations.latest(c, "parley"), False),
    "changes by webhooks": (
        lambda c: reconciliations.count_changes(c, "parley", since=2**50),
        False,
    ),
    # Few are held of a source.
    "the last delivery": (lambda c: queries.keep_last_delivery(c, "parley"), True),
    "escalations that are due": (lambda c: escalations.due(c, now=2**50, limit=9), False),
    "a turn of an escalation": (
        lambda c: escalations.move(c, _ESCALATION, step=1, repetition=0, due_at=5),
        False,
    ),
    "whether a change is settled": (lambda c: escalations.settled(c, 1), False),
    "escalations of changes": (lambda c: escalations.of_changes(c, [1, 2]), True),
    "dates that are near": (lambda c: due_dates.near(c, now=2**50, limit=9), False),
    "a date that was told": (lambda c: due_dates.take(c, _NEAR, then=None), False),
    "feeds of digests": (lambda c: feeds.with_digests(c, ["a"]), False),
    # Those that are open, the newest first; few have a date.
    "dates of a feed": (lambda c: feeds.dates(c, owners=["a"], teams=["b"]), False),
    "sessions of digests": (lambda c: sessions.with_digests(c, ["a"]), False),
    "sessions of an account": (lambda c: sessions.of_account(c, 1, seen_since=1, now=1), False),
    "sessions that are over": (lambda c: sessions.remove_ended(c, now=1), False),
    "unnotified wordings": (lambda c: wordings.unnotified(c, limit=5), False),
    "count of unnotified wordings": (wordings.count_unnotified, False),
    "next_due": (lambda c: outbox.next_due(c, channel="slack"), False),
    # Channels that are gone: looked for now and then, and seldom there.
    "channels_waiting": (lambda c: outbox.channels_waiting(c, ["slack"]), True),
    "cases to register": (lambda c: registrations.unregistered(c, "a", after="b", limit=9), False),
    "cases that fail": (lambda c: registrations.failing(c, "a", limit=9), False),
    "a subscription that was begun": (lambda c: subscriptions.begun(c, "a", "b"), False),
    "release leases": (lambda c: leases.release(c, now=1), False),
    "renew a lease": (lambda c: leases.renew(c, _CLAIMED, owner="a", now=1, lease=1), False),
    "any undecided": (unit_of_work.any_undecided, False),
    "undecided": (lambda c: unit_of_work.read_undecided(c, after=5, limit=50), False),
    # Few are being sent at any time.
    "holders": (leases.holders, True),
    "unnotified": (held.unnotified, True),
    "tests of a shape": (lambda c: held.last_test(c, source="a", shape="b"), False),
    "mark_told": (
        lambda c: held.mark_told(c, source="a", reason="b", last=9, now=1),
        False,
    ),
    "conflicts to tell of": (conflicts.unnotified, True),
    "fields of conflicts": (lambda c: conflicts.fields_of(c, "parley", last=9), True),
    "told of conflicts": (lambda c: conflicts.mark_told(c, source="a", last=9, now=1), False),
    "conflicts of an event": (lambda c: conflicts.of_event(c, 1, seen_by=NOBODY), True),
    "find by key": (lambda c: queries.find_events(c, "evt_1", seen_by=ADMIN), True),
    "find by number": (lambda c: queries.find_events(c, "1", seen_by=ADMIN), True),
    "list": (lambda c: walk.page_of(c, EventFilter(), limit=5, after=(9,)), False),
    "list, everything seen": (
        lambda c: walk.page_of(c, EventFilter(seen_by=ADMIN), limit=5, after=(9,)),
        False,
    ),
    "list by status, everything seen": (listing(seen_by=ADMIN, status=Status.DENIED), False),
    "list by status": (listing(status=Status.DENIED), False),
    "list by receipt": (listing(receipt="IOE0912345678"), True),
    "list by source": (listing(source="parley"), False),
    "list since": (listing(since=RECEIVED_AT), False),
    "list until": (listing(until=RECEIVED_AT), False),
    "list by status since": (listing(status=Status.DENIED, since=RECEIVED_AT), False),
    "count by status": (
        lambda c: walk.count(c, EventFilter(status=Status.DENIED)),
        False,
    ),
    "list by source and status": (listing(source="parley", status=Status.DENIED), False),
    "list by all": (
        listing(source="a", status=Status.DENIED, receipt="b", since=1, tag=Tag.CARD, text="c"),
        True,
    ),
    "count by receipt": (lambda c: walk.count(c, EventFilter(receipt="b")), True),
    "count since": (lambda c: walk.count(c, EventFilter(since=RECEIVED_AT)), False),
    "cases": (lambda c: walk.page_of(c, CaseFilter(), limit=50, after=(9,)), False),
    "cases of which nothing came": (lambda c: CaseFilter(silent=True).page(c, limit=50), False),
    "case": (lambda c: cases.find(c, "IOE0912345678", seen_by=VIEWER), False),
    "changes of a case": (lambda c: cases.changes_of(c, "IOE0912345678", limit=50), True),
    "told by name": (lambda c: cases.told_by_name(c, [1, 2]), False),
    "alerts of changes": (lambda c: cases.alerts_of(c, [1, 2], limit=50), True),
    "events of changes": (lambda c: cases.events_of(c, [1, 2], limit=50), True),
    # As many groups as the month had days from receipt to decision.
    "outcomes": (lambda c: outcomes.between(c, 1, 2, seen_by=ADMIN), True),
    "outcomes, as some may see them": (lambda c: outcomes.between(c, 1, 2, seen_by=VIEWER), True),
    "changes to decide again": (to_decide_again(ADMIN), False),
    "changes to decide again, as some may see them": (to_decide_again(VIEWER), False),
    "latest change": (decisions.latest, False),
    "alerts that wait, by target": (targets.waiting, True),
    "deliveries": (lambda c: queries.deliveries_of(c, 1), False),
    "change": (lambda c: queries.find_change(c, 1), False),
    "events of a change": (lambda c: queries.events_of(c, 1), False),
    "body": (lambda c: queries.body_of(c, 1), False),
    "alerts by state": (
        lambda c: walk.page_of(c, AlertFilter(state=AlertState.FAILED), limit=50),
        False,
    ),
    "alerts by change": (lambda c: walk.page_of(c, AlertFilter(change_id=1), limit=50), False),
    "alerts": (lambda c: walk.page_of(c, AlertFilter(), limit=50, after=(9,)), False),
    "alerts, everything seen": (
        lambda c: walk.page_of(c, AlertFilter(seen_by=ADMIN), limit=50, after=(9,)),
        False,
    ),
    "alerts over a channel": (
        lambda c: walk.page_of(c, AlertFilter(channel="slack"), limit=50, after=(9,)),
        False,
    ),
    "alerts to a person": (
        lambda c: walk.page_of(c, AlertFilter(person="jchan"), limit=50, after=(9,)),
        False,
    ),
    "alerts since": (lambda c: walk.page_of(c, AlertFilter(since=RECEIVED_AT), limit=50), False),
    "alerts of a receipt": (lambda c: walk.page_of(c, AlertFilter(receipt="b"), limit=50), True),
    "alerts outstanding": (
        lambda c: walk.page_of(c, AlertFilter(outstanding=True, channel="slack"), limit=50),
        False,
    ),
    "next outstanding": (
        lambda c: failed.next_outstanding(c, AlertFilter(outstanding=True), after=7, limit=50),
        False,
    ),
    "attempts": (lambda c: queries.attempts_of(c, 1), False),
    "by hand": (lambda c: queries.by_hand(c, 1), False),
    "held by state": (lambda c: walk.page_of(c, HeldFilter(state=HeldState.HELD), limit=50), False),
    "refused": (lambda c: walk.page_of(c, RefusedFilter(), limit=50, after=(9,)), False),
    "readmittable": (lambda c: refused.readmittable(c, source=None), False),
    "named": (lambda c: refused.known(c, [1, 2]), False),
    "too old": (lambda c: refused.any_too_old(c, now=1), False),
    "forget": (lambda c: refused.forget(c, now=1), False),
    "too many with a proof": (
        lambda c: c.execute(refused._over_count(refused.PROVEN_BOUNDS)),
        True,
    ),
    "too much with a proof": (
        lambda c: c.execute(refused._over_size(refused.PROVEN_BOUNDS)),
        True,
    ),
    "too many without": (lambda c: c.execute(refused._over_count(refused.UNPROVEN_BOUNDS)), True),
    "too much without": (lambda c: c.execute(refused._over_size(refused.UNPROVEN_BOUNDS)), True),
    "pushed out": (lambda c: pushed_out.since(c, 1), True),
    "rising": (refused.rising, True),
    "told of": (lambda c: ops.known_subjects(c, ["held:parley:invalid_json:1"]), False),
    "told of refusals": (lambda c: refused.mark_told(c, source="a", last=9, now=1), False),
    "backlog": (queries.backlog, False),
    "without a decision": (lambda c: queries.undecided(c, limit=20, seen_by=ADMIN), False),
    "without a decision, not everything seen": (
        lambda c: queries.undecided(c, limit=20, seen_by=VIEWER),
        False,
    ),
    "names of sources": (lambda c: queries.names_on_record(c, "source"), True),
    "names of channels": (lambda c: queries.names_on_record(c, "channel"), True),
    "failed attempts": (lambda c: failed_attempts.recent(c, now=1), False),
    # As much work as waits.
    "oldest waiting": (queries.oldest_waiting, True),
    "journal": (lambda c: walk.page_of(c, JournalFilter(), limit=50, after=(9,)), False),
    "journal by all": (
        lambda c: walk.page_of(
            c,
            JournalFilter(
                kind="alert.retried", actor="cli:jia", subject="alert:1", since=1, until=2**50
            ),
            limit=50,
            after=(9,),
        ),
        False,
    ),
    "journal, a further page": (
        lambda c: walk.page_of(c, JournalFilter(kind="alert.retried"), limit=50, after=(20_000,)),
        False,
    ),
    "export": (exporting(EventFilter(text="a")), False),
    "export since": (exporting(EventFilter(since=1, until=2**50, status=Status.DENIED)), False),
    "export of a case": (exporting(EventFilter(receipt="b")), True),
    "export of alerts": (exporting(AlertFilter(since=1, target="a")), False),
    "last entry": (journal.latest_sequence, False),
    "queue": (lambda c: QueueFilter().page(c, limit=50, after=(9,)), False),
    "queue of a case": (lambda c: QueueFilter(receipt="b").page(c, limit=50), True),
    "queue, mine": (lambda c: QueueFilter(of=VIEWER, seen_by=VIEWER).page(c, limit=50), False),
    "queue by date": (
        lambda c: QueueFilter(by_date=True, of=VIEWER, seen_by=VIEWER).page(c, limit=50),
        False,
    ),
    "queue by date, a further page": (
        lambda c: QueueFilter(by_date=True, seen_by=VIEWER).page(c, limit=50, after=(2,)),
        False,
    ),
    # As many as a case was asked in its life.
    "asked of a case": (lambda c: queue_list.asked_of(c, "b"), False),
    "escalating": (lambda c: queue_list.escalating(c, "b"), True),
    "last escalated": (lambda c: queue_list.last_escalated(c, [1, 2]), False),
    "a date": (
        lambda c: queue_by_hand.enter_due(
            c, 1, date(2026, 12, 24), by="a", remind_at=None, was=None, now=1, actor=ADMIN
        ),
        False,
    ),
    "reopen": (
        lambda c: queue_by_hand.reopen(c, 1, remind_at=None, was="a", since=1, now=1, actor=ADMIN),
        False,
    ),
    "links of digests": (lambda c: links.with_digests(c, ["a"]), False),
    "old links": (lambda c: links.add(c, [LINK], now=1), False),
    "use a link": (lambda c: links.use(c, "a", now=1), False),
    "what an alert told": (lambda c: links.told_by(c, 1), False),
    "answered ones": (lambda c: links.answered(c, [1, 2]), False),
    "awaited ones": (lambda c: links.awaited(c, [1, 2]), True),
    "acknowledge": (lambda c: acknowledgements.acknowledge(c, [1], actor=ADMIN, now=1), False),
    "acknowledgements": (lambda c: acknowledgements.of_changes(c, [1, 2]), False),
    "latest acknowledgements": (lambda c: acknowledgements.latest_of(c, [1, 2]), False),
}


async def plan_of(sqlite_store: Store, query: Query) -> list[str]:
    """What SQLite says of the way it goes; what the query writes is undone."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    with suppress(Undone):
        async with writing(sqlite_store) as connection:
            event.listen(connection.sync_connection, "before_cursor_execute", note)
            try:
                with watched_driver(lambda sql, given: statements.append((sql, tuple(given)))):
                    await query(connection)
            finally:
                event.remove(connection.sync_connection, "before_cursor_execute", note)
            plan = [
                str(row.detail)
                for statement, parameters in statements
                if not statement.startswith("INSERT")
                for row in await connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
            ]
            raise Undone
    return plan


class Undone(Exception):
    """So that a transaction is."""


#: One loop and one store for all plans: to open a store for each takes as long as ten of them.
one_store = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def planned(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path
) -> AsyncIterator[Store]:
    """A store on SQLite with a decided event, and one that asks, which stays as it is."""
    path = tmp_path_factory.mktemp("planned") / "casebell.db"
    shutil.copyfile(migrated_sqlite, path)
    async with Store(f"sqlite:///{path}") as opened:
        await append(opened, case_event(), case_event("evt_2"))
        await decide(opened, 1)
        await decide_later(opened, 2, asked=Asked(deadline=True, urgent=True))
        yield opened


@one_store
@pytest.mark.parametrize("name", HOT_QUERIES)
async def test_plan(planned: Store, name: str) -> None:
    """No query of a loop or a listing walks a whole table, or sorts what an index has in order."""
    query, may_sort = HOT_QUERIES[name]
    plan = await plan_of(planned, query)
    assert plan
    assert walks_a_whole_table(plan) == []
    assert may_sort or sorts(plan) == []


#: Every listing without a filter and with each single one, by whether it may sort what it found.
LISTINGS: list[tuple[type[Filter], dict[str, Any], bool]] = [
    *(
        (EventFilter, given, "receipt" in given)
        for given in (
            {},
            {"source": "parley"},
            {"status": Status.DENIED},
            {"tag": Tag.CARD},
            {"flag": Flag.LATE},
            {"receipt": "IOE0912345678"},
            {"text": "a"},
            {"since": RECEIVED_AT},
            {"until": RECEIVED_AT},
        )
    ),
    *(
        (AlertFilter, given, "receipt" in given)
        for given in (
            {},
            {"state": AlertState.SENT},
            {"kind": AlertKind.OPS},
            {"channel": "slack"},
            {"target": "general"},
            {"person": "jchan"},
            {"receipt": "IOE0912345678"},
            {"change_id": 1},
            {"outstanding": True},
            {"since": RECEIVED_AT},
            {"until": RECEIVED_AT},
        )
    ),
    *(
        (CaseFilter, given, "receipt" in given)
        for given in (
            {},
            {"status": Status.DENIED},
            {"owner": frozenset({"ana"})},
            {"team": frozenset({"rfe"})},
            {"confidential": True},
            {"receipt": "IOE0912345678"},
        )
    ),
    *(
        (QueueFilter, given, "receipt" in given)
        for given in (
            {},
            {"owner": frozenset({"ana"})},
            {"team": frozenset({"rfe"})},
            {"receipt": "IOE0912345678"},
        )
    ),
    *(
        (HeldFilter, given, False)
        for given in (
            {},
            {"state": HeldState.HELD},
            {"source": "parley"},
            {"since": RECEIVED_AT},
            {"until": RECEIVED_AT},
        )
    ),
    *(
        (RefusedFilter, given, False)
        for given in (
            {},
            {"source": "parley"},
            {"error": "a"},
            {"since": RECEIVED_AT},
            {"until": RECEIVED_AT},
        )
    ),
    *(
        (JournalFilter, given, False)
        for given in (
            {},
            {"kind": "a"},
            {"actor": "a"},
            {"subject": "a"},
            {"since": RECEIVED_AT},
            {"until": RECEIVED_AT},
        )
    ),
]


@one_store
@pytest.mark.parametrize("seen_by", [VIEWER, OPERATOR, ADMIN], ids=lambda actor: str(actor.role))
@pytest.mark.parametrize(
    ("kind", "given", "may_sort"), LISTINGS, ids=lambda one: getattr(one, "__name__", str(one))
)
async def test_plan_of_a_listing(
    planned: Store, kind: type[Filter], given: dict[str, Any], may_sort: bool, seen_by: Actor
) -> None:
    """A page of any listing, whoever asks, begins where an index leads it, and goes on along it."""
    where = kind(**given, seen_by=seen_by)
    after = (9,) * len(where.walk().order)
    plan = await plan_of(planned, lambda c: walk.page_of(c, where, limit=50, after=after))
    assert plan
    assert walks_a_whole_table(plan) == []
    assert may_sort or sorts(plan) == []


@one_store
async def test_each_index_is_read(planned: Store) -> None:
    """No index is there that none of these queries uses: each row would pay for it."""
    plans = [await plan_of(planned, query) for query, _ in HOT_QUERIES.values()]
    plan = "\n".join(line for lines in plans for line in lines)
    there = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    unread = {name for name in there if not re.search(rf"INDEX {name}\b", plan)}
    assert unread == set()


@one_store
@pytest.mark.parametrize("name", ["list by status", "count by status", "list by source and status"])
async def test_status_has_its_index(planned: Store, name: str) -> None:
    """Where the status is what leads, its index serves."""
    plan = await plan_of(planned, HOT_QUERIES[name][0])
    assert [line for line in plan if "INDEX ix_events_status_id" in line], plan
