"""The holidays of the United States government, on the days on which it observes them."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

_MON, _THU, _SAT, _SUN = 0, 3, 5, 6

#: 5 U.S.C. 6103(a). By the day of a month: month, day, and the year of its first.
_FIXED = (
    (1, 1, 1870),  # New Year's Day
    (6, 19, 2021),  # Juneteenth National Independence Day
    (7, 4, 1870),  # Independence Day
    (11, 11, 1978),  # Veterans Day, which for seven years before was a Monday
    (12, 25, 1870),  # Christmas Day
)
#: By the day of the week: month, weekday, and which one of the month; -1 is the last.
_FLOATING = (
    (1, _MON, 3),  # Birthday of Martin Luther King, Jr.
    (2, _MON, 3),  # Washington's Birthday
    (5, _MON, -1),  # Memorial Day
    (9, _MON, 1),  # Labor Day
    (10, _MON, 2),  # Columbus Day
    (11, _THU, 4),  # Thanksgiving Day
)


@lru_cache(maxsize=32)
def observed(year: int) -> frozenset[date]:
    """The days of a year on which the government observes a holiday.

    One on a Saturday is observed on the Friday before, one on a Sunday on the Monday after: 5
    U.S.C. 6103(b), and Executive Order 11582. So a year may end with the New Year's Day of the
    next.
    """
    days = [*_holidays(year), date(year + 1, 1, 1)]
    return frozenset(day for day in map(_observed, days) if day.year == year)


def _holidays(year: int) -> Iterator[date]:
    for month, day, since in _FIXED:
        if year >= since:
            yield date(year, month, day)
    for month, weekday, which in _FLOATING:
        yield _floating(year, month, weekday, which)


def _floating(year: int, month: int, weekday: int, which: int) -> date:
    if which < 0:
        next_month = date(year, month + 1, 1)
        return next_month - timedelta(days=(next_month.weekday() - weekday - 1) % 7 + 1)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _observed(day: date) -> date:
    moved = {_SAT: -1, _SUN: 1}.get(day.weekday(), 0)
    return day + timedelta(days=moved)
