"""Limits log lines that strangers can cause at no cost: a few of each kind a minute."""

from casebell.clock import Clock

#: Lines of one kind that are logged in a minute.
LINES_A_MINUTE = 60


class LogThrottle:
    """Decides whether to log a line; counts the lines left out for the next one that is logged."""

    def __init__(self, clock: Clock, *, lines_a_minute: int = LINES_A_MINUTE) -> None:
        self._clock = clock
        self._lines_a_minute = lines_a_minute
        #: By kind: the start of its minute, lines in it, lines left out since the last one.
        self._minutes: dict[str, tuple[float, int, int]] = {}

    def line(self, kind: str) -> int | None:
        """Lines left out before this one; None if this one is left out as well."""
        now = self._clock.monotonic()
        began, lines, left_out = self._minutes.get(kind, (now, 0, 0))
        if now - began >= 60:
            began, lines = now, 0
        if lines >= self._lines_a_minute:
            self._minutes[kind] = (began, lines, left_out + 1)
            return None
        self._minutes[kind] = (began, lines + 1, 0)
        return left_out
