"""Tells operations of what was held, refused or in conflict, and of sources authentic again.

At once, then at growing pauses; of new wordings, too. Its state is in the tables, so a restart
neither repeats nor drops a message.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from casebell.clock import DAY, Clock
from casebell.errors import StorageUnavailable
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

Result = TypeVar("Result")
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
            found = await self._found(connection, in_a_row, now)
            subjects = {subject_of(message, now=now): message for message in found}
            known = await known_subjects(connection, subjects) if subjects else set()
        # No authentic delivery ends these.
        endless = [one for one in in_a_row if one.errors and one.source not in self._sources()]
        if any(one.last_at < now - DAY for one in endless):
            await self._store.transact(streaks.forget, known=self._sources(), before=now - DAY)
        # These are told once for ever: later ones are only marked.
        due = [
            message
            for subject, message in subjects.items()
            if subject not in known or isinstance(message, _ONCE)
        ]
        if not due:
            return
        ops = self._ops()

        async def write(connection: Connection, message: OpsMessage) -> None:
            # Another server may have sent it in the meantime, with fewer deliveries.
            new = await notify(connection, message, to=ops, now=now)
            if new or isinstance(message, _ONCE):
                await found[message](connection, now=now)

        for message in due:
            await self._apart(self._store.transact(write, message), what=message.topic)
        self._followed()

    async def _apart(self, step: Awaitable[Result], *, what: str) -> Result | None:
        """Take a step whose defect must not keep another message from being told."""
        try:
            return await step
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind
            self._log.error("watch.defect", what=what, error=error)
            return None

    async def _found(
        self, connection: Connection, in_a_row: Sequence[streaks.Streak], now: Micros
    ) -> dict[OpsMessage, Mark]:
        """The messages that may be due, each with what marks its deliveries as told."""
        found: dict[OpsMessage, Mark] = {}
        for look in (_held, _pushed_out, _conflicts):
            found |= await self._apart(look(connection), what=look.__name__.strip("_")) or {}
        rising = {row.source: row for row in await refused.rising(connection)}
        for streak in in_a_row:
            refusals = self._refused(connection, streak, rising.get(streak.source), now)
            found |= await self._apart(refusals, what=f"refused of {streak.source}") or {}
        wordings = new_wordings(connection, now=now)
        return found | (await self._apart(wordings, what="wordings") or {})

    async def _refused(
        self, connection: Connection, streak: streaks.Streak, proven: Any, now: Micros
    ) -> dict[OpsMessage, Mark]:
        """Those on one source.

        Args:
            proven: its refusals with a proof of which operations were not told, where many are.
        """
        found: dict[OpsMessage, Mark] = {}
        source = streak.source
        if streak.ended:
            end = DeliveriesAuthentic(source=source, count=streak.ended, telling=streak.tellings)
            found[end] = partial(streaks.mark_end_told, source=source)
        is_news = streak.is_long and streak.count > streak.told_count
        if not (proven or is_news) or source == streaks.NOISE:
            return found
        origin = await streaks.origin_of(connection, streak)
        if streak.due(now=now, newly_familiar=origin.newly_familiar):
            number = proven.number if proven else 0
            message = await self._explain(connection, streak, carried_proof=number, now=now)
            found[message] = partial(
                _mark_refused, streak=streak, last=proven.last if proven else 0
            )
        return found


async def _held(connection: Connection) -> dict[OpsMessage, Mark]:
    """The messages on what is held."""
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
    return found


async def _pushed_out(connection: Connection) -> dict[OpsMessage, Mark]:
    """Those on what floods of refusals pushed out."""
    found: dict[OpsMessage, Mark] = {}
    for row in await pushed_out.unnotified(connection):
        lost = RefusalsPushedOut(source=row.source, count=row.number)
        found[lost] = partial(pushed_out.mark_told, source=row.source)
    return found


async def _conflicts(connection: Connection) -> dict[OpsMessage, Mark]:
    """Those on conflicts."""
    found: dict[OpsMessage, Mark] = {}
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
