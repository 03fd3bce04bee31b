"""Read this first: what becomes of a delivery, from its bytes to its durable answer.

    delivery → authenticate → understand → append   → stored, duplicate or conflict (200)
                    │              └ cannot → hold  → held (202)
                    └ does not → refuse             → an error (401)

An event is decided in the transaction that appends it; a decision that fails costs no delivery.
"""

import difflib
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from casebell.clock import Clock
from casebell.errors import CasebellError, HeldDelivery, RefusedDelivery, UnknownSource
from casebell.events import Delivery, HeldReason, VerifiedDelivery
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import idempotency_key, understand
from casebell.settings import SourceSettings
from casebell.store import held
from casebell.store.engine import Store
from casebell.store.event_log import Appended, EventLog


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A delivery that is authentic, and not understood."""

    reason: HeldReason
    held_id: int

    @property
    def status(self) -> str:
        """What its sender is told."""
        return "held"


#: What became of an authentic delivery.
Accepted: TypeAlias = Appended | Held


@dataclass(frozen=True, slots=True)
class SourceReceiver:
    """One source, ready to receive."""

    source: SourceSettings
    authenticator: Authenticator


def source_receivers(sources: Mapping[str, SourceSettings]) -> Mapping[str, SourceReceiver]:
    """Each source, ready to receive, by name.

    Raises:
        ConfigError: a source cannot authenticate anybody.
    """
    return {name: SourceReceiver(source, Authenticator(source)) for name, source in sources.items()}


#: Characters of a path's last part that are compared with the names of sources.
MAX_NAME = 40


def source_meant(path: str, names: Collection[str]) -> str | None:
    """The source that a request was meant for: the name in its path, however it is spelled."""
    parts = [part for part in path.casefold().split("/", 8)[:8] if part]
    known = {name.casefold(): name for name in names}
    for part in parts:
        if part in known:
            return known[part]
    close = (
        difflib.get_close_matches(parts[-1][:MAX_NAME], known, n=1, cutoff=0.75) if parts else ()
    )
    return known[close[0]] if close else None


class Receiver:
    """Accepts the deliveries of all sources.

    Args:
        sources: those in force, by name.
        held_back: called after a delivery was held, so that operations hear of it.
    """

    def __init__(
        self,
        *,
        sources: Callable[[], Mapping[str, SourceReceiver]],
        store: Store,
        event_log: EventLog,
        refusals: Refusals,
        clock: Clock,
        held_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._sources = sources
        self._store = store
        self._event_log = event_log
        self._refusals = refusals
        self._clock = clock
        self._held_back = held_back

    def knows(self, source: str) -> bool:
        """Whether a source has this name."""
        return source in self._sources()

    async def accept(self, delivery: Delivery) -> Accepted:
        """Take one delivery all the way to the disk.

        Raises:
            UnknownSource: no source has this name.
            RefusedDelivery, TooManyRefusals: it did not authenticate.
            Unavailable: it could not be stored now.
        """
        receiver = self._sources().get(delivery.source)
        if receiver is None:
            raise UnknownSource
        verified = self._authenticate(receiver, delivery)
        try:
            event = understand(verified, receiver.source)
        except HeldDelivery as why:
            return await self._hold(verified, why)
        return await self._event_log.append(event)

    def _authenticate(self, receiver: SourceReceiver, delivery: Delivery) -> VerifiedDelivery:
        try:
            verified = receiver.authenticator.authenticate(delivery, now=self._clock.now())
        except RefusedDelivery as error:
            self._refusals.note(delivery, error, presented=receiver.authenticator.presented)
            raise
        self._refusals.authentic(delivery.source)
        return verified

    def refuse_request(
        self, error: CasebellError, *, path: str, address: str, **request: Any
    ) -> str | None:
        """Note a request that was refused before there was a delivery.

        Returns:
            The source that it was meant for, as far as its path tells.
        """
        source = source_meant(path, self._sources())
        self._refusals.note_request(error, source=source, address=address, path=path, **request)
        return source

    async def _hold(self, verified: VerifiedDelivery, why: HeldDelivery) -> Held:
        row = await self._store.transact(
            held.hold,
            verified=verified,
            reason=why.reason,
            detail=why.message,
            body_sha256=hashlib.sha256(verified.delivery.body).hexdigest(),
            idempotency_key=idempotency_key(verified.delivery),
        )
        self._held_back()
        return Held(reason=why.reason, held_id=row)
