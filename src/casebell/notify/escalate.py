"""The alerts that follow from a failed one: to its fallback channel, and to operations. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from casebell.alerts import Alert, AlertKind, NewAlert, SendResult
from casebell.events import Micros
from casebell.ops_messages import ChannelFailed, ChannelGone, OpsMessage, UrgentAlertFailed
from casebell.ops_targets import OpsTargets


@dataclass(frozen=True, kw_only=True, slots=True)
class EscalationPolicy:
    """The fallbacks of channels, and the targets of operations."""

    #: Every channel's targets, by its name.
    targets: Mapping[str, Sequence[str]]
    #: By channel, the one that gets the alerts it cannot deliver.
    fallbacks: Mapping[str, str]
    ops: OpsTargets


def escalate(
    policy: EscalationPolicy,
    alert: Alert,
    *,
    result: SendResult,
    reason: str,
    about: str,
    now: Micros,
) -> list[NewAlert]:
    """The alerts that follow from a failed one; a failure is never silent.

    Args:
        result: of the last attempt.
        reason: why the alert failed.
        about: the subject of the alert, without data of a case.
    """
    if alert.kind is AlertKind.TEST:
        return []
    instead = _fallback_alerts(policy, alert)
    message: OpsMessage
    if alert.urgent and alert.kind is AlertKind.CASE and not instead:
        message = UrgentAlertFailed(
            channel=alert.channel,
            target=alert.target,
            reason=reason,
            detail=result.detail,
            alert=alert.id,
            event=alert.event_id or 0,
            about=about,
        )
    elif alert.channel not in policy.targets:
        message = ChannelGone(channel=alert.channel, alert=alert.id, alert_is_urgent=alert.urgent)
    else:
        message = ChannelFailed(
            channel=alert.channel,
            target=alert.target,
            reason=reason,
            detail=result.detail,
            alert=alert.id,
            alert_is_urgent=alert.urgent,
        )
    failed = (alert.channel, alert.target)
    return instead + policy.ops.alerts_for(message, now=now, failed=failed)


def _fallback_alerts(policy: EscalationPolicy, alert: Alert) -> list[NewAlert]:
    fallback = policy.fallbacks.get(alert.channel)
    if fallback is None or alert.kind is not AlertKind.CASE:
        return []
    return [
        NewAlert(
            kind=AlertKind.CASE,
            # The same subject: a target that has an alert of the change does not get a second one.
            subject=alert.subject,
            channel=fallback,
            target=target,
            urgent=alert.urgent,
            rules=alert.rules,
            change_id=alert.change_id,
            event_id=alert.event_id,
            stands_in_for=alert.channel,
        )
        for target in policy.targets[fallback]
    ]
