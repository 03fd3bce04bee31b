"""Strangers cannot fill the log."""

from casebell.http.throttle import LINES_A_MINUTE, LogThrottle
from contracts.clock_and_log import ManualClock


def test_a_flood_is_a_few_lines_and_a_count() -> None:
    """Of one outcome so many lines a minute are logged; the next one tells how many were not."""
    clock = ManualClock()
    throttle = LogThrottle(clock)
    first = [throttle.line("too_many_refusals") for _ in range(LINES_A_MINUTE + 40)]
    assert first == [0] * LINES_A_MINUTE + [None] * 40
    clock.advance(61)
    assert [throttle.line("too_many_refusals") for _ in range(2)] == [40, 0]


def test_one_outcome_does_not_hide_another() -> None:
    """Each outcome has its own lines."""
    throttle = LogThrottle(ManualClock())
    for _ in range(LINES_A_MINUTE + 1):
        throttle.line("unknown_source")
    assert throttle.line("unknown_source") is None
    assert throttle.line("wrong_method") == 0
