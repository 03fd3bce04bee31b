"""A firm whose configuration is a file: deliveries are decided by it as it was taken up."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from casebell.actors import Actor
from casebell.events import CaseEvent
from casebell.route.router import Router
from casebell.service.otherwise import Comparison, DecidingAgain
from casebell.settings import load
from casebell.store.engine import Store
from casebell.store.event_log import Appended, EventLog
from casebell.telemetry import Metrics
from casebell.wiring import InForce, Wiring
from contracts.actors import ADMIN
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import store_undecided

_SOURCES = """
[storage]
url = "sqlite:///casebell.db"
[sources.parley]
kind = "parley"
secrets = ["parley-signing-secret-for-tests"]
[channels.slack]
url = "json://127.0.0.1:9/"
[channels.team]
url = "json://127.0.0.1:9/"
[channels.desk]
url = "json://127.0.0.1:9/"
[channels.night]
url = "json://127.0.0.1:9/"
[ops]
notify = ["team"]
"""

#: One rule, which is not urgent itself.
RULES = """
[[rules]]
name = "Approved"
when = { status = ["approved"] }
notify = ["slack"]
"""


class ConfiguredFirm:
    """Its file, its store, and the clock by which it decides."""

    def __init__(self, store: Store, folder: Path, rules: str = RULES) -> None:
        self.store = store
        self.file = folder / "config.toml"
        self.clock = ManualClock()
        self.write(rules)
        self.in_force = InForce(self.read())
        self.router = Router(
            store=store,
            rulebook=self.in_force.rulebook,
            clock=self.clock,
            metrics=Metrics(),
            log=RecordingLog().log,
        )
        self._log = EventLog(store=store, content_of=json_content, decide=self.router.decide)
        self._again = DecidingAgain(
            store=store, file=self.read, in_force=lambda: self.in_force.wiring, clock=self.clock
        )

    def write(self, rules: str) -> None:
        """Have these rules, wordings and so on in the file, and nobody take it up."""
        self.file.write_text(_SOURCES + rules)
        self.file.chmod(0o600)

    def read(self) -> Wiring:
        """What the file comes to."""
        settings = load(self.file, environ={})
        return Wiring.of(settings, clock=self.clock, replaces=None)

    def take_up(self) -> None:
        """Decide by the file as it is from now on."""
        self.in_force.wiring = self.read()

    async def deliver(self, *events: CaseEvent, after: float = 60.0) -> list[Appended]:
        """Have events stored and decided in one transaction, so many seconds later."""
        self.clock.advance(after)
        return await self.store.transact(partial(self._log.append_now, batch=events))

    async def leave_undecided(self, *events: CaseEvent) -> None:
        """Have events stored whose decision fails."""
        await store_undecided(self.store, *events)

    async def decide_the_rest(self) -> None:
        """Decide what was left undecided, a minute later."""
        self.clock.advance(60.0)
        await self.router.decide_again()

    async def compared(
        self, over: str = "30d", *, actor: Actor = ADMIN, **given: Any
    ) -> Comparison:
        """What the file decides otherwise."""
        return await self._again.decided_otherwise(over=over, actor=actor, **given)


def sums(found: Comparison) -> tuple[int, int, int, int]:
    """How many changes were looked at, the same, differ, and could not be decided."""
    return found["looked"], found["same"], found["differ"], found["undecided"]


def told(decided: Any) -> Sequence[tuple[str, bool]]:
    """The channels of a decision, and whether each is told urgently."""
    return [(one["channel"], one["urgent"]) for one in decided["notify"]]
