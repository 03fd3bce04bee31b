"""A router over a real store, for its tests."""

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from casebell.alerts import Alert, AlertKind
from casebell.events import CaseEvent
from casebell.notify.render_ops import render_ops
from casebell.ops_targets import OpsTargets
from casebell.route.classification import Meanings
from casebell.route.router import Router
from casebell.route.rulebook import Rulebook
from casebell.route.rules import CompiledRule, compile_rules
from casebell.settings import Rule
from casebell.store import outbox
from casebell.store.engine import Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.schema import alerts, cases, changes, events, journal
from casebell.telemetry import Metrics
from contracts.case_events import case_event, json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.rosters import roster_of
from contracts.stores import read_table

HOUR = 3_600
DAY = 24 * HOUR
TARGETS = {
    "slack": ("general",),
    "email": ("jchan@example-firm.com", "rfe-team@example-firm.com"),
    "ops": ("it@example-firm.com",),
}
RULES = (
    {"name": "RFE", "when": {"status": ["rfe_issued"]}, "notify": ["slack", "email"]},
    {"name": "Partner", "when": {"owner": ["*"]}, "notify": ["email"], "urgent": True},
    {"name": "Rest", "when": {}, "notify": ["slack"]},
)
TABLES = (events, changes, cases, alerts, journal)


def rulebook(
    *,
    meanings: Meanings | None = None,
    rules: Sequence[dict[str, Any]] = RULES,
    compiled: Sequence[CompiledRule] = (),
    ops: Sequence[str] = ("ops",),
) -> Rulebook:
    """One with these, or with rules that are compiled already."""
    return Rulebook(
        meanings=meanings or Meanings(),
        rules=compiled or compile_rules(Rule.model_validate(rule) for rule in rules),
        roster=roster_of(TARGETS, ops=ops),
        ops=OpsTargets.on(ops, targets=TARGETS),
        coalesce=float(DAY),
        repeat_within=7.0 * DAY,
    )


class RouterHarness:
    """A router, and what came of its work."""

    def __init__(
        self,
        store: Store,
        *,
        rules: Sequence[dict[str, Any]] = RULES,
        ops: Sequence[str] = ("ops",),
        meanings: Meanings | None = None,
    ) -> None:
        self.store = store
        self.clock = ManualClock()
        self.recording = RecordingLog()
        self.metrics = Metrics()
        self.wakeups = 0
        self.rulebook = rulebook(meanings=meanings, rules=rules, ops=ops)
        self.router = Router(
            store=store,
            rulebook=lambda: self.rulebook,
            clock=self.clock,
            metrics=self.metrics,
            log=self.recording.log,
            alerts_added=self._wake,
        )

    def _wake(self, channels: Collection[str]) -> None:
        assert channels
        self.wakeups += 1

    async def route(self) -> None:
        """Decide about everything that waits."""
        await self.router.decide_again()

    async def stored(self, *events: CaseEvent) -> list[Appended]:
        """Have events stored and decided about in one transaction, as deliveries are."""
        log = EventLog(store=self.store, content_of=json_content, decide=self.router.decide)
        appended = await self.store.transact(partial(log.append_now, batch=events))
        self.router.committed(appended)
        return appended

    async def outcomes(self) -> list[str]:
        """What the decisions came to, in order."""
        return [
            json.loads(row.decision)["outcome"] for row in await read_table(self.store, changes)
        ]

    async def told(self, kind: AlertKind = AlertKind.CASE) -> list[tuple[str, str, bool]]:
        """Channel, target and urgency of each alert."""
        return [
            (row.channel, row.target, row.priority == 0)
            for row in await read_table(self.store, alerts)
            if row.kind == kind
        ]

    async def notes(self) -> list[str]:
        """The messages to operations, as they will read."""
        return [
            render_ops(as_claimed(row).note).body
            for row in await read_table(self.store, alerts)
            if row.kind == AlertKind.OPS
        ]


def as_claimed(row: Any) -> Alert:
    """An alert as the dispatcher will have it in hand."""
    return outbox._alert(row)


def received(key: str, **fields: Any) -> CaseEvent:
    """A confirmation of receipt."""
    return case_event(
        key,
        **{
            "delivered_status": "received",
            "text": "Case Was Received",
            **fields,
        },
    )


async def snapshot(store: Store) -> list[Any]:
    """Everything in the tables that routing writes."""
    return [[tuple(row) for row in await read_table(store, table)] for table in TABLES]
