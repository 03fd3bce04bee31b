"""Again or never: the decision as a table, and what holds for every input."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import FailureReason, Micros, Outcome, SendResult
from casebell.notify.retry import Done, Fail, Next, RetryAt, decide

SECOND = 1_000_000
DAY = 86_400.0
NOW = 1_760_000_000 * SECOND

RETRYABLE = SendResult(outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR)
AMBIGUOUS = SendResult(outcome=Outcome.AMBIGUOUS, reason=FailureReason.TIMEOUT)


def limited(seconds: float | None) -> SendResult:
    return SendResult(
        outcome=Outcome.RATE_LIMITED, reason=FailureReason.RATE_LIMITED, retry_after=seconds
    )


def decided(
    result: SendResult,
    *,
    attempts: int = 1,
    age: float = 0.0,
    max_age: float = DAY,
    urgent: bool = False,
    random: float = 0.0,
) -> Next:
    return decide(
        result=result,
        attempts=attempts,
        created_at=NOW - round(age * SECOND),
        now=NOW,
        max_age=max_age,
        urgent=urgent,
        random=random,
    )


def after(seconds: float) -> Micros:
    return NOW + round(seconds * SECOND)


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.ACCEPTED])
def test_a_delivered_message_is_done(outcome: Outcome) -> None:
    """What the service took is over, however old it is."""
    assert decided(SendResult(outcome=outcome), age=2 * DAY) == Done()


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.AUTH, FailureReason.AUTH_FAILED),
        (Outcome.PERMANENT, FailureReason.RECIPIENT_REFUSED),
        (Outcome.PERMANENT, FailureReason.TARGET_GONE),
    ],
)
def test_hopeless_failures_fail_at_once(outcome: Outcome, reason: FailureReason) -> None:
    """Refused credentials and refused messages go to the fallback without a second try."""
    assert decided(SendResult(outcome=outcome, reason=reason)) == Fail(reason=reason)


@pytest.mark.parametrize(
    ("attempts", "urgent", "random", "seconds"),
    [
        (1, False, 0.0, 2.5),
        (1, False, 0.5, 3.75),
        (2, False, 0.0, 5.0),
        (3, False, 0.0, 10.0),
        (8, False, 0.0, 320.0),
        (9, False, 0.0, 450.0),
        (40, False, 0.0, 450.0),
        (5, True, 0.0, 40.0),
        (6, True, 0.0, 60.0),
        (40, True, 0.0, 60.0),
    ],
)
def test_waits_double_up_to_a_limit(
    attempts: int, urgent: bool, random: float, seconds: float
) -> None:
    """From 5 s, doubled each time, to 15 minutes, for urgent alerts 2; the upper half is spread."""
    expected = RetryAt(at=after(seconds))
    assert decided(RETRYABLE, attempts=attempts, urgent=urgent, random=random) == expected


def test_doubt_is_told_in_the_next_message() -> None:
    """After an ambiguous attempt the next one says that it may repeat."""
    assert decided(AMBIGUOUS) == RetryAt(at=after(2.5), may_repeat=True)


def test_retry_after_pauses_the_channel() -> None:
    """A service that asks for a pause is left alone by the whole channel until then."""
    at = after(120)
    assert decided(limited(120)) == RetryAt(at=at, pause_channel_until=at)


def test_a_limit_without_a_time_pauses_for_the_usual_wait() -> None:
    """Rate-limited without Retry-After: the channel pauses for as long as the alert waits."""
    at = after(2.5)
    assert decided(limited(None)) == RetryAt(at=at, pause_channel_until=at)


def test_a_server_in_trouble_may_ask_for_time() -> None:
    """Retry-After with a server error delays this alert and not the channel."""
    result = SendResult(
        outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR, retry_after=60.0
    )
    assert decided(result) == RetryAt(at=after(60))


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (99.0, RetryAt(at=after(1.0))),
        (100.0, Fail(reason=FailureReason.GAVE_UP)),
        (5000.0, Fail(reason=FailureReason.GAVE_UP)),
    ],
)
def test_max_age_ends_it(age: float, expected: Next) -> None:
    """The last attempt comes at the latest at `max_age`; after it the alert is given up."""
    assert decided(RETRYABLE, age=age, max_age=100.0) == expected


def test_a_pause_beyond_max_age_gives_up_now() -> None:
    """When the service asks for more time than is left, the fallback hears at once."""
    assert decided(limited(3600), max_age=600.0) == Fail(reason=FailureReason.GAVE_UP)


results = st.builds(
    SendResult,
    outcome=st.sampled_from(Outcome),
    reason=st.none() | st.sampled_from(FailureReason),
    retry_after=st.none() | st.floats(0, 3600),
)


cases = st.fixed_dictionaries(
    {
        "attempts": st.integers(0, 10_000),
        "age": st.floats(-3600, 10 * DAY),
        "max_age": st.floats(1, 7 * DAY),
        "urgent": st.booleans(),
        "random": st.floats(0, 1, exclude_max=True),
    }
)


@given(result=results, case=cases)
def test_every_decision_is_bounded(result: SendResult, case: dict[str, Any]) -> None:
    """A retry lies ahead, within max_age, and not before what the service asked; else it ends."""
    step = decided(result, **case)
    assert isinstance(step, Done) == result.delivered
    if isinstance(step, RetryAt):
        asked = result.retry_after or 0.0
        longest = max(asked, 120.0 if case["urgent"] else 900.0)
        assert NOW < step.at <= after(longest) + 1
        assert step.at >= after(asked)
        assert step.at <= NOW - round(case["age"] * SECOND) + round(case["max_age"] * SECOND)
        assert step.may_repeat == (result.outcome is Outcome.AMBIGUOUS)
        pauses = result.outcome is Outcome.RATE_LIMITED
        assert step.pause_channel_until == (step.at if pauses else None)


@given(attempts=st.integers(1, 60), urgent=st.booleans())
def test_waits_never_shrink(attempts: int, urgent: bool) -> None:
    """A later attempt waits at least as long as an earlier one, at the same place of the spread."""
    earlier = decided(RETRYABLE, attempts=attempts, urgent=urgent)
    later = decided(RETRYABLE, attempts=attempts + 1, urgent=urgent)
    assert isinstance(earlier, RetryAt)
    assert isinstance(later, RetryAt)
    assert earlier.at <= later.at
