"""Reads a provider's time, in any of its spellings, as UTC microseconds.

Spellings: RFC 3339 and looser ones (a space or lower-case letters, offsets without a colon, any
number of fraction digits, no zone, a date alone), `MM-DD-YYYY` with or without a time of day, and
seconds or milliseconds since 1970. Every spelling of an instant gives the same number, because that
number becomes part of an event's key.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from casebell.events import Flag, Micros

#: Characters; no spelling is longer.
_MAX_LENGTH = 64
#: Another year is a placeholder ("0001-01-01") or a mistake, and must not become part of a key.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

_DATES = (
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)",
    r"(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{4})",
)
_TIME_OF_DAY = (
    r"(?:(?:T| +)(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" *(?P<zone>Z|UTC|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?)?)?"
)
#: The spelling of nearly every provider; the standard library reads it directly.
_USUAL = re.compile(
    r"(?:19|20|21)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII
)
_SPELLINGS = tuple(re.compile(date + _TIME_OF_DAY, re.ASCII | re.IGNORECASE) for date in _DATES)
#: Nine or ten digits are seconds (1973 to 2286), twelve or thirteen milliseconds.
_SINCE_1970 = re.compile(r"(?P<whole>\d{9,10}|\d{12,13})(?:\.(?P<fraction>\d+))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAIVE = frozenset({Flag.NAIVE_TIME})
_NO_FLAGS = frozenset[Flag]()


class ProviderTime(NamedTuple):
    """A delivered time, as read."""

    #: UTC microseconds, further digits cut off; None if unreadable.
    at: Micros | None
    #: NAIVE_TIME or UNPARSED_TIME, where they apply.
    flags: frozenset[Flag]


_UNREADABLE = ProviderTime(at=None, flags=frozenset({Flag.UNPARSED_TIME}))


def read_time(value: object) -> ProviderTime:
    """Read a JSON value as a time. Never raises: an unreadable value is flagged.

    Without a zone it is UTC, and flagged; a date alone is midnight. A leap second (":60") is read
    as the second after it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return _UNREADABLE
    text = str(value).strip()
    if len(text) > _MAX_LENGTH:
        return _UNREADABLE
    if _USUAL.fullmatch(text):
        try:
            return _checked(datetime.fromisoformat(text).astimezone(UTC), naive=False)
        except ValueError:
            # It may still be a time, as a leap second is.
            pass
    if since := _SINCE_1970.fullmatch(text):
        return _checked(_since_1970(since), naive=False)
    for spelling in _SPELLINGS:
        if parts := spelling.fullmatch(text):
            return _checked(_instant(parts), naive=not parts["zone"])
    return _UNREADABLE


def _checked(at: datetime | None, *, naive: bool) -> ProviderTime:
    if at is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        return _UNREADABLE
    return ProviderTime(at=(at - _EPOCH) // _MICROSECOND, flags=_NAIVE if naive else _NO_FLAGS)


def _since_1970(parts: re.Match[str]) -> datetime:
    whole, fraction = parts["whole"], parts["fraction"] or ""
    places = 6 if len(whole) <= 10 else 3
    return _EPOCH + timedelta(microseconds=int(whole + fraction[:places].ljust(places, "0")))


def _instant(parts: re.Match[str]) -> datetime | None:
    """The time in UTC; None if a part is out of range, such as a thirteenth month."""
    second = int(parts["second"] or 0)
    hours, minutes = int(parts["hours"] or 0), int(parts["minutes"] or 0)
    if second > 60 or hours > 23 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    try:
        to_the_minute = datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            tzinfo=UTC,
        )
        microseconds = int((parts["fraction"] or "")[:6].ljust(6, "0"))
        at = to_the_minute + timedelta(seconds=second, microseconds=microseconds)
        return at + offset if parts["sign"] == "-" else at - offset
    except (ValueError, OverflowError):
        return None
