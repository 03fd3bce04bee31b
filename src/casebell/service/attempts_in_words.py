"""What became of attempts to send an alert, in words: on a terminal and on a page."""

from collections.abc import Mapping
from typing import Any

from casebell.alerts import FailureReason, Outcome

_OUTCOMES: Mapping[str, str] = {
    Outcome.SENT: "sent",
    Outcome.ACCEPTED: "taken by the service, which does not say whether it arrived",
    Outcome.RETRYABLE: "did not arrive, and could be tried again",
    Outcome.RATE_LIMITED: "did not arrive, since the service asked for a pause",
    Outcome.AUTH: "did not arrive, and trying again will not help until the credentials are right",
    Outcome.PERMANENT: "did not arrive, and trying again will not help",
    Outcome.AMBIGUOUS: "may have arrived",
}

_REASONS: Mapping[str, str] = {
    FailureReason.CONNECTION_REFUSED: "nothing listens at the service's address",
    FailureReason.NAME_NOT_RESOLVED: "the service's name has no address",
    FailureReason.CONNECT_TIMEOUT: "no connection in time",
    FailureReason.TIMEOUT: "no answer in time",
    FailureReason.CONNECTION_LOST: "cut off before the answer",
    FailureReason.TLS_FAILED: "no secure connection",
    FailureReason.PROXY_AUTH_FAILED: "the proxy wants other credentials",
    FailureReason.PROXY_FAILED: "the proxy did not connect",
    FailureReason.RATE_LIMITED: "the service takes no more for now",
    FailureReason.SERVER_ERROR: "the service failed",
    FailureReason.AUTH_FAILED: "the service refused the credentials",
    FailureReason.NOT_FOUND: "the service does not know the channel or the address",
    FailureReason.RECIPIENT_REFUSED: "the service refused the recipient",
    FailureReason.REJECTED: "the service refused the message",
    FailureReason.CONFIDENTIAL: "the case is confidential now, and this target is not one person",
    FailureReason.TARGET_GONE: "the configuration no longer has the channel or the target",
    FailureReason.GAVE_UP: "tried for as long as the channel's max_age allows",
    FailureReason.GROUPED: "waits to go in one message with others",
    FailureReason.QUIET_HOURS: "waits until the channel's calendar opens",
    FailureReason.DIGEST: "waits for the channel's digest",
    FailureReason.ACKNOWLEDGED: "somebody acknowledged or answered the change before",
    FailureReason.PILOT: "over the channel of alerts.pilot, and not to this target",
    FailureReason.INTERRUPTED: "the server ended meanwhile",
    FailureReason.UNKNOWN: "for no reason that is known",
}


def outcome_in_words(outcome: str) -> str:
    """An outcome; one of a later release as it is."""
    return _OUTCOMES.get(outcome, outcome)


def reason_in_words(reason: str) -> str:
    """The code of a reason, by which docs/operations.md has it, and what it says."""
    return f"{reason}: {_REASONS[reason]}" if reason in _REASONS else reason


def failure_in_words(failure: Mapping[str, Any]) -> str:
    """Why an attempt failed: its reason, and what the service's answer was."""
    reason = reason_in_words(failure["reason"]) if failure["reason"] else ""
    detail = failure["detail"]
    return f"{reason} ({detail})" if reason and detail else reason or detail or "no reason is known"
