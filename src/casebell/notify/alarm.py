"""Tells operations that nothing can be stored: over the channels directly, without the outbox.

One message is sent when the failure has lasted five seconds, one when it is over. Storing a journal
entry tests whether it is over; the entry is also the record of the failure. While nobody writes,
the alarm itself looks whether a delivery could be stored: none need be the first to fail.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.loops import Loop
from casebell.notify.channel import Channel, Channels
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import OpsMessage, StorageFails, StorageWorks, StoreAltered
from casebell.store import journal
from casebell.store.engine import Store
from casebell.telemetry import Log

#: Seconds between two looks at a storage to which nobody writes.
LOOK_EVERY = 2.0
#: Seconds between two tests of a storage that failed.
CHECK_EVERY = 1.0
#: Seconds that a failure must last before operations are told: a lock may be held for a moment.
NOTIFY_AFTER = 5.0


class StorageAlarm(Loop):
    """Woken by a failure of the store; start it with `async with`.

    Args:
        channels: returns the channels in force.
        open_store: opens the store where it could not be opened at the start.
        recovered: called when it can be written again.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Callable[[], Channels],
        open_store: Callable[[], Awaitable[object]],
        recovered: Callable[[], None],
        clock: Clock,
        log: Log,
    ) -> None:
        super().__init__(
            self._watch,
            name="storage-alarm",
            every=LOOK_EVERY,
            wakeup=store.failed,
            clock=clock,
            log=log,
        )
        self._open_store = open_store
        self._recovered = recovered
        #: The store's count of commits at the last look.
        self._seen_commits = store.commits
        self._store = store
        self._channels = channels
        #: The store's count of failures when writing last worked.
        self._seen_failures = store.failures
        #: Whether operations were told of the present failure.
        self._ops_notified = False
        #: When it began, on the monotonic clock; None before the loop has seen it.
        self._began: float | None = None

    @property
    def failing(self) -> bool:
        """Whether writing failed and nothing was stored since."""
        return self._store.failures != self._seen_failures

    async def state(self) -> Mapping[str, object]:
        """How it stands, for operators: `failing`, and if so for how long, why, and what helps."""
        if not self.failing:
            return {"failing": False}
        fault = self._store.fault
        return {
            "failing": True,
            "seconds": self._lasted,
            "reason": fault.message,
            "hint": fault.hint,
        }

    @property
    def _lasted(self) -> int:
        return 0 if self._began is None else round(self._clock.monotonic() - self._began)

    async def _watch(self) -> None:
        """Test the storage until it works again."""
        if not self.failing:
            await self._look()
            await self._tell_of_differences()
        if not self.failing:
            return
        self._began = self._clock.monotonic()
        self._log.error("storage.fails", reason=self._store.fault.message)
        while True:
            self.progress()
            await self._clock.sleep(CHECK_EVERY)
            lasted = self._lasted
            if await self._works(lasted):
                break
            if not self._ops_notified and lasted >= NOTIFY_AFTER:
                self._ops_notified = True
                fault = self._store.fault
                await self.tell(StorageFails(seconds=lasted, reason=fault.message, hint=fault.hint))
        self._seen_failures, self._began = self._store.failures, None
        self._log.info("storage.works", seconds=lasted)
        self._recovered()
        if self._ops_notified:
            self._ops_notified = False
            await self.tell(StorageWorks(seconds=lasted))

    async def _look(self) -> None:
        """See that it could be written, unless it was since the last look."""
        if self._store.commits == self._seen_commits:
            with suppress(StorageUnavailable):
                await self._store.probe()
        self._seen_commits = self._store.commits

    async def _tell_of_differences(self) -> None:
        """Once after each opening: not by the outbox, which what is not ours may swallow."""
        if found := self._store.differences:
            self._store.differences = ()
            self._log.error("store.altered", differences=list(found))
            message = StoreAltered(place=self._store.place, differences="; ".join(found))
            await self.tell(message)

    async def _works(self, lasted: int) -> bool:
        """Whether a journal entry can be stored.

        A smaller test does not do: on a full disk a transaction that writes nothing succeeds.
        """
        try:
            entry = journal.Entry(
                at=self._clock.now(),
                kind="storage.recovered",
                actor="server",
                subject="server",
                data={"seconds": lasted},
            )
            if not self._store.is_open:
                await self._open_store()
            # With room for more than the entry: `/ready` would be 200 in between.
            self._store.see_room()
            await self._store.transact(journal.append, entries=[entry])
        except StorageUnavailable:
            return False
        return True

    async def tell(self, message: OpsMessage) -> None:
        """Send to every target of operations at once, past the outbox."""
        channels = self._channels()
        await asyncio.gather(
            *(
                self._send(channels.by_name[name], target, message)
                for name, target in channels.ops.targets
            )
        )

    async def _send(self, channel: Channel, target: str, message: OpsMessage) -> None:
        result = await channel.send(target=target, message=render_ops(message))
        self._log.info(
            "storage.told",
            channel=channel.name,
            topic=message.topic,
            outcome=str(result.outcome),
            detail=result.detail or None,
        )
