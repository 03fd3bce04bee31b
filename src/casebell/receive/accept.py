"""Read this first: what becomes of a delivery, from its bytes to its durable answer.

    delivery → authenticate → understand → append   → stored, duplicate or conflict (200)
                    │              └ cannot → hold  → held (202)
                    └ does not → refuse             → an error (401)

An event is decided in the transaction that appends it; a decision that fails costs no delivery. A
body that is an array of objects is several events, taken together: `receive/parts.py`.
"""

import asyncio
import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from casebell.clock import Clock
from casebell.errors import (
    CasebellError,
    HeldDelivery,
    NotThere,
    RefusedDelivery,
    UnknownSource,
    WrongMethod,
)
from casebell.events import Delivery, Flag, Micros, VerifiedDelivery
from casebell.receive.parts import Held, Taken, appended_of, understand_parts, write_parts
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import understand
from casebell.receive.work_budget import WorkBudget
from casebell.settings import SourceSettings
from casebell.store.engine import Store
from casebell.store.event_log import EventLog


@dataclass(frozen=True, slots=True)
class Several:
    """What became of the events of one body, in the order sent."""

    each: Sequence[Taken]

    @property
    def status(self) -> str:
        """`held` where one is held, else what became of the first."""
        return "held" if any(isinstance(one, Held) for one in self.each) else self.each[0].status


#: What became of an authentic delivery.
Accepted: TypeAlias = Taken | Several


def _is_news(accepted: Accepted) -> bool:
    """Whether any of it came for the first time."""
    each = accepted.each if isinstance(accepted, Several) else (accepted,)
    return not all(one.repeat for one in each)


@dataclass(frozen=True, slots=True)
class SourceReceiver:
    """One source, ready to receive."""

    source: SourceSettings
    authenticator: Authenticator


def source_receivers(sources: Mapping[str, SourceSettings]) -> Mapping[str, SourceReceiver]:
    """Each source, ready to receive, by name; they share a budget of work for strangers.

    Raises:
        ConfigError: a source cannot authenticate anybody.
    """
    budget = WorkBudget()
    return {
        name: SourceReceiver(source, Authenticator(source, budget=budget))
        for name, source in sources.items()
    }


#: How a path begins that is meant for a source.
NEAR = "/webhook"
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
        self._writing_parts = asyncio.Lock()
        #: When the last delivery of each source came that shows that the source delivers.
        self.last_delivery: dict[str, Micros] = {}

    def knows(self, source: str) -> bool:
        """Whether a source has this name."""
        return source in self._sources()

    async def accept(self, delivery: Delivery) -> Accepted:
        """Take one delivery all the way to the disk.

        Raises:
            UnknownSource: no source has this name.
            RefusedDelivery, TooManyRefusals: it did not authenticate.
            Unavailable: it could not be authenticated or stored now.
        """
        receiver = self._sources().get(delivery.source)
        if receiver is None:
            raise UnknownSource
        verified = self._authenticate(receiver, delivery)
        # Whoever captured a delivery can post it again, and must not hide what is refused.
        timely = verified.hold is None and Flag.STALE_SIGNATURE not in verified.flags
        if timely:
            self._refusals.authentic(delivery.source)
        accepted = await self._take(verified, receiver.source)
        if timely or (verified.hold is None and _is_news(accepted)):
            self.last_delivery[delivery.source] = delivery.received_at
            if not timely:
                self._refusals.authentic(delivery.source)
        return accepted

    async def _take(self, verified: VerifiedDelivery, source: SourceSettings) -> Accepted:
        try:
            event = understand(verified, source)
        except HeldDelivery:
            return await self._take_parts(verified, source)
        return await self._event_log.append(event)

    def _authenticate(self, receiver: SourceReceiver, delivery: Delivery) -> VerifiedDelivery:
        try:
            return receiver.authenticator.authenticate(delivery, now=self._clock.now())
        except RefusedDelivery as error:
            self._refusals.note(delivery, error, presented=receiver.authenticator.presented)
            raise

    def refuse_request(
        self, error: CasebellError, *, path: str, address: str, **request: Any
    ) -> str | None:
        """Note a request that was refused before there was a delivery.

        What scanners post elsewhere is none of ours: it would keep operations busy for ever.

        Returns:
            The source that it was meant for, as far as its path tells.
        """
        source = source_meant(path, self._sources())
        elsewhere = isinstance(error, NotThere | WrongMethod) and not path.startswith(NEAR)
        if source is not None or not elsewhere:
            self._refusals.note_request(error, source=source, address=address, path=path, **request)
        return source

    async def _take_parts(self, verified: VerifiedDelivery, source: SourceSettings) -> Accepted:
        """Take a delivery that is several events, or is to be held."""
        parts = understand_parts(verified, source)
        taken: list[Taken] = []
        batches = parts.batches()
        while True:
            # One batch at a time: nor must many arrays at once keep other deliveries waiting.
            async with self._writing_parts:
                if not (batch := next(batches, ())):
                    break
                now = await self._store.transact(write_parts, batch, event_log=self._event_log)
            if appended := appended_of(now):
                self._event_log.committed(appended)
            if len(appended) < len(now):
                self._held_back()
            taken += now
        return Several(taken) if parts.is_array else taken[0]
