"""Tells operations of deliveries that were held or refused: at once, then hourly.

Everything that decides about it is in the tables, so a restart neither repeats nor mutes it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.ops_messages import DeliveriesHeld, DeliveriesRefused, OpsMessage
from casebell.store import held, refused
from casebell.store.engine import Connection, Store
from casebell.store.ops import OpsTargets, known_subjects, subject_of
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
        async with self._store.read() as connection:
            found = await _found(connection)
            subjects = [subject_of(message, now=now) for message, _ in found]
            known = await known_subjects(connection, subjects) if subjects else set()
        due = [one for one, subject in zip(found, subjects, strict=True) if subject not in known]
        if not due:
            return
        ops = self._ops()
        async with self._store.write() as connection:
            for message, mark_told in due:
                # Another server may have told it in the meantime, of fewer.
                if await ops.notify(connection, message, now=now):
                    await mark_told(connection, now=now)
        self._told()


async def _found(connection: Connection) -> list[tuple[OpsMessage, Callable[..., Awaitable[None]]]]:
    """What operations have not heard of, each with the way to note that they have."""
    found: list[tuple[OpsMessage, Callable[..., Awaitable[None]]]] = []
    for row in await held.untold(connection):
        message = DeliveriesHeld(
            source=row.source,
            reason=row.reason,
            detail=row.detail,
            count=row.number,
            first_held=row.first,
        )
        told = partial(held.mark_told, source=row.source, reason=row.reason, last=row.last)
        found.append((message, told))
    for row in await refused.rising(connection):
        rise = DeliveriesRefused(source=row.source, count=row.number)
        found.append((rise, partial(refused.mark_told, source=row.source, last=row.last)))
    return found
