"""Time and identifiers."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.clock import SystemClock, iso, new_request_id
from contracts.clock_and_log import ManualClock

#: What a provider's time may be, and more: 1970 to 2199, see `provider_time`.
TIMES = st.integers(min_value=0, max_value=7_258_118_399_999_999)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_760_469_723_000_000, "2025-10-14T19:22:03.000000Z"),
        (1_760_469_723_000_001, "2025-10-14T19:22:03.000001Z"),
        (1_760_469_723_999_999, "2025-10-14T19:22:03.999999Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (7_258_118_399_999_999, "2199-12-31T23:59:59.999999Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_iso(at: int, text: str) -> None:
    """A time is written in UTC, to the microsecond, always in the same length."""
    assert iso(at) == text


@given(at=TIMES)
def test_iso_is_exact(at: int) -> None:
    """What is written reads back as the same microsecond: it may be part of an event's key."""
    read = datetime.fromisoformat(iso(at))
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == at


@given(earlier=TIMES, later=TIMES)
def test_iso_sorts_like_time(earlier: int, later: int) -> None:
    """Texts sort as the times do."""
    assert (iso(earlier) < iso(later)) == (earlier < later)


def test_request_ids() -> None:
    """An id has its mark and 96 random bits, and no two are alike."""
    ids = {new_request_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", one) for one in ids)


def test_the_machines_clock() -> None:
    """It tells UTC in microseconds, and seconds that do not run backwards."""
    clock = SystemClock()
    assert abs(clock.now() - time.time() * 1e6) < 5e6
    first, second = clock.monotonic(), clock.monotonic()
    assert second >= first


async def test_the_machines_clock_waits() -> None:
    """Sleeping takes as long as it is told to."""
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.015


def test_the_tests_own_clock() -> None:
    """Turned by hand, both hands move together; set back, only the one on the wall does."""
    clock = ManualClock(now=1_000_000)
    began = clock.monotonic()
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (2_500_000, began + 1.5)
    clock.set_back(2.0)
    assert (clock.now(), clock.monotonic()) == (500_000, began + 1.5)
