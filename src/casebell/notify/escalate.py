"""Whom to tell when an alert could not be delivered: the fallback channel, and operations. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from casebell.clock import HOUR
from casebell.events import Alert, AlertKind, Micros, SendResult
from casebell.store.ops import OpsTargets
from casebell.store.outbox import NewAlert


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Who stands in for whom."""

    #: Every channel's targets.
    targets: Mapping[str, Sequence[str]]
    #: The channel that takes over what a channel cannot deliver.
    fallbacks: Mapping[str, str]
    ops: OpsTargets


def escalate(
    ladder: Ladder, alert: Alert, *, result: SendResult, reason: str, what: str, now: Micros
) -> list[NewAlert]:
    """The alerts that follow from a failed one; a failure is never silent.

    Args:
        result: what the last attempt came to.
        reason: why the alert failed.
        what: what the alert was about, in words that may go to operations.
    """
    if alert.kind is AlertKind.TEST:
        return []
    instead = _stand_ins(ladder, alert)
    return instead + _warnings(
        ladder, alert, result=result, reason=reason, what=what, now=now, unheard=not instead
    )


def _stand_ins(ladder: Ladder, alert: Alert) -> list[NewAlert]:
    fallback = ladder.fallbacks.get(alert.channel)
    if fallback is None or alert.kind is not AlertKind.CASE:
        return []
    return [
        NewAlert(
            kind=AlertKind.CASE,
            # The same subject: a target that was told of the change already is not told again.
            subject=alert.subject,
            channel=fallback,
            target=target,
            urgent=alert.urgent,
            rules=alert.rules,
            change_id=alert.change_id,
            event_id=alert.event_id,
            stands_in_for=alert.channel,
        )
        for target in ladder.targets[fallback]
    ]


def _warnings(
    ladder: Ladder,
    alert: Alert,
    *,
    result: SendResult,
    reason: str,
    what: str,
    now: Micros,
    unheard: bool,
) -> list[NewAlert]:
    note: tuple[str, ...]
    details = (alert.channel, alert.target, reason, result.detail, str(alert.id))
    if alert.urgent and alert.kind is AlertKind.CASE and unheard:
        subject = f"urgent-failed:{alert.id}"
        note = ("urgent_failed", *details, str(alert.event_id), what)
    elif alert.channel not in ladder.targets:
        subject = f"channel-gone:{alert.channel}:{now // HOUR}"
        note = ("channel_gone", alert.channel, str(alert.id))
    else:
        # One message an hour for each target and reason, however many alerts fail.
        subject = f"channel-failed:{alert.channel}:{alert.target}:{reason}:{now // HOUR}"
        note = ("channel_failed", *details)
    warnings = ladder.ops.alerts_for(subject, note, urgent=alert.urgent)
    # The one that failed is not asked to tell of it.
    return [new for new in warnings if (new.channel, new.target) != (alert.channel, alert.target)]
