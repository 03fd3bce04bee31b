"""The loop that gives every event its decision: judge → fold → match → decide, in one transaction.

It reads the events that have none, in order of arrival, so whatever a crash left over is picked up.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.events import CaseEvent
from casebell.ops_messages import EventUndecided
from casebell.route.fresh import Fresh
from casebell.route.rulebook import Routed, Rulebook
from casebell.store import cases
from casebell.store.cases import Unrouted
from casebell.store.docket import Docket
from casebell.store.engine import Store
from casebell.store.tables import CoreTables, SqliteTables
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask

#: Events decided in one transaction.
BATCH = 256
#: More events than this waiting at once are a burst.
CROWD = 8
#: Events decided in one go, before others get their turn: less than a millisecond.
STRETCH = 8
#: Seconds between looks at the store when nobody rang: another server may have stored events.
POLL = 1.0
#: Seconds before an event that could not be routed is tried again.
DEFECT_WAIT = 60.0


class Router:
    """Decides about events; start it with `async with`.

    Args:
        rulebook: by what it decides.
        decided: called after each commit that may have put alerts into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        rulebook: Rulebook,
        clock: Clock,
        metrics: Metrics,
        log: Log,
        decided: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._rulebook = rulebook
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._decided = decided
        self._bell = asyncio.Event()
        self._fresh = Fresh()
        #: Events that routing stumbled over, and when to try them again (monotonic seconds).
        self._defects: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Router":
        self._task = asyncio.create_task(self._run(), name="router")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; what is not decided yet is decided after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def use(self, rulebook: Rulebook) -> None:
        """Decide by this from the next event on (E10)."""
        self._rulebook = rulebook

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Say that there may be something to decide."""
        self._bell.set()

    def take(self, stored: Sequence[tuple[int, CaseEvent]]) -> None:
        """Say what there is to decide: events just stored, by their ids; see `EventLog`."""
        self._fresh.keep(stored)
        self._bell.set()

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            try:
                while await self.route_waiting():
                    pass
            except StorageUnavailable:
                self._metrics.storage_errors.labels("route").inc()
            except Exception as error:  # noqa: BLE001 - a defect must not end the loop
                self._log.error("router.defect", error=error)
            # Not wait_for: on Python 3.11 it can swallow a cancellation that comes with the bell.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._bell.wait()

    async def route_waiting(self) -> bool:
        """Decide about one batch of waiting events; whether there was any."""
        now = self._clock.monotonic()
        resting = [event for event, until in self._defects.items() if until > now]
        ids = await cases.unrouted_ids(self._store, limit=BATCH, leave_out=resting)
        known = self._fresh.pick(ids)
        unknown = [number for number in ids if number not in known]
        read, broken = await cases.unrouted(self._store, unknown) if unknown else ([], {})
        for event_id, error in broken.items():
            await self._set_aside(event_id, error)
        waiting = sorted([*known.values(), *read], key=lambda one: one.id) if known else read
        if not waiting:
            return bool(broken)
        try:
            await self._route_batch(waiting)
        except StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one bad event must not stop the others
            for one in waiting:
                await self._route_alone(one)
        self._decided()
        return True

    async def _route_batch(self, waiting: Sequence[Unrouted]) -> None:
        """Read what is known of their cases, decide, write it all in one transaction."""
        if self._store.is_sqlite:
            # Nobody else decides, so the writer need not be held while we do.
            receipts = [one.event.receipt for one in waiting]
            docket = await self._store.read_at_once(
                lambda bare: Docket.load_at_once(bare, receipts)
            )
            told = await self._decide(docket, waiting)
            await self._store.write_at_once(
                lambda bare: docket.write(SqliteTables(bare)),
                # In a burst what comes in is first; a single case's alert does not wait.
                patient=len(waiting) > CROWD,
            )
        else:
            async with self._store.write() as connection:
                # Another server may have decided about some since they were read.
                open_still = await cases.still_unrouted(connection, [one.id for one in waiting])
                mine = [one for one in waiting if one.id in open_still]
                docket = await Docket.load(connection, [one.event.receipt for one in mine])
                told = await self._decide(docket, mine)
                await connection.run_sync(lambda core: docket.write(CoreTables(core)))
        for outcome, number in Counter(one.outcome for one in told).items():
            self._metrics.decisions.labels(outcome).inc(number)
        for one in told:
            self._defects.pop(one.id, None)
            event = one.event
            self._log.info(
                "event.routed",
                row=one.id,
                source=event.source,
                receipt=mask(event.receipt),
                status=event.status.value,
                outcome=one.outcome.value,
                change=one.change_id,
            )

    async def _decide(self, docket: Docket, waiting: Sequence[Unrouted]) -> list[Routed]:
        told = []
        for place, one in enumerate(waiting, start=1):
            told.append(self._rulebook.route(docket, one, now=self._clock.now()))
            if place % STRETCH == 0:
                # Deliveries that came meanwhile are answered first.
                await asyncio.sleep(0)
        return told

    async def _route_alone(self, one: Unrouted) -> None:
        try:
            await self._route_batch([one])
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - kept, told, and tried again
            await self._set_aside(one.id, error)

    async def _set_aside(self, event_id: int, error: Exception) -> None:
        """Try it again later; operations are told once."""
        self._defects[event_id] = self._clock.monotonic() + DEFECT_WAIT
        self._log.error("event.defect", row=event_id, error=error)
        async with self._store.write() as connection:
            await self._rulebook.ops.notify(
                connection, EventUndecided(event=event_id), now=self._clock.now()
            )
        self._decided()
