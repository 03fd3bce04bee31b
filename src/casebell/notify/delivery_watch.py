"""Tells operations of deliveries that were held or refused: at once, then hourly.

Its state is in the tables, so a restart neither repeats nor drops a message.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from casebell.clock import Clock
from casebell.loops import Loop
from casebell.ops_messages import DeliveriesHeld, DeliveriesRefused, OpsMessage
from casebell.ops_targets import OpsTargets, subject_of
from casebell.store import held, refused
from casebell.store.engine import Connection, Store
from casebell.store.ops import known_subjects, notify
from casebell.telemetry import Log, Metrics

#: Seconds between two checks if nothing wakes it: a message may wait for the next hour.
CHECK_EVERY = 10.0


class DeliveryWatch(Loop):
    """Finds deliveries that operations were not told of; start it with `async with`.

    Wake it when a delivery was held or refused.

    Args:
        ops: returns the targets of operations in force.
        followed: called after messages were put into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        ops: Callable[[], OpsTargets],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            self.check,
            name="delivery-watch",
            every=CHECK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._store = store
        self._ops = ops
        self._followed = followed

    async def check(self) -> None:
        """Send the messages that are due: one an hour for each source and reason.

        Deliveries since the last message are counted in the next one.
        """
        now = self._clock.now()
        async with self._store.read() as connection:
            found = await _found(connection)
            subjects = {subject_of(message, now=now): message for message in found}
            known = await known_subjects(connection, subjects) if subjects else set()
        due = [message for subject, message in subjects.items() if subject not in known]
        if not due:
            return
        ops = self._ops()

        async def write(connection: Connection) -> None:
            for message in due:
                # Another server may have sent it in the meantime, with fewer deliveries.
                if await notify(connection, message, to=ops, now=now):
                    await found[message](connection, now=now)

        await self._store.transact(write)
        self._followed()


async def _found(connection: Connection) -> dict[OpsMessage, Callable[..., Awaitable[None]]]:
    """The messages to send, each with the function that marks its deliveries as told."""
    found: dict[OpsMessage, Callable[..., Awaitable[None]]] = {}
    for row in await held.unnotified(connection):
        message = DeliveriesHeld(
            source=row.source,
            reason=row.reason,
            detail=row.detail,
            count=row.number,
            first_held=row.first,
        )
        found[message] = partial(
            held.mark_told, source=row.source, reason=row.reason, last=row.last
        )
    for row in await refused.rising(connection):
        rise = DeliveriesRefused(source=row.source, count=row.number)
        found[rise] = partial(refused.mark_told, source=row.source, last=row.last)
    return found
