"""A log that strangers cannot fill: of what costs them nothing to repeat, a few lines a minute."""

from casebell.clock import Clock

#: Lines of one outcome that are logged in a minute.
LINES_A_MINUTE = 60


class Sparing:
    """Says whether to log a line, and counts the others for the next one that is logged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: By outcome: when its minute began, lines in it, lines left out since the last one.
        self._minutes: dict[str, tuple[float, int, int]] = {}

    def line(self, outcome: str) -> int | None:
        """Lines left out before this one; None where this one is left out, too."""
        now = self._clock.monotonic()
        began, lines, left_out = self._minutes.get(outcome, (now, 0, 0))
        if now - began >= 60:
            began, lines = now, 0
        if lines >= LINES_A_MINUTE:
            self._minutes[outcome] = (began, lines, left_out + 1)
            return None
        self._minutes[outcome] = (began, lines + 1, 0)
        return left_out
