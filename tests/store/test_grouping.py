"""Which alerts of a target wait to go in one message, and that none of them is lost or doubled."""

import random
from collections import Counter

import pytest

from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
)
from casebell.store import grouping, leases, outbox
from casebell.store.engine import Store
from casebell.store.grouping import MOST_SINGLY, MOST_TOGETHER, WINDOW
from casebell.store.schema import alerts, attempts, journal, targets
from contracts.outbox_steps import LEASE, NOW, SECOND, add, claim, new, record, send
from contracts.stores import read_table
from contracts.writing import writing


async def send_ten(store: Store) -> None:
    """Ten alerts, a second apart, and then no more may go singly."""
    for number in range(MOST_SINGLY):
        at = NOW + number * SECOND
        await add(store, new(number), now=at)
        assert await send(store, now=at) == [f"change:{number}"]


async def waiting(store: Store) -> list[tuple[str, str, str | None, int]]:
    """Subject, state, reason and due time of what is neither sent nor failed."""
    return [
        (row.subject, row.state, row.reason, row.not_before)
        for row in await read_table(store, alerts)
        if row.state not in (AlertState.SENT, AlertState.FAILED)
    ]


async def test_from_the_eleventh_on_they_go_together(store: Store) -> None:
    """They wait until the first of the ten is ten minutes old, and are one message then."""
    await send_ten(store)
    at = NOW + 20 * SECOND
    await add(store, *(new(number) for number in (10, 11, 12)), now=at)
    # What is urgent, for another target or of no case goes at once.
    await add(store, new(20, urgent=True), new(21, target="other"), now=at)
    await add(store, new(22, kind=AlertKind.OPS), now=at)
    assert [await send(store, now=at) for _ in range(4)] == [
        ["change:20"],
        ["change:21"],
        ["change:22"],
        [],
    ]
    until = NOW + WINDOW
    assert await waiting(store) == [
        (f"change:{number}", "deferred", "grouped", until) for number in (10, 11, 12)
    ]
    await add(store, new(13), now=until - SECOND)
    assert await send(store, now=until - 1) == []
    together = [f"change:{number}" for number in (10, 11, 12, 13)]
    assert await send(store, now=until) == together
    assert await waiting(store) == []
    rows = [row for row in await read_table(store, alerts) if row.subject in together]
    assert {row.together for row in rows} == {rows[0].id}
    assert {(row.state, row.reason, row.attempts, row.sent_at) for row in rows} == {
        ("sent", None, 1, until)
    }
    told = [row.body for row in await read_table(store, attempts) if row.finished_at == until]
    assert told == together
    entries = [row for row in await read_table(store, journal) if row.at == until]
    assert len([row for row in entries if f'"together":{rows[0].id}' in row.data]) == 4
    # The message counts as one: the ten of the last ten minutes are not yet ten again.
    await add(store, new(14), now=until + SECOND)
    assert await send(store, now=until + SECOND) == ["change:14"]


async def test_one_that_waited_alone_goes_alone(store: Store) -> None:
    """A message of one is an ordinary one."""
    await send_ten(store)
    await add(store, new(10), now=NOW + 20 * SECOND)
    assert await send(store, now=NOW + 20 * SECOND) == []
    assert await send(store, now=NOW + WINDOW) == ["change:10"]
    assert {row.together for row in await read_table(store, alerts)} == {None}


async def test_what_is_not_grouped_does_not_wait(store: Store) -> None:
    """A channel to a program, and one whose alerts would be too old by then."""
    await send_ten(store)
    await add(store, new(10), new(11), now=NOW + 20 * SECOND)
    for number in (10, 11):
        async with writing(store) as connection:
            alert = await outbox.claim(
                connection, channel="slack", owner="a", now=NOW + 20 * SECOND, lease=LEASE
            )
        assert alert is not None
        assert (alert.subject, alert.others) == (f"change:{number}", ())


async def group(store: Store) -> list[Alert]:
    """Three that are claimed together."""
    await send_ten(store)
    await add(store, *(new(number) for number in (10, 11, 12)), now=NOW + 20 * SECOND)
    assert await claim(store, now=NOW + 20 * SECOND) == []
    claimed = await claim(store, now=NOW + WINDOW)
    assert len(claimed) == 3
    return claimed


async def test_they_are_tried_again_together(store: Store) -> None:
    """Whatever has come since, and although the target is told of others meanwhile."""
    claimed = await group(store)
    later = NOW + WINDOW + 5 * SECOND
    await record(store, claimed, now=later, state=AlertState.RETRYING)
    await add(store, new(13), now=later + 1)
    again = await claim(store, now=later + 2)
    assert [one.subject for one in again] == [one.subject for one in claimed]
    assert {(one.attempts, one.may_repeat) for one in again} == {(2, False)}


@pytest.mark.parametrize("how", ["restart", "another server"])
async def test_a_kill_while_they_are_sent(store: Store, how: str) -> None:
    """They go together once more, by whichever server, and say that they may repeat."""
    claimed = await group(store)
    later = NOW + WINDOW + LEASE
    if how == "restart":
        async with writing(store) as connection:
            assert await leases.release(connection, now=later) == 3
    again = await claim(store, now=later, owner="b")
    assert [one.subject for one in again] == [one.subject for one in claimed]
    assert {(one.attempts, one.may_repeat) for one in again} == {(2, True)}
    # The first server comes back to life: the alerts are the other one's.
    await record(store, claimed, now=later, state=AlertState.FAILED)
    assert {row[1] for row in await waiting(store)} == {"sending"}
    await record(store, again, now=later)
    assert await waiting(store) == []
    interrupted = [row for row in await read_table(store, attempts) if row.reason == "interrupted"]
    assert len(interrupted) == 3


async def test_a_claim_of_several_in_doubt(store: Store) -> None:
    """Whoever does not know whether it was committed keeps all, or none."""
    first, *others = await group(store)
    whole = Alert(
        **{name: getattr(first, name) for name in first.__slots__} | {"others": (*others,)}
    )
    for owner, keeps in (("a", True), ("b", False)):
        async with writing(store) as connection:
            renewed = await leases.renew(
                connection, whole, owner=owner, now=NOW + WINDOW + LEASE, lease=LEASE
            )
        assert renewed is keeps
    assert await claim(store, now=NOW + WINDOW + LEASE, owner="b") == []


async def test_a_clock_that_was_set_back(store: Store) -> None:
    """What waits does not wait an hour longer, and times of the future do not count."""
    await send_ten(store)
    await add(store, new(10), new(11), now=NOW + 20 * SECOND)
    assert await send(store, now=NOW + 20 * SECOND) == []
    back = 3_600 * SECOND
    async with writing(store) as connection:
        await outbox.bring_forward(connection, by=back, owner=None)
    await add(store, new(12), now=NOW - back + 30 * SECOND)
    assert await send(store, now=NOW - back + 30 * SECOND) == ["change:12"]
    assert await send(store, now=NOW - back + WINDOW) == ["change:10", "change:11"]


async def test_very_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction and no message takes all of a backlog, and all of it goes."""
    monkeypatch.setattr(grouping, "MOST_DEFERRED", 50)
    await send_ten(store)
    at = NOW + 20 * SECOND
    await add(store, *(new(number) for number in range(10, 130)), now=at)
    seen = []
    for _ in range(3):
        assert await send(store, now=at) == []
        seen.append(sum(row[1] == "deferred" for row in await waiting(store)))
    assert seen == [50, 100, 120]
    sizes = [len(await send(store, now=NOW + WINDOW + n * SECOND)) for n in range(3)]
    assert sizes == [MOST_TOGETHER, 20, 0]
    assert await waiting(store) == []


async def test_times_that_are_none_do_not_count(store: Store) -> None:
    """A row that is damaged holds nothing up."""
    await send_ten(store)
    for number, told_at in enumerate(["", "null", "[", '["x"]', "{}", "7"], start=10):
        async with writing(store) as connection:
            await connection.execute(targets.update().values(told_at=told_at))
        await add(store, new(number), now=NOW + 20 * SECOND)
        assert await send(store, now=NOW + 20 * SECOND) == [f"change:{number}"]


class Weather:
    """Everything that may happen to a channel, in an order that a seed gives."""

    def __init__(self, store: Store, seed: int) -> None:
        self.now = NOW
        self.added = 0
        #: When a message went that was not urgent, and had not been tried before; since the clock
        #: was set back.
        self.told: list[int] = []
        self._store = store
        self._chance = random.Random(seed)

    async def come(self) -> None:
        """New alerts."""
        first, self.added = self.added, self.added + self._chance.randint(1, 6)
        many = [new(n, urgent=self._chance.random() < 0.1) for n in range(first, self.added)]
        await add(self._store, *many, now=self.now)

    async def send(self) -> None:
        """What is due goes."""
        if claimed := await claim(self._store, now=self.now):
            await record(self._store, claimed, now=self.now)
            first = claimed[0]
            self.told += [self.now] * (not first.urgent and first.attempts == 1)

    async def fail(self) -> None:
        """The service is in trouble."""
        if claimed := await claim(self._store, now=self.now):
            later = self.now + SECOND
            await record(self._store, claimed, now=later, state=AlertState.RETRYING)

    async def kill(self) -> None:
        """A server dies while it sends, and another takes over."""
        await claim(self._store, now=self.now, owner="dead")
        async with writing(self._store) as connection:
            await leases.release(connection, now=self.now, owners=["dead"])

    async def wait(self) -> None:
        """Time passes."""
        self.now += self._chance.choice([SECOND, 30 * SECOND, WINDOW])

    async def set_back(self) -> None:
        """The clock is corrected."""
        async with writing(self._store) as connection:
            await outbox.bring_forward(connection, by=SECOND, owner=None)
        self.now -= SECOND
        self.told.clear()

    async def blow(self, steps: int) -> None:
        """Whatever comes, then calm until nothing waits."""
        ways = [self.come, self.come, self.send, self.send]
        ways += [self.fail, self.kill, self.wait, self.set_back]
        for _ in range(steps):
            await self._chance.choice(ways)()
        while await waiting(self._store):
            before = await waiting(self._store)
            await self.send()
            self.now += WINDOW * (await waiting(self._store) == before)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
async def test_whatever_happens_each_is_told_once(store: Store, seed: int) -> None:
    """Kills, failures and clocks between any two steps; and a target is not flooded."""
    weather = Weather(store, seed)
    await weather.blow(80)
    sent = Counter(
        row.alert_id for row in await read_table(store, attempts) if row.outcome == "sent"
    )
    assert len(sent) == weather.added > 20
    assert set(sent.values()) == {1}
    for began in weather.told:
        assert sum(began <= at < began + WINDOW for at in weather.told) <= MOST_SINGLY
