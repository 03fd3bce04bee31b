"""The next state of an alert after an attempt: sent, failed, or when to try again. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from casebell.alerts import (
    Alert,
    AlertState,
    FailureReason,
    NextState,
    Outcome,
    SendResult,
)
from casebell.clock import SECOND
from casebell.events import Micros

#: Seconds before the second attempt; doubled for each further one.
FIRST_WAIT = 5.0
#: Most seconds between two attempts.
MAX_WAIT = 15 * 60.0
#: The same for an urgent alert.
MAX_URGENT_WAIT = 2 * 60.0
#: Further doubling does not change the wait, and would overflow in the end.
_MAX_DOUBLINGS = 20


def next_state(
    alert: Alert, result: SendResult, *, max_age: float, now: Micros, random: float
) -> NextState:
    """The alert's state after the attempt that gave `result`.

    Args:
        alert: as claimed; its attempts include this one.
        max_age: seconds after which the alert fails, since it was due or an operator retried it.
            A wait beyond it is shortened to a last attempt at that moment, unless the service
            itself asked for the wait.
        random: in [0, 1); spreads the waits between half and the whole of their length.
    """
    if result.delivered:
        return NextState(
            state=AlertState.SENT,
            not_before=now,
            may_repeat=alert.may_repeat,
            # Who reads the record must not take the target for told.
            reason=FailureReason.PILOT if result.diverted else None,
        )
    last_moment = alert.due_since + round(max_age * SECOND)
    asked = now + round((result.retry_after or 0.0) * SECOND)
    never = result.outcome in (Outcome.AUTH, Outcome.PERMANENT)
    # A test is not tried again: an operator waits for its result.
    if never or alert.is_test_by_hand:
        return _failed(alert, result.reason or FailureReason.UNKNOWN, now=now)
    if now >= last_moment or asked > last_moment:
        return _failed(alert, FailureReason.GAVE_UP, now=now)
    wait = _backoff(attempts=alert.attempts, urgent=alert.urgent) * (0.5 + random / 2)
    at = max(asked, min(now + round(wait * SECOND), last_moment))
    limited = result.outcome is Outcome.RATE_LIMITED
    return NextState(
        state=AlertState.DEFERRED if limited else AlertState.RETRYING,
        not_before=at,
        may_repeat=alert.may_repeat or result.outcome is Outcome.AMBIGUOUS,
        reason=result.reason,
        channel_pause=(at - now) / SECOND if limited else 0.0,
    )


def next_states(
    alerts: Sequence[Alert], result: SendResult, *, max_age: float, now: Micros, random: float
) -> list[NextState]:
    """The states of alerts that went in one message: they wait and fail together.

    The first counts the attempts, and the youngest says when they are too old.
    """
    youngest = max(one.due_since for one in alerts)
    as_one = replace(alerts[0], due_at=youngest, retried_at=None)
    return [
        next_state(
            replace(as_one, may_repeat=one.may_repeat),
            result,
            max_age=max_age,
            now=now,
            random=random,
        )
        for one in alerts
    ]


def _failed(alert: Alert, reason: FailureReason, *, now: Micros) -> NextState:
    return NextState(
        state=AlertState.FAILED, not_before=now, may_repeat=alert.may_repeat, reason=reason
    )


def _backoff(*, attempts: int, urgent: bool) -> float:
    """Seconds of the wait, before it is spread."""
    doublings = min(max(attempts - 1, 0), _MAX_DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), MAX_URGENT_WAIT if urgent else MAX_WAIT)
