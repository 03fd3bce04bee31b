"""Turns matched rules into a decision: the recipients of a change, or none, and why."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from casebell.alerts import OPERATIONS, DecisionOutcome
from casebell.events import Absences, Case, ClassifiedEvent, Flag, Tag, is_first_look
from casebell.people.hearing import Heard, Hearer, operations, reached, who_may_hear
from casebell.people.roster import Addressee, Roster
from casebell.route.fold import is_placeholder
from casebell.route.match import Matching, Notify

#: A change with one of these goes to operations where the rules tell nobody.
_NEVER_MISSED = frozenset({Tag.DEADLINE, Tag.ADVERSE, Tag.REJECTED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """One target to alert of a change."""

    channel: str
    to: Addressee
    #: Names of the rules that name its channel.
    rules: tuple[str, ...]
    urgent: bool

    def as_record(self) -> dict[str, Any]:
        """As JSON values, for the stored decision; what does not apply is left out."""
        named = {
            "person": self.to.person,
            "addressed_as": self.to.addressed_as,
            "for_absent": self.to.for_absent,
        }
        return {
            "channel": self.channel,
            "target": self.to.target,
            "rules": list(self.rules),
            "urgent": self.urgent,
            **{key: value for key, value in named.items() if value},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The decision about a change."""

    outcome: DecisionOutcome
    #: One sentence.
    because: str
    recipients: tuple[Recipient, ...]
    matching: Matching

    @property
    def urgent(self) -> bool:
        """Whether it is told urgently."""
        return self.matching.urgent or any(one.urgent for one in self.recipients)

    def as_record(self) -> dict[str, Any]:
        """The decision as it is stored and shown."""
        return {
            "outcome": self.outcome,
            "because": self.because,
            "notify": [one.as_record() for one in self.recipients],
            "rules": self.matching.as_record()["rules"],
        }


def must_be_told(tags: Set[str], flags: Set[str]) -> bool:
    """Whether somebody has to hear of a change, whatever the rules say.

    An unknown wording may be any of what must not be missed.
    """
    return bool(_NEVER_MISSED & tags) or Flag.UNKNOWN_WORDING in flags


def decide(
    event: ClassifiedEvent, case: Case, matching: Matching, *, roster: Roster, away: Absences
) -> Decision:
    """Turn a matching into recipients: each target once, however many rules name it.

    Operations hear of test receipts, and of what must be told where no rule tells anybody. Of a
    confidential case only single persons hear.

    Args:
        away: who is away now.
    """
    if is_first_look(event.flags):
        return _nobody(matching, "it was there when the case was looked at for the first time")
    if is_placeholder(event.status, event.tags):
        return _nobody(
            matching, "USCIS shows no information for the case; a placeholder is no news"
        )
    urgent = False
    if Tag.TEST in event.tags:
        found = operations(roster)
        because = "a test receipt is told to operations only"
    elif matching.notify or not must_be_told(event.tags, event.flags):
        # Who hears by one of several channels hears by one that is urgent, if there is any.
        wishes = sorted(matching.notify, key=lambda wish: not wish.urgent)
        channels = (wish.channel for wish in wishes)
        found = reached(channels, case, roster=roster, away=away)
        because = _because(matching)
    else:
        found, urgent = operations(roster), True
        because = f"{_because(matching)}; it must not be missed, so operations are told"
        if not found:
            because = f"{_because(matching)}, and ops.notify is empty"
    if case.confidential and found:
        channels = (wish.channel for wish in matching.notify)
        heard = who_may_hear(found, case, channels=channels, roster=roster, away=away)
        found = list(heard.hearers)
        urgent = urgent or (heard.instead and any(wish.urgent for wish in matching.notify))
        because = f"{because}; {_remark(heard)}"
    if not found:
        return _nobody(matching, because)
    return Decision(
        outcome=DecisionOutcome.NOTIFIED,
        because=because,
        recipients=_each_once(found, matching.notify, urgent=urgent),
        matching=matching,
    )


def _remark(heard: Heard) -> str:
    """What became of those who may not hear of a confidential case."""
    if heard.instead:
        hear = "operations and whom `unassigned` names hear" if heard.hearers else "nobody hears"
        return f"the case is confidential and has no single person to tell, so {hear}"
    left = heard.left_out
    others = f": {left} other {'target is' if left == 1 else 'targets are'} left out"
    return f"the case is confidential, and only single persons hear{others if left else ''}"


def _each_once(
    found: Iterable[Hearer], wishes: Iterable[Notify], *, urgent: bool
) -> tuple[Recipient, ...]:
    """The first recipient of each target.

    Args:
        urgent: whether operations hear urgently.
    """
    wanted = {wish.channel: wish for wish in wishes}
    first: dict[tuple[str, str], Recipient] = {}
    for channel, to in found:
        if to.addressed_as == OPERATIONS:
            recipient = Recipient(channel=channel, to=to, rules=(), urgent=urgent)
        else:
            wish = wanted[channel]
            recipient = Recipient(channel=channel, to=to, rules=wish.rules, urgent=wish.urgent)
        first.setdefault((channel, to.target), recipient)
    return tuple(first.values())


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
