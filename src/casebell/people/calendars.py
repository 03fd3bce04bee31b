"""Opening hours in one time zone, and the times that are counted by them.

A calendar is open while the clock on a wall in its zone shows its hours. So hours that a clock set
forward skips do not exist, and hours that it shows twice are open twice; how long it was open is
counted in the time that passed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from casebell.clock import DAY, MINUTE, SECOND
from casebell.events import Micros
from casebell.people import federal_holidays
from casebell.settings.calendars import MINUTES_OF_DAY, CalendarSettings, Elapsed, Window

#: Days in which a calendar that opens at all does so. One that does not counts as open, or
#: something would wait for ever.
_DAYS_AHEAD: Final = 400
#: No calendar moves anything further into the future, however seldom it opens.
_FARTHEST: Final[Micros] = 3_653 * DAY
#: Days ahead that a time is told with its weekday alone: the next such day is a week away.
_WEEKDAY_SAYS: Final[Micros] = 6 * DAY
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Named opening hours in one time zone."""

    name: str
    zone: ZoneInfo
    windows: tuple[Window, ...]
    #: Closed on the days that the federal government observes.
    federal_holidays: bool = False
    #: Closed on these days, too.
    closed: frozenset[date] = frozenset()

    @classmethod
    def of(cls, settings: CalendarSettings) -> Self:
        """The calendar that the file describes."""
        closed = {
            date.fromordinal(day)
            for days in settings.closed
            for day in range(days.first.toordinal(), days.last.toordinal() + 1)
        }
        return cls(
            name=settings.name,
            zone=ZoneInfo(settings.timezone),
            windows=settings.open,
            federal_holidays=settings.holidays == "us-federal",
            closed=frozenset(closed),
        )

    def opens_on(self, day: date) -> bool:
        """Whether hours begin on a day."""
        return bool(self._windows_of(day))

    def is_open(self, at: Micros) -> bool:
        """Whether it is open at a moment."""
        day, of_day = divmod(at + self._offset(at), DAY)
        return any(begins <= of_day < ends for begins, ends in self._hours(_date(day)))

    def opens_at(self, at: Micros) -> Micros:
        """The first moment from `at` on at which it is open.

        `at` itself where it does not open within 400 days.
        """
        if self.is_open(at):
            return at
        begins, _ = next(self._stretches(at), (at, at))
        return max(at, begins)

    def after(self, at: Micros, elapsed: Elapsed) -> Micros:
        """The moment by which so much of its time has passed since `at`.

        First the days: the day after `at` on which it opens is the first, and counts from the same
        time of day; where it is closed then, from its next opening. Then seconds that it is open.
        At most ten years after `at`. Where it does not open within 400 days, time passes plainly.
        """
        found = at
        if elapsed.days:
            local, of_day = divmod(at + self._offset(at), DAY)
            for _ in range(elapsed.days):
                local = self._next_day(local)
                if (local - 1) * DAY - at > _FARTHEST:
                    break
            found = self.opens_at(self._moment(local, of_day))
        if elapsed.seconds:
            found = self._open_for(found, round(elapsed.seconds * SECOND))
        return min(found, at + _FARTHEST)

    def next_at(self, minutes_of_day: int, *, after: Micros) -> Micros:
        """The first moment after `after` at that time of day, of a day on which it opens.

        Of a time that the clock skips it is when it does, of one that it shows twice the first.
        Where it does not open within 400 days, a day counts as one on which it does.
        """
        # The day before: where a clock goes back over midnight, it is not over yet.
        day = (after + self._offset(after)) // DAY - 1
        while True:
            if self.opens_on(_date(day)) or not self._opens_within(day):
                found = self._moment(day, minutes_of_day * MINUTE)
                if found > after:
                    return found
            day += 1

    def in_words(self, at: Micros, *, now: Micros) -> str:
        """A moment as people read it: "Mon 8:00 AM EST", with its date where that is needed."""
        moment = datetime.fromtimestamp(at / SECOND, self.zone)
        day = f"{moment:%a}"
        if abs(at - now) > _WEEKDAY_SAYS:
            day = f"{moment:%a}, {moment:%b} {moment.day}, {moment.year},"
        return f"{day} {moment.hour % 12 or 12}:{moment:%M %p %Z}"

    def _windows_of(self, day: date) -> list[Window]:
        if day in self.closed:
            return []
        if self.federal_holidays and day in federal_holidays.observed(day.year):
            return []
        weekday = day.weekday()
        return [window for window in self.windows if weekday in window.weekdays]

    def _hours(self, day: date) -> list[tuple[Micros, Micros]]:
        """When it is open by the clock on a day, in order, none overlapping another."""
        found = [
            (window.begins, window.ends if window.begins < window.ends else MINUTES_OF_DAY)
            for window in self._windows_of(day)
        ]
        # What began the evening before.
        before = self._windows_of(date.fromordinal(day.toordinal() - 1))
        found += [(0, window.ends) for window in before if window.ends < window.begins]
        found.sort()
        hours: list[tuple[Micros, Micros]] = []
        for begins, ends in found:
            if hours and begins * MINUTE <= hours[-1][1]:
                hours[-1] = (hours[-1][0], max(hours[-1][1], ends * MINUTE))
            else:
                hours.append((begins * MINUTE, ends * MINUTE))
        return hours

    def _stretches(self, at: Micros) -> Iterator[tuple[Micros, Micros]]:
        """Moments between which it is open, in order, as far as they end after `at`.

        Those of 400 days; and of 400 days since the last. A stretch may end where the next begins.
        """
        begin, last = at, at
        while begin - last < _DAYS_AHEAD * DAY:
            for first, end, offset in self._spans(begin, begin + DAY):
                for day in range((first + offset) // DAY, (end + offset - 1) // DAY + 1):
                    midnight = day * DAY - offset
                    for opens, closes in self._hours(_date(day)):
                        stretch = max(first, midnight + opens), min(end, midnight + closes)
                        if stretch[0] < stretch[1]:
                            last = stretch[1]
                            yield stretch
            begin += DAY

    def _open_for(self, at: Micros, span: Micros) -> Micros:
        """The first moment by which it was open for a span since `at`."""
        last = at
        for begins, ends in self._stretches(at):
            if begins + span <= ends:
                return begins + span
            span -= ends - begins
            last = ends
            if last - at > _FARTHEST:
                break
        return last + span

    def _opens_within(self, day: int) -> bool:
        return any(self.opens_on(_date(day + ahead)) for ahead in range(_DAYS_AHEAD))

    def _next_day(self, day: int) -> int:
        """The next day on which it opens, in days since 1970; without one the next day."""
        ahead = range(day + 1, day + 1 + _DAYS_AHEAD)
        return next((one for one in ahead if self.opens_on(_date(one))), day + 1)

    def _offset(self, at: Micros) -> Micros:
        """How far the clock of its zone is ahead of UTC."""
        utc = datetime.fromtimestamp(at // SECOND, UTC)
        ahead = utc.astimezone(self.zone).utcoffset()
        return 0 if ahead is None else round(ahead.total_seconds()) * SECOND

    def _spans(self, begin: Micros, end: Micros) -> Iterator[tuple[Micros, Micros, Micros]]:
        """A time of a day or two, cut where the clock is changed, each part with its offset."""
        first, last = self._offset(begin), self._offset(end)
        if first == last:
            yield begin, end, first
            return
        # Clocks change on whole seconds, and never twice in so short a time.
        low, high = begin // SECOND, end // SECOND
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle * SECOND) == first:
                low = middle
            else:
                high = middle
        yield begin, high * SECOND, first
        yield high * SECOND, end, last

    def _moment(self, day: int, of_day: Micros) -> Micros:
        """The first moment at which the clock shows a time, or has skipped it."""
        shown = day * DAY + of_day
        for begin, end, offset in self._spans(shown - DAY, shown + DAY):
            if shown - offset < end:
                return max(begin, shown - offset)
        raise AssertionError("No zone is a day ahead of UTC.")


def calendars_of(settings: Mapping[str, CalendarSettings]) -> Mapping[str, Calendar]:
    """The calendars of the configuration, by name."""
    return {name: Calendar.of(one) for name, one in settings.items()}


def plainly(at: Micros, elapsed: Elapsed) -> Micros:
    """The moment by which so much time has passed, where a day is 24 hours."""
    return at + elapsed.days * DAY + round(elapsed.seconds * SECOND)


def _date(day: int) -> date:
    """The date of a day that is counted from 1970."""
    return date.fromordinal(_FIRST_DAY + day)
