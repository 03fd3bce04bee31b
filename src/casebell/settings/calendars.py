"""Calendars, and the times that are counted by them, as the file writes them."""

import re
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator

from casebell.settings.time_zones import TimeZone
from casebell.settings.values import (
    Part,
    Text,
    Texts,
    as_list,
    complaint,
    parse_duration,
)

#: As `open` names the days; Monday is 0, as in `datetime`.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY = 24 * 60

_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_WINDOW = re.compile(r"(?:(?P<days>[a-z, -]+) )?(?P<begins>[0-9:]+)-(?P<ends>[0-9:]+)")
_DAYS = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?")
_CLOSED = re.compile(r"(?P<first>[0-9-]{10})(?:\.\.(?P<last>[0-9-]{10}))?")
_DAYS_FIRST = re.compile(r"(?:(?P<days>[0-9]{1,4})d)?(?P<rest>.*)")

_HOW_OPEN = 'Write it like "mon-fri 08:00-18:00", "sat,sun 10:00-14:00" or "22:00-06:00".'
_HOW_CLOSED = 'Write "2026-11-27", or the first and the last day: "2026-12-24..2026-12-26".'
_HOW_ELAPSED = 'Write it like "2h", "1d" or "1d4h".'


class Window(NamedTuple):
    """Hours on some days of the week; where `ends` is not after `begins`, until the next day."""

    #: Monday is 0.
    weekdays: tuple[int, ...]
    #: Minutes of the day on which it begins.
    begins: int
    #: Minutes of that day, at most 1,440; or of the next.
    ends: int


class Days(NamedTuple):
    """Days on end, the last included."""

    first: date
    last: date


class Elapsed(NamedTuple):
    """A time that passes: first days, then seconds. What a day is, a calendar says."""

    days: int
    seconds: float


def minutes_of(text: str) -> int:
    """Minutes of a day in a text like "08:00".

    Raises:
        ValueError: it is no time of day.
    """
    match = _TIME.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_OF_DAY + 1
    if minutes > MINUTES_OF_DAY:
        raise ValueError("This is no time of day.")
    return minutes


def _matched(pattern: re.Pattern[str], value: object) -> re.Match[str]:
    """How a pattern fits a text.

    Raises:
        ValueError: it does not.
    """
    match = pattern.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return match


def _window(value: object) -> Window:
    if isinstance(value, Window):
        return value
    try:
        match = _matched(_WINDOW, value)
        begins, ends = minutes_of(match["begins"]), minutes_of(match["ends"])
        weekdays = _weekdays(match["days"])
    except ValueError:
        raise complaint("These are no opening hours.", _HOW_OPEN) from None
    if begins in (ends, MINUTES_OF_DAY):
        raise complaint("These hours end as they begin.", 'All day is "00:00-24:00".')
    return Window(weekdays=weekdays, begins=begins, ends=ends)


def _weekdays(text: str | None) -> tuple[int, ...]:
    """The days of "mon-fri" or "sat,sun"; without a text all.

    Raises:
        ValueError: one is no day of the week.
    """
    if text is None:
        return tuple(range(7))
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = _matched(_DAYS, part)
        first = WEEKDAYS.index(match["first"])
        last = WEEKDAYS.index(match["last"] or match["first"])
        # "fri-mon" goes over the end of the week.
        found |= {day % 7 for day in range(first, last + (7 if last < first else 0) + 1)}
    return tuple(sorted(found))


def _closed(value: object) -> Days:
    if isinstance(value, Days):
        return value
    if isinstance(value, date):
        return Days(first=value, last=value)
    try:
        match = _matched(_CLOSED, value)
        first = date.fromisoformat(match["first"])
        last = date.fromisoformat(match["last"] or match["first"])
    except ValueError:
        raise complaint("This is no day.", _HOW_CLOSED) from None
    if last < first:
        raise complaint("The last day is before the first.", _HOW_CLOSED)
    if last - first > timedelta(days=366):
        raise complaint("These are more than a year.", _HOW_CLOSED)
    return Days(first=first, last=last)


def _elapsed(value: object) -> Elapsed:
    if isinstance(value, Elapsed):
        return value
    try:
        match = _matched(_DAYS_FIRST, value)
        # Also where the days alone are too many.
        parse_duration(match[0])
        seconds = parse_duration(match["rest"]) if match["rest"] else 0.0
        found = Elapsed(days=int(match["days"] or 0), seconds=seconds)
    except ValueError:
        raise complaint("This is not a duration.", _HOW_ELAPSED) from None
    if found < Elapsed(days=0, seconds=60.0):
        raise complaint("This is less than a minute.", _HOW_ELAPSED)
    return found


def _time_of_day(value: object) -> object:
    try:
        minutes = minutes_of(value) if isinstance(value, str) else MINUTES_OF_DAY
    except ValueError:
        minutes = MINUTES_OF_DAY
    if minutes == MINUTES_OF_DAY:
        raise complaint("This is no time of day.", 'Write it like "08:00".')
    return value


_OneWindow = Annotated[Window, PlainValidator(_window), PlainSerializer(list)]
_SomeDays = Annotated[Days, PlainValidator(_closed), PlainSerializer(list)]
OpeningHours = Annotated[tuple[_OneWindow, ...], as_list]
ClosedDays = Annotated[tuple[_SomeDays, ...], as_list]
ElapsedTime = Annotated[Elapsed, PlainValidator(_elapsed), PlainSerializer(list)]
TimeOfDay = Annotated[str, BeforeValidator(_time_of_day)]


class CalendarSettings(Part):
    """Opening hours in one time zone."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    timezone: TimeZone = "America/New_York"
    open: OpeningHours = Field(min_length=1)
    #: Days on which it stays closed: those that the federal government observes.
    holidays: Literal["us-federal", "none"] = "none"
    #: Further such days.
    closed: ClosedDays = ()


class Digest(Part):
    """When one message tells what waited: at this time, on each day that a calendar opens."""

    at: TimeOfDay
    calendar: Text


class Step(Part):
    """Whom to tell, and when, counted from the change."""

    after: ElapsedTime
    #: The calendar in whose time that is: a day is one on which it opens, hours are open hours.
    #: None: as the clock runs.
    of: str | None = None
    notify: Texts = Field(min_length=1)
