"""From registration to the last alert, against the sandbox as a process; either side is killed.

Three in ten deliveries are lost, two in ten come twice, the rest in any order. After one
reconciliation every change is known once, and each was told once.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from casebell.sandbox.http_sink import HttpSink
from e2e.databases import Database, Postgres, SqliteFile
from e2e.recipients import free_port
from e2e.sandbox_process import SIGNING, TOKEN, SandboxProcess
from e2e.server import MakeServer, Server
from waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

CASES = 1_000
FIRST = 9_000_000_000
RECEIPTS = [f"IOE{FIRST + number}" for number in range(CASES)]
#: What becomes of every case after it was registered, in order.
WAYS: Sequence[Sequence[str]] = (("rfe_issued", "rfe_received"), ("approved",), ("denied",))
#: Kills in each part of the rehearsal at most: what begins anew must come to its end.
KILLS = 6
#: How many cases move in one request, so that kills come between.
AT_ONCE = 50

CONFIG = """
[sources.parley]
kind = "parley"
secrets = ["${SIGNING}"]

[upstream.parley]
kind = "parley"
source = "parley"
base = "%(base)s"
token = "${TOKEN}"
per_minute = 100000
per_day = 100000
batch = 100
secret_file = "subscription.secret"

[channels.hook]
url = "json://127.0.0.1:%(hook)d/"
pace = "0s"
max_age = "15m"

[channels.it]
url = "json://127.0.0.1:%(it)d/"
pace = "0s"

[[rules]]
name = "All"
when = {}
notify = ["hook"]

[ops]
notify = ["it"]
"""


class Rehearsal:
    """A server, the sandbox, and what comes out at the channels."""

    def __init__(
        self,
        server: Server,
        database: Database,
        sandbox: SandboxProcess,
        hook: HttpSink,
        chance: random.Random,
    ) -> None:
        self.server = server
        self.database = database
        self.sandbox = sandbox
        self.hook = hook
        self.chance = chance
        self.kills: Counter[str] = Counter()

    async def command(self, *words: str) -> str:
        """Run a command until it succeeds, as somebody does whose server was killed; its output."""
        for _ in range(60):
            result = await self.server.run_apart(*words, within=240)
            if result.code == 0:
                return result.out
            assert result.code in (1, 3), (words, result.code, result.err)
            assert "Traceback" not in result.err, result.err
        raise AssertionError(f"{words}: {result.err}")

    @asynccontextmanager
    async def killing(self, pause: float) -> AsyncIterator[None]:
        """Kill one side or the other again and again, and start it again, while the block runs."""

        async def kill() -> None:
            for _ in range(KILLS):
                await asyncio.sleep(self.chance.uniform(0.2, pause))
                if self.chance.random() < 0.5:
                    await self.server.kill()
                    self.kills["server"] += 1
                    await self.start_server()
                else:
                    await self.sandbox.kill()
                    self.kills["sandbox"] += 1
                    await self.sandbox.start()

        killer = asyncio.create_task(kill())
        try:
            yield
        finally:
            killer.cancel()
            with suppress(asyncio.CancelledError):
                await killer
            for side in (self.server, self.sandbox):
                await side.kill()
            await self.sandbox.start()
            await self.start_server()

    async def start_server(self) -> None:
        """Start it as a service manager does: again, while a command holds its database."""

        async def starts() -> bool:
            with suppress(AssertionError):
                await self.server.start()
                return True
            await self.server.kill()
            assert "A command of Casebell holds" in self.server.text()[-1_000:]
            return False

        await until(starts, "the server to start", within=120)

    async def move(self) -> None:
        """Move every case as far as it goes, a few cases at a time."""
        steps = [
            {"receipt": receipt, "status": status}
            for place in range(max(map(len, WAYS)))
            for number, receipt in enumerate(RECEIPTS)
            for status in WAYS[number % len(WAYS)][place : place + 1]
        ]
        for start in range(0, len(steps), AT_ONCE):
            await self.sandbox.control("cases", {"moves": steps[start : start + AT_ONCE]})

    async def settled(self) -> None:
        """Wait until every event is decided and every alert has ended."""
        waiting = (
            "SELECT (SELECT count(*) FROM events WHERE routed_at IS NULL) + "
            "(SELECT count(*) FROM alerts WHERE state NOT IN ('sent', 'failed'))"
        )

        async def nothing_waits() -> bool:
            return await self.database.rows(waiting) == [(0,)]

        await until(nothing_waits, "every decision, and every alert to end", within=300)

    def told(self) -> dict[int, list[bool]]:
        """By event, each message of its change, and whether that said that it may repeat."""
        found: dict[int, list[bool]] = {}
        for one in self.hook.requests:
            text = json.loads(one.body)["message"]
            event = re.search(r"^Source: .*, event (\d+)$", text, re.MULTILINE)
            assert event is not None, text
            found.setdefault(int(event[1]), []).append("May repeat" in text)
        return found


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
async def test_every_change_is_known_and_told_once(
    make_server: MakeServer, postgres: Postgres, tmp_path: Path, storage: str
) -> None:
    """Whatever is lost on the way, and whoever is killed at whatever moment."""
    port = free_port()
    async with HttpSink() as hook, HttpSink() as it, SandboxProcess(tmp_path) as sandbox:
        places = {"base": sandbox.url, "hook": hook.port, "it": it.port}
        listening = f'port = {port}\npublic_url = "http://127.0.0.1:{port}"\n'
        secrets = {"SIGNING": SIGNING, "TOKEN": TOKEN}
        database: Database
        if storage == "postgresql":
            database = await postgres.database("upstream")
            server = make_server(
                CONFIG % places, server=listening, storage=database.url, secrets=secrets
            )
        else:
            server = make_server(CONFIG % places, server=listening, secrets=secrets)
            database = SqliteFile(server.database)
        server.apart = True
        await server.start()
        rehearsal = Rehearsal(server, database, sandbox, hook, random.Random(20261130))
        listed = tmp_path / "cases.csv"
        listed.write_text("receipt,label\n" + "".join(f"{one},Client\n" for one in RECEIPTS))
        past = {"status": "received", "quiet": True, "at": "2026-01-15T12:00:00Z"}
        series = {"series": {"first": RECEIPTS[0], "count": CASES, **past}}
        await sandbox.control("cases", series)
        many = {"per_minute": 1_000_000, "per_day": 1_000_000}
        await sandbox.control("limits", {"api": "parley", **many})
        # What was not answered is tried again sooner.
        await sandbox.control("clock", {"speed": 10})

        await rehearsal.command("cases", "import", str(listed))
        async with rehearsal.killing(2.0):
            await rehearsal.command("upstream", "register")
        await rehearsal.command("upstream", "register")
        await rehearsal.command("upstream", "subscribe")
        (kept,) = (await sandbox.control("subscriptions"))["subscriptions"]
        assert kept["url"] == f"http://127.0.0.1:{port}/webhooks/parley"
        assert len(kept["events"]) == 6

        await sandbox.control("scenario", {"name": "lossy"})
        async with rehearsal.killing(2.0):
            await rehearsal.move()
        counts = await sandbox.settled()
        assert counts["dropped"] > CASES // 4
        await rehearsal.settled()
        by_webhooks = await database.rows("SELECT count(*) FROM changes")
        async with rehearsal.killing(3.0):
            await rehearsal.command("upstream", "reconcile")
        await rehearsal.command("upstream", "reconcile")
        await rehearsal.settled()

        await everything_once(rehearsal, hook)
        figures = {"kills": dict(rehearsal.kills), "deliveries": counts, "before": by_webhooks}
        print(json.dumps(figures))  # noqa: T201 - figures


async def everything_once(rehearsal: Rehearsal, hook: HttpSink) -> None:
    """See that each change is there once, and was told once."""
    rows = await rehearsal.database.rows(
        "SELECT changes.receipt, changes.status, changes.id, changes.event_id, events.origin "
        "FROM changes JOIN events ON events.id = changes.event_id ORDER BY changes.at, changes.id"
    )
    found: dict[str, list[str]] = {receipt: [] for receipt in RECEIPTS}
    for receipt, status, *_ in rows:
        found[receipt].append(status)
    expected = {
        receipt: ["received", *WAYS[number % len(WAYS)]] for number, receipt in enumerate(RECEIPTS)
    }
    # Of two changes in one second either may come first.
    assert {one: sorted(of) for one, of in found.items()} == {
        one: sorted(of) for one, of in expected.items()
    }
    alerts = await rehearsal.database.rows(
        "SELECT change_id, state, event_id FROM alerts WHERE channel = 'hook'"
    )
    asked: Counter[Any] = Counter(change for change, *_ in alerts)
    news = {number for _, status, number, *_ in rows if status != "received"}
    assert asked == Counter(news)
    assert {state for _, state, _ in alerts} == {"sent"}
    told = rehearsal.told()
    assert set(told) == {event for *_, event in alerts}
    twice = [event for event, said in told.items() if not all(said[1:])]
    assert twice == []
    origins = Counter(origin for *_, origin in rows)
    assert origins["reconciled"] > CASES
    assert await rehearsal.database.sound()
