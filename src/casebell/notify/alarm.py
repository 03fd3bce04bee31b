"""Tells operations that nothing can be stored: over the channels directly, without the outbox.

One message is sent when the failure has lasted five seconds, one when it is over. Storing a journal
entry tests whether it is over; the entry is also the record of the failure.
"""

import asyncio
from collections.abc import Callable

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.loops import Loop
from casebell.notify.channel import Channel, Channels
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import OpsMessage, StorageFails, StorageWorks
from casebell.store import journal
from casebell.store.engine import Store
from casebell.telemetry import Log

#: Seconds between two checks.
CHECK_EVERY = 1.0
#: Seconds that a failure must last before operations are told: a lock may be held for a moment.
NOTIFY_AFTER = 5.0


class StorageAlarm:
    """Watches the store; start it with `async with`.

    Args:
        channels: returns the channels in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Callable[[], Channels],
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._log = log
        #: The store's count of failures when writing last worked.
        self._seen_failures = store.failures
        #: When the failure began (monotonic seconds), and whether operations were told.
        self._since: float | None = None
        self._ops_notified = False
        self._loop = Loop(
            self._check, name="storage-alarm", every=CHECK_EVERY, clock=clock, log=log
        )

    async def __aenter__(self) -> "StorageAlarm":
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        await self._loop.__aexit__()

    @property
    def failing(self) -> bool:
        """Whether writing failed and nothing was stored since."""
        return self._store.failures != self._seen_failures

    async def _check(self) -> None:
        now = self._clock.monotonic()
        if self._since is None:
            if self.failing:
                self._since = now
            return
        lasted = round(now - self._since)
        if await self._works(lasted):
            self._since = None
            self._seen_failures = self._store.failures
            self._log.info("storage.works", seconds=lasted)
            if self._ops_notified:
                self._ops_notified = False
                await self._notify_ops(StorageWorks(seconds=lasted))
        elif not self._ops_notified and lasted >= NOTIFY_AFTER:
            self._ops_notified = True
            self._log.error("storage.fails", seconds=lasted)
            await self._notify_ops(StorageFails(seconds=lasted))

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
            await self._store.transact(journal.append, entries=[entry])
        except StorageUnavailable:
            return False
        return True

    async def _notify_ops(self, message: OpsMessage) -> None:
        """Send to every target of operations, concurrently."""
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
