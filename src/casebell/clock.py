"""Time and identifiers, as parameters: tests pass their own."""

import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from casebell.events import Micros

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


class Clock(Protocol):
    """What a stage may ask of time."""

    def now(self) -> Micros:
        """UTC microseconds since the epoch. May jump; use it for records and schedules."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards. Use it for deadlines inside one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        """UTC microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        import asyncio  # noqa: PLC0415 - commands read times, and start without it

        await asyncio.sleep(seconds)


#: Random text that is not used yet: asking the system for each id would cost more than the id.
_random: list[str] = []
_ID_DIGITS = 24


def new_request_id() -> str:
    """A fresh request id: `req_` and 96 random bits in hex."""
    try:
        return _random.pop()
    except IndexError:
        text = secrets.token_hex(64 * _ID_DIGITS // 2)
        starts = range(_ID_DIGITS, len(text), _ID_DIGITS)
        _random.extend([f"req_{text[start : start + _ID_DIGITS]}" for start in starts])
        return f"req_{text[:_ID_DIGITS]}"


def iso(at: Micros) -> str:
    """RFC 3339 in UTC with microseconds: `2025-10-14T19:22:03.000000Z`."""
    return f"{_to_the_second(at // 1_000_000)}.{at % 1_000_000:06d}Z"


def iso_or_none(at: Micros | None) -> str | None:
    """The same of a time that there may not be."""
    return None if at is None else iso(at)


def in_zone(moment: datetime, zone: str) -> str:
    """A moment to the second, as people in a time zone read it."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    # Not strftime, which writes early years with fewer digits.
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
