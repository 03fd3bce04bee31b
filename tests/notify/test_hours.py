"""Quiet hours and digests: a real store, real channels, a clock turned by hand."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from casebell.alerts import AlertKind
from casebell.clock import HOUR, MINUTE, SECOND
from casebell.events import Micros
from casebell.people.hours import ALWAYS, Hours
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store import failed
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts
from contracts.actors import ADMIN
from contracts.calendars import at, hours, shown
from contracts.stores import read_table
from contracts.writing import writing
from notify.harness import DispatcherHarness, bodies, channel_to, running, titles
from waiting import until

#: Independence Day 2026 is a Saturday, observed on Friday.
THURSDAY_EVENING = at("2026-07-02T19:00")
QUIET = hours(quiet=True, holidays="us-federal")
DIGEST = hours(digest="08:30", holidays="us-federal")
BOTH = hours(quiet=True, digest="08:30", holidays="us-federal")
MONDAY = at("2026-07-06T08:00")
NIGHT = "2026-07-06T03:00"


def harness_at(
    now: Micros, store: Store, sink: HttpSink, of: Hours, **given: Any
) -> DispatcherHarness:
    """A dispatcher with one channel with these hours, at that time."""
    return DispatcherHarness(store, {"slack": channel_to(sink)}, hours=of, now=now, **given)


def go_to(harness: DispatcherHarness, moment: Micros) -> None:
    """Let time pass until then, and ring."""
    harness.later((moment - harness.clock.now()) / SECOND)


async def waiting(store: Store) -> list[tuple[str, str]]:
    """Subject and due time of what waits for hours."""
    return [
        (row.subject, shown(row.not_before))
        for row in await read_table(store, alerts)
        if row.reason in ("quiet_hours", "digest")
    ]


async def planned(store: Store, *digests: tuple[str, str]) -> None:
    """Wait until these digests, and no others, are put ahead."""

    async def there() -> bool:
        found = [one for one in await waiting(store) if one[0].startswith("digest:")]
        return found == list(digests)

    await until(there, f"these digests: {digests}")


async def test_a_weekend_of_three_days(store: Store, sink: HttpSink) -> None:
    """It waits until Monday and has all of `max_age` then; what is urgent does not wait."""
    sink.answer(HttpAnswer(), HttpAnswer(status=503), HttpAnswer())
    harness = harness_at(THURSDAY_EVENING, store, sink, QUIET, max_age=600.0)
    async with running(harness):
        await harness.put("change:1")
        await harness.put("change:2", urgent=True)
        await harness.until(**{"change:1": "deferred", "change:2": "sent"})
        assert await waiting(store) == [("change:1", "2026-07-06T08:00-04:00")]
        go_to(harness, MONDAY - MINUTE)
        await harness.go_round()
        assert len(sink.requests) == 1
        go_to(harness, MONDAY)
        await harness.until(**{"change:1": "retrying"})
        harness.later(5.0)
        await harness.until(**{"change:1": "sent"})
    assert len(sink.requests) == 3


async def test_120_transfers_at_night_are_one_digest(store: Store, sink: HttpSink) -> None:
    """One message in the morning; each alert has its attempt, and its own words, on record."""
    subjects = [f"change:{number}" for number in range(120)]
    harness = harness_at(at(NIGHT), store, sink, DIGEST)
    async with running(harness):
        await planned(store, ("digest:slack:2026-07-06", "2026-07-06T08:30-04:00"))
        await harness.put(*subjects)
        await harness.until(**dict.fromkeys(subjects, "deferred"))
        assert sink.requests == []
        go_to(harness, at("2026-07-06T08:30"))
        await harness.until(**dict.fromkeys(subjects, "sent"))
        await harness.go_round()
    assert titles(sink) == ["Digest: 120 messages about 1 case"]
    # What this service takes; each has its link to the list.
    listed = bodies(sink)[0].count("RFE issued · IOE…5678")
    assert f"and {120 - listed} more." in bodies(sink)[0]
    tried = await read_table(store, attempts)
    assert Counter(row.outcome for row in tried) == {"sent": 121}
    own, *others = sorted(tried, key=lambda row: row.alert_id)
    assert own.body == "120 messages about 1 case waited for this digest."
    assert {row.title for row in others} == {own.title}
    assert all(row.body.startswith("RFE issued · IOE…5678\n") for row in others)


async def test_nothing_happened(store: Store, sink: HttpSink) -> None:
    """The digest says so, since when, and what was delivered last; then the next one is put."""
    harness = harness_at(THURSDAY_EVENING, store, sink, DIGEST)
    async with running(harness):
        await planned(store, ("digest:slack:2026-07-06", "2026-07-06T08:30-04:00"))
        go_to(harness, at("2026-07-06T08:30"))
        await harness.until(**{"digest:slack:2026-07-06": "sent"})
        await planned(store, ("digest:slack:2026-07-07", "2026-07-07T08:30-04:00"))
    assert titles(sink) == ["Digest: nothing waited"]
    assert bodies(sink)[0].splitlines()[:4] == [
        "Nothing waited for this digest since Thu 7:00 PM EDT. What goes at once is not in it.",
        "Last delivery of parley: Tue, Oct 14, 2025, 3:23 PM EDT.",
        "Nothing was ever delivered by torch.",
        "",
    ]


async def test_one_channel_with_both(store: Store, sink: HttpSink) -> None:
    """In hours it goes at once; what waited outside of them goes in the digest."""
    harness = harness_at(at(NIGHT), store, sink, BOTH)
    async with running(harness):
        await harness.put("change:1", "change:2")
        await harness.put("ops:1", kind=AlertKind.OPS, event_id=None)
        await harness.until(**{"change:1": "deferred", "change:2": "deferred", "ops:1": "deferred"})
        go_to(harness, MONDAY)
        await harness.put("change:3")
        await harness.until(**{"change:3": "sent", "ops:1": "sent", "change:1": "deferred"})
        go_to(harness, at("2026-07-06T08:30"))
        await harness.until(**{"change:1": "sent", "change:2": "sent"})
    assert titles(sink)[-1] == "Digest: 2 messages about 1 case"
    assert len(sink.requests) == 3


async def test_a_reload_while_they_wait(store: Store, sink: HttpSink) -> None:
    """They wait for the new hours, or go where there are none; nothing is dropped or doubled."""
    harness = harness_at(THURSDAY_EVENING, store, sink, QUIET)
    async with running(harness):
        await harness.put("change:1", "change:2")
        await harness.until(**{"change:1": "deferred", "change:2": "deferred"})
        harness.reload(hours=DIGEST)
        digest = ("digest:slack:2026-07-06", "2026-07-06T08:30-04:00")
        await planned(store, digest)

        async def moved() -> bool:
            later = [(f"change:{number}", digest[1]) for number in (1, 2)]
            return sorted(await waiting(store)) == [*later, digest]

        await until(moved, "both to wait for the digest")
        harness.reload(hours=hours(digest="07:00"))
        await planned(store, ("digest:slack:2026-07-03", "2026-07-03T07:00-04:00"))
        harness.reload(hours=ALWAYS)
        await harness.until(**{"change:1": "sent", "change:2": "sent"})
        await planned(store)
        await harness.go_round()
    assert titles(sink) == ["RFE issued · IOE…5678"] * 2


async def test_a_channel_that_is_gone(store: Store, sink: HttpSink) -> None:
    """What waits for its hours fails, and is not silent until these would come."""
    harness = harness_at(THURSDAY_EVENING, store, sink, QUIET)
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "deferred"})
        harness.channels = DispatcherHarness(store, {}).channels
        harness.dispatcher.channels_changed()
        await harness.until(**{"change:1": "failed"})


@pytest.mark.parametrize("back", [HOUR, 30 * HOUR])
async def test_a_clock_that_was_set_back(store: Store, sink: HttpSink, back: Micros) -> None:
    """What waits still goes when the calendar opens by the right time, once."""
    harness = harness_at(at("2026-07-07T03:00"), store, sink, BOTH)
    async with running(harness):
        await harness.put("change:1", "change:2")
        await harness.until(**{"change:1": "deferred", "change:2": "deferred"})
        harness.clock.set_back(back / SECOND)
        harness.later(1.0)
        due = at("2026-07-07T08:30") if back == HOUR else at("2026-07-06T08:30")
        day = "07" if back == HOUR else "06"
        await planned(store, (f"digest:slack:2026-07-{day}", shown(due)))
        await harness.go_round()
        assert sink.requests == []
        go_to(harness, due)
        await harness.until(**{"change:1": "sent", "change:2": "sent"})
        sent = len(sink.requests)
        # Set back after it went: the same day has no second one.
        await harness.go_round()
        harness.clock.set_back(HOUR / SECOND)
        harness.later(1.0)
        await harness.go_round()
        go_to(harness, due + MINUTE)
        await harness.go_round()
    assert sent == len(sink.requests) == 1


async def test_a_digest_that_was_missed(store: Store, sink: HttpSink) -> None:
    """The server was down for two days: what waited goes once, and no digest for each day."""
    async with running(harness_at(at(NIGHT), store, sink, DIGEST)) as harness:
        await planned(store, ("digest:slack:2026-07-06", "2026-07-06T08:30-04:00"))
        await harness.put("change:1")
        await harness.until(**{"change:1": "deferred"})
    later = harness_at(at("2026-07-08T20:00"), store, sink, DIGEST)
    async with running(later):
        await later.until(**{"change:1": "sent", "digest:slack:2026-07-06": "sent"})
        await planned(store, ("digest:slack:2026-07-09", "2026-07-09T08:30-04:00"))
        await later.go_round()
    assert titles(sink) == ["Digest: 1 message about 1 case"]


@pytest.mark.parametrize(
    ("time", "night"), [("01:30", "2026-10-31T20:00"), ("02:30", "2027-03-13T20:00")]
)
async def test_one_digest_in_a_night_on_which_clocks_change(
    store: Store, sink: HttpSink, time: str, night: str
) -> None:
    """A time that comes twice, or not at all, has one digest."""
    always = hours(digest=time, open=["00:00-24:00"])
    harness = harness_at(at(night), store, sink, always)
    async with running(harness):
        for _ in range(20):
            harness.later(1800.0)
            await harness.go_round()
    assert titles(sink) == ["Digest: nothing waited"]


@pytest.mark.parametrize(
    ("addressed_as", "title", "state"),
    [
        ("unassigned", "Digest: 2 messages about 1 case", "sent"),
        ("", "Digest: nothing waited", "failed"),
    ],
)
async def test_a_case_that_became_confidential(
    store: Store, sink: HttpSink, addressed_as: str, title: str, state: str
) -> None:
    """Who may hear that it has news hears no more; nobody else hears that there was anything."""
    harness = harness_at(at(NIGHT), store, sink, DIGEST)
    async with running(harness):
        await harness.put("change:1", "change:2", addressed_as=addressed_as)
        await harness.until(**{"change:1": "deferred", "change:2": "deferred"})
        async with writing(store) as connection:
            await connection.execute(
                text(
                    "INSERT INTO cases (receipt, label, updated_at, confidential) "
                    "VALUES ('IOE0912345678', 'Acme', 1, 1)"
                )
            )
        go_to(harness, at("2026-07-06T08:30"))
        await harness.until(**{"change:1": state, "change:2": state})
        await until(lambda: bool(sink.requests), "the digest")
    assert titles(sink)[0] == title
    assert "RFE" not in bodies(sink)[0]
    assert "Acme" not in bodies(sink)[0]
    assert ("A confidential case has news" in bodies(sink)[0]) is (state == "sent")


async def test_a_digest_that_is_sent_again_alone(store: Store, sink: HttpSink) -> None:
    """By hand, after it failed: what had waited for it is not called nothing."""
    sink.answer(HttpAnswer(status=401), HttpAnswer())
    digest = "digest:slack:2026-07-06"
    harness = harness_at(at(NIGHT), store, sink, DIGEST)
    async with running(harness):
        await planned(store, (digest, "2026-07-06T08:30-04:00"))
        await harness.put("change:1")
        await harness.until(**{"change:1": "deferred"})
        go_to(harness, at("2026-07-06T08:30"))
        await harness.until(**{"change:1": "failed", digest: "failed"})
        (number,) = [row.id for row in await read_table(store, alerts) if row.subject == digest]
        async with writing(store) as connection:
            await failed.retry(connection, [number], now=harness.clock.now(), actor=ADMIN)
        harness.dispatcher.wake()
        await harness.until(**{digest: "sent"})
    assert titles(sink) == ["Digest: 1 message about 1 case", "Digest: see the list of alerts"]
