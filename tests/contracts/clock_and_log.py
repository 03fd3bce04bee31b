"""A clock that a test advances, and a log that keeps its lines."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from casebell.events import Micros
from casebell.telemetry import Log
from contracts.case_events import RECEIVED_AT


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sleeper:
    """A task that waits for a time."""

    #: Its name.
    task: str
    #: Monotonic seconds.
    until: float
    waiting: asyncio.Future[None]


class ManualClock:
    """Time stands still until a test moves it on."""

    def __init__(self, now: Micros = RECEIVED_AT) -> None:
        self._now = now
        self._monotonic = 1_000.0
        self._sleepers: list[_Sleeper] = []

    def now(self) -> Micros:
        """UTC microseconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        name = task.get_name() if task else ""
        until = self._monotonic + seconds
        self._sleepers.append(_Sleeper(task=name, until=until, waiting=waiting))
        await waiting

    def advance(self, seconds: float) -> None:
        """Advance both times, and wake the tasks that slept until then."""
        self._now += round(seconds * 1_000_000)
        self._monotonic += seconds
        for one in self._sleepers:
            if one.until <= self._monotonic and not one.waiting.done():
                one.waiting.set_result(None)
        self._sleepers = [one for one in self._sleepers if not one.waiting.done()]

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back; the monotonic time stays."""
        self._now -= round(seconds * 1_000_000)

    def has_sleeper(self, seconds: float, *, fits: Callable[[str], bool]) -> bool:
        """Whether a task whose name fits still has to wait for that long."""
        return any(
            fits(one.task)
            and not one.waiting.done()
            and abs(one.until - self._monotonic - seconds) < 1e-6
            for one in self._sleepers
        )

    @property
    def asleep(self) -> list[float]:
        """How many seconds each sleeper still has to wait."""
        return sorted(
            one.until - self._monotonic for one in self._sleepers if not one.waiting.done()
        )


class RecordingLog:
    """Keeps every log line as (level, event, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, name: str, **fields: Any) -> None:
        """An ordinary line."""
        self.lines.append(("info", name, fields))

    def warning(self, name: str, **fields: Any) -> None:
        """What an operator should look at."""
        self.lines.append(("warning", name, fields))

    def error(self, name: str, **fields: Any) -> None:
        """A defect."""
        self.lines.append(("error", name, fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The fields of every line of that name."""
        return [fields for _, event_name, fields in self.lines if event_name == name]

    @property
    def log(self) -> Log:
        """Under the type that the code takes."""
        return cast("Log", self)
