"""The simulator's time: the machine's, which can be sped up and moved forward."""

from casebell.clock import SECOND, Clock
from casebell.events import Micros


class SimulatedClock:
    """Time that runs `speed` times as fast as the machine's, and never backwards.

    Times of changes, waits between tries and windows of limits go by it. Signatures do not: they
    carry the machine's time, or every one would be stale to whoever receives it.
    """

    def __init__(self, machine: Clock, *, speed: float = 1.0) -> None:
        self.machine = machine
        self.speed = speed
        self._then = machine.now()
        self._since = machine.monotonic()

    def now(self) -> Micros:
        """UTC microseconds since the epoch, simulated."""
        passed = self.machine.monotonic() - self._since
        return self._then + round(passed * self.speed * SECOND)

    def set(self, *, speed: float | None = None, advance: float = 0.0) -> None:
        """Run at another speed from now on, after a jump of so many seconds."""
        self._then = self.now() + round(advance * SECOND)
        self._since = self.machine.monotonic()
        self.speed = self.speed if speed is None else speed

    def not_before(self, at: Micros) -> None:
        """Go on from there, if that is later: what was simulated before a restart stays past."""
        self.set(advance=max(0, at - self.now()) / SECOND)

    def machine_seconds(self, simulated: float) -> float:
        """How long such a time lasts on the machine's clock."""
        return simulated / self.speed
