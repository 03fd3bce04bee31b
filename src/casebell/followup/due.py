"""When people are reminded of a date that a person typed from a notice. Pure.

The date is the person's. None is computed from what a source says, and a reminder changes nothing
of what the notice asks for.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from casebell.events import Micros

#: Days before the date on which people are reminded of it, the furthest first.
DISTANCES = (14, 7, 3, 1)
#: The time of these days, where the server's people are.
_AT = time(8, 0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_reminder(due: date, *, after: Micros, zone: ZoneInfo) -> Micros | None:
    """When the next reminder of a date is due; None where there is none left.

    Args:
        after: the time at which the date is typed, or the last reminder was taken: what was due
            until then is not made up for.
        zone: the server's.
    """
    times = (_time_of(due, days, zone) for days in DISTANCES)
    return next((at for at in times if at is not None and at > after), None)


def distance(due: date, *, now: Micros, zone: ZoneInfo) -> int | None:
    """The nearest of the distances whose time has come; None where none has."""
    times = ((days, _time_of(due, days, zone)) for days in reversed(DISTANCES))
    return next((days for days, at in times if at is not None and at <= now), None)


def _time_of(due: date, days: int, zone: ZoneInfo) -> Micros | None:
    """The time at which people are reminded so many days before; None before there was time."""
    try:
        moment = datetime.combine(due - timedelta(days=days), _AT, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1)
