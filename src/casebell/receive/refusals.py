"""Deliveries that did not authenticate: a bounded memory of them, and a limit for each address.

An authentic delivery is never limited: the signature is checked first, and only a refusal counts.
So a flood from an address, or through a proxy that hides many, cannot shut out the real source.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from casebell.clock import Clock
from casebell.errors import RefusedDelivery, StorageUnavailable, TooManyRefusals
from casebell.events import Delivery
from casebell.store import held
from casebell.store.engine import Store

#: Addresses remembered; the one unseen for longest is forgotten first.
ADDRESS_LIMIT = 10_000
#: Refusals that wait to be written; beyond it they are only counted.
QUEUE_LIMIT = 256
#: Journal entries for single refusals in a minute; beyond it an entry counts what a write holds.
ITEMISED_PER_MINUTE = 60
#: Seconds between two writes: a flood costs the disk one small transaction a second.
WRITE_EVERY = 1.0


@dataclass(slots=True)
class _Window:
    """What happened in the running minute."""

    began: float
    count: int


class Refusals:
    """Notes refusals; start it with `async with`.

    Args:
        per_minute: refusals from one address before it is told to wait (429).
    """

    def __init__(self, *, store: Store, clock: Clock, per_minute: int) -> None:
        self._store = store
        self._clock = clock
        self._per_minute = per_minute
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._waiting: list[held.Refused] = []
        #: Refusals since the last write of which nothing is kept.
        self._dropped = 0
        self._itemised = _Window(began=clock.monotonic(), count=0)
        self._noted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Refusals":
        self._task = asyncio.create_task(self._run(), name="refusals")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, then end."""
        if self._task is not None:
            # Not in the middle of a write: what it took from the queue would be lost.
            async with self._writing:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    def note(self, delivery: Delivery, error: RefusedDelivery) -> None:
        """Remember one refusal.

        Raises:
            TooManyRefusals: this address has had its share for the minute; it is not remembered.
        """
        if self._over_limit(delivery.address):
            raise TooManyRefusals from None
        if len(self._waiting) >= QUEUE_LIMIT:
            self._dropped += 1
            return
        self._waiting.append(
            held.Refused(
                at=delivery.received_at,
                source=delivery.source,
                error=error.code,
                address=delivery.address,
                request_id=delivery.request_id,
                body_sha256=hashlib.sha256(delivery.body).hexdigest(),
                body_size=len(delivery.body),
            )
        )
        self._noted.set()

    def _over_limit(self, address: str) -> bool:
        now = self._clock.monotonic()
        window = self._windows.get(address)
        if window is None or now - window.began >= 60:
            window = self._windows[address] = _Window(began=now, count=0)
            if len(self._windows) > ADDRESS_LIMIT:
                self._windows.popitem(last=False)
        self._windows.move_to_end(address)
        window.count += 1
        return window.count > self._per_minute

    async def _run(self) -> None:
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self._write()
            await self._clock.sleep(WRITE_EVERY)

    async def _write(self) -> None:
        async with self._writing:
            batch, self._waiting = self._waiting, []
            more, self._dropped = self._dropped, 0
            if not batch:
                return
            # Refusals carry no promise; deliveries that do are answered 503 in the meantime.
            with contextlib.suppress(StorageUnavailable):
                async with self._store.write() as connection:
                    await held.refuse(
                        connection, batch, itemised=self._may_itemise(len(batch)), more=more
                    )

    def _may_itemise(self, count: int) -> bool:
        """Whether each of so many may have a journal entry of its own."""
        now = self._clock.monotonic()
        if now - self._itemised.began >= 60:
            self._itemised = _Window(began=now, count=0)
        self._itemised.count += count
        return self._itemised.count <= ITEMISED_PER_MINUTE
