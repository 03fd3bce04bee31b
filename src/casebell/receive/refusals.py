"""Deliveries that did not authenticate: a bounded memory of them, and a limit for each address.

An authentic delivery is never limited: the signature is checked first, and only a refusal counts.
So a flood from an address, or through a proxy that hides many, cannot shut out the real source.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from casebell.clock import Clock
from casebell.errors import RefusedDelivery, StorageUnavailable, TooManyRefusals
from casebell.events import Delivery, Micros
from casebell.loops import Loop
from casebell.receive.shared_secret import keyed_digest
from casebell.receive.signatures import Presented
from casebell.receive.understand import idempotency_key
from casebell.store import refused
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log

#: Addresses remembered; the one unseen for longest is forgotten first.
ADDRESS_LIMIT = 10_000
#: Refusals that wait to be written; beyond it they are only counted.
QUEUE_LIMIT = 256
#: Bytes of the bodies that wait; beyond it a refusal is remembered without its body.
QUEUE_BYTES = 8 * 1024**2
#: Journal entries for single refusals in a minute; beyond it an entry counts what a write holds.
ITEMISED_PER_MINUTE = 60
#: Seconds between two writes: a flood costs the disk one small transaction a second.
WRITE_EVERY = 1.0
#: Seconds between two looks for what is too old, where no refusal comes.
FORGET_EVERY = 3_600.0


@dataclass(slots=True)
class _Window:
    """What happened in the running minute."""

    began: float
    count: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A refusal that waits for the next write."""

    kept: refused.Refused
    #: Never written: only its digest is, whose key the database has.
    secret: bytes | None


class Refusals:
    """Notes refusals; start it with `async with`.

    Args:
        per_minute: refusals from one address before it is told to wait (429).
        written: called after refusals were written, so that operations hear of them.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        log: Log,
        per_minute: Callable[[], int],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._per_minute = per_minute
        self._written = written
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        #: Refusals since the last write of which nothing is kept.
        self._dropped = 0
        self._itemised = _Window(began=clock.monotonic(), count=0)
        self._writing = asyncio.Lock()
        self._loop = Loop(
            self._work, name="refusals", every=FORGET_EVERY, at_once=True, clock=clock, log=log
        )

    async def __aenter__(self) -> "Refusals":
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, then end."""
        # Not in the middle of a write: what it took from the queue would be lost.
        async with self._writing:
            await self._loop.__aexit__()
        await self._write()

    def note(
        self,
        delivery: Delivery,
        error: RefusedDelivery,
        *,
        presented: Callable[[Delivery], Presented] = lambda _: Presented(),
    ) -> None:
        """Remember one refusal.

        Args:
            presented: gives what the delivery brought that can be checked again. Without any, its
                body is not kept: nothing could ever be made of it.

        Raises:
            TooManyRefusals: this address has had its share for the minute; it is not remembered.
        """
        if self._over_limit(delivery.address):
            raise TooManyRefusals from None
        if len(self._waiting) >= QUEUE_LIMIT:
            self._dropped += 1
            return
        brought = presented(delivery)
        provable = brought.signature is not None or brought.secret is not None
        if provable and self._waiting_bytes + len(delivery.body) > QUEUE_BYTES:
            brought, provable = Presented(), False
        kept = refused.Refused(
            at=delivery.received_at,
            source=delivery.source,
            error=error.code,
            address=delivery.address,
            request_id=delivery.request_id,
            body_sha256=hashlib.sha256(delivery.body).hexdigest(),
            body_size=len(delivery.body),
            idempotency_key=idempotency_key(delivery),
            signature=brought.signature,
            body=delivery.body if provable else None,
        )
        self._waiting.append(_Waiting(kept, brought.secret))
        self._waiting_bytes += len(delivery.body) if provable else 0
        self._loop.wake()

    def _over_limit(self, address: str) -> bool:
        now = self._clock.monotonic()
        window = self._windows.get(address)
        if window is None or now - window.began >= 60:
            window = self._windows[address] = _Window(began=now, count=0)
            if len(self._windows) > ADDRESS_LIMIT:
                self._windows.popitem(last=False)
        self._windows.move_to_end(address)
        window.count += 1
        return window.count > self._per_minute()

    async def _work(self) -> None:
        if self._waiting:
            await self._write()
            await self._clock.sleep(WRITE_EVERY)
        await self._forget()

    async def _forget(self) -> None:
        """Remove what is too old; the disk is written only where there is any."""
        async with self._writing:
            now = self._clock.now()
            with contextlib.suppress(StorageUnavailable):
                async with self._store.read() as connection:
                    some = await refused.any_too_old(connection, now=now)
                if some:
                    await self._store.transact(refused.forget, now=now)

    async def _write(self) -> None:
        async with self._writing:
            batch, self._waiting = self._waiting, []
            more, self._dropped = self._dropped, 0
            self._waiting_bytes = 0
            if not batch:
                return
            # Refusals carry no promise; deliveries that do are answered 503 in the meantime.
            with contextlib.suppress(StorageUnavailable):
                await self._store.transact(
                    _refuse,
                    batch=batch,
                    now=self._clock.now(),
                    itemised=self._may_itemise(len(batch)),
                    more=more,
                )
                self._written()

    def _may_itemise(self, count: int) -> bool:
        """Whether each of so many may have a journal entry of its own."""
        now = self._clock.monotonic()
        if now - self._itemised.began >= 60:
            self._itemised = _Window(began=now, count=0)
        self._itemised.count += count
        return self._itemised.count <= ITEMISED_PER_MINUTE


async def _refuse(
    connection: Connection, batch: Sequence[_Waiting], *, now: Micros, itemised: bool, more: int
) -> None:
    key = b""
    if any(one.secret is not None for one in batch):
        key = await refused.digest_key(connection)
    kept = [_to_keep(one, key) for one in batch]
    await refused.refuse(connection, kept, now=now, itemised=itemised, more=more)


def _to_keep(one: _Waiting, key: bytes) -> refused.Refused:
    if one.secret is None:
        return one.kept
    return replace(one.kept, secret_digest=keyed_digest(one.secret, key=key).hex())
