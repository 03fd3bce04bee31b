"""Everything behind the HTTP surface: wired from settings, opened, run, and given new settings.

Wiring knows every part; the command line uses it without a server, `app` behind HTTP.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

import casebell
from casebell.clock import Clock, SystemClock
from casebell.notify.alarm import StorageAlarm
from casebell.notify.channel import Channels
from casebell.notify.clock_watch import follow_journal
from casebell.notify.delivery_watch import DeliveryWatch
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.load import load_channels
from casebell.receive.accept import Receiver, desks
from casebell.receive.bodies import same_content
from casebell.receive.refusals import Refusals
from casebell.reload import Swap
from casebell.route.router import Router
from casebell.route.rulebook import Rulebook
from casebell.route.rules import compile_rules
from casebell.route.verdict import Meanings
from casebell.service.operations import Operations
from casebell.service.reading import Reading
from casebell.settings import Settings
from casebell.store import journal, leases, queries
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.presence import Presence
from casebell.telemetry import Log, Metrics, get_logger
from casebell.uscis.classify import classify

#: Seconds that sends under way are given when the server ends.
SEND_GRACE = 4.0


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Everything behind the HTTP surface, wired and not yet started."""

    settings: Settings
    clock: Clock
    log: Log
    metrics: Metrics
    store: Store
    event_log: EventLog
    refusals: Refusals
    receiver: Receiver
    router: Router
    delivery_watch: DeliveryWatch
    dispatcher: Dispatcher
    operations: Operations
    reading: Reading
    alarm: StorageAlarm
    presence: Presence
    #: By source, of those that are gone, too: what they delivered may still be on its way.
    volatile: dict[str, Sequence[str]]

    @classmethod
    def wire(
        cls, settings: Settings, *, clock: Clock | None = None, metrics: Metrics | None = None
    ) -> Self:
        """Put the parts together.

        Raises:
            ConfigError: a channel cannot be loaded, or a source cannot authenticate anybody.
        """
        clock = clock or SystemClock()
        log = get_logger()
        metrics = metrics or Metrics()
        store = Store(settings.storage.url.get_secret_value())
        channels = load_channels(settings, clock=clock)
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        dispatcher = Dispatcher(
            store=store,
            channels=channels,
            owner=owner,
            clock=clock,
            metrics=metrics,
            log=log,
        )
        router = Router(
            store=store,
            rulebook=_rulebook(settings, channels),
            clock=clock,
            metrics=metrics,
            log=log,
            decided=dispatcher.wake,
        )
        volatile = _volatile(settings)

        def same(source: str, first: bytes, other: bytes) -> bool:
            return same_content(first, other, volatile[source])

        def committed(appended: Sequence[Appended]) -> None:
            router.committed([one.decided for one in appended if one.decided is not None])

        event_log = EventLog(
            store=store, same_content=same, decide=router.decide, committed=committed
        )
        delivery_watch = DeliveryWatch(
            store=store,
            ops=lambda: dispatcher.channels.ops,
            clock=clock,
            metrics=metrics,
            log=log,
            followed=dispatcher.wake,
        )
        refusals = Refusals(
            store=store,
            clock=clock,
            log=log,
            per_minute=settings.server.refusals_per_minute,
            written=delivery_watch.wake,
        )

        def look_again() -> None:
            delivery_watch.wake()
            dispatcher.wake()

        return cls(
            settings=settings,
            clock=clock,
            log=log,
            metrics=metrics,
            store=store,
            volatile=volatile,
            event_log=event_log,
            refusals=refusals,
            receiver=Receiver(
                sources=settings.sources,
                store=store,
                event_log=event_log,
                refusals=refusals,
                clock=clock,
                held_back=delivery_watch.wake,
            ),
            router=router,
            delivery_watch=delivery_watch,
            dispatcher=dispatcher,
            operations=Operations(
                store=store,
                settings=settings,
                dispatcher=dispatcher,
                event_log=event_log,
                clock=clock,
                changed=look_again,
            ),
            reading=Reading(store=store, timezone=settings.server.timezone, clock=clock),
            alarm=StorageAlarm(
                store=store,
                channels=lambda: dispatcher.channels,
                clock=clock,
                log=log,
            ),
            presence=Presence(
                store=store, owner=owner, clock=clock, log=log, released=dispatcher.wake
            ),
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The store open for writing, no loop running: for a command without a server."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.store)
            stack.push_async_callback(self._close_channels)
            yield

    async def _close_channels(self) -> None:
        for channel in self.dispatcher.channels.by_name.values():
            await channel.close()

    def prepare(self, old: Settings, new: Settings) -> Swap:
        """Load and check all that is new; what is returned puts it to use (decision E10).

        May run in a thread.

        Args:
            old: the settings in force.

        Raises:
            ConfigError: a channel cannot be loaded, or a source cannot authenticate anybody.
        """
        channels = load_channels(new, clock=self.clock, running=(old, self.dispatcher.channels))
        prepared = desks(new.sources)
        rulebook = _rulebook(new, channels)

        def swap() -> None:
            # In one go, without an `await`: nothing ever sees a part of it.
            self.volatile.update(_volatile(new))
            self.receiver.use(prepared)
            self.refusals.use(per_minute=new.server.refusals_per_minute)
            self.router.use(rulebook)
            self.dispatcher.use(channels)
            self.operations.use(new)
            self.reading.timezone = new.server.timezone

        return swap

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The store open and every loop running; what an earlier process left over is taken up."""
        # The table is read at its first use, which takes a few hundred milliseconds: not while a
        # sender waits for its answer, though routing reads texts only after that.
        classify("")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.opened())
            await self._take_up()
            await stack.enter_async_context(self.presence)
            await stack.enter_async_context(self.refusals)
            await stack.enter_async_context(self.dispatcher)
            stack.push_async_callback(self.dispatcher.close, grace=SEND_GRACE)
            await stack.enter_async_context(self.router.loop)
            await stack.enter_async_context(self.delivery_watch)
            await stack.enter_async_context(self.event_log)
            await stack.enter_async_context(self.alarm)
            yield

    async def _take_up(self) -> None:
        now = self.clock.now()
        data = {"version": casebell.__version__, "config_sha256": self.settings.sha256}
        started = journal.Entry(
            at=now, kind="server.started", actor="server", subject="server", data=data
        )

        async def take_up(connection: Connection) -> dict[str, int]:
            # Before anything is written with a time of today.
            await follow_journal(connection, now=now, log=self.log)
            # On SQLite the lock proves that no other sender lives; on PostgreSQL `presence` looks.
            left_over = await leases.release(connection, now=now) if self.store.is_sqlite else 0
            await journal.append(connection, [started])
            return {"interrupted": left_over, **await queries.backlog(connection)}

        self.log.info("server.took_up", **await self.store.transact(take_up))


def _volatile(settings: Settings) -> dict[str, Sequence[str]]:
    """The fields of each source that may differ between two deliveries of one event."""
    return {name: source.volatile for name, source in settings.sources.items()}


def _rulebook(settings: Settings, channels: Channels) -> Rulebook:
    """By what events are judged and decided about."""
    return Rulebook(
        meanings=Meanings(
            kinds={name: source.kind for name, source in settings.sources.items()},
            categories={name: source.categories for name, source in settings.sources.items()},
            test_receipts=settings.routing.test_receipts,
        ),
        rules=compile_rules(settings.rules),
        targets=channels.escalation.targets,
        ops=channels.ops,
        coalesce=settings.routing.coalesce,
        repeat_within=settings.routing.repeat_within,
    )
