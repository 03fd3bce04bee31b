"""Turns matched rules into a decision: the recipients of a change, or none, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casebell.alerts import DecisionOutcome
from casebell.events import ClassifiedEvent, Tag
from casebell.route.fold import is_placeholder
from casebell.route.match import Matching, Notify

#: Channel name -> labels of its targets.
Targets = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """One target to alert of a change."""

    channel: str
    target: str
    #: Names of the rules that name its channel.
    rules: tuple[str, ...]
    urgent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The decision about a change."""

    outcome: DecisionOutcome
    #: One sentence.
    because: str
    recipients: tuple[Recipient, ...]
    matching: Matching

    def as_record(self) -> dict[str, Any]:
        """The decision as it is stored and shown."""
        return {
            "outcome": self.outcome,
            "because": self.because,
            "notify": [
                {
                    "channel": one.channel,
                    "target": one.target,
                    "rules": list(one.rules),
                    "urgent": one.urgent,
                }
                for one in self.recipients
            ],
            "rules": self.matching.as_record()["rules"],
        }


def decide(
    event: ClassifiedEvent, matching: Matching, *, targets: Targets, ops: Sequence[str]
) -> Decision:
    """Turn a matching into recipients: each target once, however many rules name it."""
    if is_placeholder(event.status, event.tags):
        return _nobody(
            matching, "USCIS shows no information for the case; a placeholder is no news"
        )
    if Tag.TEST in event.tags:
        wishes: tuple[Notify, ...] = tuple(
            Notify(channel=channel, rules=(), urgent=False) for channel in dict.fromkeys(ops)
        )
        because = "a test receipt is told to operations only"
    else:
        wishes = matching.notify
        because = _because(matching)
    recipients = tuple(
        Recipient(channel=wish.channel, target=target, rules=wish.rules, urgent=wish.urgent)
        for wish in wishes
        for target in targets[wish.channel]
    )
    if not recipients:
        return _nobody(matching, because)
    return Decision(
        outcome=DecisionOutcome.NOTIFIED,
        because=because,
        recipients=recipients,
        matching=matching,
    )


def _nobody(matching: Matching, because: str) -> Decision:
    return Decision(
        outcome=DecisionOutcome.NOBODY,
        because=because,
        recipients=(),
        matching=matching,
    )


def _because(matching: Matching) -> str:
    matched = [result.name for result in matching.results if result.matched]
    if not matched:
        return "no rule matched"
    if not matching.notify:
        return f"the rules that matched name no channel: {', '.join(matched)}"
    return f"matched: {', '.join(matched)}"
