"""Tells operations of deliveries that were held or refused: at once, then hourly.

Everything that decides about it is in the tables, so a restart neither repeats nor mutes it.
"""

import asyncio
import contextlib
from collections.abc import Callable

from casebell.clock import HOUR, Clock
from casebell.errors import StorageUnavailable
from casebell.store import held, refused
from casebell.store.engine import Store
from casebell.store.ops import OpsTargets, known_subjects
from casebell.telemetry import Log, Metrics

#: Seconds between looks when nothing woke it: for what waits for the next hour.
POLL = 10.0


class DeliveryWatch:
    """Looks for what operations have not heard of; start it with `async with`.

    Args:
        ops: where operations read now; it may change while this runs.
        told: called after messages were put into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        ops: Callable[[], OpsTargets],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._ops = ops
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._told = told
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "DeliveryWatch":
        self._task = asyncio.create_task(self._run(), name="delivery-watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; what was not told is told after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Say that a delivery was held or refused."""
        self._wakeup.set()

    async def _run(self) -> None:
        while True:
            self._wakeup.clear()
            try:
                await self.look()
            except StorageUnavailable:
                self._metrics.storage_errors.labels("notify").inc()
            except Exception as error:  # noqa: BLE001 - a defect must not end the loop
                self._log.error("deliveries.watch_defect", error=error)
            # Not wait_for: on Python 3.11 it can swallow a cancellation that comes with a wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wakeup.wait()

    async def look(self) -> None:
        """Tell what is due: once an hour for each source and reason.

        What came since operations were told waits for the next hour; it is not passed over.
        """
        now = self._clock.now()
        hour = now // HOUR
        async with self._store.read() as connection:
            held_by_subject = {
                f"held:{row.source}:{row.reason}:{hour}": row
                for row in await held.untold(connection)
            }
            refused_by_subject = {
                f"refusals:{row.source}:{hour}": row for row in await refused.rising(connection)
            }
            subjects = held_by_subject.keys() | refused_by_subject.keys()
            due = subjects - await known_subjects(connection, subjects) if subjects else set()
        if not due:
            return
        ops = self._ops()
        async with self._store.write() as connection:
            for subject, row in held_by_subject.items():
                note = (
                    "held",
                    row.source,
                    f"{row.reason}. {row.detail}",
                    str(row.count),
                    str(row.first),
                )
                # Another server may have told it in the meantime, of fewer.
                if subject in due and await ops.notify(connection, subject, note, now=now):
                    await held.mark_told(
                        connection, source=row.source, reason=row.reason, last=row.last, now=now
                    )
            for subject, row in refused_by_subject.items():
                rise = ("refusals", row.source, str(row.number))
                if subject in due and await ops.notify(connection, subject, rise, now=now):
                    await refused.mark_told(connection, source=row.source, last=row.last, now=now)
        self._told()
