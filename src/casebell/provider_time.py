"""Reads the times that providers send: one instant, many spellings, one number.

The number becomes part of an event's key. What each spelling means: docs/decisions/upstream.md, B8.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from casebell.events import Flag, Micros

#: Characters of a time; no spelling is longer.
_MAX_TIME = 64

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? +)?"
_DATES = (
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)",
    r"(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{4})",
    r"(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)",
    r"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})",
    rf"{_WEEKDAY}{_MONTH} +(?P<day>\d\d?)(?:st|nd|rd|th)?,? +(?P<year>\d{{4}})",
    rf"{_WEEKDAY}(?P<day>\d\d?) +{_MONTH},? +(?P<year>\d{{4}})",
)
_TIME_OF_DAY = (
    r"(?:(?:T|,? +(?:at +)?)(?P<hour>\d\d?):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?(?: *(?P<half>[ap])\.?m\.?)?"
    r" *(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?)?)?"
)
_SPELLINGS = tuple(re.compile(one + _TIME_OF_DAY, re.ASCII | re.IGNORECASE) for one in _DATES)
#: The spelling of nearly every provider; the standard library reads it directly.
_USUAL = re.compile(
    r"(?:19|20|21)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII
)
#: Nine or ten digits are seconds (1973 to 2286), twelve to fifteen milliseconds (to 33658).
_SINCE_1970 = re.compile(r"(?P<whole>\d{9,10}|\d{12,15})(?:\.(?P<fraction>\d+))?", re.ASCII)
#: -62135596800 seconds are the year 1.
_BEFORE_1970 = re.compile(r"-\d{1,15}(?:\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAIVE = frozenset({Flag.NAIVE_TIME})
_NO_FLAGS = frozenset[Flag]()

#: A time that is so much later than its receipt is none: a placeholder, a mistake, an appointment.
FUTURE: Micros = 2 * 86_400_000_000
#: From 2199 on a time is a placeholder, and before 1970.
NEVER: Micros = (datetime(2199, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class ProviderTime(NamedTuple):
    """A delivered time, as read."""

    #: UTC microseconds, further digits cut off; None if unreadable, or if it cannot be the time.
    at: Micros | None
    #: NAIVE_TIME, UNPARSED_TIME, FUTURE_TIME, where they apply.
    flags: frozenset[Flag]
    #: It stands for no time at all, as "0001-01-01" does.
    placeholder: bool = False


_UNREADABLE = ProviderTime(at=None, flags=frozenset({Flag.UNPARSED_TIME}))
_BEGINNING = ProviderTime(at=None, flags=frozenset({Flag.UNPARSED_TIME}), placeholder=True)


def read_time(value: object, *, timezone: str = "UTC") -> ProviderTime:
    """Read a JSON value as a time. Never raises: an unreadable value is flagged.

    Spellings: RFC 3339 and looser ones (a space or lower-case letters, offsets without a colon, any
    number of fraction digits, no zone, a date alone), American dates, names of months, seconds or
    milliseconds since 1970. A leap second (":60") is the second after it, 24:00 the next midnight.

    Args:
        timezone: of a time without one, which is flagged; a date alone is its midnight. An hour
            that comes twice is the first, one that is left out is an hour later.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return _UNREADABLE
    text = str(value).strip()
    if len(text) > _MAX_TIME:
        return _UNREADABLE
    if _USUAL.fullmatch(text):
        try:
            return _bounded(_micros(datetime.fromisoformat(text)), naive=False)
        except ValueError:
            # It may still be a time, as a leap second is.
            pass
    if _BEFORE_1970.fullmatch(text):
        return _BEGINNING
    if since := _SINCE_1970.fullmatch(text):
        return _bounded(_since_1970(since), naive=False)
    for spelling in _SPELLINGS:
        if parts := spelling.fullmatch(text):
            return _instant(parts, timezone=timezone)
    return _UNREADABLE


def time_of_status(value: object, *, received_at: Micros, timezone: str = "UTC") -> ProviderTime:
    """As `read_time`; a time that lies too far in the future is flagged, and orders nothing."""
    read = read_time(value, timezone=timezone)
    if read.at is None or read.at <= received_at + FUTURE:
        return read
    return ProviderTime(
        at=None,
        flags=read.flags | {Flag.FUTURE_TIME},
        placeholder=read.at >= NEVER,
    )


def date_alone(text: str | None) -> date | None:
    """The date that a delivered time is, where it is one without a time of day."""
    for spelling in _SPELLINGS:
        if text and (parts := spelling.fullmatch(text.strip())) and parts["hour"] is None:
            try:
                return _date(parts)
            except ValueError:
                return None
    return None


def _bounded(at: Micros, *, naive: bool) -> ProviderTime:
    if at < 0:
        return _BEGINNING
    return ProviderTime(at=at, flags=_NAIVE if naive else _NO_FLAGS)


def _micros(moment: datetime) -> Micros:
    return (moment - _EPOCH) // _MICROSECOND


def _since_1970(parts: re.Match[str]) -> Micros:
    whole, fraction = parts["whole"], parts["fraction"] or ""
    places = 6 if len(whole) <= 10 else 3
    return int(whole + fraction[:places].ljust(places, "0"))


def _date(parts: re.Match[str]) -> date:
    named = parts.groupdict().get("name")
    month = _MONTHS.index(named[:3].lower()) + 1 if named else int(parts["month"])
    return date(int(parts["year"]), month, int(parts["day"]))


def _instant(parts: re.Match[str], *, timezone: str) -> ProviderTime:
    """The time; unreadable if a part is out of range, such as a thirteenth month."""
    minute, second = int(parts["minute"] or 0), int(parts["second"] or 0)
    hours, minutes = int(parts["hours"] or 0), int(parts["minutes"] or 0)
    hour = _hour(parts)
    if hour is None or minute > 59 or second > 60 or hours > 23 or minutes > 59:
        return _UNREADABLE
    if hour == 24 and (minute or second):
        return _UNREADABLE
    try:
        day = _date(parts)
    except ValueError:
        return _UNREADABLE
    # The last day of year 9999 has no next one.
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    fraction = int((parts["fraction"] or "")[:6].ljust(6, "0"))
    within = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    at = _micros(midnight) + within
    if parts["zone"]:
        offset = (hours * 60 + minutes) * 60_000_000
        return _bounded(at + offset if parts["sign"] == "-" else at - offset, naive=False)
    return _bounded(_local(at, timezone=timezone), naive=True)


def _hour(parts: re.Match[str]) -> int | None:
    hour, half = int(parts["hour"] or 0), parts["half"]
    if not half:
        return hour if hour <= 24 else None
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if half.lower() == "p" else 0)


def _local(at: Micros, *, timezone: str) -> Micros:
    """The instant of a time of day in a zone, given as if it were UTC."""
    if timezone == "UTC":
        return at
    try:
        there = (_EPOCH + at * _MICROSECOND).replace(tzinfo=ZoneInfo(timezone))
        return _micros(there.astimezone(UTC))
    except (OverflowError, ValueError):
        # The ends of the calendar.
        return at
