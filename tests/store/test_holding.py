"""What waits for hours of its channel, what a digest takes, and that nothing is lost or doubled."""

import random
from collections import Counter

import pytest

from casebell.alerts import (
    AlertKind,
    AlertState,
    FailureReason,
    Wait,
    Waits,
)
from casebell.store import grouping, holding, leases, outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts
from contracts.outbox_steps import LEASE, NOW, OPEN, SECOND, add, claim, new, record, send
from contracts.stores import read_table
from contracts.writing import writing

HOUR = 3_600 * SECOND
DUE = NOW + 5 * HOUR
QUIET = Waits(
    cases=Wait(until=DUE, reason=FailureReason.QUIET_HOURS),
    messages=Wait(until=DUE, reason=FailureReason.QUIET_HOURS),
)
DIGEST = Waits(cases=Wait(until=DUE, reason=FailureReason.DIGEST))


async def plan(store: Store, *targets: str, due: int = DUE, now: int = NOW) -> None:
    """Put digests ahead."""
    digests = [
        new(0, kind=AlertKind.DIGEST, subject=f"digest:slack:{due}", target=target)
        for target in targets
    ]
    async with writing(store) as connection:
        await holding.plan(connection, digests, due=due, now=now)


async def waiting(store: Store) -> list[tuple[str, str, str | None, int, int | None]]:
    """Subject, state, reason and both times of what is neither sent nor failed."""
    return [
        (row.subject, row.state, row.reason, row.not_before, row.due_at)
        for row in await read_table(store, alerts)
        if row.state not in (AlertState.SENT, AlertState.FAILED)
    ]


async def test_ordinary_alerts_wait_until_it_opens(store: Store) -> None:
    """What is urgent, a test, or was retried by hand goes at once; the others go when it opens."""
    await add(store, new(1), new(2, kind=AlertKind.REMINDER), new(3, kind=AlertKind.OPS))
    await add(store, new(4, urgent=True), new(5, kind=AlertKind.TEST), new(6))
    async with writing(store) as connection:
        by_hand = alerts.c.subject == "change:6"
        await connection.execute(alerts.update().where(by_hand).values(retried_at=NOW))

    sent = [await send(store, now=NOW, waits=QUIET) for _ in range(4)]

    assert sent == [["change:4"], ["change:5"], ["change:6"], []]
    assert await waiting(store) == [
        (f"change:{number}", "deferred", "quiet_hours", DUE, DUE) for number in (1, 2, 3)
    ]
    assert [await send(store, now=DUE) for _ in range(4)] == [
        ["change:1"],
        ["change:2"],
        ["change:3"],
        [],
    ]


async def test_closed_again_when_it_is_claimed(store: Store) -> None:
    """After downtime over the opening hours it waits for the next ones: the claim decides."""
    await add(store, new(1))
    assert await send(store, now=NOW, waits=QUIET) == []
    later = Wait(until=DUE + 24 * HOUR, reason=FailureReason.QUIET_HOURS)

    assert await send(store, now=DUE + 12 * HOUR, waits=Waits(cases=later)) == []

    assert await waiting(store) == [
        ("change:1", "deferred", "quiet_hours", later.until, later.until)
    ]


async def test_a_retry_waits_too(store: Store) -> None:
    """One that failed before the hours ended is tried again when they begin."""
    await add(store, new(1))
    await record(store, await claim(store, now=NOW), now=NOW, state=AlertState.RETRYING)

    assert await send(store, now=NOW + 5 * SECOND, waits=QUIET) == []

    (alert,) = await claim(store, now=DUE)
    assert (alert.attempts, alert.due_at, alert.due_since) == (2, DUE, DUE)


async def test_a_digest_takes_what_waits_for_it(store: Store) -> None:
    """Each target's digest has its own alerts, and each of these keeps its record."""
    await plan(store, "general", "other")
    await add(store, new(1), new(2, target="other"), new(3, kind=AlertKind.REMINDER))
    await add(store, new(4, kind=AlertKind.OPS))
    assert [await send(store, now=NOW, waits=DIGEST) for _ in range(2)] == [["change:4"], []]

    digest = f"digest:slack:{DUE}"
    assert [await send(store, now=DUE, waits=DIGEST) for _ in range(3)] == [
        [digest, "change:1", "change:3"],
        [digest, "change:2"],
        [],
    ]
    rows = {row.subject: row for row in await read_table(store, alerts) if row.target == "general"}
    assert {rows[one].together for one in (digest, "change:1", "change:3")} == {rows[digest].id}
    assert {row.state for row in rows.values()} == {AlertState.SENT}


async def test_nothing_happened_for_those_who_always_have_one(store: Store) -> None:
    """A digest that was put ahead goes alone; a target that has none is told of alerts only."""
    await plan(store, "general")
    await add(store, new(1, target="jchan", person="jchan", addressed_as="@owner"))
    assert await send(store, now=NOW, waits=DIGEST) == []

    alone = await claim(store, now=DUE)
    own = await claim(store, now=DUE)

    assert [(one.subject, one.kind) for one in alone] == [(f"digest:slack:{DUE}", "digest")]
    assert [(one.kind, one.person, one.addressed_as) for one in own] == [
        ("digest", "jchan", "@owner"),
        ("case", "jchan", "@owner"),
    ]
    assert await claim(store, now=DUE) == []


async def test_more_than_a_digest_takes(store: Store) -> None:
    """The rest goes in a further message, and none in two."""
    most = holding.MOST_IN_DIGEST
    await plan(store, "general")
    await add(store, *(new(number) for number in range(most + 30)))
    assert await send(store, now=NOW, waits=DIGEST) == []

    messages = [await send(store, now=DUE) for _ in range(3)]

    assert [len(one) for one in messages] == [most + 1, 31, 0]
    told = Counter(subject for one in messages for subject in one if subject[:6] == "change")
    assert told == Counter(f"change:{number}" for number in range(most + 30))


async def test_very_many_begin_to_wait(store: Store) -> None:
    """A claim lets a thousand wait in a statement, and gives others a turn in between."""
    await add(store, *(new(number) for number in range(grouping.MOST_DEFERRED + 20)))

    assert await claim(store, now=NOW, waits=DIGEST) == []
    assert Counter(row[1] for row in await waiting(store)) == {"deferred": 1_000, "pending": 20}
    assert await claim(store, now=NOW, waits=DIGEST) == []
    assert Counter(row[1] for row in await waiting(store)) == {"deferred": 1_020}
    async with store.read() as connection:
        assert await outbox.next_due(connection, channel="slack") == DUE


@pytest.mark.parametrize("take_over", ["restart", "another server"])
async def test_a_kill_while_a_digest_is_sent(store: Store, take_over: str) -> None:
    """All of it goes once more, and says so; what came since waits for the next."""
    await add(store, *(new(number) for number in range(3)))
    assert await send(store, now=NOW, waits=DIGEST) == []
    first = await claim(store, now=DUE)
    await add(store, new(9), now=DUE)
    now = DUE + LEASE
    if take_over == "restart":
        async with writing(store) as connection:
            assert await leases.release(connection, now=now) == 4
    tomorrow = Waits(cases=Wait(until=DUE + 24 * HOUR, reason=FailureReason.DIGEST))

    again = await claim(store, now=now, waits=tomorrow, owner="b")

    assert {one.subject for one in again} == {one.subject for one in first}
    assert all(one.may_repeat for one in again)
    await record(store, again, now=now)
    assert await claim(store, now=now, waits=tomorrow, owner="b") == []
    assert [row[0] for row in await waiting(store)] == ["change:9"]


async def test_a_digest_is_tried_again_as_one(store: Store) -> None:
    """After a failure it goes together again, whatever the hours say by then."""
    await plan(store, "general")
    await add(store, new(1), new(2))
    assert await send(store, now=NOW, waits=DIGEST) == []
    claimed = await claim(store, now=DUE)
    await record(store, claimed, now=DUE + SECOND, state=AlertState.RETRYING)

    again = await send(store, now=DUE + SECOND, waits=QUIET)

    assert sorted(again) == ["change:1", "change:2", f"digest:slack:{DUE}"]


async def test_one_that_reads_each_alone(store: Store) -> None:
    """A channel to a program has no digest: what waited for one of before goes alone."""
    await add(store, new(1), new(2))
    assert await send(store, now=NOW, waits=DIGEST) == []

    claimed = await claim(store, now=DUE, shared=False)

    assert [one.subject for one in claimed] == ["change:1"]


async def test_what_waits_for_no_time_any_more(store: Store) -> None:
    """It is due now, counts its age from now, and its claim decides again."""
    await add(store, new(1), new(2, kind=AlertKind.REMINDER))
    assert await send(store, now=NOW, waits=QUIET) == []
    then = NOW + HOUR
    async with writing(store) as connection:
        held = await holding.held(connection, now=then)
        assert held == {"slack": {("case", QUIET.cases), ("reminder", QUIET.cases)}}
        assert QUIET.cases is not None
        assert await holding.reconsider(connection, "slack", "case", QUIET.cases, now=then) == 1

    assert await waiting(store) == [
        ("change:1", "pending", None, then, then),
        ("change:2", "deferred", "quiet_hours", DUE, DUE),
    ]


async def test_digests_are_taken_back_that_were_not_tried(store: Store) -> None:
    """One that is under way, and what waits for one, stay."""
    await plan(store, "general", "other")
    await add(store, new(1))
    assert await send(store, now=NOW, waits=DIGEST) == []
    async with writing(store) as connection:
        assert await holding.planned(connection) == {"slack": {("general", DUE), ("other", DUE)}}
        await holding.unplan(connection, "slack", {("general", DUE)})

    assert [(row[0], row[2]) for row in await waiting(store)] == [
        (f"digest:slack:{DUE}", "digest"),
        ("change:1", "digest"),
    ]
    under_way = await claim(store, now=DUE)
    async with writing(store) as connection:
        await holding.unplan(connection, "slack", {("other", DUE), ("general", DUE)})
    await record(store, under_way, now=DUE)


async def test_a_clock_that_was_set_back(store: Store) -> None:
    """Times of a calendar stay; what waits to be tried again is brought forward."""
    await plan(store, "general")
    await add(store, new(1))
    assert await send(store, now=NOW, waits=DIGEST) == []
    await add(store, new(2))

    async with writing(store) as connection:
        assert await outbox.bring_forward(connection, by=HOUR, owner=None) == 1

    assert [(row[0], row[3]) for row in await waiting(store)] == [
        (f"digest:slack:{DUE}", DUE),
        ("change:1", DUE),
        ("change:2", NOW - HOUR),
    ]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
async def test_two_servers_and_kills_at_any_step(store: Store, seed: int) -> None:
    """Every alert is sent once, or, where its server died while it was sent, marked."""
    chance = random.Random(seed)
    await plan(store, "a", "b")
    await plan(store, "a", "b")
    now, sent, doubtful = NOW, Counter[str](), set[str]()
    for number in range(40):
        await add(store, new(number, target=chance.choice("abc")), now=now)
        owner = chance.choice(["x", "y"])
        waits = chance.choice([DIGEST, QUIET, OPEN]) if now < DUE else OPEN
        claimed = await claim(store, now=now, waits=waits, owner=owner)
        if claimed and chance.random() < 0.3:
            # It dies here, and another takes over.
            doubtful |= {one.subject for one in claimed}
            now += LEASE
            async with writing(store) as connection:
                await leases.release(connection, now=now, owners=[owner])
        elif claimed:
            sent.update(one.subject for one in claimed if one.kind is AlertKind.CASE)
            await record(store, claimed, now=now)
    for _ in range(60):
        claimed = await claim(store, now=DUE + HOUR)
        sent.update(one.subject for one in claimed if one.kind is AlertKind.CASE)
        assert all(one.may_repeat for one in claimed if one.subject in doubtful)
        if claimed:
            await record(store, claimed, now=DUE + HOUR)

    assert sent == Counter(f"change:{number}" for number in range(40))
    assert await waiting(store) == []
