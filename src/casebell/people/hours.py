"""When ordinary alerts of a channel may go: in the hours of a calendar, or in its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from casebell.alerts import FailureReason, Wait, Waits
from casebell.clock import SECOND
from casebell.events import Micros
from casebell.people.calendars import Calendar
from casebell.settings.calendars import minutes_of
from casebell.settings.models import ChannelSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestTime:
    """A time of day, on the days on which a calendar opens."""

    calendar: Calendar
    #: In the calendar's zone.
    minutes_of_day: int

    def next(self, now: Micros) -> Micros:
        """When the next digest is due, after `now`."""
        return self.calendar.next_at(self.minutes_of_day, after=now)

    def subject(self, channel: str, due: Micros) -> str:
        """What the digest of a channel is called that is due then: one a day for each target."""
        day = datetime.fromtimestamp(due / SECOND, self.calendar.zone).date()
        return f"digest:{channel}:{day}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """The hours of one channel."""

    #: Outside of it ordinary alerts wait.
    quiet_outside: Calendar | None = None
    #: What waits goes in it; without `quiet_outside` all ordinary alerts of cases do.
    digest: DigestTime | None = None

    @classmethod
    def of(cls, channel: ChannelSettings, calendars: Mapping[str, Calendar]) -> Self:
        """The hours that the file gives a channel."""
        quiet, digest = channel.quiet_outside, channel.digest
        return cls(
            quiet_outside=None if quiet is None else calendars[quiet],
            digest=None
            if digest is None
            else DigestTime(
                calendar=calendars[digest.calendar], minutes_of_day=minutes_of(digest.at)
            ),
        )

    def waits(self, now: Micros) -> Waits:
        """What ordinary alerts wait for.

        Outside of its hours, those of cases for the digest where there is one, all others until it
        opens. A calendar that does not open holds nothing back.
        """
        opens = now if self.quiet_outside is None else self.quiet_outside.opens_at(now)
        closed = None
        if opens > now:
            closed = Wait(until=opens, reason=FailureReason.QUIET_HOURS)
        in_hours = self.quiet_outside is not None and closed is None
        digest = None if in_hours else self._next_digest(now)
        return Waits(cases=digest or closed, messages=closed)

    def still_holds(self, wait: Wait, *, kind: str, now: Micros) -> bool:
        """Whether an alert of a kind that waits for this does so rightly.

        What waits for the digest does so until it goes, also once the calendar has opened.
        """
        return wait in (self.waits(now).of(kind), self._next_digest(now))

    def _next_digest(self, now: Micros) -> Wait | None:
        if self.digest is None:
            return None
        return Wait(until=self.digest.next(now), reason=FailureReason.DIGEST)


#: Of a channel without any.
ALWAYS: Final = Hours()
