"""Tells operations that nothing can be stored: over the channels, past the outbox.

One message when the trouble has lasted, one when it is over. The record of it is made when it can
be: the entry that ends the trouble is also what shows that it has ended.
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

#: Seconds between two looks.
LOOK_EVERY = 1.0
#: Seconds that trouble must last before anybody is told: a lock held for a moment is none.
TELL_AFTER = 5.0


class StorageAlarm:
    """Watches the store; start it with `async with`.

    Args:
        channels: those in force; they may change while it runs.
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
        #: Failures of the store that are over.
        self._over = store.failures
        #: Since when writing fails (monotonic seconds), and whether operations know.
        self._since: float | None = None
        self._ops_know = False
        self._loop = Loop(self._look, name="storage-alarm", every=LOOK_EVERY, clock=clock, log=log)

    async def __aenter__(self) -> "StorageAlarm":
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        await self._loop.__aexit__()

    @property
    def troubled(self) -> bool:
        """Whether writing failed and nothing was stored since."""
        return self._store.failures != self._over

    async def _look(self) -> None:
        now = self._clock.monotonic()
        if self._since is None:
            if self.troubled:
                self._since = now
            return
        lasted = round(now - self._since)
        if await self._works(lasted):
            self._since = None
            self._over = self._store.failures
            self._log.info("storage.works", seconds=lasted)
            if self._ops_know:
                self._ops_know = False
                await self._tell(StorageWorks(seconds=lasted))
        elif not self._ops_know and lasted >= TELL_AFTER:
            self._ops_know = True
            self._log.error("storage.fails", seconds=lasted)
            await self._tell(StorageFails(seconds=lasted))

    async def _works(self, lasted: int) -> bool:
        """Whether something can be stored: the entry that says so.

        Nothing less shows it: on a full disk a transaction that writes nothing still succeeds.
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

    async def _tell(self, message: OpsMessage) -> None:
        """Send to every target that operations have, side by side."""
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
