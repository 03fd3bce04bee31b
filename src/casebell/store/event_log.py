"""Where deliveries become durable: events once for ever, every delivery in the journal.

Group commit: deliveries that wait together share one transaction and one fsync. One task takes
everything that waits, writes it, commits, then answers every waiter. It never lingers, so a single
delivery waits for its own commit only.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.errors import QueueFull, ShuttingDown, StorageUnavailable
from casebell.events import AppendOutcome, CaseEvent, Flag, KeyBasis
from casebell.store import journal
from casebell.store.engine import Store
from casebell.store.rows import event_row, parse_words, words
from casebell.store.schema import deliveries, events

#: Most deliveries that wait for the disk at once; beyond it the answer is 503.
QUEUE_LIMIT = 2_048
#: Most deliveries in one transaction.
BATCH_LIMIT = 256

#: (source, body, other body) -> whether both say the same.
SameContent: TypeAlias = Callable[[str, bytes, bytes], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Appended:
    """What became of a delivery."""

    outcome: AppendOutcome
    #: Row id of the event (for a conflict, of the revision that was kept).
    event_id: int
    #: The key that the source will recognise.
    key: str


@dataclass(frozen=True, slots=True)
class _Stored:
    id: int
    body: bytes
    body_sha256: str


class EventLog:
    """Appends events; start it with `async with`.

    Args:
        store: the open store.
        same_content: tells a repeat with other bytes from a conflict (decisions B7, C6).
        appended: called after each commit that brought new events.
    """

    def __init__(
        self,
        *,
        store: Store,
        same_content: SameContent,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._same_content = same_content
        self._appended = appended
        self._waiting: list[tuple[CaseEvent, asyncio.Future[Appended]]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "EventLog":
        self._task = asyncio.create_task(self._run(), name="event-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what still waits, then end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._task is not None and not self._task.done()

    async def append(self, event: CaseEvent) -> Appended:
        """Make an event durable; returns after the commit.

        Raises:
            QueueFull: more deliveries wait than can be stored in time.
            ShuttingDown: the log is closing.
            StorageUnavailable: the commit failed; nothing of this delivery is stored.
        """
        if self._closing:
            raise ShuttingDown
        if len(self._waiting) >= QUEUE_LIMIT:
            raise QueueFull
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
                await self._write(batch)
            if self._closing:
                return

    async def _write(self, batch: Sequence[tuple[CaseEvent, asyncio.Future[Appended]]]) -> None:
        try:
            async with self._store.write() as connection:
                results = await append_events(
                    connection, [event for event, _ in batch], same_content=self._same_content
                )
        except StorageUnavailable as error:
            _fail(batch, error)
        except Exception:  # noqa: BLE001 - whatever it was, nothing is stored and nobody may wait for ever
            _fail(batch, StorageUnavailable())
        else:
            for (_, future), result in zip(batch, results, strict=True):
                # A client that went away has cancelled its future; its event is stored.
                if not future.done():
                    future.set_result(result)
            if any(result.outcome is not AppendOutcome.DUPLICATE for result in results):
                self._appended()


def _fail(
    batch: Sequence[tuple[CaseEvent, asyncio.Future[Appended]]], error: StorageUnavailable
) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


async def append_events(
    connection: AsyncConnection, batch: Sequence[CaseEvent], *, same_content: SameContent
) -> list[Appended]:
    """Write a batch inside the caller's transaction; one result for each event, in order."""
    known = await _known(connection, [(event.source, event.key) for event in batch])
    next_id = 1 + int(
        (await connection.execute(select(func.coalesce(func.max(events.c.id), 0)))).scalar_one()
    )
    new_events: list[dict[str, Any]] = []
    repeats: list[dict[str, Any]] = []
    entries: list[journal.Entry] = []
    results: list[Appended] = []
    conflicted: set[int] = set()

    def add(event: CaseEvent, revision_of: int | None = None) -> int:
        nonlocal next_id
        new_events.append({"id": next_id, **event_row(event), "revision_of": revision_of})
        known[event.source, event.key] = _Stored(next_id, event.body, event.body_sha256)
        next_id += 1
        return next_id - 1

    for event in batch:
        first = known.get((event.source, event.key))
        if first is None:
            event_id, outcome = add(event), AppendOutcome.STORED
        elif _same(event, first, same_content):
            event_id, outcome = first.id, AppendOutcome.DUPLICATE
        else:
            outcome = AppendOutcome.CONFLICT
            conflicted.add(first.id)
            revision = _revision(event)
            kept = (await _known(connection, [(revision.source, revision.key)])) | known
            again = kept.get((revision.source, revision.key))
            event_id = again.id if again else add(revision, first.id)
            if again:
                repeats.append(_repeat(event, again, outcome))
        if outcome is AppendOutcome.DUPLICATE and first is not None:
            repeats.append(_repeat(event, first, outcome))
        results.append(Appended(outcome=outcome, event_id=event_id, key=event.key))
        entries.append(_entry(event, event_id, outcome))

    if new_events:
        await connection.execute(events.insert(), new_events)
    if repeats:
        await connection.execute(deliveries.insert(), repeats)
    for event_id in conflicted:
        await _flag(connection, event_id, Flag.CONFLICT)
    await journal.append(connection, entries)
    return results


async def _known(
    connection: AsyncConnection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], _Stored]:
    columns = (
        events.c.source,
        events.c.key,
        events.c.id,
        events.c.body,
        events.c.body_sha256,
    )
    by_source: dict[str, list[str]] = {}
    for source, key in keys:
        by_source.setdefault(source, []).append(key)
    known: dict[tuple[str, str], _Stored] = {}
    # A query for each source: SQLite answers pairs, `(source, key) IN (…)`, with a table scan.
    for source, of_source in by_source.items():
        rows = await connection.execute(
            select(*columns).where(events.c.source == source, events.c.key.in_(of_source))
        )
        for row in rows:
            known[row.source, row.key] = _Stored(row.id, bytes(row.body), row.body_sha256)
    return known


def _same(event: CaseEvent, first: _Stored, same_content: SameContent) -> bool:
    return event.body_sha256 == first.body_sha256 or same_content(
        event.source, first.body, event.body
    )


def _revision(event: CaseEvent) -> CaseEvent:
    """The conflicting body as an event of its own: kept, routed and shown like any other.

    The key names the first event and this body, so that the same conflict is kept once.
    """
    return dataclasses.replace(
        event,
        key=f"{event.key}#{event.body_sha256[:16]}",
        key_basis=KeyBasis.REVISION,
        flags=event.flags | {Flag.CONFLICT},
    )


def _repeat(event: CaseEvent, first: _Stored, outcome: AppendOutcome) -> dict[str, Any]:
    return {
        "event_id": first.id,
        "at": event.received_at,
        "outcome": outcome,
        "idempotency_key": event.idempotency_key,
        "address": event.address,
        "secret_label": event.secret_label,
        "request_id": event.request_id,
        "flags": words(event.flags),
        "body_sha256": event.body_sha256,
        "body": None if event.body_sha256 == first.body_sha256 else event.body,
    }


def _entry(event: CaseEvent, event_id: int, outcome: AppendOutcome) -> journal.Entry:
    return journal.Entry(
        at=event.received_at,
        kind=f"delivery.{outcome}",
        actor=f"source:{event.source}",
        subject=f"event:{event_id}",
        data={
            "key": event.key,
            "receipt": event.receipt,
            "status": event.status,
            "body_sha256": event.body_sha256,
            "secret": event.secret_label,
            "request_id": event.request_id,
        },
    )


async def _flag(connection: AsyncConnection, event_id: int, flag: Flag) -> None:
    """Add a flag to a stored event (nothing else of it ever changes)."""
    stored = (
        await connection.execute(select(events.c.flags).where(events.c.id == event_id))
    ).scalar_one()
    await connection.execute(
        events.update()
        .where(events.c.id == event_id)
        .values(flags=words(parse_words(Flag, stored) | {flag}))
    )
