"""Again or never: what follows from one attempt. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

from casebell.events import FailureReason, Micros, Outcome, SendResult

#: Seconds before the second attempt; doubled for each one after it.
FIRST_WAIT = 5.0
#: Seconds between attempts at most.
LONGEST_WAIT = 15 * 60.0
#: The same for an urgent alert.
LONGEST_URGENT_WAIT = 2 * 60.0
#: Doubling further than this changes nothing, and would overflow in the end.
_MOST_DOUBLINGS = 20
_SECOND = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The service took the message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryAt:
    """Try again, not before `at`."""

    at: Micros
    #: This attempt may have arrived; the next message must say so.
    may_repeat: bool = False
    #: The service asked for a pause: nothing goes to any target of the channel before then.
    pause_channel_until: Micros | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """Never again: tell the channel's fallback."""

    reason: FailureReason


Next: TypeAlias = Done | RetryAt | Fail


def decide(
    *,
    result: SendResult,
    attempts: int,
    created_at: Micros,
    now: Micros,
    max_age: float,
    urgent: bool,
    random: float,
) -> Next:
    """What to do after the attempt that gave `result`.

    `attempts` counts it in. `max_age` is in seconds since `created_at`: a wait that would pass it
    is shortened to a last attempt at that moment, unless the service itself asked for the wait.
    `random` lies in [0, 1) and spreads the waits between half and the whole of their length.
    """
    if result.delivered:
        return Done()
    if result.outcome in (Outcome.AUTH, Outcome.PERMANENT):
        return Fail(reason=result.reason or FailureReason.UNKNOWN)
    last_moment = created_at + round(max_age * _SECOND)
    asked = now + round((result.retry_after or 0.0) * _SECOND)
    if now >= last_moment or asked > last_moment:
        return Fail(reason=FailureReason.GAVE_UP)
    wait = _backoff(attempts=attempts, urgent=urgent) * (0.5 + random / 2)
    at = max(asked, min(now + round(wait * _SECOND), last_moment))
    return RetryAt(
        at=at,
        may_repeat=result.outcome is Outcome.AMBIGUOUS,
        pause_channel_until=at if result.outcome is Outcome.RATE_LIMITED else None,
    )


def _backoff(*, attempts: int, urgent: bool) -> float:
    """Seconds, before they are spread."""
    doublings = min(max(attempts - 1, 0), _MOST_DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_URGENT_WAIT if urgent else LONGEST_WAIT)
