"""Where one attempt leaves its alert, and whether its channel must pause. Pure."""

from casebell.events import Alert, AlertKind, AlertState, FailureReason, Micros, SendResult
from casebell.notify import retry
from casebell.store.outbox import Verdict

_SECOND = 1_000_000


def reach(
    alert: Alert, result: SendResult, *, max_age: float, now: Micros, random: float
) -> tuple[Verdict, float]:
    """The verdict, and the seconds for which the whole channel is left alone.

    `max_age` is in seconds, `random` in [0, 1): see `retry.decide`.
    """
    step = _next(alert, result, max_age=max_age, now=now, random=random)
    state, not_before, may_repeat = AlertState.SENT, now, alert.may_repeat
    reason: FailureReason | None = None
    pause = 0.0
    match step:
        case retry.Done():
            pass
        case retry.Fail():
            state, reason = AlertState.FAILED, step.reason
        case retry.RetryAt():
            state, reason, not_before = AlertState.RETRYING, result.reason, step.at
            may_repeat = may_repeat or step.may_repeat
            if step.pause_channel_until is not None:
                state = AlertState.DEFERRED
                pause = (step.pause_channel_until - now) / _SECOND
    verdict = Verdict(state=state, not_before=not_before, may_repeat=may_repeat, reason=reason)
    return verdict, pause


def _next(
    alert: Alert, result: SendResult, *, max_age: float, now: Micros, random: float
) -> retry.Next:
    if alert.kind is AlertKind.TEST and not result.delivered:
        # Somebody waits for it: a test is answered at once, whatever the answer is.
        return retry.Fail(reason=result.reason or FailureReason.UNKNOWN)
    return retry.decide(
        result=result,
        attempts=alert.attempts,
        created_at=alert.retried_at or alert.created_at,
        now=now,
        max_age=max_age,
        urgent=alert.urgent,
        random=random,
    )
