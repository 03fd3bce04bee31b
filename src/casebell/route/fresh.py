"""Events just stored, on their way from the event log to the router without a look at the disk.

Only a shortcut: the table says what has no decision yet, and whatever is not here is read from it.
"""

from collections.abc import Sequence

from casebell.events import CaseEvent
from casebell.store.cases import Unrouted

#: Events kept at once; in a burst the rest is read when its turn comes.
LIMIT = 2_048
#: Bytes of a body that is kept: about what a status change needs.
LARGEST = 4_096


class Fresh:
    """A bounded memory of events without a decision, by id."""

    def __init__(self) -> None:
        self._events: dict[int, CaseEvent] = {}

    def keep(self, stored: Sequence[tuple[int, CaseEvent]]) -> None:
        """Remember these; when there are none, forget all, for one of them may have changed."""
        if not stored:
            self._events.clear()
        room = LIMIT - len(self._events)
        for number, event in stored[:room]:
            if len(event.body) <= LARGEST:
                self._events[number] = event

    def pick(self, ids: Sequence[int]) -> dict[int, Unrouted]:
        """Take out those of these that are here; they are no revisions."""
        return {
            number: Unrouted(id=number, event=event, revision_of=None)
            for number in ids
            if (event := self._events.pop(number, None)) is not None
        }
