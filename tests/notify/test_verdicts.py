"""Where an attempt leaves its alert."""

from typing import Any

import pytest

from casebell.events import Alert, AlertKind, AlertState, FailureReason, Outcome, SendResult
from casebell.notify.verdicts import reach
from casebell.store.outbox import Verdict

SECOND = 1_000_000
CREATED = 1_760_469_723 * SECOND
NOW = CREATED + 60 * SECOND


def alert(**fields: Any) -> Alert:
    """An alert's first attempt, a minute after it was made."""
    return Alert(
        **{
            "id": 7,
            "kind": AlertKind.CASE,
            "subject": "change:3",
            "channel": "slack",
            "target": "general",
            "rules": (),
            "urgent": False,
            "attempts": 1,
            "created_at": CREATED,
            "may_repeat": False,
            "event_id": 12,
            "change_id": 3,
            **fields,
        }
    )


def reached(
    outcome: Outcome,
    *,
    reason: FailureReason | None = FailureReason.SERVER_ERROR,
    retry_after: float | None = None,
    max_age: float = 3_600.0,
    **fields: Any,
) -> tuple[Verdict, float]:
    """The verdict on an attempt of the alert, waits at their full length."""
    result = SendResult(outcome=outcome, reason=reason, retry_after=retry_after)
    return reach(alert(**fields), result, max_age=max_age, now=NOW, random=1.0)


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.ACCEPTED])
@pytest.mark.parametrize("may_repeat", [False, True])
def test_delivered(outcome: Outcome, may_repeat: bool) -> None:
    """What the service took is sent; an earlier doubt stays on record."""
    verdict, pause = reached(outcome, reason=None, may_repeat=may_repeat)
    assert verdict == Verdict(
        state=AlertState.SENT, not_before=NOW, may_repeat=may_repeat, reason=None
    )
    assert pause == 0.0


@pytest.mark.parametrize(
    ("outcome", "may_repeat"), [(Outcome.RETRYABLE, False), (Outcome.AMBIGUOUS, True)]
)
def test_again(outcome: Outcome, may_repeat: bool) -> None:
    """What failed is tried again after its wait; only doubt makes the next one a repeat."""
    verdict, pause = reached(outcome)
    assert verdict == Verdict(
        state=AlertState.RETRYING,
        not_before=NOW + 5 * SECOND,
        may_repeat=may_repeat,
        reason=FailureReason.SERVER_ERROR,
    )
    assert pause == 0.0


def test_doubt_is_not_forgotten() -> None:
    """After a doubtful attempt a plain failure does not make the next one certain."""
    verdict, _ = reached(Outcome.RETRYABLE, may_repeat=True)
    assert verdict.may_repeat


def test_a_pause_is_for_the_whole_channel() -> None:
    """Asked to wait, the alert is put off and the channel left alone for as long."""
    verdict, pause = reached(Outcome.RATE_LIMITED, retry_after=30.0)
    assert (verdict.state, verdict.not_before) == (AlertState.DEFERRED, NOW + 30 * SECOND)
    assert pause == 30.0


@pytest.mark.parametrize("outcome", [Outcome.AUTH, Outcome.PERMANENT])
def test_never(outcome: Outcome) -> None:
    """What cannot help is not tried again, and keeps its reason."""
    verdict, _ = reached(outcome, reason=FailureReason.NOT_FOUND)
    assert (verdict.state, verdict.reason) == (AlertState.FAILED, FailureReason.NOT_FOUND)


def test_too_old() -> None:
    """Beyond `max_age` it is given up."""
    verdict, _ = reached(Outcome.RETRYABLE, max_age=60.0)
    assert (verdict.state, verdict.reason) == (AlertState.FAILED, FailureReason.GAVE_UP)


def test_an_operators_retry_gives_it_its_time_again() -> None:
    """The age that counts begins when an operator asked to try again."""
    verdict, _ = reached(Outcome.RETRYABLE, max_age=60.0, retried_at=NOW - SECOND)
    assert verdict.state is AlertState.RETRYING


@pytest.mark.parametrize(
    "outcome", [outcome for outcome in Outcome if outcome not in (Outcome.SENT, Outcome.ACCEPTED)]
)
@pytest.mark.parametrize("created_at", [CREATED, NOW, NOW + 3_600 * SECOND])
def test_a_test_is_answered_at_once(outcome: Outcome, created_at: int) -> None:
    """A failed test is final whatever failed, whatever its age and whatever the clock did."""
    verdict, pause = reached(
        outcome, kind=AlertKind.TEST, created_at=created_at, reason=None, retry_after=30.0
    )
    assert (verdict.state, verdict.reason) == (AlertState.FAILED, FailureReason.UNKNOWN)
    assert pause == 0.0
