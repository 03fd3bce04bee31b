"""Which servers are alive, on PostgreSQL, where several may share a database.

Each server holds a session of its own, with an advisory lock named after the server. PostgreSQL
releases the lock with the session. So the others see within seconds that a server was killed, and
its alerts are sent before their leases run out. On SQLite the lock on the file serves instead.
"""

import asyncio
import zlib
from collections.abc import Callable

from sqlalchemy import text

from casebell.clock import Clock
from casebell.loops import Loop
from casebell.store import leases
from casebell.store.circuit_breaker import USE_TIMEOUT
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log

#: Seconds between two checks; each also keeps the session in use.
CHECK_EVERY = 1.0
#: Seconds that an owner must be without a session. After a restart of the database the living
#: servers need a moment to reconnect.
MISSED_FOR = 5.0
#: The first of the two numbers of each advisory lock of ours.
SPACE = 0x4342_6C76


class Liveness:
    """Shows that this server lives, and releases the leases of dead ones: `async with`.

    Args:
        owner: the owner of this server's leases.
        released: called after leases were released.
    """

    def __init__(
        self,
        *,
        store: Store,
        owner: str,
        clock: Clock,
        log: Log,
        released: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock
        self._log = log
        self._released = released
        #: Owners without a session, and since when (monotonic seconds).
        self._missed: dict[str, float] = {}
        self._loop = Loop(
            self._watch,
            name="liveness",
            every=CHECK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=self._forget_missed,
        )

    async def __aenter__(self) -> "Liveness":
        if not self._store.is_sqlite:
            await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; the lock ends with the session."""
        await self._loop.__aexit__()

    async def _watch(self) -> None:
        async with self._store.session() as session:
            async with asyncio.timeout(USE_TIMEOUT):
                # Shared, so that two owners with the same number do not block each other.
                await session.execute(
                    text("SELECT pg_advisory_lock_shared(:space, :name)"),
                    {"space": SPACE, "name": number(self._owner)},
                )
            while True:
                await self._check(session)
                await self._clock.sleep(CHECK_EVERY)

    def _forget_missed(self) -> None:
        # Nothing is known of the others while the database does not answer.
        self._missed = {}

    async def _check(self, session: Connection) -> None:
        async with asyncio.timeout(USE_TIMEOUT):
            present = set((await session.execute(_PRESENT, {"space": SPACE})).scalars())
            holders = await leases.holders(session)
        absent = {
            owner for owner in holders if owner != self._owner and number(owner) not in present
        }
        now = self._clock.monotonic()
        self._missed = {owner: self._missed.get(owner, now) for owner in absent}
        dead = [owner for owner, since in self._missed.items() if now - since >= MISSED_FOR]
        if not dead:
            return
        count = await self._store.transact(leases.release, now=self._clock.now(), owners=dead)
        if count:
            self._log.info("server.took_over", interrupted=count)
            self._released()


def number(owner: str) -> int:
    """An owner as the second number of its lock."""
    return zlib.crc32(owner.encode()) & 0x7FFF_FFFF


_PRESENT = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = :space AND objsubid = 2"
)
