"""Follows a wall clock that is set back, so that no alert waits for the hour to come round again.

When an alert is due is kept as a time of day, for it must outlive the process. Where the clock is
set back, what waited five seconds would wait an hour and five seconds; so the outbox is set back by
as much. A clock that is set forward only ends waits early, which does no harm.
"""

from collections.abc import Callable

from casebell.clock import Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.store import journal, outbox, queries
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log

#: Seconds between two looks.
LOOK_EVERY = 1.0
#: Least step that is followed: less delays an alert by no more than its length.
LEAST_STEP: Micros = 2_000_000
_SECOND: Micros = 1_000_000


class ClockWatch:
    """Compares the wall clock with the monotonic one; start it with `async with`.

    Args:
        followed: called after the outbox was set back.
    """

    def __init__(
        self, *, store: Store, clock: Clock, log: Log, followed: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._followed = followed
        self._ahead = self._wall_ahead()
        # Nothing is claimed either while the storage fails, and the step can be seen later on.
        self._loop = Loop(self._look, name="clock-watch", every=LOOK_EVERY, clock=clock, log=log)

    async def __aenter__(self) -> "ClockWatch":
        self._ahead = self._wall_ahead()
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        await self._loop.__aexit__()

    def _wall_ahead(self) -> Micros:
        """How far the wall clock is ahead of the monotonic one."""
        return self._clock.now() - round(self._clock.monotonic() * _SECOND)

    async def _look(self) -> None:
        ahead = self._wall_ahead()
        back = self._ahead - ahead
        if back >= LEAST_STEP:
            now = self._clock.now()
            count = await self._store.transact(_follow, back=back, now=now)
            self._log.info("clock.set_back", seconds=back // _SECOND, alerts=count)
            self._followed()
        self._ahead = ahead


async def follow_journal(connection: Connection, *, now: Micros, log: Log) -> None:
    """Follow a clock that was set back while no server ran: the journal ends with a later time.

    By how much is not known, but nothing is due later after that than it was when the server ended.
    """
    last_at = await queries.latest_time(connection)
    if last_at is not None and last_at - now >= LEAST_STEP:
        back = last_at - now
        count = await _follow(connection, back=back, now=now)
        log.info("clock.set_back", seconds=back // _SECOND, alerts=count)


async def _follow(connection: Connection, *, back: Micros, now: Micros) -> int:
    count = await outbox.bring_forward(connection, by=back)
    entry = journal.Entry(
        at=now,
        kind="clock.set_back",
        actor="server",
        subject="server",
        data={"micros": back, "alerts": count},
    )
    await journal.append(connection, [entry])
    return count
