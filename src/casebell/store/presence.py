"""Who is alive: on PostgreSQL, where several servers may share a database.

A server holds a session of its own, with an advisory lock named after it. PostgreSQL ends the lock
with the session, so a server that was killed is seen to be dead within seconds, and what it was
sending need not wait until its lease runs out. On SQLite the lock on the file says the same.
"""

import asyncio
import zlib
from collections.abc import Callable

from sqlalchemy import text

from casebell.clock import Clock
from casebell.loops import Loop
from casebell.store import leases
from casebell.store.engine import Connection, Store
from casebell.store.silence import LIMIT
from casebell.telemetry import Log

#: Seconds between two looks; each also keeps the session in use.
LOOK_EVERY = 1.0
#: Seconds for which an owner must be missed. A database that was started again has cut off the
#: living, too, and they need a moment to come back.
MISSED_FOR = 5.0
#: Ours among a database's advisory locks: the first of the two numbers that name each.
SPACE = 0x4342_6C76


class Presence:
    """Shows that this server lives and gives up the leases of those that do not: `async with`.

    Args:
        owner: how the leases of this server are named.
        released: called after leases were given up.
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
            name="presence",
            every=LOOK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=self._miss_nobody,
        )

    async def __aenter__(self) -> "Presence":
        if not self._store.is_sqlite:
            await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; the lock ends with the session."""
        await self._loop.__aexit__()

    async def _watch(self) -> None:
        async with self._store.session() as session:
            async with asyncio.timeout(LIMIT):
                # Shared, so that two names with one number do not wait for each other.
                await session.execute(
                    text("SELECT pg_advisory_lock_shared(:space, :name)"),
                    {"space": SPACE, "name": number(self._owner)},
                )
            while True:
                await self._look(session)
                await self._clock.sleep(LOOK_EVERY)

    def _miss_nobody(self) -> None:
        # While nothing answers.
        self._missed = {}

    async def _look(self, session: Connection) -> None:
        async with asyncio.timeout(LIMIT):
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
