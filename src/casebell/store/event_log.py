"""Makes deliveries durable: each event once for ever, every delivery in the journal.

An event is stored and decided in one transaction. Deliveries that wait at the same time share a
transaction and an fsync: one task takes all of them, writes them, then answers each. When several
wait, the task first lingers for more; a single delivery waits only for its commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.alerts import Decided
from casebell.errors import QueueFull, ShuttingDown, StorageUnavailable
from casebell.events import AppendOutcome, CaseEvent, Flag, KeyBasis
from casebell.store.engine import Store, fail
from casebell.store.rows import StoredEvent
from casebell.store.statements import Driver
from casebell.store.unit_of_work import UnitOfWork

#: Deliveries that may wait for the disk at once; beyond it the answer is 503.
MAX_WAITING_DELIVERIES = 2_048
#: Most deliveries in one transaction.
MAX_BATCH_DELIVERIES = 256
#: Consecutive turns of the event loop without a new delivery after which lingering ends.
LINGER_TURNS = 2

#: (source, body, other body) -> whether both have the same content.
SameContent: TypeAlias = Callable[[str, bytes, bytes], bool]
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
        same_content: distinguishes a repeat with other bytes from a conflict.
        decide: decides new events, in the transaction that stores them.
        committed: called after each commit, with the outcomes of its deliveries.
    """

    def __init__(
        self,
        *,
        store: Store,
        same_content: SameContent,
        decide: Decide,
        committed: Callable[[Sequence[Appended]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._same_content = same_content
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
            connection, batch, same_content=self._same_content, decide=self._decide
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
    same_content: SameContent,
    decide: Decide,
) -> list[Appended]:
    """Write a batch with its decisions inside the caller's transaction."""
    unit = UnitOfWork(await Driver.of(connection))
    await unit.load(batch)
    await _look_up_revisions(unit, batch)
    appended = [_append(unit, event, same_content=same_content) for event in batch]
    decided = {one.id: one for one in decide(unit)}
    await unit.write()
    # Of several deliveries of a new event the first one has the decision.
    return [one._replace(decided=decided.pop(one.event_id, None)) for one in appended]


async def _look_up_revisions(unit: UnitOfWork, batch: Sequence[CaseEvent]) -> None:
    """Read the revisions that this batch may repeat: those of known keys with other bytes."""
    firsts = {name: stored.body_sha256 for name, stored in unit.known.items()}
    doubtful = [
        event
        for event in batch
        if firsts.setdefault((event.source, event.key), event.body_sha256) != event.body_sha256
    ]
    if doubtful:
        await unit.look_up((event.source, _revision_key(event)) for event in doubtful)


def _append(unit: UnitOfWork, event: CaseEvent, *, same_content: SameContent) -> Appended:
    """Add an event as new, as a repeat of a known one, or as in conflict with it."""
    first = unit.known.get((event.source, event.key))
    if first is None:
        event_id, outcome = unit.add_event(event), AppendOutcome.STORED
    elif _same(event, first, same_content):
        event_id, outcome = first.id, AppendOutcome.DUPLICATE
        unit.add_delivery(event, of=first, outcome=outcome)
    else:
        outcome = AppendOutcome.CONFLICT
        unit.mark_conflict(first)
        known = unit.known.get((event.source, _revision_key(event)))
        if known is None:
            event_id = unit.add_event(_revision(event), revision_of=first.id)
        else:
            event_id = known.id
            unit.add_delivery(event, of=known, outcome=outcome)
    unit.journal_delivery(event, event_id=event_id, outcome=outcome)
    return Appended(outcome=outcome, event_id=event_id, event=event)


def _same(event: CaseEvent, first: StoredEvent, same_content: SameContent) -> bool:
    return event.body_sha256 == first.body_sha256 or same_content(
        event.source, first.body, event.body
    )


def _revision(event: CaseEvent) -> CaseEvent:
    """The conflicting body as an event of its own, routed and shown like any other."""
    return replace(
        event,
        key=_revision_key(event),
        key_basis=KeyBasis.REVISION,
        flags=event.flags | {Flag.CONFLICT},
    )


def _revision_key(event: CaseEvent) -> str:
    """A key of the first event's key and this body, so that the same conflict is kept once."""
    return f"{event.key}#{event.body_sha256[:16]}"
