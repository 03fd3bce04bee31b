"""Takes what one body says: an event, or several where it is an array of objects.

    verified → split → understand each → write, at most so many in one transaction

Each part becomes what it would have become alone. Its body is its object as it was sent: between
the objects of an array stand only blanks, brackets and commas.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec.structs import replace

from casebell.errors import HeldDelivery
from casebell.events import CaseEvent, HeldReason, VerifiedDelivery
from casebell.receive.bodies import elements, form_payload, read_body
from casebell.receive.provider_test import shape_of
from casebell.receive.understand import idempotency_key, understand
from casebell.settings import SourceSettings
from casebell.store import held
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog

#: Events that one array may hold.
MAX_EVENTS = 1_000
#: Of an array that comes, those that are written in one transaction. Other deliveries wait for it,
#: and where a case has hundreds of changes, an event costs two milliseconds.
TOGETHER = 8
#: Kept deliveries read again in one transaction: their bodies are in memory together.
BATCH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A delivery that is authentic, and not understood."""

    reason: HeldReason
    held_id: int
    #: Whether the same came before.
    repeat: bool = False

    @property
    def status(self) -> str:
        """What its sender is told."""
        return "held"


#: What became of a part.
Taken: TypeAlias = Appended | Held


class Part(NamedTuple):
    """One part of a delivery, and what it says."""

    verified: VerifiedDelivery
    said: CaseEvent | HeldDelivery


class Parts(NamedTuple):
    """The parts of a delivery in the order sent; each is understood when it is asked for."""

    each: Iterable[Part]
    #: Whether the body is an array, be it of one.
    is_array: bool

    def batches(self) -> Iterator[Sequence[Part]]:
        """Those of one transaction after those of another."""
        parts = iter(self.each)
        while batch := list(islice(parts, TOGETHER)):
            yield batch


def understand_parts(
    verified: VerifiedDelivery, source: SourceSettings, *, by_hand: bool = False
) -> Parts:
    """Split a delivery and understand each part.

    Args:
        by_hand: a person releases it. Then an array may be of any length, and a form's `payload` is
            read as if it had been the body.
    """
    if by_hand and (payload := _payload(verified)) is not None:
        verified = _with_body(verified, payload)
    try:
        bodies = elements(verified.delivery.body, at_most=None if by_hand else MAX_EVENTS)
    except HeldDelivery as why:
        return Parts(each=[Part(verified, why)], is_array=False)
    parts = [_with_body(verified, body) for body in bodies] or [verified]
    return Parts(each=(Part(one, _say(one, source)) for one in parts), is_array=bool(bodies))


async def write_parts(
    connection: Connection, parts: Sequence[Part], *, event_log: EventLog
) -> list[Taken]:
    """Append or hold each part in the caller's transaction; what became of each, in order.

    The caller hands the appended ones to `event_log.committed` once they are on disk.
    """
    events = [part.said for part in parts if isinstance(part.said, CaseEvent)]
    appended = iter(await event_log.append_now(connection, events) if events else [])
    return [
        await _hold(connection, part.verified, part.said)
        if isinstance(part.said, HeldDelivery)
        else next(appended)
        for part in parts
    ]


def appended_of(taken: Sequence[Taken]) -> list[Appended]:
    """Those that are events now."""
    return [one for one in taken if isinstance(one, Appended)]


class Result(Protocol):
    """What became of one that was read again."""

    @property
    def appended(self) -> Appended | None:
        """The event that it is now; None where it is none."""
        ...


Results = TypeVar("Results", bound=Result)


async def read_again(
    ids: Sequence[int],
    write: Callable[[Connection, Sequence[int]], Awaitable[list[Results]]],
    *,
    store: Store,
    event_log: EventLog,
) -> list[Results]:
    """Read again what is kept, in order, a batch in one transaction; decide what became events."""
    results: list[Results] = []
    for first in range(0, len(ids), BATCH):
        batch = await store.transact(write, ids[first : first + BATCH])
        if appended := [one.appended for one in batch if one.appended is not None]:
            event_log.committed(appended)
        results += batch
    return results


def _payload(verified: VerifiedDelivery) -> bytes | None:
    try:
        read_body(verified.delivery.body)
    except HeldDelivery as why:
        if why.reason is HeldReason.FORM_ENCODED:
            return form_payload(verified.delivery.body)
    return None


def _with_body(verified: VerifiedDelivery, body: bytes) -> VerifiedDelivery:
    return replace(verified, delivery=replace(verified.delivery, body=body))


def _say(verified: VerifiedDelivery, source: SourceSettings) -> CaseEvent | HeldDelivery:
    try:
        return understand(verified, source)
    except HeldDelivery as why:
        return why


async def _hold(connection: Connection, verified: VerifiedDelivery, why: HeldDelivery) -> Held:
    test = why.reason is HeldReason.PROVIDER_TEST
    kept = await held.hold(
        connection,
        verified,
        reason=why.reason,
        shape=shape_of(read_body(verified.delivery.body).document) if test else None,
        detail=why.message,
        body_sha256=hashlib.sha256(verified.delivery.body).hexdigest(),
        idempotency_key=idempotency_key(verified.delivery),
    )
    return Held(reason=why.reason, held_id=kept.held_id, repeat=kept.repeat)
