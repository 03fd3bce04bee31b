"""Remembers what was refused within bounds, counts it since the last authentic delivery, limits it.

An authentic delivery is never limited: it is authenticated first, and only refusals count. So a
flood from an address, or through a proxy that hides many, cannot shut out the real source.
"""

import asyncio
import contextlib
import hashlib
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from casebell.clock import Clock
from casebell.errors import CasebellError, RefusedDelivery, StorageUnavailable, TooManyRefusals
from casebell.events import Delivery, Micros
from casebell.json_text import canonical
from casebell.loops import Loop
from casebell.networks import network_of
from casebell.receive.shared_secret import keyed_digest
from casebell.receive.signatures import Presented
from casebell.receive.understand import idempotency_key
from casebell.store import refused, streaks
from casebell.store.engine import Connection, Store
from casebell.store.journal import Entry
from casebell.store.tally import Tally
from casebell.telemetry import Log

#: Networks that are counted; the one unseen for longest is dropped first.
MAX_NETWORKS = 10_000
#: Refusals that wait to be written; beyond it they are only counted. Half of the places are kept
#: free of those that brought no proof.
MAX_WAITING_REFUSALS = 256
MAX_WAITING_UNPROVEN = MAX_WAITING_REFUSALS // 2
#: Bytes of all bodies that wait; beyond it a refusal is kept without its body.
MAX_WAITING_BYTES = 8 * 1024**2
MAX_WAITING_UNPROVEN_BYTES = MAX_WAITING_BYTES // 2
#: Seconds between two writes: a flood costs the disk one small transaction a second.
WRITE_EVERY = 1.0
#: Seconds between two removals of old refusals while no new ones arrive.
FORGET_EVERY = 3_600.0
#: Seconds between two looks at what other servers on the same database count.
LOOK_EVERY = 10.0
#: Names of headers that are kept, and characters of a name or of what was asked.
MAX_NAMES = 40
MAX_TEXT = 80
#: Refusals of one source and error that have a journal entry each, in an hour.
SINGLE_AN_HOUR = 10
HOUR_SECONDS = 3_600.0

#: A source and an error.
Kind: TypeAlias = tuple[str, str]


def refusal_entries(clock: Clock) -> Tally[refused.Refused, Kind]:
    """What the journal says of refusals; the newest are kept besides (`store/refused.py`)."""
    return Tally(
        clock,
        kind_of=lambda one: (one.source, one.error),
        single=refused.single_entry,
        tally=refused.tally_entry,
        singles=SINGLE_AN_HOUR,
        seconds=HOUR_SECONDS,
    )


@dataclass(slots=True)
class _Window:
    """The count of the current minute."""

    began: float
    count: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A refusal that waits for the next write."""

    kept: refused.Refused
    #: Only its digest is written; the key of the digest is in the database.
    secret: bytes | None


class Refusals:
    """Records refusals; start it with `async with`.

    Args:
        per_minute: refusals of one address (of IPv6: of one /64) in a minute before it gets a 429.
        written: called after refusals were written, so that operations are told.
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
        #: Refusals since the last write that are only counted, by source and error.
        self._dropped: Counter[Kind] = Counter()
        self._entries = refusal_entries(clock)
        #: By source, what came since the last write.
        self._noted: defaultdict[str, streaks.Noted] = defaultdict(streaks.Noted)
        #: Sources of which something was refused since the last authentic delivery.
        self._in_a_row: set[str] = set()
        #: Whether it is known of which sources an earlier process counted some.
        self._looked = False
        self._forgot_at = -math.inf
        self._writing = asyncio.Lock()
        self._loop = Loop(
            self._work, name="refusals", every=LOOK_EVERY, at_once=True, clock=clock, log=log
        )

    async def __aenter__(self) -> "Refusals":
        # Before the first delivery, which may be the end of what an earlier process counted.
        with contextlib.suppress(StorageUnavailable):
            await self._look()
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write the refusals that wait, then end."""
        # Not during a write: the refusals that it took from the queue would be lost.
        async with self._writing:
            await self._loop.__aexit__()
        await self._write(last=True)

    @property
    def turns(self) -> bool:
        """Whether it runs, and is not stuck."""
        return self._loop.turns

    def note(
        self,
        delivery: Delivery,
        error: RefusedDelivery,
        *,
        presented: Callable[[Delivery], Presented] = lambda _: Presented(),
    ) -> None:
        """Record one refusal.

        Args:
            presented: returns the credentials of the delivery that can be checked again.

        Raises:
            TooManyRefusals: the address is over its limit for the minute; nothing is recorded.
        """
        if self._over_limit(delivery.address):
            self._count(delivery.source, TooManyRefusals.code, at=delivery.received_at)
            raise TooManyRefusals from None
        self._count(delivery.source, error.code, at=delivery.received_at)
        if len(self._waiting) >= MAX_WAITING_REFUSALS:
            self._dropped[delivery.source, error.code] += 1
            return
        brought = presented(delivery)
        proven = brought.signature is not None or brought.secret is not None
        if not proven and len(self._waiting) >= MAX_WAITING_UNPROVEN:
            self._dropped[delivery.source, error.code] += 1
            return
        room = MAX_WAITING_BYTES if proven else MAX_WAITING_UNPROVEN_BYTES
        body: bytes | None = delivery.body
        if self._waiting_bytes + len(delivery.body) > room:
            # Without its body a proof proves nothing.
            brought, body = Presented(), None
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
            seen=canonical(
                _names(delivery.headers)
                | ({"found_in": brought.found_in} if brought.found_in else {})
                | ({"scheme": brought.scheme} if brought.scheme else {})
            ),
            body=body,
        )
        self._waiting.append(_Waiting(kept, brought.secret))
        self._waiting_bytes += len(body or b"")

    def note_request(
        self,
        error: CasebellError,
        *,
        source: str,
        address: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        kept: bool = True,
        request_id: str = "",
        size: int = 0,
        **asked: str,
    ) -> None:
        """Record a request that was refused before its body was read.

        Args:
            source: whose delivery it was meant to be, or what stands for one.
            kept: whether it can be looked at later; else it is only counted.
            size: of the body, as far as it is known.
            asked: what names the cause: its method, path, encoding.
        """
        now = self._clock.now()
        self._count(source, error.code, at=now)
        if not kept or self._over_limit(address):
            return
        if len(self._waiting) >= MAX_WAITING_UNPROVEN:
            self._dropped[source, error.code] += 1
            return
        one = refused.Refused(
            at=now,
            source=source,
            error=error.code,
            address=address,
            request_id=request_id,
            body_sha256="",
            body_size=size,
            seen=canonical(
                _names(headers) | {key: text[:MAX_TEXT] for key, text in asked.items() if text}
            ),
        )
        self._waiting.append(_Waiting(one, None))

    def authentic(self, source: str) -> None:
        """Note an authentic delivery: whatever was refused in a row before it is over."""
        # Every delivery comes by here; nearly always there is nothing to do.
        if source in self._in_a_row or not self._looked:
            self._in_a_row.discard(source)
            self._noted[source] = streaks.Noted(authentic=True)
            self._loop.wake()

    def wake(self) -> None:
        """Say that the storage works again: write what was noted, and look."""
        self._loop.wake()

    def _count(self, source: str, error: str, *, at: Micros) -> None:
        self._noted[source].refuse(error, at=at)
        self._in_a_row.add(source)
        self._loop.wake()

    def _over_limit(self, address: str) -> bool:
        now, network = self._clock.monotonic(), network_of(address)
        window = self._windows.get(network)
        if window is None or now - window.began >= 60:
            window = self._windows[network] = _Window(began=now, count=0)
            if len(self._windows) > MAX_NETWORKS:
                self._windows.popitem(last=False)
        self._windows.move_to_end(network)
        window.count += 1
        return window.count > self._per_minute()

    async def _work(self) -> None:
        if self._waiting or self._noted or self._entries.due:
            await self._write()
            await self._clock.sleep(WRITE_EVERY)
        await self._look()
        if self._clock.monotonic() - self._forgot_at >= FORGET_EVERY:
            self._forgot_at = self._clock.monotonic()
            await self._forget()

    async def _look(self) -> None:
        """See what is refused in a row, on other servers as well."""
        async with self._store.read() as connection:
            found = await streaks.read(connection)
        # What was noted while we looked goes before.
        self._in_a_row |= {one.source for one in found if one.errors} - self._noted.keys()
        self._looked = True

    async def _forget(self) -> None:
        """Remove old refusals; write to the disk only if there are any."""
        async with self._writing:
            now = self._clock.now()
            with contextlib.suppress(StorageUnavailable):
                async with self._store.read() as connection:
                    some = await refused.any_too_old(connection, now=now)
                if some:
                    await self._store.transact(refused.forget, now=now)

    async def _write(self, *, last: bool = False) -> None:
        async with self._writing:
            batch, self._waiting = self._waiting, []
            more, self._dropped = self._dropped, Counter()
            self._waiting_bytes = 0
            noted, self._noted = dict(self._noted), defaultdict(streaks.Noted)
            entries = self._entries.add([one.kept for one in batch], more, last=last)
            if not batch and not noted and not entries:
                return
            # A refusal may be lost; an authentic delivery is answered 503 in the meantime.
            try:
                await self._store.transact(
                    _refuse, batch=batch, noted=noted, now=self._clock.now(), entries=entries
                )
            except StorageUnavailable:
                for source, one in noted.items():
                    self._noted[source] = one.precede(self._noted[source])
            else:
                self._entries.written()
                self._written()


async def _refuse(
    connection: Connection,
    batch: Sequence[_Waiting],
    *,
    noted: Mapping[str, streaks.Noted],
    now: Micros,
    entries: Sequence[Entry],
) -> None:
    key = b""
    if any(one.secret is not None for one in batch):
        key = await refused.digest_key(connection)
    kept = [_to_keep(one, key) for one in batch]
    await refused.refuse(connection, kept, now=now, entries=entries)
    await streaks.record(connection, noted)


def _to_keep(one: _Waiting, key: bytes) -> refused.Refused:
    if one.secret is None:
        return one.kept
    return replace(one.kept, secret_digest=keyed_digest(one.secret, key=key).hex())


def _names(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, object]:
    """The names of the headers that came, as many as are kept."""
    names = list(dict.fromkeys(name for name, _ in headers))[:MAX_NAMES]
    return {"headers": [name[:MAX_TEXT].decode("ascii", "replace") for name in names]}
