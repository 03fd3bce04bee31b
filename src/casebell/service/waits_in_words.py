"""Until when an alert waits for hours of its channel, in words."""

from collections.abc import Callable
from typing import Any, Final

from casebell.alerts import AlertState, FailureReason
from casebell.clock import Clock
from casebell.people.calendars import Calendar
from casebell.settings import Settings
from casebell.settings.calendars import CalendarSettings

_FOR_HOURS: Final = frozenset({FailureReason.QUIET_HOURS, FailureReason.DIGEST})


class WaitsInWords:
    """Says it of the row of an alert: "until Mon 8:00 AM EST, quiet hours of office".

    Args:
        settings: returns those in force. Of a calendar that they no longer have the time is in the
            server's zone.
    """

    def __init__(self, *, settings: Callable[[], Settings], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def __call__(self, row: Any) -> str | None:
        """The words; None of an alert that waits for nothing of the kind."""
        if row.state != AlertState.DEFERRED or row.reason not in _FOR_HOURS:
            return None
        settings, for_digest = self._settings(), row.reason == FailureReason.DIGEST
        name = _calendar_of(settings, row.channel, for_digest=for_digest)
        found = settings.calendars.get(name) if name else None
        calendar = Calendar.of(found or _of_the_server(settings))
        when = calendar.in_words(row.not_before, now=self._clock.now())
        if for_digest:
            return f"until {when}, the digest of {row.channel}"
        return f"until {when}, quiet hours of {name or row.channel}"


def _calendar_of(settings: Settings, channel: str, *, for_digest: bool) -> str | None:
    found = settings.channels.get(channel)
    if found is None:
        return None
    if for_digest:
        return found.digest.calendar if found.digest else None
    return found.quiet_outside


def _of_the_server(settings: Settings) -> CalendarSettings:
    return CalendarSettings.model_validate(
        {"name": "", "timezone": settings.server.timezone, "open": "00:00-24:00"}
    )
