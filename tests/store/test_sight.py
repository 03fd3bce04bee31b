"""Whose eyes a confidential case is for, in everything that can be read of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from casebell.actors import NOBODY, Actor, Role
from casebell.alerts import AlertState
from casebell.errors import NotFound, Refusal
from casebell.events import HeldState, Status
from casebell.service.reading import Reading
from casebell.store import conflicts, failed, held, walk
from casebell.store.engine import Store
from casebell.store.lists import AlertFilter, EventFilter, HeldFilter
from casebell.store.schema import alerts, cases, events
from casebell.store.walk import Filter, Place
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event
from contracts.cases import with_keys
from contracts.clock_and_log import ManualClock
from contracts.exports import exported, exporting
from contracts.filled import append, decide, hold
from contracts.writing import writing
from service.harness import settings_of

OPEN = "IOE0912345678"
HIDDEN = "LIN2290054321"


def somebody(role: Role = Role.VIEWER, **fields: Any) -> Actor:
    """An account."""
    return Actor(name="account:somebody", role=role, **fields)


#: Whoever sees a case of Ana's and of the team `rfe` as if it were not confidential.
WHO_SEES = {
    "owner": somebody(person="ana"),
    "team": somebody(person="jo", teams=frozenset({"rfe", "other"})),
    "operator of the team": somebody(Role.OPERATOR, teams=frozenset({"rfe"})),
    "auditor": somebody(Role.AUDITOR),
    "admin": ADMIN,
}
#: Whoever sees nothing of it.
WHO_DOES_NOT = {
    "another viewer": somebody(person="jo", teams=frozenset({"other"})),
    "nobody": NOBODY,
    # A case without an owner or a team is not theirs who have none.
    "a viewer without a name": somebody(person="", teams=frozenset({""})),
}
OPERATOR = somebody(Role.OPERATOR, person="jo", teams=frozenset({"other"}))


@pytest.fixture
async def models(store: Store) -> Reading:
    """An open case with one decided event; a confidential one with three, one undecided."""
    numbers = await append(
        store,
        case_event("evt_open", receipt=OPEN),
        case_event("evt_hidden", receipt=HIDDEN),
        case_event("evt_failed", receipt=HIDDEN),
        case_event("evt_undecided", receipt=HIDDEN),
    )
    for number in numbers[:3]:
        await decide(store, number)
    async with writing(store) as connection:
        await connection.execute(
            alerts.update()
            .where(alerts.c.event_id == numbers[2])
            .values(state=AlertState.FAILED, reason="gave_up")
        )
    await make(store, HIDDEN, owner="ana", team="rfe", confidential=True)
    settings = settings_of("parley")
    return Reading(store=store, settings=lambda: settings, clock=ManualClock())


async def make(store: Store, receipt: str, **fields: Any) -> None:
    """What the firm says of a case."""
    async with writing(store) as connection:
        await connection.execute(cases.delete().where(cases.c.receipt == receipt))
        row = {"receipt": receipt, "updated_at": RECEIVED_AT, **with_keys(fields)}
        await connection.execute(cases.insert().values(**row))


async def seen(models: Reading, actor: Actor) -> dict[str, Any]:
    """The numbers of everything that somebody can find of both cases."""
    # The numbers of alerts begin anywhere; each tells of one event.
    everything = (await models.list_alerts(actor=ADMIN, limit=9))["items"]
    told_of = {one["id"]: one["event"] for one in everything}
    alerts_of_all = await of(models.list_alerts, actor)
    alerts_of_it = await of(models.list_alerts, actor, receipt=HIDDEN)
    store, exports = models._store, exporting(models._store)
    events_of_all = await exported(store, "export_events", actor=actor)
    events_of_it = await exported(store, "export_events", actor=actor, receipt=HIDDEN)
    exported_alerts = await exported(store, "export_alerts", actor=actor)
    return {
        "events": await of(models.list_events, actor),
        "events of it": await of(models.list_events, actor, receipt=HIDDEN),
        "events by status": await of(models.list_events, actor, status=Status.RFE_ISSUED),
        "exported": [one["id"] for one in events_of_all.rows],
        "exported of it": [one["id"] for one in events_of_it.rows],
        "counted": await exports.count_events(actor=actor),
        "counted of it": await exports.count_events(actor=actor, receipt=HIDDEN),
        "alerts": [told_of[number] for number in alerts_of_all],
        "alerts of it": [told_of[number] for number in alerts_of_it],
        "exported alerts": [told_of[one["id"]] for one in exported_alerts.rows],
        "counted alerts": await exports.count_alerts(actor=actor),
        "counted alerts of it": await exports.count_alerts(actor=actor, receipt=HIDDEN),
        "found": [
            (verb.__name__, value)
            for verb, given in (
                (models.why, {"key": "evt_hidden"}),
                (models.why, {"key": "2"}),
                (models.show_event, {"key": "evt_failed"}),
                (models.find_event, {"number": 2}),
                (models.explain_event, {"number": 4}),
            )
            for value in given.values()
            if await is_found(verb, actor, given)
        ],
    }


async def of(listing: Any, actor: Actor, **given: str) -> Sequence[int]:
    """The numbers of a listing."""
    return [one["id"] for one in (await listing(actor=actor, limit=9, **given))["items"]]


async def is_found(verb: Any, actor: Actor, given: dict[str, Any]) -> bool:
    """Whether there is one, as far as somebody is told."""
    try:
        await verb(actor=actor, **given)
    except NotFound:
        return False
    return True


EVERYTHING = {
    "events": [4, 3, 2, 1],
    "events of it": [4, 3, 2],
    "events by status": [3, 2, 1],
    "exported": [1, 2, 3, 4],
    "exported of it": [2, 3, 4],
    "counted": 4,
    "counted of it": 3,
    "alerts": [3, 2, 1],
    "alerts of it": [3, 2],
    "exported alerts": [1, 2, 3],
    "counted alerts": 3,
    "counted alerts of it": 2,
    "found": [
        ("why", "evt_hidden"),
        ("why", "2"),
        ("show_event", "evt_failed"),
        ("find_event", 2),
        ("explain_event", 4),
    ],
}
NOTHING_OF_IT = {
    "events": [1],
    "events of it": [],
    "events by status": [1],
    "exported": [1],
    "exported of it": [],
    "counted": 1,
    "counted of it": 0,
    "alerts": [1],
    "alerts of it": [],
    "exported alerts": [1],
    "counted alerts": 1,
    "counted alerts of it": 0,
    "found": [],
}


async def test_who_sees_a_confidential_case(models: Reading) -> None:
    """Its owner, its team, auditors and admins, in every list, count, export and story."""
    for who, actor in WHO_SEES.items():
        assert await seen(models, actor) == EVERYTHING, who
        (failed,) = (await models.list_alerts(actor=actor, state="failed", limit=9))["items"]
        told = (failed["receipt"], failed["event_key"], failed["event"])
        assert told == (HIDDEN, "evt_failed", 3), who


async def test_who_sees_nothing_of_it(models: Reading) -> None:
    """No list and no count tells that there is such a case; a key or a number is unknown."""
    for who, actor in WHO_DOES_NOT.items():
        assert await seen(models, actor) == NOTHING_OF_IT, who


async def test_a_case_of_nobodys(store: Store, models: Reading) -> None:
    """Confidential, without owner and team: for auditors and admins alone."""
    await make(store, HIDDEN, confidential=True)
    for actor in (WHO_SEES["owner"], WHO_SEES["team"], *WHO_DOES_NOT.values()):
        assert await seen(models, actor) == NOTHING_OF_IT
    for who in ("auditor", "admin"):
        assert await seen(models, WHO_SEES[who]) == EVERYTHING


async def test_a_case_that_is_not_confidential(store: Store, models: Reading) -> None:
    """Whoever its owner is, everybody sees it."""
    await make(store, HIDDEN, owner="ana", team="rfe")
    assert await seen(models, NOBODY) == EVERYTHING


async def test_an_operator_sees_that_an_alert_failed(models: Reading) -> None:
    """Somebody has to see to it; of which case it tells is not said, nor is it by any filter."""
    masked = {"alerts": [3, 1], "exported alerts": [1, 3], "counted alerts": 2}
    assert await seen(models, OPERATOR) == {**NOTHING_OF_IT, **masked}
    failed, other = (await models.list_alerts(actor=OPERATOR, limit=9))["items"]
    assert failed["receipt"] == "LIN…4321"
    assert (failed["state"], failed["reason"], failed["channel"]) == ("failed", "gave_up", "slack")
    hidden = ("event", "event_key", "change", "rule")
    assert [failed[name] for name in hidden] == [None, None, None, ""]
    assert HIDDEN not in str(failed)
    assert (other["receipt"], other["event_key"]) == (OPEN, "evt_open")
    found = await exported(models._store, "export_alerts", actor=OPERATOR)
    assert found.rows == [other, failed]
    outstanding = await models.list_alerts(actor=OPERATOR, outstanding=True, limit=9)
    assert outstanding["items"] == [failed]
    of_it = await models.list_alerts(actor=OPERATOR, outstanding=True, receipt=HIDDEN, limit=9)
    assert of_it["items"] == []


@pytest.mark.parametrize("done", [failed.retry, failed.dismiss])
async def test_what_an_operator_may_do_to_a_hidden_alert(
    store: Store, models: Reading, done: Callable[..., Awaitable[None]]
) -> None:
    """What it finds in no list is not there, in whichever state; a failed one is its business."""
    of_event = {one["event"]: one["id"] for one in await all_alerts(models)}
    for actor, number in ((OPERATOR, of_event[2]), (OPERATOR, 999_999)):
        with pytest.raises(NotFound, match=f"^There is no alert {number}"):
            async with writing(store) as connection:
                await done(connection, [number], now=RECEIVED_AT, actor=actor)
    with pytest.raises(Refusal, match="is pending"):
        async with writing(store) as connection:
            await done(connection, [of_event[2]], now=RECEIVED_AT, actor=ADMIN)
    async with writing(store) as connection:
        await done(connection, [of_event[3]], now=RECEIVED_AT, actor=OPERATOR)


async def all_alerts(models: Reading) -> Sequence[Any]:
    """As an admin sees them."""
    found: Sequence[Any] = (await models.list_alerts(actor=ADMIN, limit=9))["items"]
    return found


async def test_a_conflict_with_a_hidden_case(store: Store, models: Reading) -> None:
    """One key for two cases: the story of the open one does not tell of the other."""
    sent = [("evt_open", HIDDEN), ("evt_open", OPEN), ("evt_hidden", OPEN)]
    for n, (key, receipt) in enumerate(sent):
        await append(store, case_event(key, receipt=receipt, body=b'{"n": %d}' % n))
    numbers = {"of the open one": 1, "of a later one": 7, "of its own case": 6}
    for actor, seen_of_it in ((ADMIN, [[5, 6], [7], [6]]), (NOBODY, [[6], [], [6]])):
        stories = [
            await models.explain_event(number=number, actor=actor) for number in numbers.values()
        ]
        assert [[one["event"] for one in story["conflicts"]] for story in stories] == seen_of_it


async def test_conflicts_without_end(
    store: Store, models: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender can make any number: a story has the first of them."""
    monkeypatch.setattr(conflicts, "MAX_OF_EVENT", 2)
    for n in range(3):
        await append(store, case_event("evt_open", receipt=OPEN, body=b'{"n": %d}' % n))
    story = await models.explain_event(number=1, actor=ADMIN)
    assert [one["event"] for one in story["conflicts"]] == [5, 6]


async def test_the_body_of_a_released_delivery(store: Store) -> None:
    """It is that of an event by then, whose case one may not be allowed to see."""
    number = await hold(store, b"{")
    (event,) = await append(store, case_event("evt_released", receipt=HIDDEN))

    async def seen_by(role: Role) -> bytes:
        async with store.read() as connection:
            found = await walk.page_of(connection, HeldFilter(seen_by=somebody(role)), limit=5)
        return bytes(found.rows[0].body)

    assert await seen_by(Role.OPERATOR) == await seen_by(Role.AUDITOR) == b"{"
    async with writing(store) as connection:
        await held.resolve(
            connection,
            number,
            state=HeldState.RELEASED,
            now=RECEIVED_AT,
            actor=ADMIN,
            event_id=event,
        )
    assert (await seen_by(Role.OPERATOR), await seen_by(Role.AUDITOR)) == (b"", b"{")


async def test_a_page_walks_past_what_is_hidden(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages joined by their cursors have every row that may be seen, once, and no other."""
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    sent = [
        case_event(str(n), receipt=OPEN if n in {0, 1, 4, 19} else HIDDEN, received_at=RECEIVED_AT)
        for n in range(24)
    ]
    for number in await append(store, *sent):
        await decide(store, number)
    await make(store, HIDDEN, confidential=True)
    for scanned in (3, walk.SCAN_LIMIT):
        monkeypatch.setattr(walk, "SCAN_LIMIT", scanned)
        for where in (
            EventFilter(),
            EventFilter(until=RECEIVED_AT + 1_000),
            EventFilter(status=Status.RFE_ISSUED),
            EventFilter(receipt=OPEN),
            AlertFilter(),
            AlertFilter(state=AlertState.PENDING),
        ):
            assert await events_seen(store, where) == [20, 5, 2, 1], (scanned, where)


async def events_seen(store: Store, where: Filter) -> list[int]:
    """The numbers of the events that a listing, or its alerts, tells of, page by page."""
    found: list[int] = []
    pages: list[Place | None] = [None]
    while pages[-1] is not None or len(pages) == 1:
        async with store.read() as connection:
            page = await walk.page_of(connection, where, limit=2, after=pages[-1])
        found += [row.id if where.table is events else row.event_id for row in page.rows]
        assert len(page.rows) <= 2
        assert page.next is None or pages[-1] is None or page.next < pages[-1]
        pages.append(page.next)
    return found
