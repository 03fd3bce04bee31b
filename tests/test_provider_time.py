"""One instant, many spellings, one number."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Flag
from casebell.provider_time import date_alone, read_time, time_of_status

#: 2025-10-14T19:22:03Z.
INSTANT = 1_760_469_723_000_000
NAIVE = {Flag.NAIVE_TIME}


@pytest.mark.parametrize(
    ("spelled", "at", "flags"),
    [
        ("2025-10-14T19:22:03Z", INSTANT, set()),
        ("2025-10-14t19:22:03z", INSTANT, set()),
        ("  2025-10-14 19:22:03Z ", INSTANT, set()),
        ("2025-10-14 19:22:03 UTC", INSTANT, set()),
        ("2025-10-14T19:22:03+00:00", INSTANT, set()),
        ("2025-10-14T19:22:03-00:00", INSTANT, set()),
        ("2025-10-14T15:22:03-04:00", INSTANT, set()),
        ("2025-10-14T15:22:03-0400", INSTANT, set()),
        ("2025-10-14T15:22:03 -04", INSTANT, set()),
        ("2025-10-15T00:52:03+05:30", INSTANT, set()),
        ("2025-10-14T19:22:03.000Z", INSTANT, set()),
        ("2025-10-14T19:22:03,000000000Z", INSTANT, set()),
        ("2025-10-14T19:22:03.1234567Z", INSTANT + 123_456, set()),
        ("2025-10-14T19:22:03.9999999Z", INSTANT + 999_999, set()),
        ("2025-10-14T19:22Z", INSTANT - 3_000_000, set()),
        ("2025-10-14T19:22:03", INSTANT, NAIVE),
        ("10-14-2025 19:22:03", INSTANT, NAIVE),
        ("10-14-2025T19:22:03Z", INSTANT, set()),
        ("2025-10-14", 1_760_400_000_000_000, NAIVE),
        ("10/14/2025", 1_760_400_000_000_000, NAIVE),
        ("2025/10/14", 1_760_400_000_000_000, NAIVE),
        ("October 14, 2025", 1_760_400_000_000_000, NAIVE),
        ("Oct. 14th 2025 7:22:03 PM", INSTANT, NAIVE),
        ("14 October 2025 19:22:03 UTC", INSTANT, set()),
        ("Tue, 14 Oct 2025 19:22:03 GMT", INSTANT, set()),
        ("Tuesday, October 14, 2025 at 3:22:03 p.m. -04:00", INSTANT, set()),
        ("10/14/2025 12:00 AM", 1_760_400_000_000_000, NAIVE),
        ("10/14/2025 12:00 PM", 1_760_443_200_000_000, NAIVE),
        ("2025-10-13T24:00:00Z", 1_760_400_000_000_000, set()),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000, set()),
        ("9999-12-31T23:59:59-01:00", 253_402_304_399_000_000, set()),
        (253_402_300_799_999, 253_402_300_799_999_000, set()),
        ("10-14-2025", 1_760_400_000_000_000, NAIVE),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000, set()),
        ("1970-01-01T00:00:00Z", 0, set()),
        ("2199-12-31T23:59:59Z", 7_258_118_399_000_000, set()),
        (1_760_469_723, INSTANT, set()),
        (1_760_469_723_000, INSTANT, set()),
        (1_760_469_723.5, INSTANT + 500_000, set()),
        ("1760469723", INSTANT, set()),
        ("1760469723000", INSTANT, set()),
        ("1760469723000.25", INSTANT + 250, set()),
    ],
)
def test_reads_known_spellings(spelled: object, at: int, flags: set[Flag]) -> None:
    """Zones are applied, fractions cut to microseconds, a missing zone is UTC and flagged."""
    read = read_time(spelled)
    assert read.at == at
    assert read.flags == flags


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2025-13-01T00:00:00Z",
        "2025-02-29",
        "14-10-2025",
        "2025-10-14T24:00:01Z",
        "2025-10-14T25:00:00Z",
        "2025-10-14 13:00:00 PM",
        "2025-10-14 0:30 AM",
        "2025-10-14T19:60:00Z",
        "2025-10-14T19:22:61Z",
        "2025-10-14T19:22:03+24:00",
        "2025-10-14T19:22:03+05:60",
        "2025-10-14T19:22:03.Z",
        "2025-10-14T19:22:03 America/New_York",
        "14/10/2025",
        "Foo 14, 2025",
        "February 30, 2025",
        "\uff12\uff10\uff12\uff15-10-14",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "0000-00-00 00:00:00",
        "1969-12-31T23:59:59Z",
        "17604697",
        "9" * 64,
        "2025-10-14T19:22:03." + "0" * 100 + "Z",
        17,
        -1_760_469_723,
        1e300,
        float("inf"),
        10**4000,
        True,
        [],
        {},
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else str(value)[:30],
)
def test_flags_what_cannot_be_read(value: object) -> None:
    """A placeholder or a mistake is no time, and no key may be made of it."""
    read = read_time(value)
    assert read.at is None
    assert read.flags == {Flag.UNPARSED_TIME}


@given(
    at=st.datetimes(datetime(1971, 1, 1), datetime(2198, 12, 31)),  # noqa: DTZ001  # UTC below
    offset=st.integers(-23 * 60, 23 * 60),
    separator=st.sampled_from("Tt "),
    american=st.booleans(),
    more_digits=st.text("0123456789", max_size=12),
    colon=st.sampled_from([":", ""]),
)
def test_every_spelling_of_an_instant_is_one_number(  # type: ignore[no-untyped-def]
    *, at, offset, separator, american, more_digits, colon
) -> None:
    """Offset, separator, order of the date and digits beyond microseconds change nothing."""
    moment = at.replace(tzinfo=UTC)
    there = moment.astimezone(timezone(timedelta(minutes=offset)))
    date = there.strftime("%m-%d-%Y" if american else "%Y-%m-%d")
    hours, minutes = divmod(abs(offset), 60)
    zone = f"{'-' if offset < 0 else '+'}{hours:02}{colon}{minutes:02}"
    spelled = f"{date}{separator}{there:%H:%M:%S.%f}{more_digits}{zone}"
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    read = read_time(spelled)
    assert read.at == micros
    assert read.flags == frozenset()
    if moment.year > 2001 and moment.year < 2286:
        assert read_time(f"{micros // 10**6}.{micros % 10**6:06}").at == micros


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
)
def test_anything_is_read_or_flagged(value: object) -> None:
    """No value of a JSON body gets an exception out of it."""
    read = read_time(value)
    assert (read.at is None) == (Flag.UNPARSED_TIME in read.flags)


@pytest.mark.parametrize(
    ("spelled", "zone", "utc"),
    [
        ("07-26-2025 10:11:12", "America/New_York", "2025-07-26T14:11:12Z"),
        ("2025-01-26 10:11:12", "America/New_York", "2025-01-26T15:11:12Z"),
        ("2025-01-26", "America/New_York", "2025-01-26T05:00:00Z"),
        ("January 26, 2025 10:11 AM", "Asia/Kolkata", "2025-01-26T04:41:00Z"),
        # An hour that comes twice is the first of both; one that is left out lies after it.
        ("2025-11-02 01:30:00", "America/New_York", "2025-11-02T05:30:00Z"),
        ("2025-03-09 02:30:00", "America/New_York", "2025-03-09T07:30:00Z"),
        ("9999-12-31 23:59:59", "America/New_York", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_without_a_zone_is_one_of_the_sources(spelled: str, zone: str, utc: str) -> None:
    """With summer time and its ends, and flagged."""
    read = read_time(spelled, timezone=zone)
    assert read.at == read_time(utc).at
    assert read.flags == NAIVE


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "spelled", ["2025-10-14T19:22:03Z", "2025-10-14T15:22:03-04:00", "1760469723"]
)
def test_a_time_with_a_zone_is_what_it_says(spelled: str, zone: str) -> None:
    """Whatever the source's is."""
    assert read_time(spelled, timezone=zone).at == INSTANT


@pytest.mark.parametrize(
    ("spelled", "shown"),
    [
        ("2024-01-20", "2024-01-20"),
        (" 01-20-2024 ", "2024-01-20"),
        ("Jan 20, 2024", "2024-01-20"),
        ("2024-01-20T00:00:00", None),
        ("2024-02-30", None),
        ("1705708800", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_alone(spelled: str | None, shown: str | None) -> None:
    """It is told from a midnight."""
    day = date_alone(spelled)
    assert (day and day.isoformat()) == shown


DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("value", "flags", "placeholder"),
    [
        ("2025-10-16T19:22:03Z", set(), False),
        ("2025-10-16T19:22:04Z", {Flag.FUTURE_TIME}, False),
        ("2025-12-24", {Flag.FUTURE_TIME, Flag.NAIVE_TIME}, False),
        ("2199-01-01T00:00:00Z", {Flag.FUTURE_TIME}, True),
        ("9999-12-31T23:59:59Z", {Flag.FUTURE_TIME}, True),
        ("9999-12-31T23:59:59.9999999-12:00", {Flag.FUTURE_TIME}, True),
        (253_402_300_799_999, {Flag.FUTURE_TIME}, True),
        ("0001-01-01T00:00:00Z", {Flag.UNPARSED_TIME}, True),
        ("0001-01-01T00:00:00+14:00", {Flag.UNPARSED_TIME}, True),
        ("0001-01-01", {Flag.UNPARSED_TIME}, True),
        (-62_135_596_800, {Flag.UNPARSED_TIME}, True),
        (-62_135_596_800_000, {Flag.UNPARSED_TIME}, True),
        ("0000-00-00T00:00:00Z", {Flag.UNPARSED_TIME}, False),
        (10**4000, {Flag.UNPARSED_TIME}, False),
        (float("nan"), {Flag.UNPARSED_TIME}, False),
        (0, {Flag.UNPARSED_TIME}, False),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else str(value)[:30],
)
def test_what_cannot_be_the_time(value: object, flags: set[Flag], placeholder: bool) -> None:
    """More than two days after receipt, or a value that stands for no time at all."""
    read = time_of_status(value, received_at=INSTANT)
    assert read.flags == flags
    assert read.placeholder == placeholder
    assert (read.at is None) == bool(flags & {Flag.FUTURE_TIME, Flag.UNPARSED_TIME})
