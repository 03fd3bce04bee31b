"""Where deliveries become durable: events once for ever, every delivery in the journal.

Group commit: deliveries that wait together share one transaction and one fsync. One task takes
everything that waits, writes it, commits, then answers every waiter. In a crowd it first lets in
those who are at the door; a delivery that comes alone waits for its own commit only.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.errors import QueueFull, ShuttingDown, StorageUnavailable
from casebell.events import AppendOutcome, CaseEvent
from casebell.store.batch import Appended, SameContent, append
from casebell.store.engine import Store
from casebell.store.tables import CoreTables, SqliteTables

#: Most deliveries that wait for the disk at once; beyond it the answer is 503.
QUEUE_LIMIT = 2_048
#: Most deliveries in one transaction.
BATCH_LIMIT = 256
#: Turns of the loop without another delivery after which a crowd is complete.
QUIET_TURNS = 2


class EventLog:
    """Appends events; start it with `async with`.

    Args:
        store: the open store.
        same_content: tells a repeat with other bytes from a conflict (decisions B7, C6).
        appended: called after each commit that brought new events, with their ids. A batch in
            which an event already stored got a flag comes without them: read it all again.
    """

    def __init__(
        self,
        *,
        store: Store,
        same_content: SameContent,
        appended: Callable[[Sequence[tuple[int, CaseEvent]]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._same_content = same_content
        self._appended = appended
        self._waiting: list[tuple[CaseEvent, asyncio.Future[Appended]]] = []
        #: Deliveries in the last batch.
        self._crowd = 1
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "EventLog":
        # Asking for it costs a call of the system each time.
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="event-log")
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

    def append(self, event: CaseEvent) -> asyncio.Future[Appended]:
        """Make an event durable; done after the commit.

        Raises, at once or by the future:
            QueueFull: more deliveries wait than can be stored in time.
            ShuttingDown: the log is closing.
            StorageUnavailable: the commit failed; nothing of this delivery is stored.
        """
        if self._closing:
            raise ShuttingDown
        if len(self._waiting) >= QUEUE_LIMIT:
            raise QueueFull
        future: asyncio.Future[Appended] = self._loop.create_future()
        self._waiting.append((event, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._let_in()
                batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
                self._crowd = len(batch)
                await self._write(batch)
            if self._closing:
                return

    async def _let_in(self) -> None:
        """In a crowd, wait for as long as each turn of the loop brings more.

        A commit costs as much as several deliveries, whatever it holds. The turns cost nothing:
        they are spent on reading what arrived.
        """
        if self._crowd == len(self._waiting) == 1:
            return
        quiet = 0
        while quiet < QUIET_TURNS and len(self._waiting) < BATCH_LIMIT:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = 0 if len(self._waiting) > before else quiet + 1

    async def _write(self, batch: Sequence[tuple[CaseEvent, asyncio.Future[Appended]]]) -> None:
        try:
            results = await self._append([event for event, _ in batch])
        except StorageUnavailable as error:
            _fail(batch, error)
        except Exception:  # noqa: BLE001 - whatever it was, nothing is stored and nobody may wait for ever
            _fail(batch, StorageUnavailable())
        else:
            for (_, future), result in zip(batch, results, strict=True):
                # A client that went away has cancelled its future; its event is stored.
                if not future.done():
                    future.set_result(result)
            outcomes = {result.outcome for result in results}
            if AppendOutcome.CONFLICT in outcomes:
                self._appended(())
            elif AppendOutcome.STORED in outcomes:
                self._appended(
                    [
                        (result.event_id, result.event)
                        for result in results
                        if result.outcome is AppendOutcome.STORED
                    ]
                )

    async def _append(self, events: Sequence[CaseEvent]) -> list[Appended]:
        """One transaction; on SQLite perhaps shared with others that write."""

        def work(bare: sqlite3.Connection) -> list[Appended]:
            return append(SqliteTables(bare), events, same_content=self._same_content)

        if self._store.is_sqlite:
            return await self._store.write_at_once(work)
        async with self._store.write() as connection:
            return await append_events(connection, events, same_content=self._same_content)


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

    def work(core: Connection) -> list[Appended]:
        return append(CoreTables(core), batch, same_content=same_content)

    return await connection.run_sync(work)
