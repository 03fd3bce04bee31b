"""Compares cases with what the provider's API says, and brings what no webhook delivered.

    begin → take → (ask → write) again and again → end, or wait for another day
                     │      └ news of a case: the same accepting path as a delivery's
                     └ what of it is news: news.py

Each write is one transaction: what is news is found in it, stored and decided, and the case counts
as checked. So whatever ends a run, and whoever goes on with it, no case is passed over and nothing
is told twice (docs/decisions/0040-reconciliation.md).
"""

from collections.abc import Callable, Collection
from typing import Final

from casebell.actors import Actor
from casebell.clock import HOUR, SECOND, Clock, new_request_id
from casebell.errors import UpstreamError, UpstreamLimited, UpstreamRedirected, UpstreamRefused
from casebell.events import Micros
from casebell.notify.channel import Channels
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.store import reconciliations, tracked
from casebell.store.engine import Connection, Store
from casebell.store.event_log import EventLog
from casebell.store.reconciliations import Run
from casebell.store.tracked import Tracked
from casebell.telemetry import Log
from casebell.upstream import summary
from casebell.upstream.client import UpstreamClient
from casebell.upstream.looks import Asking
from casebell.upstream.news import Classified
from casebell.upstream.stand import Stand, stand_of
from casebell.upstream.summary import Delivered
from casebell.upstream.writing import LEASE, NotOurs, Writing
from casebell.uscis.receipts import is_test

#: Cases between two writes, of an API that is asked for each alone.
SINGLY: Final = 5
#: Seconds until an API is asked again that failed as a whole, by how often it did.
PAUSES: Final = (60.0, 300.0, 900.0, 3_600.0)
#: A wait that people are told of: it is for the next day, and not for the next minute.
LONG: Final[Micros] = HOUR
#: Seconds between two looks at a run that another works on.
WATCH_EVERY: Final = 0.5
_REMOVED: Final = "It is no longer in the configuration, or was changed meanwhile."


class Reconciler:
    """Works on reconciliations, a piece at a time.

    Args:
        settings, channels: return those in force.
        classified: an event with the status that counts and its tags, by the rules in force.
        client: makes a client of an API, for `async with`.
        owner: this process, in leases.
        followed: called after a commit that put alerts into the outbox, with their channels.
        held_back: called after something was held, so that operations hear of it.
    """

    def __init__(
        self,
        *,
        store: Store,
        event_log: EventLog,
        settings: Callable[[], Settings],
        channels: Callable[[], Channels],
        classified: Classified,
        client: Callable[[UpstreamSettings], UpstreamClient],
        owner: str,
        clock: Clock,
        log: Log,
        followed: Callable[[Collection[str]], None] = lambda _: None,
        held_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._channels = channels
        self._client = client
        self._owner = owner
        self._clock = clock
        self._log = log
        self._followed = followed
        self._writing = Writing(
            store=store,
            event_log=event_log,
            classified=classified,
            owner=owner,
            clock=clock,
            log=log,
            held_back=held_back,
        )
        #: APIs whose run this process works on.
        self._busy: set[str] = set()

    async def go_on(
        self,
        upstream: UpstreamSettings,
        *,
        seconds: float,
        by: Actor,
        since: Micros | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[], None] = lambda: None,
        wait: bool = True,
    ) -> Stand:
        """Work on the run of an API for a while; begin one where none goes on.

        Args:
            seconds: how long at most, but for what is being asked.
            by: who begins it, for the journal.
            since: a run that begins takes the cases that were last checked before.
            stop: whether to leave it now, as at the end of a server.
            progress: called whenever it got on.
            wait: while another works on it, wait until that has got on.

        Raises:
            StorageUnavailable: what was written stays.
        """
        name = upstream.name
        until = self._clock.monotonic() + seconds
        run = await self._begin(upstream, by=by, since=since, progress=progress)
        if name not in self._busy:
            self._busy.add(name)
            try:
                if await self._take(run):
                    return await self._work(
                        upstream, run, until=until, stop=stop, progress=progress
                    )
            finally:
                self._busy.discard(name)
        return await self._watch(run, until=until if wait else 0.0, stop=stop)

    async def look_at(self, upstream: UpstreamSettings, receipt: str, *, by: Actor) -> Stand:
        """Look at one case at once, outside of any run.

        Args:
            by: who asks, for the journal.

        Raises:
            UpstreamError: the API tells nothing now.
        """
        name, request_id = upstream.name, new_request_id()

        async def row_of(connection: Connection) -> Tracked:
            await tracked.add_one(connection, name, receipt)
            await reconciliations.record_look(
                connection, name, receipt, request_id, now=self._clock.now(), actor=by
            )
            return (await tracked.rows_of(connection, name, [receipt]))[receipt]

        row = await self._store.transact(row_of)
        async with self._client(upstream) as api:
            asking = self._asking(api, upstream, request_id=request_id)
            looks, error = await asking.about([row], whole=True)
        if error is not None:
            raise error
        written = await self._writing.write(upstream, looks, run=None)
        await self._works_again(upstream)
        return Stand(
            upstream=name,
            run=None,
            checked=1,
            found=written.found,
            first_looks=written.first_looks,
            failed=written.failed,
            done=True,
            waits=next((look.problem for look in looks if look.problem), None),
        )

    async def stand(self, run: Run) -> Stand:
        """How far a run is now."""
        async with self._store.read() as connection:
            return await stand_of(connection, run, owner=self._owner, now=self._clock.now())

    # --- A run ------------------------------------------------------------------------------------

    async def _begin(
        self,
        upstream: UpstreamSettings,
        *,
        by: Actor,
        since: Micros | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> Run:
        async with self._store.read() as connection:
            running = await reconciliations.going_on(connection, upstream.name)
        if running is not None:
            return running
        after: str | None = ""
        while after is not None:
            after = await self._store.transact(
                tracked.add_missing, upstream.name, after=after, is_test=self._is_test
            )
            progress()
        now = self._clock.now()
        before = now if since is None else min(since, now)
        return await self._store.transact(
            reconciliations.begin, upstream.name, takes_before=before, now=now, by=by
        )

    async def _take(self, run: Run) -> bool:
        now = self._clock.now()
        return await self._store.transact(
            reconciliations.take,
            run.id,
            owner=self._owner,
            now=now,
            until=now + round(LEASE * SECOND),
            # Its lock says so.
            alone=self._store.is_sqlite,
        )

    async def _watch(self, run: Run, *, until: float, stop: Callable[[], bool]) -> Stand:
        """How far a run is that another works on, once that has changed."""
        before = stand = await self.stand(run)
        while self._clock.monotonic() < until and not stop():
            if stand.done or stand != before:
                break
            await self._clock.sleep(min(WATCH_EVERY, until - self._clock.monotonic()))
            stand = await self.stand(run)
        return stand

    async def _work(
        self,
        upstream: UpstreamSettings,
        run: Run,
        *,
        until: float,
        stop: Callable[[], bool],
        progress: Callable[[], None],
    ) -> Stand:
        try:
            async with self._client(upstream) as api:
                asking = self._asking(
                    api, upstream, request_id=reconciliations.request_id(run), progress=progress
                )
                while await self._piece(asking, upstream, run):
                    progress()
                    if self._settings().upstream.get(upstream.name) != upstream:
                        # The next call asks by the settings that are in force then.
                        await self._leave(run, waits=_REMOVED)
                        return await self.stand(run)
                    if self._clock.monotonic() >= until or stop():
                        await self._leave(run)
                        return await self.stand(run)
            await self._end(upstream, run)
        except NotOurs:
            pass
        except UpstreamError as error:
            await self._cannot(upstream, run, error)
        return await self.stand(run)

    async def _piece(self, asking: Asking, upstream: UpstreamSettings, run: Run) -> bool:
        """Look at the next few cases; False where none is left.

        Raises:
            UpstreamError: the API can tell of none now; what it told before that is written.
            NotOurs: another server works on the run.
        """
        size = upstream.batch if upstream.kind == "torch" else SINGLY
        async with self._store.read() as connection:
            rows = await tracked.next_cases(
                connection, upstream.name, before=run.takes_before, limit=size
            )
        if not rows:
            return False
        looks, error = await asking.about(rows)
        if looks:
            await self._writing.write(upstream, looks, run=run)
        if error is not None:
            raise error
        if any(look.present is not None for look in looks):
            await self._works_again(upstream)
        return True

    def _asking(
        self,
        api: UpstreamClient,
        upstream: UpstreamSettings,
        *,
        request_id: str,
        progress: Callable[[], None] = lambda: None,
    ) -> Asking:
        """What asks by the settings that are in force now, whatever becomes of them."""
        settings = self._settings()
        return Asking(
            api,
            source=settings.sources[upstream.source],
            test_receipts=settings.routing.test_receipts,
            clock=self._clock,
            request_id=request_id,
            progress=progress,
        )

    # --- Ends and pauses --------------------------------------------------------------------------

    async def _leave(self, run: Run, *, waits: str | None = None) -> None:
        await self._store.transact(reconciliations.leave, run.id, owner=self._owner, waits=waits)

    async def _end(self, upstream: UpstreamSettings, run: Run) -> None:
        by_webhooks = await self._delivered(upstream)

        async def end(connection: Connection) -> set[str]:
            if not await reconciliations.end(
                connection, run, owner=self._owner, now=self._clock.now()
            ):
                return set()
            return await self._tell(connection, upstream, by_webhooks)

        self._wake(await self._store.transact(end))
        self._log.info("upstream.reconciled", upstream=upstream.name, run=run.id)

    async def _cannot(self, upstream: UpstreamSettings, run: Run, error: UpstreamError) -> None:
        """Say that a run waits, and why."""
        now = self._clock.now()
        limited = isinstance(error, UpstreamLimited)
        async with self._store.read() as connection:
            before = (await reconciliations.find(connection, run.id)).failures
        failures = 0 if limited else before + 1
        pause = error.retry_after if isinstance(error, UpstreamLimited) else pause_after(failures)
        waits_until = now + round(pause * SECOND)
        by_webhooks = await self._delivered(upstream)

        async def wait(connection: Connection) -> set[str]:
            if not await reconciliations.leave(
                connection,
                run.id,
                owner=self._owner,
                waits=error.message,
                waits_until=waits_until,
                failures=failures,
            ):
                return set()
            if not limited:
                if not _is_told(upstream, error, failures=failures):
                    return set()
                fails = await summary.tell_of_failure(
                    connection, upstream, error, ops=self._channels().ops, now=now
                )
                # It may fail for days: what was found until then is not kept back so long.
                return fails | await self._tell(connection, upstream, by_webhooks)
            if waits_until - now < LONG:
                return set()
            left = await summary.tell_of_waiting(
                connection, upstream, run, error, ops=self._channels().ops, now=now
            )
            return left | await self._tell(connection, upstream, by_webhooks)

        self._log.warning("upstream.waits", upstream=upstream.name, run=run.id, code=error.code)
        self._wake(await self._store.transact(wait))

    async def _works_again(self, upstream: UpstreamSettings) -> None:
        async with self._store.read() as connection:
            if not await summary.fails(connection, upstream.name):
                return
        self._wake(
            await self._store.transact(
                summary.tell_of_recovery,
                upstream,
                ops=self._channels().ops,
                zone=self._settings().server.timezone,
                now=self._clock.now(),
            )
        )

    async def _delivered(self, upstream: UpstreamSettings) -> Delivered | None:
        async with self._store.read() as connection:
            return await summary.delivered(connection, upstream, now=self._clock.now())

    async def _tell(
        self, connection: Connection, upstream: UpstreamSettings, by_webhooks: Delivered | None
    ) -> set[str]:
        return await summary.tell(
            connection,
            upstream,
            by_webhooks=by_webhooks,
            channels=self._channels(),
            zone=self._settings().server.timezone,
            now=self._clock.now(),
        )

    def _wake(self, channels: Collection[str]) -> None:
        if channels:
            self._followed(channels)

    def _is_test(self, receipt: str) -> bool:
        return is_test(receipt, self._settings().routing.test_receipts)


def _is_told(upstream: UpstreamSettings, error: UpstreamError, *, failures: int) -> bool:
    """Whether operations hear that an API cannot be asked: at once of what no later try mends.

    One that fails now and then gets on, a piece at a time.
    """
    passes = getattr(error, "passes", not isinstance(error, UpstreamRefused | UpstreamRedirected))
    return not passes or failures > 1 or upstream.reconcile is None


def pause_after(failures: int) -> float:
    """Seconds until an API is asked again that has failed so often in a row."""
    return PAUSES[min(failures, len(PAUSES)) - 1]
