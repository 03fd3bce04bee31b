"""Times and numbers as people read them, on a terminal and on a page."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from casebell.clock import SECOND, in_zone
from casebell.events import Micros


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `1,203 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def lasting(seconds: float) -> str:
    """How long something lasts, in the largest whole unit: `3 days`, `36 hours`, `90 minutes`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and not seconds % size:
            return counted(round(seconds) // size, unit)
    return counted(round(seconds), "second")


def local_time(stamp: str | None, zone: str) -> str:
    """One of our ISO stamps as people read it; other text stays as it is."""
    if stamp is None:
        return "-"
    try:
        moment = datetime.fromisoformat(stamp)
        # A date, and a time without a zone, are none of ours.
        return in_zone(moment, zone) if moment.tzinfo else stamp
    except (ValueError, OverflowError):
        return stamp


def last_of(stamp: str, zone: str) -> str:
    """Until when a span is that ends at one of our ISO stamps: its last day, where it is whole."""
    end = datetime.fromisoformat(stamp).astimezone(ZoneInfo(zone))
    if (end.hour, end.minute, end.second) == (0, 0, 0):
        return f"{(end - timedelta(days=1)).date()}"
    return in_zone(end, zone)


def ago(stamp: str | None, *, now: Micros) -> str:
    """How long ago one of our ISO stamps was: `3 hours ago`; `never` without one."""
    if stamp is None:
        return "never"
    seconds = round(now / SECOND - datetime.fromisoformat(stamp).timestamp())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{counted(seconds // size, unit)} ago"
    return "just now"
