"""Moves the due times of alerts when the wall clock is set back.

An alert is due at a time of the wall clock, because it must outlive the process. If the clock is
set back an hour, an alert that waits five seconds would wait an hour and five seconds; so all due
times are moved back as well. A clock that is set forward only ends waits early, without harm.
"""

from collections.abc import Callable

from casebell.clock import SECOND, Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.store import escalations, journal, outbox
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log

#: Seconds between two checks.
CHECK_EVERY = 1.0
#: Shortest step that is followed; a shorter one delays an alert only by its own length.
MIN_STEP: Micros = 2_000_000


class ClockWatch(Loop):
    """Compares the wall clock with the monotonic one; start it with `async with`.

    Args:
        owner: the owner of this server's leases.
        followed: called after due times were moved.
    """

    def __init__(
        self, *, store: Store, owner: str, clock: Clock, log: Log, followed: Callable[[], None]
    ) -> None:
        # While the storage fails nothing is claimed either, and the step is found afterwards.
        super().__init__(self._check, name="clock-watch", every=CHECK_EVERY, clock=clock, log=log)
        self._store = store
        self._owner = owner
        self._followed = followed

    def start(self) -> None:
        """Begin; `follow_journal` has followed every step before."""
        self._ahead = self._wall_ahead()
        super().start()

    def _wall_ahead(self) -> Micros:
        """How far the wall clock is ahead of the monotonic one."""
        return self._clock.now() - round(self._clock.monotonic() * SECOND)

    async def _check(self) -> None:
        ahead = self._wall_ahead()
        back = self._ahead - ahead
        if back >= MIN_STEP:
            now = self._clock.now()
            count = await self._store.transact(_follow, back=back, owner=self._owner, now=now)
            self._log.info("clock.set_back", seconds=back // SECOND, alerts=count)
            self._followed()
        self._ahead = ahead


async def follow_journal(
    connection: Connection, *, owner: str | None, now: Micros, log: Log
) -> None:
    """Follow a clock that was set back while no server ran: the journal ends with a later time.

    The step is at least the difference, by which due times are moved.

    Args:
        owner: as of `outbox.bring_forward`.
    """
    last_at = await journal.latest_time(connection)
    if last_at is not None and last_at - now >= MIN_STEP:
        back = last_at - now
        count = await _follow(connection, back=back, owner=owner, now=now)
        log.info("clock.set_back", seconds=back // SECOND, alerts=count)


async def _follow(connection: Connection, *, back: Micros, owner: str | None, now: Micros) -> int:
    count = await outbox.bring_forward(connection, by=back, owner=owner)
    running = await escalations.bring_forward(connection, by=back)
    entry = journal.Entry(
        at=now,
        kind="clock.set_back",
        actor="server",
        subject="server",
        data={"micros": back, "alerts": count, "escalations": running},
    )
    await journal.append(connection, [entry])
    return count
