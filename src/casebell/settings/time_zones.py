"""The names of time zones, and which one was meant by another name."""

import importlib.resources
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator

from casebell.settings.values import complaint, nearest


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zones = available_timezones()
    else:
        return value
    meant = _american(value)
    hint = f"Did you mean `{meant}`?" if meant else nearest(value, zones)
    raise complaint(
        "This is no time zone that this machine knows.",
        (hint or 'Write one like "America/New_York".') if zones else "Install the package tzdata.",
    )


#: A time zone by its name in the IANA database.
TimeZone: TypeAlias = Annotated[str, AfterValidator(_time_zone)]


def _american(name: str) -> str:
    """The zone of the United States that Windows or people mean by `name`; "" where none is known.

    "Eastern Standard Time", "US Eastern", "ET" and "EDT" are America/New_York: `zone.tab` of the
    IANA database says of each zone which part of the country it is, the largest part first.
    """
    words = name.lower().replace("/", " ").replace("_", " ").split()
    if words and words[0] in ("us", "usa"):
        del words[0]
    if not words:
        return ""
    table = importlib.resources.files("tzdata.zoneinfo").joinpath("zone.tab")
    for line in table.read_text(encoding="utf-8").splitlines():
        country, _, rest = line.partition("\t")
        if country != "US":
            continue
        _, zone, place = rest.split("\t")
        part = place.split()[0].lower()
        abbreviations = [f"{part[0]}{middle}t" for middle in ("", "s", "d")]
        # Windows says "Hawaiian" where the table says "Hawaii".
        if words[0] in abbreviations or words[0].startswith(part):
            return zone
    return ""


def without_summer_time(zone: str) -> str:
    """The zone with summer time that `zone` abbreviates and lacks, as EST; "" for all others."""
    meant = _american(zone) if "/" not in zone else ""
    return meant if meant and _offset_in_july(zone) != _offset_in_july(meant) else ""


def _offset_in_july(zone: str) -> timedelta | None:
    return datetime(2026, 7, 1, tzinfo=ZoneInfo(zone)).utcoffset()
