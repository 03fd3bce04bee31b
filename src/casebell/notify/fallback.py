"""The alerts that follow from a failed one: to its fallback channel, and to operations. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from casebell.alerts import OF_CASES, Alert, AlertKind, FailureReason, NewAlert, SendResult
from casebell.events import NOBODY_IS_AWAY, Absences, Case, Micros
from casebell.ops_messages import (
    ChannelFailed,
    ChannelGone,
    OpsMessage,
    SelfTestFailed,
    UrgentAlertFailed,
)
from casebell.ops_targets import OpsTargets
from casebell.people.hearing import reached, who_may_hear
from casebell.people.roster import Roster

#: Of an alert that tells of none.
NO_CASE = Case(receipt="")


@dataclass(frozen=True, kw_only=True, slots=True)
class FallbackPolicy:
    """Whom channels reach, their fallbacks, and the targets of operations."""

    roster: Roster
    #: By channel, the one that gets the alerts it cannot deliver.
    fallbacks: Mapping[str, str]
    ops: OpsTargets


def fall_back(
    policy: FallbackPolicy,
    alert: Alert,
    *,
    result: SendResult,
    reason: str,
    about: str,
    now: Micros,
    case: Case = NO_CASE,
    away: Absences = NOBODY_IS_AWAY,
) -> list[NewAlert]:
    """The alerts that follow from a failed one; a failure is never silent.

    Args:
        case: that of which a case alert tells.
        away: who is away now.
        result: of the last attempt.
        reason: why the alert failed.
        about: the subject of the alert, without data of a case.
    """
    if alert.is_test_by_hand or result.reason is FailureReason.ACKNOWLEDGED:
        return []
    of_case = alert.kind in OF_CASES
    instead = _instead(policy, alert, case, away) if of_case else []
    message: OpsMessage
    if alert.urgent and of_case and not instead:
        message = UrgentAlertFailed(
            channel=alert.channel,
            target=alert.target,
            reason=reason,
            detail=result.detail,
            alert=alert.id,
            event=alert.event_id or 0,
            about=about,
        )
    elif not policy.roster.has(alert.channel):
        message = ChannelGone(channel=alert.channel, alert=alert.id, alert_is_urgent=alert.urgent)
    elif alert.kind is AlertKind.TEST:
        message = SelfTestFailed(
            channel=alert.channel,
            target=alert.target,
            reason=reason,
            detail=result.detail,
            alert=alert.id,
        )
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


def _instead(policy: FallbackPolicy, alert: Alert, case: Case, away: Absences) -> list[NewAlert]:
    """The same for others: the targets of its fallback.

    Of a confidential case these are single persons. Where there is none, `unassigned` of its own
    channel and operations hear that there is news.
    """
    roster = policy.roster
    fallback = policy.fallbacks.get(alert.channel)
    over = () if fallback is None else (fallback,)
    found = reached(over, case, roster=roster, away=away)
    heard = who_may_hear(found, case, channels=(alert.channel,), roster=roster, away=away)
    return [
        hearer.alert(
            kind=alert.kind,
            # The same subject: a target that has an alert of the change does not get a second one.
            subject=alert.subject,
            urgent=alert.urgent,
            rules=alert.rules,
            change_id=alert.change_id,
            event_id=alert.event_id,
            note=alert.note,
            stands_in_for=alert.channel,
        )
        for hearer in heard.hearers
        if (hearer.channel, hearer.to.target) != (alert.channel, alert.target)
    ]
