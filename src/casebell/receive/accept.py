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
from casebell.receive.causes import cure_of_protocol
from casebell.receive.parts import Held, Taken, appended_of, understand_parts, write_parts
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import understand
from casebell.receive.work_budget import WorkBudget
from casebell.settings import SourceSettings
from casebell.store import streaks
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


#: Names in lower case, in the order of the message.
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
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
#: What is in the header of a signature, and in no other credentials.
_SIGNATURE = b"v1="
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


def may_be_delivery(
    *, path: str, method: str, headers: Headers, proofs: Collection[bytes], what: str
) -> bool:
    """Whether a request that names no source may have been meant as a delivery.

    Scanners ask any open port for pages, and post forms to them: that is nobody's mistake.

    Args:
        method: "" where it was not read.
        proofs: the names of the headers in which sources send what proves a delivery.
        what: what is wrong with it, as the guard names it.
    """
    if cure_of_protocol(what) is not None:
        return True
    if path.casefold().startswith(NEAR) and method in ("POST", ""):
        return True
    return any(
        (name == b"content-type" and b"json" in value.lower())
        or (name in proofs and (name != b"authorization" or _SIGNATURE in value))
        for name, value in headers
    )


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
        accepted: Accepted
        try:
            event = understand(verified, receiver.source)
        except HeldDelivery:
            accepted = await self._take_parts(verified, receiver.source)
        else:
            accepted = await self._event_log.append(event)
        if timely or (verified.hold is None and _is_news(accepted)):
            self.last_delivery[delivery.source] = delivery.received_at
            if not timely:
                self._refusals.authentic(delivery.source)
        return accepted

    def _authenticate(self, receiver: SourceReceiver, delivery: Delivery) -> VerifiedDelivery:
        try:
            return receiver.authenticator.authenticate(delivery, now=self._clock.now())
        except RefusedDelivery as error:
            self._refusals.note(delivery, error, presented=receiver.authenticator.presented)
            raise

    def refuse_request(
        self,
        error: CasebellError,
        *,
        path: str,
        address: str,
        method: str = "",
        headers: Headers = (),
        what: str = "",
        **request: Any,
    ) -> str:
        """Note a request that was refused before there was a delivery.

        Returns:
            The source that it was meant for, as far as its path tells; else what stands for one.
        """
        name = source_meant(path, self._sources())
        if name is None:
            proofs = {
                one for each in self._sources().values() for one in each.authenticator.headers
            }
            meant = may_be_delivery(
                path=path, method=method, headers=headers, proofs=proofs, what=what
            )
            name = streaks.UNKNOWN if meant else streaks.NOISE
        # Of what scanners ask elsewhere there is nothing to look at.
        elsewhere = isinstance(error, NotThere | WrongMethod) and not path.startswith(NEAR)
        self._refusals.note_request(
            error,
            source=name,
            address=address,
            headers=headers,
            kept=name != streaks.NOISE or not elsewhere,
            path=path,
            method=method,
            what=what,
            **request,
        )
        return name

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
