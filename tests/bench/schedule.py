"""Which case each event of a large store belongs to, and which numbers its rows get.

Everything is settled before the first row is written, in plain arrays, so that any stretch of the
store can be written by itself.
"""

import itertools
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from bench.moulds import Mould
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
        moulds: of each life, step by step.
        count: how many events there are.
        chunk: how many events are written at a time.
        end: when the last one came.
    """

    def __init__(
        self, moulds: Sequence[Sequence[Mould]], *, count: int, chunk: int, end: Micros
    ) -> None:
        self.moulds = moulds
        self.count = count
        self.chunk = chunk
        self._begin = end - SPAN
        chance = random.Random(5)
        #: The life of each case.
        self.life = array("B")
        #: Where a case's steps begin in `change_of`.
        self.base = array("I")
        planned = 0
        shortest = min(range(len(moulds)), key=lambda life: len(moulds[life]))
        while planned < count:
            life = chance.randrange(len(moulds))
            life = life if planned + len(moulds[life]) <= count else shortest
            self.life.append(life)
            self.base.append(planned)
            planned += len(moulds[life])
        order = [case for case, life in enumerate(self.life) for _ in range(len(moulds[life]))]
        chance.shuffle(order)
        #: The case of each event.
        self.case = array("I", order)
        #: The step of its life that each event is.
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

    def mould(self, event: int) -> Mould:
        """What an event is made after."""
        return self.moulds[self.life[self.case[event]]][self.step[event]]

    def received_at(self, event: int) -> Micros:
        """When it came."""
        return self._begin + (event + 1) * SPAN // self.count

    def _number(self) -> None:
        # Sums by hand: this runs ten million times.
        sizes = [[_size(mould) for mould in life] for life in self.moulds]
        done = bytearray(len(self.life))
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
            began, told, tried, again, entries = sizes[self.life[case]][step]
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


def _size(mould: Mould) -> tuple[bool, int, int, int, int]:
    return (
        mould.change is not None,
        len(mould.alerts),
        sum(len(tried) for _, tried in mould.alerts),
        len(mould.repeats),
        len(mould.entries),
    )
