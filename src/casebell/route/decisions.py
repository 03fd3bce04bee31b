"""What the rules decide, remembered: of all an event says, rules read a few words.

The same few come again and again, and to read the rules and give the reasons would be much of a
decision's price (docs/decisions/0010).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from casebell.events import Case, ClassifiedEvent
from casebell.route.decide import Decision, Targets, decide
from casebell.route.match import facts_of, match
from casebell.route.rules import CompiledRule

#: More kinds of event than a firm meets.
MAX_DECISIONS = 1_024
#: What is hardly ever the same in two events: rules that read it are asked each time.
_PARTICULAR = frozenset({"text", "receipt"})


class Recorded(NamedTuple):
    """A decision, and the JSON values by which it is stored and shown."""

    decision: Decision
    record: Mapping[str, Any]


class DecisionCache:
    """Decides by one set of rules.

    Args:
        rules: compiled, in the order of the configuration.
        targets: every channel's targets.
        ops: channels that operations read.
    """

    def __init__(
        self, rules: Sequence[CompiledRule], *, targets: Targets, ops: Sequence[str]
    ) -> None:
        self._rules = rules
        self._targets = targets
        self._ops = ops
        reads = frozenset[str]().union(*(rule.reads for rule in rules))
        #: What a decision depends on beside status and tags; None where that is never the same.
        self._reads = None if reads & _PARTICULAR else tuple(reads - {"status", "tags"})
        self._remembered: dict[object, Recorded] = {}

    def on(self, event: ClassifiedEvent, case: Case) -> Recorded:
        """What the rules say of an event of this case."""
        if self._reads is None:
            return self._decide(event, case)
        facts = facts_of(event, case) if self._reads else {}
        kind = (event.status, event.tags, *[facts[name] for name in self._reads])
        known = self._remembered.get(kind)
        if known is None:
            known = self._decide(event, case)
            if len(self._remembered) >= MAX_DECISIONS:
                self._remembered.clear()
            self._remembered[kind] = known
        return known

    def _decide(self, event: ClassifiedEvent, case: Case) -> Recorded:
        matching = match(self._rules, event, case)
        decision = decide(event, matching, targets=self._targets, ops=self._ops)
        return Recorded(decision, decision.as_record())
