"""Makes deliveries durable: each event once for ever, every delivery in the journal.

An event is stored and decided in one transaction. Deliveries that wait at the same time share a
transaction and an fsync: one task takes all of them, writes them, then answers each. When several
wait, the task first lingers for more; a single delivery waits only for its commit.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Decided
from casebell.errors import QueueFull, ShuttingDown, StorageUnavailable
from casebell.events import AppendOutcome, CaseEvent, Content, Flag, KeyBasis
from casebell.store.engine import Store
from casebell.store.group_commit import fail
from casebell.store.repeats import Repeat
from casebell.store.rows import StoredEvent
from casebell.store.statements import Driver
from casebell.store.unit_of_work import UnitOfWork

#: Deliveries that may wait for the disk at once; beyond it the answer is 503.
MAX_WAITING_DELIVERIES = 2_048
#: Most deliveries in one transaction.
MAX_BATCH_DELIVERIES = 256
#: Consecutive turns of the event loop without a new delivery after which lingering ends.
LINGER_TURNS = 2

#: Fields of a conflict that are named, and characters of a name.
MAX_FIELDS = 20
MAX_FIELD_NAME = 100

#: (source, body) -> what the body says.
ContentOf: TypeAlias = Callable[[str, bytes], Content]
#: Decides the new events of a unit of work, except those that fail; never raises.
Decide: TypeAlias = Callable[[UnitOfWork], Sequence[Decided]]


class Appended(NamedTuple):
    """The outcome of a delivery."""

    outcome: AppendOutcome
    #: Id of the event's row (for a conflict, of the revision that was kept).
    event_id: int
    #: The event as this delivery had it.
    event: CaseEvent
    #: The decision, if the event is new and its decision did not fail.
    decided: Decided | None = None
    #: The same came before.
    repeat: bool = False
    #: It has no row of its own: too many of the same event came before.
    counted: bool = False

    @property
    def key(self) -> str:
        """The key that the source will recognise."""
        return self.event.key

    @property
    def status(self) -> str:
        """The outcome as the answer names it."""
        return self.outcome._value_


#: A delivery and the future that its caller awaits.
_Waiting: TypeAlias = tuple[CaseEvent, "asyncio.Future[Appended]"]


class EventLog:
    """Appends events; start it with `async with`.

    Args:
        store: the open store.
        content_of: tells a repeat with other bytes from a conflict.
        decide: decides new events, in the transaction that stores them.
        committed: called after each commit, with the outcomes of its deliveries.
    """

    def __init__(
        self,
        *,
        store: Store,
        content_of: ContentOf,
        decide: Decide,
        committed: Callable[[Sequence[Appended]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._content_of = content_of
        self._decide = decide
        #: Called with the outcomes of deliveries once they are on disk.
        self.committed = committed
        self._waiting: list[_Waiting] = []
        self._last_batch_size = 1
        self._wakeup = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "EventLog":
        self._task = asyncio.create_task(self._run(), name="event-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End as `close` does."""
        await self.close()

    async def close(self) -> None:
        """Write the deliveries that still wait, then end."""
        self._closing = True
        self._wakeup.set()
        if self._task is not None:
            await self._task

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._task is not None and not self._task.done()

    async def append(self, event: CaseEvent) -> Appended:
        """Make an event durable, with its decision; returns after the commit.

        Raises:
            QueueFull: `MAX_WAITING_DELIVERIES` deliveries wait already.
            ShuttingDown: the log is closing.
            StorageUnavailable: the commit failed; nothing of this delivery is stored.
        """
        if self._closing:
            raise ShuttingDown
        if len(self._waiting) >= MAX_WAITING_DELIVERIES:
            raise QueueFull
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, future))
        self._wakeup.set()
        return await future

    async def append_now(
        self, connection: AsyncConnection, batch: Sequence[CaseEvent]
    ) -> list[Appended]:
        """Write a batch inside the caller's transaction; one result for each event, in order.

        The caller hands the results to `committed` once they are on disk.
        """
        return await append_events(
            connection, batch, content_of=self._content_of, decide=self._decide
        )

    async def _run(self) -> None:
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            while self._waiting:
                await self._linger()
                await self._write()
            if self._closing:
                return

    async def _linger(self) -> None:
        """When several deliveries wait, wait until turns of the event loop bring no more.

        A commit costs as much as several deliveries, whatever its size. The turns cost nothing:
        they read what arrived.
        """
        if self._last_batch_size == len(self._waiting) == 1:
            return
        quiet = 0
        while quiet < LINGER_TURNS and len(self._waiting) < MAX_BATCH_DELIVERIES:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = 0 if len(self._waiting) > before else quiet + 1

    async def _write(self, *, at_most: int = MAX_BATCH_DELIVERIES) -> None:
        """Write deliveries that wait, and resolve their futures."""
        batch: list[_Waiting] = []

        async def write(connection: AsyncConnection) -> list[Appended]:
            # Taken only now, to include deliveries that came during the previous transaction.
            batch[:], self._waiting = self._waiting[:at_most], self._waiting[at_most:]
            self._last_batch_size = len(batch)
            return await self.append_now(connection, [event for event, _ in batch])

        try:
            results = await self._store.transact(write)
        except StorageUnavailable as error:
            # The batch is empty if no transaction could begin.
            fail(batch or self._take_all(), error)
        except Exception:  # noqa: BLE001 - of any kind: nothing is stored, and each caller needs an answer
            if len(batch) <= 1:
                # The batch is empty if the transaction did not come to it.
                fail(batch or self._take_all(), StorageUnavailable())
                return
            # A delivery that cannot be written fails alone.
            self._waiting[:0] = batch
            for _ in batch:
                await self._write(at_most=1)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                # The future of a client that disconnected is cancelled; its event is stored.
                if not future.done():
                    future.set_result(result)
            self.committed(results)

    def _take_all(self) -> list[_Waiting]:
        taken, self._waiting = self._waiting, []
        return taken


async def append_events(
    connection: AsyncConnection,
    batch: Sequence[CaseEvent],
    *,
    content_of: ContentOf,
    decide: Decide,
) -> list[Appended]:
    """Write a batch with its decisions inside the caller's transaction."""
    unit = UnitOfWork(await Driver.of(connection))
    await unit.load(batch)
    named = _Named(unit, content_of)
    await named.look_up(batch)
    await unit.repeats.load(stored.id for stored in unit.known.values())
    appended = [_append(unit, event, named) for event in batch]
    decided = {one.id: one for one in decide(unit)}
    await unit.write()
    # Of several deliveries of a new event the first one has the decision.
    return [one._replace(decided=decided.pop(one.event_id, None)) for one in appended]


def _append(unit: UnitOfWork, event: CaseEvent, named: "_Named") -> Appended:
    """Add an event as new, as a repeat of a known one, or as in conflict with it."""
    kept = named.event(event)
    first = unit.known.get((kept.source, kept.key))
    repeat: Repeat | None = None
    if first is None:
        event_id, outcome = unit.add_event(kept), AppendOutcome.STORED
    elif named.same(kept, first):
        event_id, outcome = first.id, AppendOutcome.DUPLICATE
        repeat = unit.repeats.add(event, of=first, outcome=outcome)
    else:
        outcome = AppendOutcome.CONFLICT
        unit.mark_conflict(first)
        revision = named.revision(kept)
        known = unit.known.get((revision.source, revision.key))
        if known is None:
            fields = named.differing(kept, first)
            event_id = unit.add_conflict(revision, first=first, fields=fields)
        else:
            event_id = known.id
            repeat = unit.repeats.add(event, of=known, outcome=outcome)
    counted = repeat is not None and repeat.counted
    if repeat is None or not counted:
        unit.journal_delivery(event, event_id=event_id, outcome=outcome)
    elif repeat.noted:
        unit.journal_delivery(event, event_id=event_id, outcome=outcome, repeats=repeat.number)
    return Appended(
        outcome=outcome,
        event_id=event_id,
        event=event,
        repeat=repeat is not None,
        counted=counted,
    )


class _Named:
    """Tells what is the same event, and names what may not have the key that it came with.

    Such a name has a no-break space, which no id can have (`receive.understand`), so that no source
    can take the place of a name that we made.
    """

    def __init__(self, unit: UnitOfWork, content_of: ContentOf) -> None:
        self._unit = unit
        self._content_of = content_of
        #: By source and SHA-256 of the body.
        self._contents: dict[tuple[str, str], Content] = {}

    async def look_up(self, batch: Sequence[CaseEvent]) -> None:
        """Read the events with names of ours that this batch may repeat."""
        firsts = {
            name: (stored.key_basis, stored.body_sha256)
            for name, stored in self._unit.known.items()
        }
        doubtful = [
            event
            for event in batch
            if (as_here := (event.key_basis._value_, event.body_sha256))
            != firsts.setdefault((event.source, event.key), as_here)
        ]
        if doubtful:
            own = [_with_own_name(event) for event in doubtful]
            names = [*own, *(self.revision(event) for event in (*doubtful, *own))]
            await self._unit.look_up((event.source, event.key) for event in names)

    def event(self, event: CaseEvent) -> CaseEvent:
        """The event under the key that it is kept under.

        An id may look like a receipt and a time, or like a digest: the two are not the same key.
        """
        holder = self._unit.known.get((event.source, event.key))
        if holder is None or holder.key_basis == event.key_basis._value_:
            return event
        return _with_own_name(event)

    def same(self, event: CaseEvent, first: StoredEvent) -> bool:
        """Whether both have the same content."""
        return event.body_sha256 == first.body_sha256 or self._of(event) == self._of(first)

    def differing(self, event: CaseEvent, first: StoredEvent) -> list[str]:
        """The paths of the fields whose values differ, as `volatile` takes them."""
        ours, theirs = self._of(event), self._of(first)
        places = (place for place in {**ours, **theirs} if ours.get(place) != theirs.get(place))
        names = {".".join(name for name in place if isinstance(name, str)) for place in places}
        return [name[:MAX_FIELD_NAME] for name in sorted(names)[:MAX_FIELDS]]

    def revision(self, event: CaseEvent) -> CaseEvent:
        """A conflicting body as an event of its own, routed and shown like any other.

        Its key has a digest of its content, so that the same conflict is kept once.
        """
        return replace(
            event,
            key=f"{event.key}\N{NO-BREAK SPACE}(revision {_digest(self._of(event))})",
            key_basis=KeyBasis.REVISION,
            flags=event.flags | {Flag.CONFLICT},
        )

    def _of(self, one: CaseEvent | StoredEvent) -> Content:
        known = self._contents.get((one.source, one.body_sha256))
        if known is None:
            known = self._content_of(one.source, one.body)
            self._contents[one.source, one.body_sha256] = known
        return known


def _with_own_name(event: CaseEvent) -> CaseEvent:
    return replace(event, key=f"{event.key}\N{NO-BREAK SPACE}({event.key_basis})")


def _digest(content: Content) -> str:
    values = sorted([json.dumps(place), value] for place, value in content.items())
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
