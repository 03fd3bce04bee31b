"""Which servers are alive, on PostgreSQL, where several may share a database.

Each server holds a session of its own, with an advisory lock named after the server. PostgreSQL
releases the lock with the session. So the others see within seconds that a server was killed, and
its alerts are sent before their leases run out. On SQLite the lock on the file serves instead.

Each server also writes down by which settings it works, so that the others can tell which channels
somebody has, and say that their settings differ.
"""

import asyncio
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from casebell.clock import Clock
from casebell.loops import Loop
from casebell.store import leases, reconciliations, servers
from casebell.store.circuit_breaker import USE_TIMEOUT
from casebell.store.engine import Connection, Store
from casebell.store.servers import Server
from casebell.telemetry import Log

#: Seconds between two checks; each also keeps the session in use.
CHECK_EVERY = 1.0
#: Seconds that an owner must be without a session. After a restart of the database the living
#: servers need a moment to reconnect.
MISSED_FOR = 5.0
#: The first of the two numbers of each advisory lock of ours.
SPACE = 0x4342_6C76


@dataclass(frozen=True, kw_only=True, slots=True)
class Living:
    """A server that lives, as seen from one of them."""

    server: Server
    #: The sections of the settings that are others there.
    differs: Sequence[str] = ()
    this_one: bool = False


class Liveness:
    """Shows that this server lives, and releases the leases of dead ones: `async with`.

    Args:
        owner: the owner of this server's leases.
        channels: returns the names of the channels in force.
        settings: returns, by section, the digest of the settings in force.
        changed: called when other servers came, went, or changed their settings, and after leases
            of dead ones were released.
    """

    def __init__(
        self,
        *,
        store: Store,
        owner: str,
        clock: Clock,
        log: Log,
        channels: Callable[[], Collection[str]] = tuple,
        settings: Callable[[], Mapping[str, str]] = dict,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock
        self._log = log
        self._channels = channels
        self._settings = settings
        self._changed = changed
        self._started_at = clock.now()
        #: This server as the others see it.
        self._published: Server | None = None
        #: The other servers that live; None while that is not known.
        self._others: Sequence[Server] | None = () if store.is_sqlite else None
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

    @property
    def turns(self) -> bool:
        """Whether it runs, and is not stuck; on SQLite there is nothing to run."""
        return self._store.is_sqlite or self._loop.turns

    def channels_elsewhere(self) -> Collection[str] | None:
        """The channels of the other servers that live; None while that is not known."""
        if self._others is None:
            return None
        return {name for other in self._others for name in other.channels}

    def settings_differ(self) -> bool:
        """Whether another server that lives works by other settings."""
        ours = self._settings()
        return any(other.settings != ours for other in self._others or ())

    def living(self) -> Sequence[Living]:
        """The servers that live, this one first.

        Not those of an earlier release, which do not say by which settings they work, and none but
        this one while the database does not answer.
        """
        here = self._this_one()
        others = [
            Living(server=one, differs=_differing(one.settings, here.settings))
            for one in self._others or ()
        ]
        return [Living(server=here, this_one=True), *others]

    def known(self) -> Sequence[Living] | None:
        """The same; None while it is not known who lives, or by which settings."""
        return None if self._others is None else self.living()

    def _this_one(self) -> Server:
        return Server(
            name=self._owner,
            started_at=self._started_at,
            channels=frozenset(self._channels()),
            settings=self._settings(),
        )

    async def _watch(self) -> None:
        async with self._store.session() as session:
            async with asyncio.timeout(USE_TIMEOUT):
                # Shared, so that two owners with the same number do not block each other.
                await session.execute(
                    text("SELECT pg_advisory_lock_shared(:space, :name)"),
                    {"space": SPACE, "name": number(self._owner)},
                )
            while True:
                self._loop.progress()
                await self._publish()
                await self._check(session)
                await self._clock.sleep(CHECK_EVERY)

    def _forget_missed(self) -> None:
        # Nothing is known of the others while the database does not answer.
        self._missed = {}
        self._others = None

    async def _publish(self) -> None:
        server = self._this_one()
        if server != self._published:
            await self._store.transact(servers.publish, server)
            self._published = server

    async def _check(self, session: Connection) -> None:
        async with asyncio.timeout(USE_TIMEOUT):
            present = set((await session.execute(_PRESENT, {"space": SPACE})).scalars())
            holders = await leases.holders(session)
            known = [one for one in await servers.known(session) if one.name != self._owner]
        self._see([one for one in known if number(one.name) in present], present)
        absent = {
            owner
            for owner in {*holders, *(one.name for one in known)}
            if owner != self._owner and number(owner) not in present
        }
        now = self._clock.monotonic()
        self._missed = {owner: self._missed.get(owner, now) for owner in absent}
        dead = [owner for owner, since in self._missed.items() if now - since >= MISSED_FOR]
        if not dead:
            return

        async def bury(connection: Connection) -> int:
            await servers.remove(connection, dead)
            await reconciliations.release(connection, owners=dead)
            return await leases.release(connection, now=self._clock.now(), owners=dead)

        if count := await self._store.transact(bury):
            self._log.info("server.took_over", interrupted=count)
            self._changed()

    def _see(self, living: Sequence[Server], present: Collection[int]) -> None:
        """Note who lives; a server that has not written down its settings may work by any."""
        silent = set(present) - {number(self._owner), *(number(one.name) for one in living)}
        before, self._others = self._others, None if silent else living
        if self._others == before:
            return
        if self._others and self.settings_differ():
            self._log.warning("settings.differ", servers=[one.name for one in self._others])
        self._changed()


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> Sequence[str]:
    """The sections whose settings are not the same."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def number(owner: str) -> int:
    """An owner as the second number of its lock."""
    return zlib.crc32(owner.encode()) & 0x7FFF_FFFF


_PRESENT = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = :space AND objsubid = 2"
)
