"""The simulated cases and their histories."""

from dataclasses import dataclass, field

from casebell.events import Micros, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """One change of a case."""

    #: Counted over all cases.
    number: int
    status: Status
    text: str
    #: When it happened, in whole seconds, as both pages write times.
    at: Micros
    #: Torch's word, where it is not the usual one of the status.
    category: str = ""
    #: Nobody moved the case there: that it was received is assumed of one that was registered.
    assumed: bool = False


@dataclass(kw_only=True, slots=True)
class Case:
    """A case as USCIS would have it, and whether the firm has registered it."""

    receipt: str
    label: str = ""
    registered: bool = False
    #: In the order of their times; of one time, as they came.
    history: list[Movement] = field(default_factory=list)

    @property
    def current(self) -> Movement:
        """The latest movement by its time."""
        return self.history[-1]

    def move(self, movement: Movement) -> None:
        """Put a movement where its time belongs; one from before what was assumed replaces that."""
        if self.history and self.history[0].assumed and movement.at <= self.history[0].at:
            del self.history[0]
        place = len(self.history)
        while place and self.history[place - 1].at > movement.at:
            place -= 1
        self.history.insert(place, movement)
