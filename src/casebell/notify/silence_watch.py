"""Tells operations of a source from which nothing comes, and when something comes again.

A request for evidence that is never delivered looks like a quiet week. So a source may have an
`expect_every`, and a longer silence is told, once. What was told is in the tables (`store.marks`):
neither a restart, nor a reload, nor another server on the database repeats or forgets it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from casebell.clock import MINUTE, SECOND, Clock, in_zone
from casebell.events import Micros
from casebell.loops import Loop
from casebell.ops_messages import SourceHeard, SourceSilent
from casebell.ops_targets import OpsTargets
from casebell.settings import Settings
from casebell.store import marks, queries
from casebell.store.engine import Connection, Store
from casebell.store.ops import notify
from casebell.telemetry import Log, Metrics
from casebell.times import lasting

#: Seconds between two looks.
CHECK_EVERY: Final = 30.0
#: Most seconds after a start before a silence is told: what a source could not deliver while this
#: server did not run, it sends again by then.
GRACE: Final = 900.0
#: Repeats are in no table that can be asked by source. While they come one is noted as often as
#: this, and so long after the last that one.
NOTED_WITHIN: Final[Micros] = MINUTE


class SilenceWatch(Loop):
    """Looks when each source was last heard; start it with `async with`.

    Args:
        settings: returns those in force.
        ops: returns the targets of operations in force.
        came: by source, when its last authentic delivery came since this server runs.
        followed: called after messages were put into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        ops: Callable[[], OpsTargets],
        came: Mapping[str, Micros],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            self.check,
            name="silence-watch",
            every=CHECK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._store = store
        self._settings = settings
        self._ops = ops
        self._came = came
        self._followed = followed
        self._started_at = clock.now()
        self._started = clock.monotonic()

    async def check(self) -> None:
        """Note what came, and tell of each source that fell silent, or is heard again."""
        sources = self._settings().sources
        async with self._store.read() as connection:
            heard = await queries.last_deliveries(connection, sources)
            expected = await marks.named(connection, marks.EXPECTED)
            silent = await marks.named(connection, marks.SILENT)
        for name, source in sources.items():
            last = await self._note(name, heard.get(name, 0))
            if name in silent:
                if last > silent[name]:
                    await self._tell_of_end(name, last)
            elif source.expect_every is None:
                continue
            elif name in expected:
                await self._look(name, source.expect_every, last, first=expected[name])
            else:
                mark = f"{marks.EXPECTED}{name}"
                await self._store.transact(marks.first, mark, now=self._clock.now())

    async def _note(self, source: str, heard: Micros) -> Micros:
        """When a source was last heard; noted where the tables do not say so."""
        last = max(heard, self._came.get(source, 0))
        # At last exactly: otherwise two servers would not agree on when a silence began.
        if last > heard and max(last - heard, self._clock.now() - last) >= NOTED_WITHIN:
            await self._store.transact(marks.advance, f"{marks.HEARD}{source}", last)
        return last

    async def _look(self, source: str, expect_every: float, last: Micros, *, first: Micros) -> None:
        """Tell of a silence that is too long.

        Args:
            last: when it was last heard; 0 for never.
            first: since when something is expected of it.
        """
        since = last or first
        if self._clock.now() - since < round(expect_every * SECOND):
            return
        if self._clock.monotonic() - self._started < min(expect_every, GRACE):
            return

        async def write(connection: Connection) -> bool:
            # Another server may have told of it, and have seen another repeat last.
            told = await marks.first(connection, f"{marks.SILENT}{source}", now=since)
            message = self._silent(source, told, lasting(expect_every), ever=bool(last))
            return await notify(connection, message, to=self._ops(), now=self._clock.now())

        if await self._store.transact(write):
            self._log.warning("source.silent", source=source, expected=lasting(expect_every))
            self._followed()

    def _silent(self, source: str, since: Micros, expected: str, *, ever: bool) -> SourceSilent:
        last = (
            f"The last authentic delivery of source {source} came {self._at(since)}"
            if ever
            else f"No authentic delivery of source {source} ever came; they are awaited since "
            f"{self._at(since)}"
        )
        started = (
            f"This server was started {self._at(self._started_at)}: what was sent while it did not "
            "run, the source must send again."
        )
        return SourceSilent(
            source=source,
            since=since,
            last=last,
            expected=expected,
            started=started if self._started_at > since else "",
        )

    async def _tell_of_end(self, source: str, last: Micros) -> None:
        async def write(connection: Connection) -> bool:
            since = await marks.take(connection, f"{marks.SILENT}{source}")
            if since is None:
                return False
            message = SourceHeard(
                source=source, since=since, came=self._at(last), last=f"since {self._at(since)}"
            )
            return await notify(connection, message, to=self._ops(), now=self._clock.now())

        if await self._store.transact(write):
            self._log.info("source.heard", source=source)
            self._followed()

    def _at(self, at: Micros) -> str:
        return in_zone(datetime.fromtimestamp(at // SECOND, UTC), self._settings().server.timezone)
