"""What the rules decide, remembered: of all an event says, rules read a few words.

The same few come again and again, and to read the rules, give the reasons and write them as JSON
would be half of a decision's price (docs/decisions/0010).
"""

from collections.abc import Sequence
from typing import NamedTuple

from casebell.events import Case, CaseEvent
from casebell.route.decide import Decision, Targets, decide
from casebell.route.match import facts_of, match
from casebell.route.rules import CompiledRule
from casebell.store.docket import Record

#: Decisions that are remembered; more kinds of event than a firm meets.
MOST = 1_024
#: What is hardly ever the same in two events: rules that read it are asked each time.
_PARTICULAR = frozenset({"text", "receipt"})


class Decided(NamedTuple):
    """A decision, and how it is written."""

    decision: Decision
    record: Record


class Decisions:
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
        self._remembered: dict[object, Decided] = {}

    def on(self, event: CaseEvent, case: Case) -> Decided:
        """What the rules say of an event of this case."""
        if self._reads is None:
            return self._decide(event, case)
        facts = facts_of(event, case) if self._reads else {}
        kind = (event.status, event.tags, *[facts[name] for name in self._reads])
        known = self._remembered.get(kind)
        if known is None:
            known = self._decide(event, case)
            if len(self._remembered) >= MOST:
                self._remembered.clear()
            self._remembered[kind] = known
        return known

    def _decide(self, event: CaseEvent, case: Case) -> Decided:
        matching = match(self._rules, event, case)
        decision = decide(event, matching, targets=self._targets, ops=self._ops)
        return Decided(decision, Record(decision.as_record()))
