"""Turns matched rules into a decision: the recipients of a change, or none, and why."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from casebell.alerts import DecisionOutcome
from casebell.events import ClassifiedEvent, Flag, Tag
from casebell.route.fold import is_placeholder
from casebell.route.match import Matching, Notify

#: Channel name -> labels of its targets.
Targets = Mapping[str, Sequence[str]]

#: A change with one of these goes to operations where the rules tell nobody.
_NEVER_MISSED = frozenset({Tag.DEADLINE, Tag.ADVERSE, Tag.REJECTED})


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


def must_be_told(tags: Set[str], flags: Set[str]) -> bool:
    """Whether somebody has to hear of a change, whatever the rules say.

    An unknown wording may be any of what must not be missed.
    """
    return bool(_NEVER_MISSED & tags) or Flag.UNKNOWN_WORDING in flags


def decide(
    event: ClassifiedEvent, matching: Matching, *, targets: Targets, ops: Sequence[str]
) -> Decision:
    """Turn a matching into recipients: each target once, however many rules name it.

    Operations hear of test receipts, and of what must be told where no rule tells anybody.
    """
    if is_placeholder(event.status, event.tags):
        return _nobody(
            matching, "USCIS shows no information for the case; a placeholder is no news"
        )
    if Tag.TEST in event.tags:
        wishes = _operations(ops, urgent=False)
        because = "a test receipt is told to operations only"
    elif matching.notify or not must_be_told(event.tags, event.flags):
        wishes = matching.notify
        because = _because(matching)
    else:
        wishes = _operations(ops, urgent=True)
        because = f"{_because(matching)}; it must not be missed, so operations are told"
        if not wishes:
            because = f"{_because(matching)}, and ops.notify is empty"
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


def _operations(ops: Sequence[str], *, urgent: bool) -> tuple[Notify, ...]:
    return tuple(Notify(channel=channel, rules=(), urgent=urgent) for channel in dict.fromkeys(ops))


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
