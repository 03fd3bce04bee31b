"""Tells operations of what was held, refused or in conflict, and of sources authentic again.

At once, then at growing pauses; of new wordings, too. Its state is in the tables, so a restart
neither repeats nor drops a message.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from casebell.clock import Clock
from casebell.events import HeldReason, Micros
from casebell.loops import Loop
from casebell.notify.new_wordings import new_wordings
from casebell.ops_messages import (
    ConflictingDelivery,
    DeliveriesAuthentic,
    DeliveriesHeld,
    NewWording,
    OpsMessage,
    ProviderTested,
    RefusalsPushedOut,
)
from casebell.ops_targets import OpsTargets, subject_of
from casebell.store import conflicts, held, pushed_out, refused, streaks
from casebell.store.engine import Connection, Store
from casebell.store.ops import known_subjects, notify
from casebell.telemetry import Log, Metrics

#: Seconds between two checks if nothing wakes it: a message may wait for the next hour.
CHECK_EVERY = 10.0

#: What is told once for ever.
_ONCE = (ProviderTested, NewWording)

#: Marks deliveries as told, in a writing transaction.
Mark = Callable[..., Awaitable[object]]
#: The message on a streak, given how many refusals with a proof were not told.
Explain = Callable[..., Awaitable[OpsMessage]]


class DeliveryWatch(Loop):
    """Finds deliveries that operations were not told of; start it with `async with`.

    Wake it when a delivery was held, refused or in conflict, or a wording is new.

    Args:
        ops: returns the targets of operations in force.
        sources: returns the names of those in force.
        explain: makes the message on a streak, with its likely cause.
        followed: called after messages were put into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        ops: Callable[[], OpsTargets],
        sources: Callable[[], Collection[str]],
        explain: Explain,
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
        self._sources = sources
        self._explain = explain
        self._followed = followed

    async def check(self) -> None:
        """Send the messages that are due.

        On what is held, one an hour for each source and reason; on refusals as `Streak.due` says.
        Deliveries since the last message are counted in the next one.
        """
        now = self._clock.now()
        async with self._store.read() as connection:
            in_a_row = await streaks.read(connection)
            found = {
                **await _held(connection),
                **await self._refused(connection, in_a_row, now),
                **await new_wordings(connection, now=now),
            }
            subjects = {subject_of(message, now=now): message for message in found}
            known = await known_subjects(connection, subjects) if subjects else set()
        # No authentic delivery ends these.
        endless = [one for one in in_a_row if one.errors and one.source not in self._sources()]
        if any(one.last_at < now - streaks.DAY for one in endless):
            await self._store.transact(
                streaks.forget, known=self._sources(), before=now - streaks.DAY
            )
        # These are told once for ever: later ones are only marked.
        due = [
            message
            for subject, message in subjects.items()
            if subject not in known or isinstance(message, _ONCE)
        ]
        if not due:
            return
        ops = self._ops()

        async def write(connection: Connection) -> None:
            for message in due:
                # Another server may have sent it in the meantime, with fewer deliveries.
                new = await notify(connection, message, to=ops, now=now)
                if new or isinstance(message, _ONCE):
                    await found[message](connection, now=now)

        await self._store.transact(write)
        self._followed()

    async def _refused(
        self, connection: Connection, known: Sequence[streaks.Streak], now: Micros
    ) -> dict[OpsMessage, Mark]:
        found: dict[OpsMessage, Mark] = {}
        rising = {row.source: row for row in await refused.rising(connection)}
        for streak in known:
            source, proven = streak.source, rising.get(streak.source)
            if streak.ended:
                end = DeliveriesAuthentic(
                    source=source, count=streak.ended, telling=streak.tellings
                )
                found[end] = partial(streaks.mark_end_told, source=source)
            if not proven and not (streak.is_long and streak.count > streak.told_count):
                continue
            origin = await streaks.origin_of(connection, streak)
            if streak.due(now=now, newly_familiar=origin.newly_familiar):
                number = proven.number if proven else 0
                message = await self._explain(connection, streak, carried_proof=number, now=now)
                found[message] = partial(
                    _mark_refused, streak=streak, last=proven.last if proven else 0
                )
        return found


async def _held(connection: Connection) -> dict[OpsMessage, Mark]:
    """The messages on what is held, each with the function that marks its deliveries as told."""
    found: dict[OpsMessage, Mark] = {}
    for row in await held.unnotified(connection):
        message: OpsMessage = DeliveriesHeld(
            source=row.source,
            reason=row.reason,
            detail=row.detail,
            count=row.number,
            first_held=row.first,
        )
        if row.reason == HeldReason.PROVIDER_TEST:
            message = ProviderTested(source=row.source, first_held=row.first)
        found[message] = partial(
            held.mark_told, source=row.source, reason=row.reason, last=row.last
        )
    for row in await pushed_out.unnotified(connection):
        lost = RefusalsPushedOut(source=row.source, count=row.number)
        found[lost] = partial(pushed_out.mark_told, source=row.source)
    for row in await conflicts.unnotified(connection):
        fields = await conflicts.fields_of(connection, row.source, last=row.event_id)
        conflict = ConflictingDelivery(
            source=row.source,
            count=row.number,
            fields=", ".join(fields),
            first_event=row.first_event,
            event=row.event_id,
        )
        found[conflict] = partial(conflicts.mark_told, source=row.source, last=row.event_id)
    return found


async def _mark_refused(
    connection: Connection, *, streak: streaks.Streak, last: int, now: Micros
) -> None:
    await streaks.mark_told(connection, streak, now=now)
    if last:
        await refused.mark_told(connection, source=streak.source, last=last, now=now)
