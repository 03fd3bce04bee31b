"""A server under load is killed at random moments, and its data checked after each restart."""

import asyncio
import random
import time
from collections import Counter

from casebell.sandbox.http_sink import HttpSink
from e2e.consistency import ConsistencyCheck, ReceivedMessages
from e2e.databases import Database
from e2e.load import Load
from e2e.server import Server
from waiting import until

#: Connections on which deliveries come.
CONNECTIONS = 4
#: Seconds between two deliveries on each.
PAUSE = 0.02
#: Of the kills, how many come before the server is ready.
DURING_START = 0.15
#: The database's own integrity check runs after each of that many kills, and at the end.
INTEGRITY_EVERY = 50


class KillRun:
    """Kills `server` again and again.

    Args:
        database: where the server stores.
        hooks: the sinks of its channels, as `consistency.configuration` has them.
        seed: of every choice there is.
        longest: seconds for which a server lives under load at most.
    """

    def __init__(
        self,
        server: Server,
        database: Database,
        *hooks: HttpSink,
        seed: int = 20251014,
        longest: float = 0.6,
    ) -> None:
        self.server = server
        self.database = database
        self.chance = random.Random(seed)
        self.load = Load(chance=random.Random(seed + 1))
        self.check = ConsistencyCheck(database=database)
        self.received = ReceivedMessages(*hooks)
        self.kills: Counter[str] = Counter()
        self._longest = longest
        #: Seconds.
        self._start_took = 0.0
        self._senders: list[asyncio.Task[None]] = []

    async def kill_once(self) -> None:
        """Start, look at what the last kill left, deliver, kill."""
        began = time.monotonic()
        await self.server.launch()
        if self.kills and self.chance.random() < DURING_START:
            await asyncio.sleep(self.chance.uniform(0.0, self._start_took))
            self.kills["during the start"] += 1
        else:
            await self.server.start_up()
            self._start_took = time.monotonic() - began
            async with asyncio.TaskGroup() as both:
                both.create_task(self.check_data())
                self.send()
                await asyncio.sleep(self.chance.uniform(0.02, self._longest))
            self.kills["under load"] += 1
        await self.server.kill()
        await self.sent()

    def send(self) -> None:
        """Begin to deliver, on several connections."""
        self._senders = [
            asyncio.create_task(self.load.run(self.server, pause=PAUSE)) for _ in range(CONNECTIONS)
        ]

    async def sent(self, *, cancel: bool = False) -> None:
        """Wait until every connection has broken; or end them."""
        for sender in self._senders:
            if cancel:
                sender.cancel()
        ended = await asyncio.gather(*self._senders, return_exceptions=True)
        self._senders = []
        assert not [one for one in ended if isinstance(one, Exception)], ended

    async def check_data(self) -> None:
        """See that what was acknowledged is there, and the journal goes on where it was."""
        await self.check.acknowledged(self.load)
        await self.check.journal()
        if sum(self.kills.values()) % INTEGRITY_EVERY == INTEGRITY_EVERY - 1:
            assert await self.database.sound()
        self.received.collect()

    async def settled(self, *, seconds: float) -> None:
        """Wait until all events are decided, all alerts have ended, and conflicts are told."""
        waiting = (
            "SELECT (SELECT count(*) FROM events WHERE routed_at IS NULL) + "
            "(SELECT count(*) FROM alerts WHERE state NOT IN ('sent', 'failed')) + "
            # Of each source once an hour.
            "(SELECT count(*) FROM (SELECT source FROM conflicts GROUP BY source "
            "HAVING max(notified_at) IS NULL) AS untold)"
        )

        async def over() -> bool:
            return await self.database.rows(waiting) == [(0,)]

        await until(over, "every decision, and every alert to end", within=seconds)

    async def finish(self, *, seconds: float = 60.0) -> str:
        """Start once more, let everything end, look at all of it; the figures as one line."""
        await self.server.start()
        await self.settled(seconds=seconds)
        figures = await self.check.everything(self.load, self.received)
        kills = sum(self.kills.values())
        # Each channel has at most one alert in flight.
        assert figures["in_flight"] <= 2 * kills
        summary = " ".join(f"{name}={figure}" for name, figure in figures.items())
        return f"kills={kills} {summary} lost=0"
