"""How many requests an API takes: in a minute, and in a day that ends at 00:00 GMT."""

import math
from dataclasses import dataclass, field

from casebell.clock import DAY, MINUTE, SECOND
from casebell.events import Micros


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Requests that one API takes of a tenant."""

    per_minute: int = 600
    per_day: int = 100_000


@dataclass(kw_only=True, slots=True)
class Budget:
    """What is left of them; a request that is refused uses none."""

    limits: Limits
    #: Since the start.
    total: int = 0
    in_minute: int = 0
    in_day: int = 0
    _minute: int = field(default=-1, repr=False)
    _day: int = field(default=-1, repr=False)

    def take(self, now: Micros) -> float | None:
        """Use one request; None where that is allowed, else seconds until it will be."""
        self._turn(now)
        if self.in_day >= self.limits.per_day:
            return _left(now, DAY)
        if self.in_minute >= self.limits.per_minute:
            return _left(now, MINUTE)
        self.in_minute += 1
        self.in_day += 1
        self.total += 1
        return None

    def shown(self, now: Micros) -> dict[str, int]:
        """Limits and what is used of them."""
        self._turn(now)
        return {
            "per_minute": self.limits.per_minute,
            "per_day": self.limits.per_day,
            "used_this_minute": self.in_minute,
            "used_today": self.in_day,
            "used_in_all": self.total,
        }

    def _turn(self, now: Micros) -> None:
        if (minute := now // MINUTE) != self._minute:
            self._minute, self.in_minute = minute, 0
        if (day := now // DAY) != self._day:
            self._day, self.in_day = day, 0


def whole_seconds(seconds: float) -> int:
    """As Retry-After has them: never too few."""
    return max(1, math.ceil(seconds))


def _left(now: Micros, window: Micros) -> float:
    return (window - now % window) / SECOND
