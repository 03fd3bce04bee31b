"""A firm with a configuration, a real store and a clock that its tests hold."""

import re
from collections.abc import Collection
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from casebell.events import Micros
from casebell.followup.loop import FollowUp
from casebell.route.router import Router
from casebell.settings import load
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.schema import alerts, cases, escalations
from casebell.telemetry import Metrics
from casebell.wiring import InForce, Wiring
from contracts.case_events import case_event, json_content
from contracts.cases import with_keys
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from contracts.writing import writing

RECEIPT = "IOE0912345678"
NEW_YORK = ZoneInfo("America/New_York")

PEOPLE = """
[storage]
url = "sqlite:///unused.db"
[sources.parley]
kind = "parley"
secrets = ["parley-signing-secret-for-tests"]
[people.jchan]
name = "Jia Chan"
email = "jchan@f.com"
teams = ["rfe"]
[people.kim]
name = "Kim Roe"
email = "kim@f.com"
teams = ["rfe"]
[channels.people]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["@owner"]
unassigned = ["desk@f.com"]
[channels.partners]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["partners@f.com"]
[channels.it]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["it@f.com"]
[ops]
notify = ["it"]
[calendars.office]
open = ["mon-fri 08:00-18:00"]
holidays = "us-federal"
[[rules]]
name = "Everything"
when = {}
notify = ["people"]
"""
#: Two steps in the office's time, then each day until the tenth.
UNSEEN = """
[[escalations]]
name = "RFE unseen"
when = { status = ["rfe_issued"] }
steps = [ { after = "2h", of = "office", notify = ["people"] },
          { after = "1d", of = "office", notify = ["partners"] } ]
repeat = "1d"
stop = "10d"
"""


def at(text: str, zone: ZoneInfo = NEW_YORK) -> Micros:
    """A time of the office, such as "2026-11-02 09:00"."""
    moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    return round(moment.timestamp()) * 1_000_000


class Office:
    """Whoever works there, by one configuration at a time.

    Args:
        folder: where the configuration is written.
        now: when it begins.
    """

    def __init__(
        self, store: Store, folder: Path, *, now: str, config: str = PEOPLE + UNSEEN
    ) -> None:
        self.store, self.folder = store, folder
        self.clock = ManualClock(now=at(now))
        self.recording = RecordingLog()
        self.differs = False
        self.woken: list[set[str]] = []
        self.in_force = InForce(self._wiring(config))
        self.follow_up = self.another_server()

    def another_server(self) -> FollowUp:
        """The loop of a server of this firm."""
        return FollowUp(
            store=self.store,
            settings=self.in_force.settings,
            channels=self.in_force.channels,
            rulebook=self.in_force.rulebook,
            differs=lambda: self.differs,
            clock=self.clock,
            metrics=Metrics(),
            log=self.recording.log,
            followed=lambda channels: self.woken.append(set(channels)),
        )

    def reload(self, config: str) -> None:
        """Work by another configuration from now on."""
        self.in_force.wiring = self._wiring(config)

    def _wiring(self, config: str) -> Wiring:
        file = self.folder / "config.toml"
        file.write_text(config)
        file.chmod(0o600)
        return Wiring.of(load(file, environ={}), clock=self.clock)

    async def know(self, **facts: Any) -> None:
        """Say of the case what the firm knows of it."""
        row = {"receipt": RECEIPT, "updated_at": 0, **with_keys(facts)}
        async with writing(self.store) as connection:
            await connection.execute(cases.delete())
            await connection.execute(cases.insert().values(**row))

    async def deliver(self, key: str = "evt_1", **fields: Any) -> None:
        """Have an event stored and decided, now."""
        router = Router(
            store=self.store,
            rulebook=self.in_force.rulebook,
            clock=self.clock,
            metrics=Metrics(),
            log=self.recording.log,
        )
        log = EventLog(store=self.store, content_of=json_content, decide=router.decide)
        now = self.clock.now()
        event = case_event(
            key, **{"occurred_at": now, "received_at": now, "receipt": RECEIPT, **fields}
        )
        await self.store.transact(partial(log.append_now, batch=[event]))

    async def look(self, moment: str | None = None) -> None:
        """Let a server look for what is due, at a time."""
        if moment is not None:
            self.clock.advance((at(moment) - self.clock.now()) / 1_000_000)
        await self.follow_up._take_due()

    async def alerts(self, *kinds: str) -> list[Any]:
        """The alerts of these kinds, in their order."""
        chosen: Collection[str] = kinds or ("reminder", "ops")
        return [row for row in await read_table(self.store, alerts) if row.kind in chosen]

    async def told(self) -> list[str]:
        """What reminders and messages to operations there are: "reminder:…:1:0 > jchan@f.com"."""
        return [
            f"{re.sub(r'^(reminder|due):[0-9]+:', '', row.subject)} > {row.target}"
            for row in await self.alerts()
        ]

    async def escalations(self) -> list[Any]:
        """Every one, running or not."""
        return list(await read_table(self.store, escalations))
