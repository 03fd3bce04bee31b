"""The federal holidays, held against another's table of them."""

from datetime import date

import holidays
import pytest

from casebell.people.federal_holidays import observed

YEARS = range(2021, 2041)


@pytest.mark.parametrize("year", YEARS)
def test_the_observed_days_are_those_of_the_package(year: int) -> None:
    """Our own rules give the working days on which `holidays` knows a holiday, and no others."""
    known = holidays.country_holidays("US", years=[year, year + 1])
    working = {day for day in known if day.year == year and day.weekday() < 5}

    assert observed(year) == working


@pytest.mark.parametrize(
    ("holiday", "day"),
    [
        ("Independence Day 2026, a Saturday", date(2026, 7, 3)),
        ("Juneteenth 2027, a Saturday", date(2027, 6, 18)),
        ("Independence Day 2027, a Sunday", date(2027, 7, 5)),
        ("New Year's Day 2028, a Saturday", date(2027, 12, 31)),
        ("Christmas Day 2022, a Sunday", date(2022, 12, 26)),
        ("Memorial Day 2027, the last Monday of five", date(2027, 5, 31)),
        ("Thanksgiving Day 2029, the fourth Thursday of five", date(2029, 11, 22)),
    ],
)
def test_a_holiday_at_a_weekend_is_observed_beside_it(holiday: str, day: date) -> None:
    """One on a Saturday is observed on Friday, also of the year before; one on a Sunday, Monday."""
    assert day in observed(day.year), holiday


def test_the_weekend_itself_is_not_observed() -> None:
    """Of a holiday on a Saturday the Friday is observed, and not the Saturday."""
    assert date(2026, 7, 4) not in observed(2026)


def test_juneteenth_begins_with_its_law() -> None:
    """Juneteenth is observed from 2021, a Saturday then, and not before."""
    assert date(2021, 6, 18) in observed(2021)
    assert not any(day.month == 6 for day in observed(2020))
