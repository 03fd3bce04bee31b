"""Everything that runs behind the HTTP surface: wired, opened, run, and given new settings.

The command line uses it without a server, `app` behind HTTP; `verbs` has what can be seen and done.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import casebell
from casebell.clock import Clock, SystemClock
from casebell.errors import StorageUnavailable, StoreInUse, StoreLocked
from casebell.events import AppendOutcome, Micros
from casebell.followup.loop import FollowUp
from casebell.loops import Loop
from casebell.notify import outward
from casebell.notify.alarm import StorageAlarm
from casebell.notify.clock_watch import follow_journal
from casebell.notify.delivery_watch import DeliveryWatch
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.self_tests import SelfTests
from casebell.notify.silence_watch import SilenceWatch
from casebell.ops_messages import OpsMessage, StoreCreated
from casebell.receive.accept import Receiver
from casebell.receive.explaining import message_on
from casebell.receive.refusals import Refusals
from casebell.route.router import Router
from casebell.service.access import Access
from casebell.service.case_directory import CaseDirectory
from casebell.service.case_list_watch import CaseListWatch
from casebell.service.feeds import Feeds
from casebell.service.links import SeenLinks
from casebell.service.passwords import Passwords
from casebell.settings import Settings
from casebell.store import journal, leases, ops, queries
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.liveness import Liveness
from casebell.store.streaks import Streak
from casebell.telemetry import Metrics, get_logger
from casebell.upstream.connections import Connections
from casebell.upstream.reconcile import Reconciler
from casebell.upstream.schedule import Schedule
from casebell.uscis.classify import prepare
from casebell.wiring import InForce, Wiring

#: Seconds that sends under way are given when the server ends.
SEND_GRACE = 4.0
#: The same of commands that hold the store when the server starts: between two of its pieces a long
#: one lets go of it, and one that asks a provider's API may take as long as that lets it wait.
COMMAND_GRACE = 60.0


class Runtime:
    """Everything behind the HTTP surface, wired and not yet started.

    Raises:
        ConfigError: a channel cannot be loaded, or a source cannot authenticate anybody.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, metrics: Metrics | None = None
    ) -> None:
        self.clock = clock = clock or SystemClock()
        self.log = log = get_logger()
        self.metrics = metrics = metrics or Metrics()
        self.in_force = in_force = InForce(Wiring.of(settings, clock=clock))
        outward.use(settings.outward)
        self.store = store = Store(settings.storage.url.get_secret_value())
        self._owner = owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.dispatcher = Dispatcher(
            store=store,
            channels=in_force.channels,
            owner=owner,
            clock=clock,
            metrics=metrics,
            log=log,
            elsewhere=self._channels_elsewhere,
            differs=self._settings_may_differ,
        )
        self.liveness = Liveness(
            store=store,
            owner=owner,
            clock=clock,
            log=log,
            channels=lambda: in_force.channels().by_name,
            settings=lambda: in_force.wiring.digests,
            changed=self.dispatcher.servers_changed,
        )
        self.delivery_watch = DeliveryWatch(
            store=store,
            ops=in_force.ops,
            sources=in_force.sources,
            explain=self._explain,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=self.dispatcher.wake,
        )
        self.router = Router(
            store=store,
            rulebook=in_force.rulebook,
            clock=clock,
            metrics=metrics,
            log=log,
            alerts_added=self.dispatcher.wake,
            wording_is_new=self.delivery_watch.wake,
        )
        self.event_log = EventLog(
            store=store,
            content_of=in_force.content_of,
            decide=self.router.decide,
            committed=self._committed,
        )
        self.refusals = Refusals(
            store=store,
            clock=clock,
            log=log,
            per_minute=lambda: in_force.server().refusals_per_minute,
            written=self.delivery_watch.wake,
        )
        self.receiver = Receiver(
            sources=in_force.sources,
            store=store,
            event_log=self.event_log,
            refusals=self.refusals,
            clock=clock,
            held_back=self.delivery_watch.wake,
        )
        self.silence_watch = SilenceWatch(
            store=store,
            settings=in_force.settings,
            ops=in_force.ops,
            came=self.receiver.last_delivery,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=self.dispatcher.wake,
        )
        self.self_tests = SelfTests(
            store=store,
            settings=in_force.settings,
            channels=in_force.channels,
            clock=clock,
            metrics=metrics,
            log=log,
            added=self.dispatcher.wake,
        )
        self.passwords = passwords = Passwords()
        self.access = Access(
            store=store, passwords=passwords, settings=in_force.console, clock=clock, log=log
        )
        self.feeds = Feeds(store=store, settings=in_force.settings, clock=clock)
        self.case_directory = CaseDirectory(store=store, clock=clock, people=in_force.people)
        self.seen_links = SeenLinks(store=store, people=in_force.people, clock=clock)
        self.case_list_watch = CaseListWatch(
            store=store,
            directory=self.case_directory,
            settings=in_force.settings,
            ops=in_force.ops,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=self.dispatcher.wake,
        )
        self.connections = connections = Connections(
            store=store, settings=in_force.settings, clock=clock
        )
        self.reconciler = reconciler = Reconciler(
            store=store,
            event_log=self.event_log,
            settings=in_force.settings,
            channels=in_force.channels,
            classified=lambda event: in_force.rulebook().classified(event),
            client=connections.open,
            owner=owner,
            clock=clock,
            log=log,
            followed=self.dispatcher.wake,
            held_back=self.delivery_watch.wake,
        )
        self.schedule = Schedule(
            store=store,
            reconciler=reconciler,
            settings=in_force.settings,
            clock=clock,
            metrics=metrics,
            log=log,
        )
        #: What opening the store came to, for the log.
        self._created: dict[str, object] = {}
        self._taken_up: dict[str, int] = {}
        self.follow_up = FollowUp(
            store=store,
            settings=in_force.settings,
            channels=in_force.channels,
            rulebook=in_force.rulebook,
            differs=self._settings_may_differ,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=self.dispatcher.wake,
        )
        self.alarm = StorageAlarm(
            store=store,
            channels=in_force.channels,
            open_store=self._open_later,
            recovered=self._recovered,
            clock=clock,
            log=log,
        )

    def prepare(self, settings: Settings) -> Wiring:
        """What a new configuration comes to, beside the one in force; raises as `Wiring.of`."""
        return Wiring.of(settings, clock=self.clock, replaces=self.in_force.wiring)

    def swap(self, wiring: Wiring) -> None:
        """Work by this from now on; what is under way ends as it began."""
        self.in_force.wiring = wiring
        outward.use(wiring.settings.outward)
        self.dispatcher.channels_changed()
        # What could not be decided by the old rules may be by the new.
        self.router.loop.wake()
        self.case_list_watch.wake()
        self.follow_up.wake()
        self.schedule.wake()

    async def storage_answers(self) -> bool:
        """Whether the storage can be read and written; raises as they do."""
        # On a full disk a transaction that writes nothing still succeeds.
        if self.alarm.failing:
            return False
        async with self.store.read() as connection:
            await journal.latest_sequence(connection)
        await self.store.probe()
        return True

    def loops_turn(self) -> bool:
        """Whether no loop has ended, and none is stuck."""
        others = (self.dispatcher, self.access, self.refusals, self.liveness, self.alarm)
        turn = all(loop.turns for loop in self._loops) and all(one.turns for one in others)
        return turn and self.event_log.alive

    @property
    def _loops(self) -> Sequence[Loop]:
        """Those that look into the tables, each for something to do."""
        return (
            self.router.loop,
            self.delivery_watch,
            self.silence_watch,
            self.self_tests,
            self.case_list_watch,
            self.follow_up,
            self.schedule,
        )

    async def settings_agree(self) -> bool | str:
        """Whether the servers on this database work by the same settings."""
        return "differs" if self.liveness.settings_differ() else True

    async def _explain(
        self, connection: Connection, streak: Streak, *, carried_proof: int, now: Micros
    ) -> OpsMessage:
        return await message_on(
            connection,
            streak,
            carried_proof=carried_proof,
            now=now,
            sources=self.in_force.settings().sources,
            timezone=self.in_force.timezone(),
        )

    def _channels_elsewhere(self) -> Collection[str] | None:
        return self.liveness.channels_elsewhere()

    def _settings_may_differ(self) -> bool:
        return self._channels_elsewhere() is None or self.liveness.settings_differ()

    def _committed(self, appended: Sequence[Appended]) -> None:
        self.router.committed(appended)
        if any(one.outcome is AppendOutcome.CONFLICT for one in appended):
            self.delivery_watch.wake()

    def changed(self) -> None:
        """Look again at what was refused or held, and at the outbox: something there is new."""
        self.delivery_watch.wake()
        self.dispatcher.wake()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The store open for writing, no loop running: for a command without a server."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.store.close)
            stack.push_async_callback(self._close_channels)
            await self.store.open(self._tell_of_new_store)
            yield

    async def _open(self) -> None:
        """Open the store for a server; raises as `Store.open` does."""
        await self.store.open(self._take_up, serving=True)
        # Not in the transaction, which may fail and be tried again.
        if self._created:
            self.log.warning("store.created", **self._created)
        self.log.info("server.took_up", **self._taken_up)

    async def _open_after_commands(self) -> None:
        """The same; a command that holds the store meanwhile is given time to let go of it."""
        last_moment = self.clock.monotonic() + COMMAND_GRACE
        told = False
        while True:
            try:
                return await self._open()
            except StoreInUse as error:
                if self.clock.monotonic() > last_moment:
                    raise
                if not told:
                    self.log.warning("store.in_use", message=error.message)
            told = True
            await self.clock.sleep(0.1)

    async def _open_later(self) -> None:
        try:
            await self._open()
        except StoreLocked as error:
            raise StorageUnavailable(error.message, hint=error.hint) from None

    def _recovered(self) -> None:
        """Have done what could not be while nothing could be stored."""
        self.refusals.wake()
        self.changed()
        self.router.loop.wake()

    async def _tell_of_new_store(self, connection: Connection, is_new: bool) -> None:
        """Tell operations that there was no database: it may be a first start, or a lost file."""
        if not is_new:
            return
        now, place, had_server = self.clock.now(), self.store.place, self.store.had_server
        self._created = {"place": place, "had_server": had_server}
        created = journal.Entry(
            at=now,
            kind="store.created",
            actor="server",
            subject="server",
            data={"place": place, "had_server": had_server},
        )
        await journal.append(connection, [created])
        message = StoreCreated(place=place, had_server=had_server, created_at=now)
        await ops.notify(connection, message, to=self.in_force.ops(), now=now)

    async def _close_channels(self) -> None:
        for channel in self.in_force.channels().by_name.values():
            await channel.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Every loop running; once the store is open, what an earlier process left is taken up."""
        # Not while a sender waits for its answer.
        prepare()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.store.close)
            stack.push_async_callback(self._close_channels)
            try:
                await self._open_after_commands()
            except StorageUnavailable as error:
                if not error.passes:
                    raise
                # Deliveries are answered 503 until `alarm` can open it, which tells operations.
            await stack.enter_async_context(self.liveness)
            await stack.enter_async_context(self.refusals)
            await stack.enter_async_context(self.access)
            stack.push_async_callback(self.seen_links.close)
            await stack.enter_async_context(self.dispatcher)
            for loop in self._loops:
                await stack.enter_async_context(loop)
            await stack.enter_async_context(self.event_log)
            await stack.enter_async_context(self.alarm)
            stack.push_async_callback(self._finish)
            stack.push_async_callback(self.feeds.close)
            yield

    async def _finish(self) -> None:
        """Let deliveries, sends and steps under way end.

        Together, since each may take all of its time where the database is silent. A step that is
        cut off while it opens a connection would leave that behind, and with it SQLite's log.
        """
        steps = [asyncio.ensure_future(loop.finish()) for loop in self._loops]
        await asyncio.gather(
            self.event_log.close(),
            self.dispatcher.close(grace=SEND_GRACE),
            asyncio.wait(steps, timeout=SEND_GRACE),
        )

    async def _take_up(self, connection: Connection, is_new: bool) -> None:
        now = self.clock.now()
        data = {"version": casebell.__version__, "config_sha256": self.in_force.settings().sha256}
        started = journal.Entry(
            at=now, kind="server.started", actor="server", subject="server", data=data
        )
        # On SQLite the lock proves that no other sender lives; on PostgreSQL `liveness` looks.
        alone = self.store.is_sqlite
        # Before anything is written with a time of today.
        await follow_journal(
            connection, owner=None if alone else self._owner, now=now, log=self.log
        )
        await self._tell_of_new_store(connection, is_new)
        left_over = await leases.release(connection, now=now) if alone else 0
        await journal.append(connection, [started])
        backlog = await queries.backlog(connection)
        self._taken_up = {"interrupted": left_over, **backlog}
