"""Decides every event in the transaction that stores it, or later if that failed.

A bad rule can never cost a delivery. An event whose decision fails is stored undecided, and
operations are told. The same code decides it at the next start, at each reload and once a minute.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache

from casebell.alerts import Decided
from casebell.clock import Clock
from casebell.events import Flag, Micros, Origin, Undecided, is_first_look
from casebell.loops import Loop
from casebell.ops_messages import EventUndecided
from casebell.people.roster import absences_at
from casebell.route.rulebook import Rulebook
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended
from casebell.store.statements import Driver
from casebell.store.unit_of_work import UnitOfWork, any_undecided, read_undecided
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask_in_log

#: Undecided events that one transaction of the loop decides.
UNDECIDED_BATCH = 256
#: Seconds between two attempts to decide undecided events.
RETRY_EVERY = 60.0


class Router:
    """Decides events; its loop decides those that are stored undecided.

    Args:
        rulebook: returns the rulebook in force.
        alerts_added: called after a commit that put alerts into the outbox, with their channels.
        wording_is_new: called after a commit of a text that nobody has read yet.
    """

    def __init__(
        self,
        *,
        store: Store,
        rulebook: Callable[[], Rulebook],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        alerts_added: Callable[[Collection[str]], None] = lambda _: None,
        wording_is_new: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._rulebook = rulebook
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._alerts_added = alerts_added
        self._wording_is_new = wording_is_new
        self._decisions = cache(metrics.decisions.labels)
        self._changes = {
            Origin.WEBHOOK: cache(metrics.changes_delivered.labels),
            Origin.RECONCILED: cache(metrics.changes_found.labels),
        }
        #: Channels of alerts that the next commit puts into the outbox.
        self._channels: set[str] = set()
        #: Decides undecided events.
        self.loop = Loop(
            self.decide_again,
            name="router",
            clock=clock,
            log=log,
            every=RETRY_EVERY,
            at_once=True,
            storage_fails=metrics.storage_errors.labels("route").inc,
        )

    def decide(self, unit: UnitOfWork) -> list[Decided]:
        """Decide the new events of a transaction; those that fail stay undecided."""
        now = self._clock.now()
        found = (self._decide(unit, one, now=now) for one in unit.undecided)
        return [one for one in found if one is not None]

    def committed(self, appended: Sequence[Appended]) -> None:
        """Count decisions that are on disk, and wake the channels of their alerts."""
        self._committed([one.decided for one in appended if one.decided is not None])

    def _committed(self, decided: Sequence[Decided]) -> None:
        for one in decided:
            self._decisions(one.outcome._value_).inc()
            if one.decision is not None and not is_first_look(one.event.flags):
                self._changes[one.event.origin](one.event.source).inc()
        if any(Flag.UNKNOWN_WORDING in one.event.flags for one in decided):
            self._wording_is_new()
        channels, self._channels = self._channels, set()
        if channels:
            self._alerts_added(channels)

    async def decide_again(self) -> None:
        """Decide undecided events, oldest first."""
        async with self._store.read() as connection:
            if not await any_undecided(connection):
                return
        after = 0
        while ids := await self._decide_batch(after=after):
            self.loop.progress()
            after = ids[-1]
            if len(ids) < UNDECIDED_BATCH:
                return

    async def _decide_batch(self, *, after: int) -> list[int]:
        """Decide a batch of undecided events; return their ids, in order."""

        async def write(connection: Connection) -> tuple[list[int], list[Decided]]:
            found, broken = await read_undecided(connection, after=after, limit=UNDECIDED_BATCH)
            unit = UnitOfWork(await Driver.of(connection))
            await unit.load([one.event for one in found])
            now = self._clock.now()
            for event_id, error in broken.items():
                self._leave_undecided(unit, event_id, error, now=now)
            decided = [self._decide(unit, one, now=now) for one in found]
            await unit.write()
            return (
                sorted([*broken, *(one.id for one in found)]),
                [one for one in decided if one is not None],
            )

        ids, decided = await self._store.transact(write)
        self._committed(decided)
        for one in decided:
            self._log.info(
                "event.decided",
                row=one.id,
                source=one.event.source,
                receipt=mask_in_log(one.event.receipt),
                status=one.status_in_log,
                decision=one.outcome.value,
                change=one.change.id,
            )
        return ids

    def _decide(self, unit: UnitOfWork, one: Undecided, *, now: Micros) -> Decided | None:
        receipt = one.event.receipt
        try:
            decided = self._rulebook().decide(
                one,
                history=unit.history(receipt),
                case=unit.case(receipt),
                next_change=unit.next_change,
                now=now,
                away=absences_at(unit.absences, now),
            )
            unit.decide(decided, now=now)
            self._channels.update(alert.channel for alert in decided.alerts)
        except Exception as error:  # noqa: BLE001 - the event stays undecided
            self._leave_undecided(unit, one.id, error, now=now)
            return None
        return decided

    def _leave_undecided(
        self, unit: UnitOfWork, event_id: int, error: Exception, *, now: Micros
    ) -> None:
        """Log the error; operations are told once for each event."""
        self._log.error("event.defect", row=event_id, error=error)
        alerts = self._rulebook().ops.alerts_for(EventUndecided(event=event_id), now=now)
        unit.add_alerts(alerts, now=now)
        self._channels.update(alert.channel for alert in alerts)
