"""Where an attempt leaves its alert: as a table, and what holds for every input."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import (
    Alert,
    AlertKind,
    AlertState,
    FailureReason,
    NextState,
    Outcome,
    SendResult,
)
from casebell.events import Micros
from casebell.notify.retry import next_state, next_states

SECOND = 1_000_000
DAY = 86_400.0
NOW = 1_760_000_000 * SECOND

RETRYABLE = SendResult(outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR)
AMBIGUOUS = SendResult(outcome=Outcome.AMBIGUOUS, reason=FailureReason.TIMEOUT)
GAVE_UP = NextState(
    state=AlertState.FAILED, not_before=NOW, may_repeat=False, reason=FailureReason.GAVE_UP
)


def limited(seconds: float | None) -> SendResult:
    return SendResult(
        outcome=Outcome.RATE_LIMITED, reason=FailureReason.RATE_LIMITED, retry_after=seconds
    )


def reached(
    result: SendResult,
    *,
    age: float = 0.0,
    max_age: float = DAY,
    random: float = 0.0,
    **fields: Any,
) -> NextState:
    """What follows for an alert of that age."""
    alert = Alert(
        **{
            "id": 7,
            "kind": AlertKind.CASE,
            "subject": "change:3",
            "channel": "slack",
            "target": "general",
            "rules": (),
            "urgent": False,
            "attempts": 1,
            "created_at": NOW - round(age * SECOND),
            "may_repeat": False,
            "event_id": 12,
            "change_id": 3,
            **fields,
        }
    )
    return next_state(alert, result, max_age=max_age, now=NOW, random=random)


def after(seconds: float) -> Micros:
    return NOW + round(seconds * SECOND)


def retrying(seconds: float, **fields: Any) -> NextState:
    """A new attempt after so many seconds, for a server's error."""
    return NextState(
        **{
            "state": AlertState.RETRYING,
            "not_before": after(seconds),
            "may_repeat": False,
            "reason": FailureReason.SERVER_ERROR,
            **fields,
        }
    )


def paused(seconds: float) -> NextState:
    """The same, and the channel is left alone until then."""
    return retrying(
        seconds,
        state=AlertState.DEFERRED,
        reason=FailureReason.RATE_LIMITED,
        channel_pause=seconds,
    )


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.ACCEPTED])
@pytest.mark.parametrize("may_repeat", [False, True])
def test_a_delivered_message_is_sent(outcome: Outcome, may_repeat: bool) -> None:
    """What the service took is over, however old it is; an earlier doubt stays on record."""
    result = SendResult(outcome=outcome)
    assert reached(result, age=2 * DAY, may_repeat=may_repeat) == NextState(
        state=AlertState.SENT, not_before=NOW, may_repeat=may_repeat, reason=None
    )


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
    assert reached(SendResult(outcome=outcome, reason=reason)) == NextState(
        state=AlertState.FAILED, not_before=NOW, may_repeat=False, reason=reason
    )


@pytest.mark.parametrize(
    ("attempts", "urgent", "random", "seconds"),
    [
        (1, False, 0.0, 2.5),
        (1, False, 0.5, 3.75),
        (1, False, 1.0, 5.0),
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
    found = reached(RETRYABLE, attempts=attempts, urgent=urgent, random=random)
    assert found == retrying(seconds)


def test_doubt_is_told_in_the_next_message() -> None:
    """After an ambiguous attempt the next one says that it may repeat."""
    assert reached(AMBIGUOUS) == retrying(2.5, may_repeat=True, reason=FailureReason.TIMEOUT)


def test_doubt_is_not_forgotten() -> None:
    """After a doubtful attempt a plain failure does not make the next one certain."""
    assert reached(RETRYABLE, may_repeat=True) == retrying(2.5, may_repeat=True)


def test_retry_after_pauses_the_channel() -> None:
    """A service that asks for a pause is left alone by the whole channel until then."""
    assert reached(limited(120)) == paused(120.0)


def test_a_limit_without_a_time_pauses_for_the_usual_wait() -> None:
    """Rate-limited without Retry-After: the channel pauses for as long as the alert waits."""
    assert reached(limited(None)) == paused(2.5)


def test_a_server_in_trouble_may_ask_for_time() -> None:
    """Retry-After with a server error delays this alert and not the channel."""
    result = SendResult(
        outcome=Outcome.RETRYABLE, reason=FailureReason.SERVER_ERROR, retry_after=60.0
    )
    assert reached(result) == retrying(60)


@pytest.mark.parametrize(
    ("age", "expected"), [(99.0, retrying(1.0)), (100.0, GAVE_UP), (5000.0, GAVE_UP)]
)
def test_max_age_ends_it(age: float, expected: NextState) -> None:
    """The last attempt comes at the latest at `max_age`; after it the alert is given up."""
    assert reached(RETRYABLE, age=age, max_age=100.0) == expected


def test_a_pause_beyond_max_age_gives_up_now() -> None:
    """When the service asks for more time than is left, the fallback hears at once."""
    assert reached(limited(3600), max_age=600.0) == GAVE_UP


def test_an_operators_retry_gives_it_its_time_again() -> None:
    """The age that counts begins when an operator asked to try again."""
    found = reached(RETRYABLE, age=5000.0, max_age=60.0, retried_at=NOW - SECOND)
    assert found.state is AlertState.RETRYING


@pytest.mark.parametrize(
    "outcome", [outcome for outcome in Outcome if outcome not in (Outcome.SENT, Outcome.ACCEPTED)]
)
@pytest.mark.parametrize("age", [DAY, 0.0, -3_600.0])
def test_a_test_is_answered_at_once(outcome: Outcome, age: float) -> None:
    """A failed test is final whatever failed, whatever its age and whatever the clock did."""
    result = SendResult(outcome=outcome, retry_after=30.0)
    found = reached(result, kind=AlertKind.TEST, age=age, max_age=60.0)
    assert (found.state, found.reason) == (AlertState.FAILED, FailureReason.UNKNOWN)
    assert found.channel_pause == 0.0


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
    found = reached(result, **case)
    assert (found.state is AlertState.SENT) == result.delivered
    if found.state in (AlertState.SENT, AlertState.FAILED):
        assert (found.not_before, found.channel_pause) == (NOW, 0.0)
        return
    asked = result.retry_after or 0.0
    longest = max(asked, 120.0 if case["urgent"] else 900.0)
    assert NOW < found.not_before <= after(longest) + 1
    assert found.not_before >= after(asked)
    made = NOW - round(case["age"] * SECOND)
    assert found.not_before <= made + round(case["max_age"] * SECOND)
    assert found.may_repeat == (result.outcome is Outcome.AMBIGUOUS)
    assert (found.state is AlertState.DEFERRED) == (result.outcome is Outcome.RATE_LIMITED)
    pause = (found.not_before - NOW) / SECOND if found.state is AlertState.DEFERRED else 0.0
    assert found.channel_pause == pause


@given(attempts=st.integers(1, 60), urgent=st.booleans())
def test_waits_never_shrink(attempts: int, urgent: bool) -> None:
    """A later attempt waits at least as long as an earlier one, at the same place of the spread."""
    earlier = reached(RETRYABLE, attempts=attempts, urgent=urgent)
    later = reached(RETRYABLE, attempts=attempts + 1, urgent=urgent)
    assert NOW < earlier.not_before <= later.not_before


def test_what_went_in_one_message_waits_and_fails_together() -> None:
    """The youngest says how long, and the first how often; each keeps its own doubt."""
    old, young = (
        Alert(
            id=number,
            kind=AlertKind.CASE,
            subject=f"change:{number}",
            channel="slack",
            target="general",
            rules=(),
            urgent=False,
            attempts=attempts,
            created_at=NOW - age * SECOND,
            may_repeat=number == 1,
            event_id=number,
            change_id=number,
        )
        for number, attempts, age in ((1, 3, 90), (2, 1, 30))
    )
    for max_age, state in ((60.0, AlertState.RETRYING), (20.0, AlertState.FAILED)):
        states = next_states([old, young], RETRYABLE, max_age=max_age, now=NOW, random=0.5)
        assert [one.state for one in states] == [state] * 2
        assert len({one.not_before for one in states}) == 1
        assert [one.may_repeat for one in states] == [True, False]
    doubtful = next_states([old, young], AMBIGUOUS, max_age=60.0, now=NOW, random=0.5)
    assert [one.may_repeat for one in doubtful] == [True, True]
