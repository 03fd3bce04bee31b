"""Reminds people: takes what is due of escalations and of typed dates, a transaction each."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo

from casebell.alerts import NewAlert
from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.followup import dates, escalation
from casebell.followup.escalation import Means
from casebell.loops import Loop
from casebell.notify.channel import Channels
from casebell.notify.composer import headline_in
from casebell.ops_messages import ReminderFailed
from casebell.route.rulebook import Rulebook
from casebell.settings import Settings
from casebell.store import due_dates, escalations, ops
from casebell.store.due_dates import Near
from casebell.store.engine import Connection, Store
from casebell.store.escalations import Running
from casebell.telemetry import Log, Metrics

#: Seconds between two looks. No step is shorter than a minute.
EVERY = 10.0
#: What is read at once.
BATCH = 100

Result = TypeVar("Result")


class FollowUp(Loop):
    """Looks for what is due; start it with `async with`.

    Args:
        settings, channels, rulebook: return those in force.
        differs: returns whether another server on this database may work by other settings.
        followed: called after a commit that put alerts into the outbox, with their channels.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        channels: Callable[[], Channels],
        rulebook: Callable[[], Rulebook],
        differs: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[Collection[str]], None],
    ) -> None:
        super().__init__(
            self._take_due,
            name="follow-up",
            every=EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("followup").inc,
        )
        self._store = store
        self._settings = settings
        self._channels = channels
        self._rulebook = rulebook
        self._differs = differs
        self._followed = followed

    async def _take_due(self) -> None:
        """Take all that is due; what a turn makes due at once, too.

        What was not ours to take, or cannot be taken, stays first: the next is read behind it.
        """
        left = left_near = 0
        while not self.finishing:
            now = self._clock.now()
            async with self._store.read() as connection:
                running = await escalations.due(connection, now=now, limit=BATCH, skip=left)
                near = await due_dates.near(connection, now=now, limit=BATCH, skip=left_near)
            if not (running or near):
                return
            left += [await self._escalate(one) for one in running].count(False)
            left_near += [await self._remind(one) for one in near].count(False)

    async def _escalate(self, one: Running) -> bool:
        """Take a turn of an escalation; returns whether it was ours to take."""
        means = Means(
            channels=self._channels(),
            plans=self._rulebook().plans,
            zone=self._zone(),
            differs=self._differs(),
        )
        step = self._store.transact(escalation.take, one=one, means=means, now=self._clock.now())
        taken = await self._apart(one, step)
        if taken is None:
            return False
        self._log.info(
            "followup.taken",
            change=one.change_id,
            escalation=one.name,
            step=one.step + 1,
            alerts=len(taken.alerts),
            ended=taken.ended,
        )
        self._wake(taken.alerts)
        return True

    async def _remind(self, one: Near) -> bool:
        """Remind people of a typed date; returns whether it was ours to do."""
        step = self._store.transact(
            dates.remind,
            one=one,
            channels=self._channels(),
            people=self._settings().people,
            zone=self._zone(),
            now=self._clock.now(),
        )
        new = await self._apart(one, step)
        if new is None:
            return False
        self._log.info("followup.date_near", change=one.change_id, alerts=len(new))
        self._wake(new)
        return True

    async def _apart(self, one: Running | Near, step: Awaitable[Result | None]) -> Result | None:
        """What a step came to; operations are told of a defect, and others are reminded still."""
        try:
            return await step
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind
            await self._tell_of_defect(one, error)
            return None

    async def _tell_of_defect(self, one: Running | Near, error: Exception) -> None:
        """Tell operations once of a change of which people cannot be reminded."""
        self._log.error("followup.defect", change=one.change_id, error=error)

        async def tell(connection: Connection) -> bool:
            headline = await headline_in(connection, one.event_id)
            message = ReminderFailed(event=one.event_id, change=one.change_id, about=headline.title)
            to = self._channels().ops
            return await ops.notify(connection, message, to=to, now=self._clock.now())

        if await self._store.transact(tell):
            self._followed(self._channels().ops.channels)

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._settings().server.timezone)

    def _wake(self, new: Sequence[NewAlert]) -> None:
        if new:
            self._followed({alert.channel for alert in new})
