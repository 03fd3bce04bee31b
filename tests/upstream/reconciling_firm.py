"""A firm before a simulated API: its configuration, its store, and a clock that its tests hold."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from casebell.clock import DAY, HOUR, iso
from casebell.events import CaseEvent, Delivery, Micros, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.runtime import Runtime
from casebell.service import Service
from casebell.settings import load
from casebell.settings.upstream import UpstreamSettings
from casebell.store import reconciliations
from casebell.store.schema import alerts, cases, changes, events, queue, upstream_cases
from casebell.upstream.connections import Connections
from casebell.upstream.stand import Stand
from casebell.verbs import verbs_of
from contracts.actors import ADMIN, an_actor
from contracts.cases import with_keys
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table, store_in
from contracts.writing import writing
from sandbox.simulator.firm import TOKEN, Firm, rehearsing
from upstream.harness import QUICK

BY = an_actor("cli:test")
#: 2026-03-02, as the firm's clock begins.
NOW: Micros = 20_514 * DAY
RECEIPT = "IOE0912345678"
OTHER = "IOE0976543210"
RFE = "We sent you a request for evidence for your Form I-129."
RESPONSE = "Response To USCIS' Request For Evidence Was Received"
RECEIVED = "Case Was Received and A Receipt Notice Was Emailed"

CONFIG = """
[server]
timezone = "UTC"
[storage]
url = "{url}"
[routing]
test_receipts = ["MSC*", {tests}]
[sources.parley]
kind = "parley"
secrets = ["the first secret of the provider"]
{fields}
[sources.torch]
kind = "torch"
header = "X-Secret"
secrets = ["the second secret of the provider"]
[upstream.{name}]
kind = "{kind}"
source = "{kind}"
base = "{base}"
token = "{token}"
per_minute = 60000
per_day = {per_day}
batch = {batch}
reconcile = "24h"
[people.jchan]
name = "Jia Chan"
email = "jchan@f.com"
[people.kim]
name = "Kim Roe"
email = "kim@f.com"
[channels.people]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["@owner"]
unassigned = ["desk@f.com"]
[channels.it]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["it@f.com"]
[ops]
notify = ["it"]
[[rules]]
name = "Everything"
when = {{}}
notify = ["people"]
"""


def ago(**span: int) -> str:
    """A time before the firm's clock began, to the second."""
    passed = span.get("days", 0) * DAY + span.get("hours", 0) * HOUR
    return f"{iso(NOW - passed)[:19]}Z"


class Reconciling:
    """Whoever reconciles: a server of the firm, whose loops do not run."""

    by = BY

    def __init__(
        self, url: str, folder: Path, api: Firm, *, clock: ManualClock, **chosen: Any
    ) -> None:
        self.url, self.folder, self.api, self.clock = url, folder, api, clock
        self.chosen = {
            "kind": "parley",
            "per_day": 5_000,
            "batch": 50,
            "tests": "",
            "fields": "",
            "name": "api",
            **chosen,
        }
        self.runtime = self.another_server()
        self.store = self.runtime.store

    def another_server(self) -> Runtime:
        """One more process of the firm; on the store of its own, not opened."""
        runtime = Runtime(self.settings(), clock=self.clock)
        quick = Connections(
            store=runtime.store,
            settings=runtime.in_force.settings,
            clock=self.clock,
            patience=QUICK,
        )
        runtime.reconciler._client = quick.open
        return runtime

    def settings(self, **chosen: Any) -> Any:
        """The configuration, as a file has it."""
        self.chosen.update(chosen)
        file = self.folder / "config.toml"
        file.write_text(CONFIG.format(url=self.url, base=self.api.url, token=TOKEN, **self.chosen))
        file.chmod(0o600)
        return load(file, environ={})

    def reload(self, **chosen: Any) -> None:
        """Work by another configuration from now on."""
        self.runtime.swap(self.runtime.prepare(self.settings(**chosen)))

    async def know(self, receipt: str = RECEIPT, **facts: Any) -> None:
        """Have a case in the directory."""
        async with writing(self.store) as connection:
            row = {"receipt": receipt, "updated_at": 0, "listed_at": 1, **with_keys(facts)}
            await connection.execute(cases.insert().values(**row))

    async def registered(self, receipt: str = RECEIPT, *, at: str) -> None:
        """Have a case that we registered."""
        when = round(datetime.fromisoformat(at).timestamp()) * 1_000_000
        async with writing(self.store) as connection:
            values = {"upstream": "api", "receipt": receipt, "registered_at": when}
            await connection.execute(upstream_cases.insert().values(**values))

    async def deliver(
        self,
        status: str,
        at: str | None,
        *,
        text: str = RFE,
        receipt: str = RECEIPT,
        key: str | None = None,
        source: str = "parley",
        **more: Any,
    ) -> CaseEvent:
        """Have a webhook delivered, now."""
        body: dict[str, Any] = {
            "type": "case.status.updated",
            "receipt_number": receipt,
            **(
                {"normalized_status": status, "raw_status_text": text}
                if source == "parley"
                else {"status_category": status, "status_text": text}
            ),
            **({"occurred_at" if source == "parley" else "last_status_at": at} if at else {}),
            **({"id": key} if key else {}),
            **more,
        }
        delivery = Delivery(
            source=source,
            body=json.dumps(body).encode(),
            headers=(),
            address="203.0.113.7",
            received_at=self.clock.now(),
            request_id="req_1",
        )
        settings = self.runtime.in_force.settings().sources[source]
        event = understand(VerifiedDelivery(delivery=delivery, secret_label="one"), settings)
        log = self.runtime.event_log
        log.committed(await self.store.transact(log.append_now, [event]))
        return event

    async def reconcile(self, runtime: Runtime | None = None, *, seconds: float = 60.0) -> Stand:
        """One call."""
        server = runtime or self.runtime
        upstream = server.in_force.settings().upstream[str(self.chosen["name"])]
        return await server.reconciler.go_on(upstream, seconds=seconds, by=BY)

    async def look(self, receipt: str = RECEIPT) -> Stand:
        """Look at one case."""
        return await self.runtime.reconciler.look_at(self.upstream, receipt, by=BY)

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """The value of a verb, for the administrator."""
        return await Service(*verbs_of(self.runtime)).ask(verb, arguments, actor=ADMIN)

    async def events(self) -> list[tuple[str, str, str]]:
        """Each event's origin, status and flags, in order."""
        return [
            (row.origin, row.status, row.flags.strip())
            for row in await read_table(self.store, events)
        ]

    async def alerts(self, kind: str = "case") -> list[str]:
        """Whom the alerts of a kind are for, and of what: "rfe_issued > jchan@f.com"."""
        of_change = {row.id: row.status for row in await read_table(self.store, changes)}
        return [
            f"{of_change.get(row.change_id) or row.subject.partition(':')[0]} > {row.target}"
            for row in await read_table(self.store, alerts)
            if row.kind == kind
        ]

    async def queue(self) -> list[str]:
        """The receipts of what is open."""
        rows = await read_table(self.store, queue)
        return [row.receipt for row in rows if row.answered_at is None]

    async def rows(self) -> Sequence[Any]:
        """What is known of each case of the API."""
        return await read_table(self.store, upstream_cases)

    @property
    def upstream(self) -> UpstreamSettings:
        """The settings of the API, as they are in force."""
        return self.runtime.in_force.settings().upstream[str(self.chosen["name"])]

    def metric(self, name: str) -> float:
        """What a metric of the API's source counts."""
        labels = {"source": str(self.chosen["kind"])}
        return self.runtime.metrics.registry.get_sample_value(name, labels) or 0.0

    async def texts(self) -> list[str]:
        """The texts of all events, in order."""
        return [row.text for row in await read_table(self.store, events)]

    async def present(self, receipt: str = RECEIPT) -> str | None:
        """The status of a case."""
        [row] = [row for row in await read_table(self.store, cases) if row.receipt == receipt]
        status: str | None = row.status
        return status

    async def pauses(self) -> float:
        """How many seconds the run that goes on waited when it last failed."""
        async with self.store.read() as connection:
            run = await reconciliations.going_on(connection, "api")
        assert run is not None
        waits: int = run.waits_until - self.clock.now()
        return waits / 1_000_000 + 60


def sqlite(folder: Path) -> str:
    """The URL of a database that has its tables."""
    return f"sqlite:///{store_in(folder).place}"


@asynccontextmanager
async def reconciling(url: str, folder: Path, **chosen: Any) -> AsyncIterator[Reconciling]:
    """The firm and its API, for as long as the block runs."""
    clock = ManualClock(now=NOW)
    async with rehearsing(clock=clock, speed=1.0) as api:
        firm = Reconciling(url, folder, api, clock=clock, **chosen)
        async with firm.runtime.opened():
            yield firm
