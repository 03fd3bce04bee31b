"""How failures are counted in memory, while writes are under way and when much is counted."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.clock import SECOND
from casebell.errors import TooManyAttempts
from casebell.service.limits import MAX_A_WRITE, Limits, of_passwords, of_tokens
from casebell.store.attempts import MAX_WINDOWS, WINDOW, Window
from contracts.clock_and_log import ManualClock

LIMITS: Mapping[str, int] = {"a": 3}


def limited(limits: Limits, keys: Mapping[str, int] = LIMITS) -> bool:
    """Whether one more would be too many."""
    try:
        limits.see(keys)
    except TooManyAttempts:
        return True
    return False


def put(known: dict[str, Window], failed: Sequence[Window]) -> list[Window]:
    """What a database makes of them."""
    for one in failed:
        known[one.key] = known[one.key].then(one) if one.key in known else one
    return [known[one.key] for one in failed]


def test_keys() -> None:
    """A network, and a name that cannot be read from its mark; names have it in common rarely."""
    assert of_tokens("2001:db8::1") == of_tokens("2001:db8::2")
    assert of_tokens("198.51.100.7") != of_tokens("198.51.100.8")
    keys = of_passwords("198.51.100.7", account="ana")
    assert not any("ana" in key for key in keys)
    marks = {key for n in range(100) for key in of_passwords("::1", account=f"name-{n}")}
    assert len(marks) > 95
    assert of_passwords("::1", account="\udc80")


@given(st.lists(st.sampled_from(["fail", "write", "wait", "answer", "restart"]), max_size=40))
def test_none_is_lost_and_none_counted_twice(steps: list[str]) -> None:
    """Whatever comes during a write, and whether or not it succeeds."""
    clock = ManualClock()
    limits, stored = Limits(clock), dict[str, Window]()
    writing: tuple[Sequence[Window], list[Window]] | None = None
    began, count = 0, 0
    for step in steps:
        clock.advance(1)
        if step == "fail":
            limits.fail(LIMITS)
            if clock.now() - began >= WINDOW:
                began, count = clock.now(), 0
            count += 1
        elif step == "write" and writing is None:
            failed, _ = limits.unwritten()
            writing = failed, put(stored, failed)
        elif step == "answer" and writing is not None:
            limits.written(*writing)
            writing = None
        elif step == "restart" and writing is None:
            failed, _ = limits.unwritten()
            put(stored, failed)
            limits = Limits(clock)
            limits.load(list(stored.values()))
        elif step == "wait":
            clock.advance(WINDOW / SECOND / 3)
        alive = count if clock.now() - began < WINDOW else 0
        # Until the answer is there the failures of the write are still counted as new.
        assert limited(limits) == (alive >= 3)


def test_an_attempt_under_way() -> None:
    """It counts until it has succeeded, or has been counted as failed."""
    limits = Limits(ManualClock())
    with limits.attempt(LIMITS), limits.attempt(LIMITS), limits.attempt(LIMITS):
        assert limited(limits)
        with pytest.raises(TooManyAttempts) as told, limits.attempt(LIMITS):
            pass
        assert told.value.retry_after == 1
    assert not limited(limits)
    with pytest.raises(KeyError), limits.attempt(LIMITS):
        raise KeyError
    assert not limits._under_way


def test_a_clock_that_was_set() -> None:
    """Forward or back: nobody is kept out longer than a window, as the clock says."""
    clock = ManualClock()
    limits = Limits(clock)
    for _ in range(3):
        limits.fail(LIMITS)
    clock.set_back(3_600)
    assert not limited(limits)
    clock.set_back(-3_600)
    assert limited(limits)


def test_memory_is_bounded() -> None:
    """The one unseen for longest is dropped, in the database too; a write has its bound as well."""
    limits, stored = Limits(ManualClock()), dict[str, Window]()
    for number in range(MAX_WINDOWS + 3 * MAX_A_WRITE):
        limits.fail({str(number): 3})
    assert len(limits._new) == MAX_WINDOWS
    while (found := limits.unwritten())[0]:
        failed, _ = found
        assert len(failed) <= MAX_A_WRITE
        limits.written(failed, put(stored, failed))
    for number in range(10):
        limits.fail({f"more-{number}": 3})
    failed, _ = limits.unwritten()
    limits.written(failed, put(stored, failed))
    _, dropped = limits.unwritten()
    assert len(limits._stored) == MAX_WINDOWS
    assert sorted(dropped) == [str(number) for number in range(1_500, 1_510)]
    limits.fail({"1500": 3})
    failed, _ = limits.unwritten()
    limits.written(failed, put(stored, failed))
    assert "1500" not in limits.unwritten()[1]
