"""Decides one event by the configuration in force: classify → fold → match → decide."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from casebell.alerts import AlertKind, Asked, Decided, DecisionOutcome, Escalating, NewAlert
from casebell.events import (
    NOBODY_IS_AWAY,
    Absences,
    Case,
    CaseEvent,
    Change,
    ClassifiedEvent,
    Flag,
    Micros,
    Tag,
    Undecided,
    is_first_look,
)
from casebell.ops_messages import (
    ContradictoryStatus,
    OpsMessage,
    RuleUndecided,
)
from casebell.ops_targets import OpsTargets
from casebell.people.hearing import Hearer
from casebell.people.roster import Roster
from casebell.route.asks import answers, asks, is_answered, owes
from casebell.route.classification import CLASSIFYING_FLAGS, Meanings, classify_event
from casebell.route.decide import Decision, Recipient, decide, must_be_told
from casebell.route.fold import fold, is_placeholder
from casebell.route.match import facts_of, match, matching
from casebell.route.plans import EscalationPlan
from casebell.route.rules import CompiledEscalation, CompiledRule

#: Decisions in the cache; more than the combinations of facts that a firm meets.
MAX_CACHED = 4_096
#: Facts that hardly ever recur: if a rule reads one of them, nothing is cached.
_PARTICULAR = frozenset({"text", "receipt"})
_CONTRADICTIONS = frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT})
#: The flags that deciding adds to those of receiving.
_DECIDING_FLAGS = CLASSIFYING_FLAGS | {Flag.REPEAT, Flag.LATE}


class DecidedAgain(NamedTuple):
    """What would be decided about a change."""

    #: As it would be classified.
    event: ClassifiedEvent
    #: As JSON values.
    decision: Mapping[str, Any]


class Rulebook:
    """Everything of the configuration by which events are decided.

    Args:
        meanings: the configuration of classification.
        rules, escalations: compiled, in the order of the configuration.
        roster: whom each channel reaches.
        ops: the targets of operations.
        coalesce, repeat_within: seconds, see `fold`.
    """

    def __init__(
        self,
        *,
        meanings: Meanings,
        rules: Sequence[CompiledRule],
        roster: Roster,
        ops: OpsTargets,
        coalesce: float,
        repeat_within: float,
        escalations: Sequence[CompiledEscalation] = (),
    ) -> None:
        self._meanings = meanings
        self._decisions = DecisionCache(rules, escalations, roster=roster)
        #: By name.
        self.plans = {one.name: one.plan for one in escalations}
        self.ops = ops
        self._coalesce = coalesce
        self._repeat_within = repeat_within

    def classified(self, event: CaseEvent) -> ClassifiedEvent:
        """An event with the status that counts, and its tags."""
        return classify_event(event, self._meanings)

    def decide(
        self,
        one: Undecided,
        *,
        history: Sequence[Change],
        case: Case,
        next_change: int,
        now: Micros,
        away: Absences = NOBODY_IS_AWAY,
    ) -> Decided:
        """Decide one event.

        Args:
            history: the known changes of its receipt, in any order.
            next_change: the id of its change, if it is a new one.
            away: who is away now.
        """
        event = classify_event(one.event, self._meanings)
        folded = fold(event, history, coalesce=self._coalesce, repeat_within=self._repeat_within)
        # Rules may ask for the flags that folding adds.
        event = _with_flags(event, repeat=folded.repeat, late=folded.late)
        contradictions = _contradictions(one, event)
        if folded.change_id is not None:
            (known,) = (change for change in history if change.id == folded.change_id)
            return Decided(
                id=one.id,
                event=event,
                outcome=DecisionOutcome.SAME_CHANGE,
                change=replace(
                    known,
                    at=min(known.at, folded.at),
                    seen_until=max(known.seen_until, folded.seen_until),
                ),
                decision=None,
                at=folded.at,
                late=folded.late,
                current=folded.current,
                reason=folded.reason,
                alerts=self._alerts(contradictions, now=now),
                confidential=case.confidential,
            )
        decision, record, rules, plans = self._decisions.decide(event, case, away)
        asked = None
        deadline = owes(event.status, event.tags)
        if asks(event.status, event.tags, event.flags):
            if is_answered(at=folded.at, deadline=deadline, history=history):
                plans = ()
            else:
                asked = Asked(deadline=deadline, urgent=decision.urgent)
        if plans:
            record = {**record, "escalations": [plan.name for plan in plans]}
        undecided = [RuleUndecided(rule=name, event=one.id) for name in rules]
        return Decided(
            id=one.id,
            event=event,
            outcome=decision.outcome,
            change=Change(
                id=next_change,
                receipt=event.receipt,
                status=event.status,
                tags=event.tags,
                text_key=folded.text_key,
                at=folded.at,
                seen_until=folded.seen_until,
            ),
            decision=record,
            at=folded.at,
            late=folded.late,
            current=folded.current,
            reason=folded.reason,
            alerts=(
                *(_case_alert(one, next_change, to) for to in decision.recipients),
                *self._alerts([*undecided, *contradictions], now=now),
            ),
            confidential=case.confidential,
            asked=asked,
            escalations=tuple(
                Escalating(
                    name=plan.name,
                    due_at=plan.first(began_at=now).due_at,
                    urgent=decision.urgent,
                )
                for plan in plans
            ),
            answers=answers(event.status, event.tags),
        )

    def decide_again(
        self, event: CaseEvent, *, late: bool, case: Case, away: Absences = NOBODY_IS_AWAY
    ) -> DecidedAgain:
        """What this rulebook says of a change that was decided before.

        That the event founded a change, and was late, stays as it was.

        Args:
            event: the event that founded it; the flags that deciding it added make no difference.
            late: whether a later status was known then.
            away: who is away now.
        """
        received = replace(event, flags=event.flags - _DECIDING_FLAGS)
        found = _with_flags(classify_event(received, self._meanings), repeat=False, late=late)
        decision = self._decisions.decide(found, case, away).record
        return DecidedAgain(event=found, decision=decision)

    def _alerts(self, messages: Iterable[OpsMessage], *, now: Micros) -> tuple[NewAlert, ...]:
        return tuple(
            alert for message in messages for alert in self.ops.alerts_for(message, now=now)
        )


def _contradictions(one: Undecided, event: ClassifiedEvent) -> list[OpsMessage]:
    """Messages on a source's mistakes to operations, who can have the source correct them."""
    if not event.flags & _CONTRADICTIONS:
        return []
    return [
        ContradictoryStatus(
            source=event.source,
            event=one.id,
            delivered_status=event.delivered_status or "none",
            event_type=event.type or "none",
            taken_as=str(event.status),
        )
    ]


def _case_alert(one: Undecided, change_id: int, to: Recipient) -> NewAlert:
    return Hearer(to.channel, to.to).alert(
        kind=AlertKind.CASE,
        subject=f"change:{change_id}",
        rules=to.rules,
        urgent=to.urgent,
        change_id=change_id,
        event_id=one.id,
    )


def _with_flags(event: ClassifiedEvent, *, repeat: bool, late: bool) -> ClassifiedEvent:
    if not repeat and not late:
        return event
    given = {Flag.REPEAT: repeat, Flag.LATE: late}
    return replace(event, flags=event.flags | {flag for flag, holds in given.items() if holds})


class CachedDecision(NamedTuple):
    """A decision, and its JSON values as they are stored and shown."""

    decision: Decision
    record: Mapping[str, Any]
    #: Names of the rules that could not be evaluated.
    undecided: Sequence[str]
    #: Those of the escalations that ask for the change.
    plans: Sequence[EscalationPlan]


class DecisionCache:
    """Decides by one set of rules, and caches its decisions by the few facts that these read.

    The same facts recur. Without the cache, matching and its reasons would be a large part of the
    cost of a decision (docs/decisions/0010).

    Args:
        rules, escalations: compiled, in the order of the configuration.
        roster: whom each channel reaches.
    """

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        escalations: Sequence[CompiledEscalation] = (),
        *,
        roster: Roster,
    ) -> None:
        self._rules = rules
        self._escalations = escalations
        self._roster = roster
        named = {channel for rule in rules for channel in rule.notify}
        self._by_case = any(map(roster.by_case, named))
        self._by_person = any(map(roster.by_person, named))
        reads = frozenset[str]().union(*(one.reads for one in (*rules, *escalations)))
        #: Facts that a decision depends on beside status and tags; None: nothing is cached.
        self._reads = None if reads & _PARTICULAR else tuple(reads - {"status", "tags"})
        self._cache: dict[object, CachedDecision] = {}

    def decide(
        self, event: ClassifiedEvent, case: Case, away: Absences = NOBODY_IS_AWAY
    ) -> CachedDecision:
        """The decision about an event of this case."""
        if self._reads is None or is_first_look(event.flags):
            return self._decide(event, case, away)
        facts = facts_of(event, case) if self._reads else {}
        never_missed = must_be_told(event.tags, event.flags)
        kind = (
            event.status,
            event.tags,
            never_missed,
            self._who(case, away),
            *[facts[name] for name in self._reads],
        )
        known = self._cache.get(kind)
        if known is None:
            known = self._decide(event, case, away)
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[kind] = known
        return known

    def _who(self, case: Case, away: Absences) -> object:
        """What else decides whom the channels reach; None where they always reach the same."""
        if not (self._by_case or self._by_person or case.confidential):
            return None
        absent = tuple(sorted(away.items())) if away else ()
        if not (self._by_case or case.confidential):
            return absent
        return case.owner, case.owner_email, case.team, case.confidential, absent

    def _decide(self, event: ClassifiedEvent, case: Case, away: Absences) -> CachedDecision:
        names = self._roster.owner_names(case)
        found = match(self._rules, event, case, owner_names=names)
        decision = decide(event, case, found, roster=self._roster, away=away)
        return CachedDecision(
            decision=decision,
            record=decision.as_record(),
            undecided=found.undecided,
            plans=self._plans(event, case, names),
        )

    def _plans(
        self, event: ClassifiedEvent, case: Case, owner_names: Sequence[str]
    ) -> Sequence[EscalationPlan]:
        untold = Tag.TEST in event.tags or is_placeholder(event.status, event.tags)
        if untold or is_first_look(event.flags):
            return ()
        asking = matching(self._escalations, event, case, owner_names=owner_names)
        return tuple(one.plan for one in asking)
