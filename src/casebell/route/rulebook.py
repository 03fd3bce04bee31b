"""What comes of one event by the configuration in force: judge → fold → match → decide.

All of it is worked out in memory and noted in a docket, which is written later.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from casebell.events import AlertKind, CaseEvent, Flag, Micros
from casebell.ops_messages import (
    ConflictingDelivery,
    ContradictoryStatus,
    OpsMessage,
    RuleUndecided,
)
from casebell.route.decide import DecisionOutcome, Targets
from casebell.route.decisions import Decided, Decisions
from casebell.route.fold import Fold, fold
from casebell.route.rules import CompiledRule
from casebell.route.verdict import Meanings, verdict_on
from casebell.store.cases import Unrouted
from casebell.store.docket import Docket
from casebell.store.ops import OpsTargets
from casebell.store.outbox import NewAlert

_CONTRADICTIONS = frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT})


class Routed(NamedTuple):
    """An event with its verdict, and what came of it."""

    id: int
    event: CaseEvent
    outcome: DecisionOutcome
    change_id: int


class Rulebook:
    """By what events are judged and decided about.

    Args:
        meanings: what the operator says of words and receipts.
        rules: compiled, in the order of the configuration.
        targets: every channel's targets.
        ops: where operations read.
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
        self._decisions = Decisions(rules, targets=targets, ops=ops.channels)
        self.ops = ops
        self._coalesce = coalesce
        self._repeat_within = repeat_within

    def route(self, docket: Docket, one: Unrouted, *, now: Micros) -> Routed:
        """Judge one event, decide about it, and note all of that in the docket."""
        event, verdict = one.event, one.event.verdict
        if verdict is None:
            # An earlier release stored events with their verdict.
            verdict = verdict_on(event, self._meanings)
            event = event.judged(verdict)
        history = docket.history(event.receipt)
        folded = fold(event, history, coalesce=self._coalesce, repeat_within=self._repeat_within)
        flags = event.flags | _flags(folded)
        outcome = DecisionOutcome.SAME_CHANGE
        change_id = folded.change_id
        if change_id is not None:
            docket.corroborate(
                receipt=event.receipt,
                change_id=change_id,
                event_id=one.id,
                status=verdict.status,
                at=folded.at,
                seen_until=folded.seen_until,
                now=now,
            )
        else:
            if flags != event.flags:
                # Rules may ask for what folding found out.
                event = dataclasses.replace(event, flags=flags)
            decided = self._decisions.on(event, docket.case(event.receipt))
            outcome = decided.decision.outcome
            for name in decided.decision.matching.undecided:
                message = RuleUndecided(rule=name, event=one.id)
                docket.tell(self.ops.alerts_for(message, now=now), now=now)
            change_id = _found_change(
                docket, one.id, event, folded=folded, decided=decided, now=now
            )
        if folded.current:
            docket.move_case(
                receipt=event.receipt,
                status=verdict.status,
                text=event.text,
                at=folded.at,
                change_id=change_id,
                now=now,
            )
        for contradiction in _contradictions(one, event):
            docket.tell(self.ops.alerts_for(contradiction, now=now), now=now)
        docket.mark_routed(
            event_id=one.id,
            change_id=change_id,
            status=verdict.status,
            tags=verdict.tags,
            flags=flags,
            reason=folded.reason,
            now=now,
        )
        return Routed(one.id, event, outcome, change_id)


def _contradictions(one: Unrouted, event: CaseEvent) -> list[OpsMessage]:
    """A source's mistakes, of which operations hear: nobody else can have them corrected."""
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


def _found_change(
    docket: Docket,
    event_id: int,
    event: CaseEvent,
    *,
    folded: Fold,
    decided: Decided,
    now: Micros,
) -> int:
    change_id = docket.add_change(
        receipt=event.receipt,
        status=event.status,
        tags=event.tags,
        text_key=folded.text_key,
        at=folded.at,
        seen_until=folded.seen_until,
        event_id=event_id,
        late=folded.late,
        now=now,
        decision=decided.record,
    )
    new = [
        NewAlert(
            kind=AlertKind.CASE,
            subject=f"change:{change_id}",
            channel=recipient.channel,
            target=recipient.target,
            rules=recipient.rules,
            urgent=recipient.urgent,
            change_id=change_id,
            event_id=event_id,
        )
        for recipient in decided.decision.recipients
    ]
    docket.tell(new, now=now)
    return change_id


def _flags(folded: Fold) -> frozenset[Flag]:
    if not folded.repeat and not folded.late:
        return frozenset()
    given = {Flag.REPEAT: folded.repeat, Flag.LATE: folded.late}
    return frozenset(flag for flag, holds in given.items() if holds)
