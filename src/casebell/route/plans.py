"""When an escalation tells whom: its steps, its repetitions and its end. Pure.

Each step counts from when it was decided whom to tell of the change. After the last one it is that
step again after each `repeat`, in the time of that step's calendar. Where time was lost, as by a
server that did not run, each step that is overdue is taken once, and `repeat` counts from then: no
repetition that was missed is made up for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Self

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.people.calendars import Calendar, plainly
from casebell.settings.calendars import Elapsed
from casebell.settings.models import Escalation


class Turn(Enum):
    """What is to be done of an escalation at a time that was noted for it."""

    #: People are reminded.
    REMIND = auto()
    #: Nothing yet: the configuration changed since.
    WAIT = auto()
    #: Operations are told that nobody acknowledged the change.
    STOP = auto()
    #: Its step is no longer in the configuration.
    REMOVED = auto()


class Position(NamedTuple):
    """Where an escalation stands."""

    #: The step that is next, from 0; or the last one, where it was taken.
    step: int
    #: How often the last step was taken.
    repetition: int
    due_at: Micros


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStep:
    """Whom to tell, and when, counted from when the change was decided."""

    after: Elapsed
    #: In whose time that is; None: as the clock runs.
    calendar: Calendar | None
    #: Names of channels.
    notify: tuple[str, ...]

    def passed(self, at: Micros, elapsed: Elapsed) -> Micros:
        """When so much of the step's time has passed."""
        return self.calendar.after(at, elapsed) if self.calendar else plainly(at, elapsed)


@dataclass(frozen=True, kw_only=True, slots=True)
class EscalationPlan:
    """An escalation of the configuration."""

    name: str
    steps: tuple[PlannedStep, ...]
    #: None: the last step is taken once.
    repeat: Elapsed | None
    #: How long it runs at most.
    stop: Micros

    @classmethod
    def of(cls, settings: Escalation, *, calendars: Mapping[str, Calendar]) -> Self:
        """The plan of these settings, which have been checked."""
        return cls(
            name=settings.name,
            steps=tuple(
                PlannedStep(
                    after=step.after,
                    calendar=None if step.of is None else calendars[step.of],
                    notify=tuple(step.notify),
                )
                for step in settings.steps
            ),
            repeat=settings.repeat,
            stop=round(settings.stop * SECOND),
        )

    def first(self, *, began_at: Micros) -> Position:
        """Where it stands as people are told of the change."""
        return self._at(0, began_at=began_at)

    def turn(self, at: Position, *, began_at: Micros) -> Turn:
        """What is to be done at a position that is due."""
        if at.step >= len(self.steps):
            return Turn.REMOVED
        if at.due_at >= began_at + self.stop:
            return Turn.STOP
        return Turn.WAIT if self._is_done(at) and self.repeat is None else Turn.REMIND

    def next(self, at: Position, *, began_at: Micros, now: Micros) -> Position:
        """Where it stands once a position was taken, or there was nothing to do."""
        if at.step < len(self.steps) - 1:
            return self._at(at.step + 1, began_at=began_at)
        repetition = at.repetition + (self.turn(at, began_at=began_at) is Turn.REMIND)
        stops_at = began_at + self.stop
        if self.repeat is None:
            return Position(step=at.step, repetition=repetition, due_at=stops_at)
        last = self.steps[-1]
        due_at = last.passed(at.due_at, self.repeat)
        if due_at <= now:
            due_at = last.passed(now, self.repeat)
        return Position(step=at.step, repetition=repetition, due_at=min(due_at, stops_at))

    def _is_done(self, at: Position) -> bool:
        """Whether every step was taken."""
        return at.repetition > 0

    def _at(self, step: int, *, began_at: Micros) -> Position:
        due_at = self.steps[step].passed(began_at, self.steps[step].after)
        return Position(step=step, repetition=0, due_at=min(due_at, began_at + self.stop))
