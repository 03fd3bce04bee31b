"""Calendars: when they open, and the time that is counted by them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell.clock import DAY, HOUR, MINUTE, SECOND
from casebell.events import Micros
from casebell.people.calendars import Calendar, calendars_of, plainly
from casebell.settings.calendars import CalendarSettings, Elapsed
from contracts.calendars import NEW_YORK, at, shown
from contracts.calendars import calendar as written

OFFICE = ("mon-fri 08:00-18:00",)
NIGHT = ("22:00-06:00",)


def calendar(
    *opens: str, zone: str = NEW_YORK, federal: bool = False, closed: Sequence[str] = ()
) -> Calendar:
    """A calendar as the file would write it."""
    return written(
        timezone=zone,
        open=opens or OFFICE,
        holidays="us-federal" if federal else "none",
        closed=closed,
    )


@pytest.mark.parametrize(
    ("opens", "moment", "expected"),
    [
        # Mon, Nov 30, 2026.
        (OFFICE, "2026-11-30T07:59:59", "2026-11-30T08:00-05:00"),
        (OFFICE, "2026-11-30T08:00", "2026-11-30T08:00-05:00"),
        (OFFICE, "2026-11-30T17:59", "2026-11-30T17:59-05:00"),
        (OFFICE, "2026-11-30T18:00", "2026-12-01T08:00-05:00"),
        # Fri evening, and the weekend.
        (OFFICE, "2026-12-04T18:00", "2026-12-07T08:00-05:00"),
        (OFFICE, "2026-12-06T23:59", "2026-12-07T08:00-05:00"),
        # Across midnight.
        (NIGHT, "2026-12-04T21:00", "2026-12-04T22:00-05:00"),
        (NIGHT, "2026-12-05T03:00", "2026-12-05T03:00-05:00"),
        (NIGHT, "2026-12-05T06:00", "2026-12-05T22:00-05:00"),
        # The hours of Friday night are Friday's.
        (("fri 22:00-06:00",), "2026-12-05T05:59", "2026-12-05T05:59-05:00"),
        (("fri 22:00-06:00",), "2026-12-05T22:00", "2026-12-11T22:00-05:00"),
        # Hours that overlap, and touch.
        (
            ("08:00-12:00", "10:00-14:00", "14:00-15:00"),
            "2026-12-05T13:00",
            "2026-12-05T13:00-05:00",
        ),
        (
            ("08:00-12:00", "10:00-14:00", "14:00-15:00"),
            "2026-12-05T14:00",
            "2026-12-05T14:00-05:00",
        ),
        (
            ("08:00-12:00", "10:00-14:00", "14:00-15:00"),
            "2026-12-05T15:00",
            "2026-12-06T08:00-05:00",
        ),
        (("00:00-24:00",), "2026-12-05T23:59", "2026-12-05T23:59-05:00"),
        # The night of Mar 14, 2027: there is no 02:00 to 03:00.
        (("02:30-04:00",), "2027-03-14T00:00", "2027-03-14T03:00-04:00"),
        (("02:15-02:45",), "2027-03-14T00:00", "2027-03-15T02:15-04:00"),
        (("00:00-02:30",), "2027-03-14T01:59", "2027-03-14T01:59-05:00"),
        (("00:00-02:30",), "2027-03-14T03:00-04:00", "2027-03-15T00:00-04:00"),
        # The night of Nov 1, 2026: 01:00 to 02:00 comes twice.
        (("01:30-04:00",), "2026-11-01T00:00", "2026-11-01T01:30-04:00"),
        (("01:30-04:00",), "2026-11-01T01:15-05:00", "2026-11-01T01:30-05:00"),
        (("00:00-01:30",), "2026-11-01T01:45-04:00", "2026-11-01T01:00-05:00"),
        (("00:00-01:30",), "2026-11-01T01:30-05:00", "2026-11-02T00:00-05:00"),
    ],
)
def test_it_opens(opens: Sequence[str], moment: str, expected: str) -> None:
    """The next moment at which it is open, by the clock on the wall."""
    assert shown(calendar(*opens).opens_at(at(moment))) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # Independence Day 2026 is a Saturday: closed from Thursday evening to Monday.
        ("2026-07-02T18:00", "2026-07-06T08:00-04:00"),
        # That of 2027 is a Sunday: a weekend of three days.
        ("2027-07-02T18:00", "2027-07-06T08:00-04:00"),
        # New Year's Day 2028 is a Saturday, observed in the year before.
        ("2027-12-30T18:00", "2028-01-03T08:00-05:00"),
        # The firm's own days around Thanksgiving and Christmas.
        ("2026-11-25T18:00", "2026-11-30T08:00-05:00"),
        ("2026-12-23T18:00", "2026-12-28T08:00-05:00"),
    ],
)
def test_it_stays_closed_on_holidays(moment: str, expected: str) -> None:
    """It opens neither on an observed holiday nor on a day that the firm named."""
    office = calendar(federal=True, closed=["2026-11-27", "2026-12-24..2026-12-26"])

    assert shown(office.opens_at(at(moment))) == expected


def test_hours_of_an_open_day_go_on_into_a_closed_one() -> None:
    """Hours belong to the day on which they begin: a closed day ends none, and begins none."""
    night = calendar(*NIGHT, closed=["2026-12-25"])

    assert night.is_open(at("2026-12-25T05:59"))
    assert shown(night.opens_at(at("2026-12-25T06:00"))) == "2026-12-26T22:00-05:00"


@pytest.mark.parametrize(
    ("opens", "begin", "elapsed", "expected"),
    [
        (OFFICE, "2026-11-30T09:00", Elapsed(days=0, seconds=7_200), "2026-11-30T11:00-05:00"),
        (OFFICE, "2026-11-30T17:00", Elapsed(days=0, seconds=7_200), "2026-12-01T09:00-05:00"),
        (OFFICE, "2026-12-05T03:00", Elapsed(days=0, seconds=7_200), "2026-12-07T10:00-05:00"),
        # At its closing so much has passed.
        (OFFICE, "2026-11-30T16:00", Elapsed(days=0, seconds=7_200), "2026-11-30T18:00-05:00"),
        (OFFICE, "2026-11-30T09:00", Elapsed(days=1, seconds=0), "2026-12-01T09:00-05:00"),
        (OFFICE, "2026-12-04T09:00", Elapsed(days=1, seconds=0), "2026-12-07T09:00-05:00"),
        # On a Saturday at 3 the first day is Monday, which is closed at 3.
        (OFFICE, "2026-12-05T03:00", Elapsed(days=1, seconds=0), "2026-12-07T08:00-05:00"),
        (OFFICE, "2026-12-04T20:00", Elapsed(days=1, seconds=0), "2026-12-08T08:00-05:00"),
        (OFFICE, "2026-12-04T09:00", Elapsed(days=1, seconds=36_000), "2026-12-08T09:00-05:00"),
        (OFFICE, "2026-11-30T09:00", Elapsed(days=10, seconds=0), "2026-12-14T09:00-05:00"),
        # 01:00 to 04:00 lasts two hours on Mar 14, and four on Nov 1.
        (("01:00-04:00",), "2027-03-14T00:00", Elapsed(0, 3 * 3_600), "2027-03-15T02:00-04:00"),
        (("01:00-04:00",), "2026-11-01T00:00", Elapsed(0, 4 * 3_600), "2026-11-01T04:00-05:00"),
        # A day that has no 02:30.
        (("00:00-24:00",), "2027-03-13T02:30", Elapsed(1, 0), "2027-03-14T03:00-04:00"),
        # One that has 01:30 twice.
        (("00:00-24:00",), "2026-10-31T01:30", Elapsed(1, 0), "2026-11-01T01:30-04:00"),
    ],
)
def test_time_passes(opens: Sequence[str], begin: str, elapsed: Elapsed, expected: str) -> None:
    """Days are those on which it opens, and hours are open hours."""
    assert shown(calendar(*opens).after(at(begin), elapsed)) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-30T07:59", "2026-11-30T08:00-05:00"),
        # Strictly after: the digest of eight is not followed by itself.
        ("2026-11-30T08:00", "2026-12-01T08:00-05:00"),
        ("2026-12-04T08:00", "2026-12-07T08:00-05:00"),
        ("2026-12-24T08:00", "2026-12-28T08:00-05:00"),
    ],
)
def test_the_time_of_a_digest(moment: str, expected: str) -> None:
    """That time of day, on a day on which it opens."""
    assert shown(calendar(federal=True).next_at(8 * 60, after=at(moment))) == expected


def test_a_time_that_a_clock_skips_or_shows_twice_comes_once() -> None:
    """What is due at 02:30 comes when the clock skips it; what is due at 01:30, the first time."""
    always = calendar("00:00-24:00")

    skipped = always.next_at(2 * 60 + 30, after=at("2027-03-14T00:00"))
    twice = always.next_at(60 + 30, after=at("2026-11-01T00:00"))

    assert shown(skipped) == "2027-03-14T03:00-04:00"
    assert shown(always.next_at(2 * 60 + 30, after=skipped)) == "2027-03-15T02:30-04:00"
    assert shown(twice) == "2026-11-01T01:30-04:00"
    assert shown(always.next_at(60 + 30, after=twice)) == "2026-11-02T01:30-05:00"


def test_a_zone_that_skipped_a_day() -> None:
    """Samoa had no Dec 30, 2011: what was due then came when it was skipped, once."""
    samoa = calendar("08:00-18:00", zone="Pacific/Apia")
    begin = at("2011-12-29T18:00", "Pacific/Apia")

    assert shown(samoa.opens_at(begin), "Pacific/Apia") == "2011-12-31T08:00+14:00"
    assert samoa.opens_at(begin) - begin == 14 * HOUR


def test_one_that_hardly_ever_opens_holds_nothing_back_for_ever() -> None:
    """A calendar that is closed for more than 400 days counts as open, and time passes plainly."""
    begin = at("2026-11-30T09:00")
    never = calendar(closed=["2026-11-01..2027-10-31", "2027-11-01..2028-10-31"])

    assert not never.is_open(begin)
    assert never.opens_at(begin) == begin
    assert never.after(begin, Elapsed(days=0, seconds=60.0)) == begin + MINUTE
    assert shown(never.after(begin, Elapsed(days=1, seconds=0))) == "2026-12-01T09:00-05:00"
    assert shown(never.next_at(8 * 60, after=begin)) == "2026-12-01T08:00-05:00"


def test_one_that_opens_once_a_year_is_waited_for() -> None:
    """A calendar that opens after eleven months is waited for, and ten years are the end of it."""
    begin = at("2026-11-30T09:00")
    seldom = calendar(closed=["2026-11-01..2027-10-31"])

    assert shown(seldom.opens_at(begin)) == "2027-11-01T08:00-04:00"
    minute = calendar("mon 08:00-08:01")
    assert minute.after(begin, Elapsed(days=0, seconds=86_400.0)) == begin + 3_653 * DAY
    assert minute.after(begin, Elapsed(days=3_650, seconds=0)) == begin + 3_653 * DAY


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-04T08:00", "Fri 8:00 AM EST"),
        ("2026-12-07T00:05", "Mon, Dec 7, 2026, 12:05 AM EST"),
        ("2026-11-25T12:00", "Wed 12:00 PM EST"),
        ("2027-03-14T15:00", "Sun, Mar 14, 2027, 3:00 PM EDT"),
    ],
)
def test_a_moment_in_words(moment: str, expected: str) -> None:
    """The weekday says which day within six days; beyond that its date does."""
    assert calendar().in_words(at(moment), now=at("2026-11-30T09:00")) == expected


def test_plain_time_has_days_of_24_hours() -> None:
    """Without a calendar a day is 24 hours, in the night of a change of clocks, too."""
    begin = at("2026-10-31T12:00")

    assert plainly(begin, Elapsed(days=1, seconds=60.0)) == begin + 24 * HOUR + MINUTE


def test_the_calendars_of_the_file_by_name() -> None:
    """Each has the name and the zone that the file gives it."""
    settings = CalendarSettings.model_validate(
        {"name": "west", "timezone": "America/Los_Angeles", "open": "mon-fri 09:00-17:00"}
    )

    west = calendars_of({"west": settings})["west"]

    assert (west.name, west.zone.key) == ("west", "America/Los_Angeles")


CALENDARS = st.sampled_from(
    [
        calendar(federal=True),
        calendar(*NIGHT),
        calendar("01:15-02:30", "fri 23:00-01:45"),
        calendar("sun 00:00-24:00", "sat 23:30-00:30", zone="America/Havana"),
        calendar("08:00-12:00", "sat,sun 11:00-02:30", zone="Europe/Berlin"),
        calendar("mon 09:00-12:00", zone="Asia/Kathmandu", closed=["2026-10-26..2026-12-31"]),
    ]
)
#: From the summer of 2026 over both nights on which clocks change, to whole seconds.
MOMENTS = st.integers(at("2026-10-20T00:00") // SECOND, at("2027-04-10T00:00") // SECOND).map(
    lambda seconds: seconds * SECOND
)
SPANS = st.integers(0, 30 * 3_600).map(float)


@given(CALENDARS, MOMENTS, st.floats(0, 1))
def test_nothing_is_open_before_it_opens(office: Calendar, moment: Micros, part: float) -> None:
    """It is open when it opens, and at no moment before."""
    opens = office.opens_at(moment)

    assert opens >= moment
    assert office.is_open(opens)
    if opens > moment:
        between = moment + int(part * (opens - moment - 1))
        assert not office.is_open(between)
        assert office.opens_at(between) == opens


@given(CALENDARS, MOMENTS, SPANS, SPANS)
def test_open_time_adds_up(office: Calendar, moment: Micros, one: float, other: float) -> None:
    """A time and then another is both at once."""
    both = office.after(moment, Elapsed(days=0, seconds=one + other))

    assert office.after(office.after(moment, Elapsed(0, one)), Elapsed(0, other)) == both


@given(CALENDARS, MOMENTS, st.integers(0, 40 * 24 * 60), SPANS)
def test_later_is_never_due_earlier(
    office: Calendar, moment: Micros, minutes: int, span: float
) -> None:
    """Of two moments the later one is due later, or at the same time."""
    later = moment + minutes * MINUTE

    elapsed = Elapsed(days=0, seconds=span)
    assert office.after(moment, elapsed) <= office.after(later, elapsed)
    assert office.opens_at(moment) <= office.opens_at(later)
    assert office.next_at(90, after=moment) <= office.next_at(90, after=later)


@settings(max_examples=25)
@given(CALENDARS, MOMENTS, st.integers(1, 30 * 60))
def test_open_time_is_the_time_that_it_is_open(
    office: Calendar, moment: Micros, minutes: int
) -> None:
    """Counted minute by minute on the clock, it is open for as long as `after` says."""
    moment -= moment % MINUTE
    until = office.after(moment, Elapsed(days=0, seconds=minutes * 60.0))

    counted = sum(map(office.is_open, range(moment, min(until, moment + DAY), MINUTE)))
    assert counted == minutes if until <= moment + DAY else counted <= minutes


@given(CALENDARS, MOMENTS, st.integers(1, 10))
def test_days_are_those_on_which_it_opens(office: Calendar, moment: Micros, days: int) -> None:
    """After so many days, so many days have come on which it opens."""
    until = office.after(moment, Elapsed(days=days, seconds=0))

    def local(at: Micros) -> datetime:
        return datetime.fromtimestamp(at // SECOND, UTC).astimezone(office.zone)

    first, last = local(moment).date(), local(until).date()
    passed = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    assert office.is_open(until)
    # Where it is closed at that time of day, it may open on the next day only.
    assert sum(map(office.opens_on, passed)) in (days, days + 1)


@given(CALENDARS, MOMENTS)
def test_digests_come_once_a_day(office: Calendar, moment: Micros) -> None:
    """Each next time is on a later day on which it opens, and none is left out."""
    times = [moment]
    for _ in range(4):
        times.append(office.next_at(90, after=times[-1]))

    days = [
        datetime.fromtimestamp(one // SECOND, UTC).astimezone(office.zone).date()
        for one in times[1:]
    ]
    assert all(map(office.opens_on, days))
    for one, other in pairwise(days):
        between = [one + timedelta(days=n) for n in range(1, (other - one).days)]
        assert one < other
        assert not any(map(office.opens_on, between))


def test_it_is_asked_in_microseconds() -> None:
    """A claim asks it each time: over a weekend it answers in less than half a millisecond."""
    office = calendar(federal=True)
    friday = at("2026-12-04T18:00")

    began = process_time()
    for second in range(1_000):
        office.opens_at(friday + second * SECOND)

    assert (process_time() - began) / 1_000 < 0.000_5
