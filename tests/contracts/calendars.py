"""Calendars and hours of channels, as a file writes them, and moments of their zone."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.people.calendars import Calendar
from casebell.people.hours import Hours
from casebell.settings.calendars import CalendarSettings
from casebell.settings.models import ChannelSettings

NEW_YORK = "America/New_York"
#: From 8 to 6 on working days.
OFFICE: dict[str, Any] = {"name": "office", "open": ["mon-fri 08:00-18:00"]}


def calendar(**written: Any) -> Calendar:
    """An office in New York, unless something else is written."""
    return Calendar.of(CalendarSettings.model_validate(OFFICE | written))


def hours(*, quiet: bool = False, digest: str | None = None, **written: Any) -> Hours:
    """The hours of a channel `slack` by such a calendar."""
    channel = {
        "name": "slack",
        "url": "json://127.0.0.1/",
        "quiet_outside": "office" if quiet else None,
        "digest": None if digest is None else {"at": digest, "calendar": "office"},
    }
    settings = ChannelSettings.model_validate(channel)
    return Hours.of(settings, {"office": calendar(**written)})


def at(text: str, zone: str = NEW_YORK) -> Micros:
    """A moment by the clock in a zone; one with an offset is exact."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return round(moment.timestamp()) * SECOND


def shown(moment: Micros, zone: str = NEW_YORK) -> str:
    """The same in the other direction, to the minute, with the offset."""
    local = datetime.fromtimestamp(moment // SECOND, UTC).astimezone(ZoneInfo(zone))
    return local.isoformat(timespec="minutes")
