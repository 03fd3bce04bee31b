"""When people are reminded of a date that a person typed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Micros
from casebell.followup.due import DISTANCES, distance, next_reminder

NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")]
)
DATES = st.dates(date(1971, 1, 1), date(9999, 12, 1))
TIMES = st.integers(0, 253_000_000_000_000_000)


def at(text: str, zone: ZoneInfo = NEW_YORK) -> Micros:
    """A time of a place."""
    moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    return round(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-10-01 09:00", "2026-10-27 08:00"),
        ("2026-10-27 07:59", "2026-10-27 08:00"),
        # Taken, or typed after it.
        ("2026-10-27 08:00", "2026-11-03 08:00"),
        # Over the night on which clocks are set back: 8:00 is 8:00.
        ("2026-10-31 08:00", "2026-11-03 08:00"),
        ("2026-11-05 12:00", "2026-11-07 08:00"),
        ("2026-11-08 23:00", "2026-11-09 08:00"),
        ("2026-11-09 08:00", None),
        ("2026-12-24 08:00", None),
    ],
)
def test_the_next_of_them(after: str, expected: str | None) -> None:
    """Fourteen, seven, three and one day before, at eight in the morning; those gone are gone."""
    found = next_reminder(date(2026, 11, 10), after=at(after), zone=NEW_YORK)
    assert found == (None if expected is None else at(expected))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-10-27 07:59", None),
        ("2026-10-27 08:00", 14),
        ("2026-11-03 08:00", 7),
        ("2026-11-08 10:00", 3),
        ("2026-11-09 08:00", 1),
        # The server did not run: late is better than never.
        ("2026-11-12 08:00", 1),
    ],
)
def test_the_nearest_whose_time_has_come(now: str, expected: int | None) -> None:
    """Of several that were missed only the nearest."""
    assert distance(date(2026, 11, 10), now=at(now), zone=NEW_YORK) == expected


@given(due=DATES, after=TIMES, zone=ZONES)
def test_each_comes_once_and_in_order(due: date, after: Micros, zone: ZoneInfo) -> None:
    """Whoever follows from one to the next passes each distance at most once, nearer each time."""
    passed = []
    while (found := next_reminder(due, after=after, zone=zone)) is not None:
        passed.append(distance(due, now=found, zone=zone))
        assert found > after
        local = datetime.fromtimestamp(found // 1_000_000, UTC).astimezone(zone)
        assert (due - local.date(), local.hour) == (timedelta(days=passed[-1] or 0), 8)
        after = found
    assert passed == list(DISTANCES[len(DISTANCES) - len(passed) :])


def test_the_first_days_of_time() -> None:
    """A date so early that nothing lies before it has no reminder, and raises nothing."""
    assert next_reminder(date(1, 1, 2), after=0, zone=NEW_YORK) is None
    assert distance(date(1, 1, 1), now=0, zone=NEW_YORK) is None
