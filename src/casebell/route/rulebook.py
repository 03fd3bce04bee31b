"""Decides one event by the configuration in force: classify → fold → match → decide."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from casebell.events import (
    AlertKind,
    Case,
    Change,
    ClassifiedEvent,
    Decided,
    DecisionOutcome,
    Flag,
    Micros,
    NewAlert,
    Undecided,
)
from casebell.ops_messages import (
    ConflictingDelivery,
    ContradictoryStatus,
    OpsMessage,
    RuleUndecided,
)
from casebell.route.classification import Meanings, classify_event
from casebell.route.decide import Recipient, Targets
from casebell.route.decision_cache import DecisionCache
from casebell.route.fold import Fold, fold
from casebell.route.rules import CompiledRule
from casebell.store.ops import OpsTargets

_CONTRADICTIONS = frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT})


class Rulebook:
    """Everything of the configuration by which events are decided.

    Args:
        meanings: the configuration of classification.
        rules: compiled, in the order of the configuration.
        targets: every channel's targets.
        ops: the targets of operations.
        coalesce, repeat_within: seconds, see `fold`.
    """

    def __init__(
        self,
        *,
        meanings: Meanings,
        rules: Sequence[CompiledRule],
        targets: Targets,
        ops: OpsTargets,
        coalesce: float,
        repeat_within: float,
    ) -> None:
        self._meanings = meanings
        self._decisions = DecisionCache(rules, targets=targets, ops=ops.channels)
        self.ops = ops
        self._coalesce = coalesce
        self._repeat_within = repeat_within

    def decide(
        self,
        one: Undecided,
        *,
        history: Sequence[Change],
        case: Case,
        next_change: int,
        now: Micros,
    ) -> Decided:
        """Decide one event.

        Args:
            history: the known changes of its receipt, in any order.
            next_change: the id of its change, if it is a new one.
        """
        event = one.event.classified(classify_event(one.event, self._meanings))
        folded = fold(event, history, coalesce=self._coalesce, repeat_within=self._repeat_within)
        # Rules may ask for the flags that folding adds.
        event = _with_flags(event, folded)
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
            )
        decision, record = self._decisions.decide(event, case)
        undecided = [RuleUndecided(rule=name, event=one.id) for name in decision.matching.undecided]
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
        )

    def _alerts(self, messages: Iterable[OpsMessage], *, now: Micros) -> tuple[NewAlert, ...]:
        return tuple(
            alert for message in messages for alert in self.ops.alerts_for(message, now=now)
        )


def _contradictions(one: Undecided, event: ClassifiedEvent) -> list[OpsMessage]:
    """Messages on a source's mistakes to operations, who can have the source correct them."""
    found: list[OpsMessage] = []
    if Flag.CONFLICT in event.flags and one.revision_of is not None:
        found.append(
            ConflictingDelivery(source=event.source, first_event=one.revision_of, event=one.id)
        )
    if event.flags & _CONTRADICTIONS:
        found.append(
            ContradictoryStatus(
                source=event.source,
                event=one.id,
                delivered_status=event.delivered_status or "none",
                event_type=event.type or "none",
                taken_as=str(event.status),
            )
        )
    return found


def _case_alert(one: Undecided, change_id: int, to: Recipient) -> NewAlert:
    return NewAlert(
        kind=AlertKind.CASE,
        subject=f"change:{change_id}",
        channel=to.channel,
        target=to.target,
        rules=to.rules,
        urgent=to.urgent,
        change_id=change_id,
        event_id=one.id,
    )


def _with_flags(event: ClassifiedEvent, folded: Fold) -> ClassifiedEvent:
    if not folded.repeat and not folded.late:
        return event
    given = {Flag.REPEAT: folded.repeat, Flag.LATE: folded.late}
    return replace(event, flags=event.flags | {flag for flag, holds in given.items() if holds})
