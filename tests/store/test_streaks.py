"""What was refused in a row, on each database: counting, ending, and what operations know."""

from collections import Counter
from collections.abc import Mapping

from casebell.clock import DAY, HOUR
from casebell.store import refused, streaks
from casebell.store.engine import Store
from casebell.store.streaks import MAX_PAUSE, Noted, Streak
from contracts.case_events import RECEIVED_AT, case_event
from contracts.decisions import append_undecided
from contracts.store_contract import refusal
from contracts.writing import writing

NOW = RECEIVED_AT


def noted(*errors: str, at: int = NOW, authentic: bool = False) -> Noted:
    """What came of one source."""
    made = Noted(authentic=authentic)
    for error in errors:
        made.refuse(error, at=at)
    return made


async def record(store: Store, **by_source: Noted) -> None:
    """As a server writes it."""
    async with writing(store) as connection:
        await streaks.record(connection, by_source)


async def found(store: Store) -> Mapping[str, Streak]:
    """Every streak, by source."""
    async with store.read() as connection:
        return {one.source: one for one in await streaks.read(connection)}


async def told(store: Store, source: str = "parley", *, now: int = NOW) -> None:
    """Operations are told of a streak as it is."""
    streak = (await found(store))[source]
    async with writing(store) as connection:
        await streaks.mark_told(connection, streak, now=now)


async def test_it_counts_by_error(store: Store) -> None:
    """Over writes, with the first and the last of them; each source by itself."""
    await record(store, parley=noted("a", "b", at=NOW), torch=noted("a", at=NOW))
    await record(store, parley=noted("a", at=NOW + 5))
    streak = (await found(store))["parley"]
    assert (streak.errors, streak.count) == ({"a": 2, "b": 1}, 3)
    assert (streak.since, streak.last_at) == (NOW, NOW + 5)
    assert (await found(store))["torch"].count == 1


async def test_an_authentic_delivery_ends_it(store: Store) -> None:
    """What came after it counts anew; a source that was never refused has no row."""
    await record(store, parley=noted("a", "a"))
    await record(store, parley=noted("b", at=NOW + 9, authentic=True), torch=noted(authentic=True))
    streak = (await found(store))["parley"]
    assert (streak.errors, streak.since) == ({"b": 1}, NOW + 9)
    assert streak.ended == 0
    assert list(await found(store)) == ["parley"]


async def test_the_end_of_what_was_told_is_kept_until_it_is_told(store: Store) -> None:
    """Also over the next streak."""
    await record(store, parley=noted(*"aaaaaa"))
    await told(store)
    await record(store, parley=noted(authentic=True))
    await record(store, parley=noted("b"))
    streak = (await found(store))["parley"]
    assert (streak.ended, streak.told_count, streak.count) == (6, 0, 1)
    async with writing(store) as connection:
        await streaks.mark_end_told(connection, "parley", now=NOW)
    assert (await found(store))["parley"].ended == 0


async def test_two_servers_tell_it_once(store: Store) -> None:
    """Who looked before the other wrote changes nothing."""
    await record(store, parley=noted(*"aaaaa"))
    before = (await found(store))["parley"]
    await told(store)
    await record(store, parley=noted(*"aa"))
    async with writing(store) as connection:
        await streaks.mark_told(connection, before, now=NOW + 7)
    after = (await found(store))["parley"]
    assert (after.told_count, after.notified_at, after.tellings, after.count) == (5, NOW, 1, 7)


async def test_pauses(store: Store) -> None:
    """They double up to a bound; a new streak from a known address waits an hour at most."""
    now, waited = NOW, []
    await record(store, parley=noted(*"aaaaa"))
    for _ in range(6):
        streak = (await found(store))["parley"]
        pause = 0
        while not streak.due(now=now + pause, newly_familiar=False):
            pause += HOUR
        waited.append(pause // HOUR)
        now += pause
        await told(store, now=now)
    assert waited == [0, 1, 2, 4, 6, 6]
    await record(store, parley=noted(*"aaaaa", authentic=True))
    streak = (await found(store))["parley"]
    assert not streak.due(now=now + HOUR, newly_familiar=False)
    assert streak.due(now=now + HOUR, newly_familiar=True)
    assert streak.due(now=now + MAX_PAUSE, newly_familiar=False)
    # The clock was set back: nothing waits for the hour to come round again.
    assert streak.due(now=now - DAY, newly_familiar=False)
    await record(store, parley=noted(*"bbbbb"))
    other = (await found(store))["parley"]
    # Another error is another fault: it is told at once, once a day.
    assert other.new_errors(now=now) == ["b"]
    assert other.due(now=now, newly_familiar=False)
    await told(store, now=now)
    assert not (await found(store))["parley"].due(now=now + HOUR - 1, newly_familiar=True)
    await told(store, now=now + 2 * DAY)
    assert (await found(store))["parley"].pauses == 0


async def test_addresses(store: Store) -> None:
    """How many there are of a streak, and whether authentic deliveries came from one."""
    async with writing(store) as connection:
        await append_undecided(connection, [case_event(address="203.0.113.7")])
        batch = [refusal(at=NOW, address=one) for one in ("9.9.9.9", "9.9.9.8", "9.9.9.8")]
        old = refusal(at=NOW - 1, address="203.0.113.7")
        await refused.refuse(connection, [old, *batch], now=NOW)
    await record(store, parley=noted("signature_mismatch"))
    streak = (await found(store))["parley"]
    async with store.read() as connection:
        assert await streaks.origin_of(connection, streak) == (2, False, False)
    async with writing(store) as connection:
        again = refusal(at=NOW, address="203.0.113.7")
        await refused.refuse(connection, [again], now=NOW)
    async with store.read() as connection:
        assert await streaks.origin_of(connection, streak) == (3, True, True)
    await told(store, now=NOW + 1)
    streak = (await found(store))["parley"]
    async with store.read() as connection:
        assert await streaks.origin_of(connection, streak) == (3, True, False)


async def test_what_is_of_no_source_is_forgotten(store: Store) -> None:
    """Only what no authentic delivery can end, and only once it is old."""
    await record(store, parley=noted("a"), unknown=noted("b"), gone=noted("c", at=NOW + DAY))
    async with writing(store) as connection:
        await streaks.forget(connection, known=["parley"], before=NOW + 1)
    counts = {name: one.count for name, one in (await found(store)).items()}
    assert counts == {"gone": 1, "parley": 1, "unknown": 0}


def test_what_could_not_be_written_goes_before() -> None:
    """Counts of a write that failed are added to what came since, unless that ended them."""
    both = noted("a", at=1).precede(noted("b", at=2))
    assert (both.errors, both.since, both.last_at) == (Counter("ab"), 1, 2)
    ended = noted("a", at=1).precede(noted("b", at=2, authentic=True))
    assert (ended.errors, ended.authentic, ended.since) == (Counter("b"), True, 2)
    still = noted("a", at=1, authentic=True).precede(Noted())
    assert (still.authentic, still.errors, still.last_at) == (True, Counter("a"), 1)
