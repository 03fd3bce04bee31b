"""Which case each event of a large store belongs to, and which numbers its rows get.

Everything is settled before the first row is written, in plain arrays, so that any part of the
store can be written by itself.
"""

import itertools
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from bench.templates import Template
from casebell.events import Micros

#: The time over which the events came in: three years.
SPAN: Micros = 3 * 365 * 86_400 * 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """The last number given in each table."""

    events: int = 0
    changes: int = 0
    alerts: int = 0
    attempts: int = 0
    deliveries: int = 0
    journal: int = 0


class Schedule:
    """The events of a store, in order of arrival; the n-th has the id n + 1.

    Args:
        templates: of each history, step by step.
        count: how many events there are.
        chunk: how many events are written at a time.
        end: when the last one came.
    """

    def __init__(
        self, templates: Sequence[Sequence[Template]], *, count: int, chunk: int, end: Micros
    ) -> None:
        self.templates = templates
        self.count = count
        self.chunk = chunk
        self._begin = end - SPAN
        chance = random.Random(5)
        #: The history of each case.
        self.history = array("B")
        #: Where a case's steps begin in `change_of`.
        self.base = array("I")
        planned = 0
        shortest = min(range(len(templates)), key=lambda history: len(templates[history]))
        while planned < count:
            history = chance.randrange(len(templates))
            history = history if planned + len(templates[history]) <= count else shortest
            self.history.append(history)
            self.base.append(planned)
            planned += len(templates[history])
        order = [
            case
            for case, history in enumerate(self.history)
            for _ in range(len(templates[history]))
        ]
        chance.shuffle(order)
        #: The case of each event.
        self.case = array("I", order)
        #: The step of its history that each event is.
        self.step = array("B", bytes(count))
        #: The change that each step of each case began; 0 where it began none.
        self.change_of = array("I", bytes(4 * count))
        #: The last numbers before each chunk, and after the last.
        self.before: list[Numbers] = []
        self._number()

    @property
    def chunks(self) -> int:
        """How many there are."""
        return len(self.before) - 1

    def events(self, chunk: int) -> range:
        """The events of a chunk."""
        return range(chunk * self.chunk, min((chunk + 1) * self.chunk, self.count))

    def template(self, event: int) -> Template:
        """The template of an event."""
        return self.templates[self.history[self.case[event]]][self.step[event]]

    def received_at(self, event: int) -> Micros:
        """When it came."""
        return self._begin + (event + 1) * SPAN // self.count

    def _number(self) -> None:
        # Sums by hand: this runs ten million times.
        sizes = [[_size(template) for template in history] for history in self.templates]
        done = bytearray(len(self.history))
        changes = alerts = attempts = deliveries = journal = 0
        for event, case in zip(itertools.count(), self.case, strict=False):
            if event % self.chunk == 0:
                self.before.append(
                    Numbers(
                        events=event,
                        changes=changes,
                        alerts=alerts,
                        attempts=attempts,
                        deliveries=deliveries,
                        journal=journal,
                    )
                )
            step = done[case]
            done[case] = step + 1
            self.step[event] = step
            began, told, tried, again, entries = sizes[self.history[case]][step]
            if began:
                changes += 1
                self.change_of[self.base[case] + step] = changes
            alerts += told
            attempts += tried
            deliveries += again
            journal += entries
        self.before.append(
            Numbers(
                events=self.count,
                changes=changes,
                alerts=alerts,
                attempts=attempts,
                deliveries=deliveries,
                journal=journal,
            )
        )


def _size(template: Template) -> tuple[bool, int, int, int, int]:
    return (
        template.change is not None,
        len(template.alerts),
        sum(len(tried) for _, tried in template.alerts),
        len(template.repeats),
        len(template.entries),
    )
