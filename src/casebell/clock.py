"""Time and identifiers, as parameters: tests pass their own."""

import asyncio
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from casebell.events import Micros


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
        await asyncio.sleep(seconds)


def new_request_id() -> str:
    """A fresh request id: `req_` and 96 random bits in hex."""
    return "req_" + secrets.token_hex(12)


def iso(at: Micros) -> str:
    """RFC 3339 in UTC with microseconds: `2025-10-14T19:22:03.000000Z`."""
    return f"{_to_the_second(at // 1_000_000)}.{at % 1_000_000:06d}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
