"""Caches decisions by the few facts of an event that the rules read.

The same facts recur. Without the cache, matching and its reasons would be a large part of the cost
of a decision (docs/decisions/0010).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from casebell.events import Case, ClassifiedEvent
from casebell.route.decide import Decision, Targets, decide
from casebell.route.match import facts_of, match
from casebell.route.rules import CompiledRule

#: Decisions in the cache; more than the combinations of facts that a firm meets.
MAX_CACHED = 1_024
#: Facts that hardly ever recur: if a rule reads one of them, nothing is cached.
_PARTICULAR = frozenset({"text", "receipt"})


class CachedDecision(NamedTuple):
    """A decision, and its JSON values as they are stored and shown."""

    decision: Decision
    record: Mapping[str, Any]


class DecisionCache:
    """Decides by one set of rules, and caches its decisions.

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
        #: Facts that a decision depends on beside status and tags; None: nothing is cached.
        self._reads = None if reads & _PARTICULAR else tuple(reads - {"status", "tags"})
        self._cache: dict[object, CachedDecision] = {}

    def decide(self, event: ClassifiedEvent, case: Case) -> CachedDecision:
        """The decision about an event of this case."""
        if self._reads is None:
            return self._decide(event, case)
        facts = facts_of(event, case) if self._reads else {}
        kind = (event.status, event.tags, *[facts[name] for name in self._reads])
        known = self._cache.get(kind)
        if known is None:
            known = self._decide(event, case)
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[kind] = known
        return known

    def _decide(self, event: ClassifiedEvent, case: Case) -> CachedDecision:
        matching = match(self._rules, event, case)
        decision = decide(event, matching, targets=self._targets, ops=self._ops)
        return CachedDecision(decision, decision.as_record())
