"""Everything that matches, as lines of text that sum themselves up, and on record.

    understand → record → read a piece → write its lines → … → record → last line

The last line comes when the end is on record, so that an export which has it is whole.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import casebell
from casebell import shapes
from casebell.actors import Actor
from casebell.case_file import Column
from casebell.clock import Clock, iso
from casebell.errors import CasebellError, TooManyExports
from casebell.events import Micros
from casebell.service import Verb
from casebell.service.filters import (
    Given,
    alert_filter,
    event_filter,
    on_record,
    understood,
    word,
)
from casebell.service.formats import Format, Lines, lines_of
from casebell.service.names import must_be_known
from casebell.service.waits_in_words import WaitsInWords
from casebell.settings import Settings
from casebell.store import case_directory, journal, walk
from casebell.store.engine import Store
from casebell.store.walk import Filter

#: Exports that a server carries out at the same time: each takes turns with deliveries.
AT_ONCE = 2
#: Rows, and characters, that are made into text before deliveries have a turn: about a millisecond.
ROWS_A_TURN = 25
TEXT_A_TURN = 100_000

#: Puts a journal entry on record, however that is done where this runs.
Record: TypeAlias = Callable[[journal.Entry], Awaitable[object]]


@dataclass(kw_only=True, slots=True)
class _Progress:
    """One export, and how far it is."""

    of: str
    actor: Actor
    #: Reads the rows.
    read: Callable[[], AsyncGenerator[Any, None]]
    #: What tells the rows apart, and rises from one to the next.
    key: str
    shape: Callable[[Any], Mapping[str, Any]]
    lines: Lines
    #: As it was understood: what the last line says, and what the journal keeps of it.
    filter: Mapping[str, Any]
    begun_at: Micros
    number: str = field(default_factory=lambda: uuid.uuid4().hex)
    digest: Any = field(default_factory=hashlib.sha256)
    rows: int = 0
    first: int | str | None = None
    last: int | str | None = None

    def text(self, line: str) -> str:
        """A line, which the digest then covers."""
        self.digest.update(line.encode())
        return line

    def line(self, row: Any) -> str:
        """The next row."""
        item = self.shape(row)
        self.rows += 1
        self.last = item[self.key]
        if self.first is None:
            self.first = self.last
        return self.text(self.lines.row(item))

    def figures(self) -> dict[str, Any]:
        """How many rows it has by now, and which."""
        return {"rows": self.rows, "first": self.first, "last": self.last}

    def summary(self) -> Mapping[str, Any]:
        """What the last line says."""
        return {
            "of": self.of,
            **self.figures(),
            "sha256": self.digest.hexdigest(),
            "filter": self.filter,
            "at": iso(self.begun_at),
            "version": casebell.__version__,
        }


class Exporting:
    """The verbs that give an export.

    Args:
        store: is read from.
        settings: those in force.
        record: puts an entry on record; raises where it cannot be, and nothing is given then. By
            default the store's journal.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        clock: Clock,
        record: Record | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._waits = WaitsInWords(settings=settings, clock=clock)
        self._record = record or self._in_journal
        self._under_way = 0
        self._recording: set[asyncio.Task[object]] = set()

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "export_events": self.export_events,
            "export_alerts": self.export_alerts,
            "export_cases": self.export_cases,
            "count_events": self.count_events,
            "count_alerts": self.count_alerts,
            "count_cases": self.count_cases,
        }

    async def export_events(
        self,
        *,
        format: str = Format.JSONL,  # noqa: A002 - the key of the API
        bodies: bool = False,
        actor: Actor,
        **filters: str | None,
    ) -> AsyncGenerator[str, None]:
        """Every event that matches, oldest first, as lines; filtered as `list_events` is.

        The lines are to be closed (`aclosing`) where not all of them are taken.

        Args:
            bodies: each with the body of its first delivery.

        Raises:
            BadArgument: a filter cannot be understood; this and all others are raised at once.
            TooManyExports: others are under way.
            StorageUnavailable: it cannot be read, or put on record.
        """
        where = event_filter(filters, actor=actor, timezone=self._zone(), now=self._clock.now())
        value = shapes.EventWithBody if bodies else shapes.Event
        return await self._begun(
            "events",
            replace(where, bodies=bodies),
            filters,
            shape=shapes.event_with_body if bodies else shapes.event,
            fields=value.__annotations__,
            written=format,
        )

    async def export_alerts(
        self,
        *,
        outstanding: bool = False,
        format: str = Format.JSONL,  # noqa: A002 - the key of the API
        actor: Actor,
        **filters: str | None,
    ) -> AsyncGenerator[str, None]:
        """The same of alerts."""
        where = self._alerts(filters, actor, outstanding=outstanding)
        return await self._begun(
            "alerts",
            where,
            filters,
            shape=lambda row: shapes.alert(row, waits=self._waits(row)),
            fields=shapes.Alert.__annotations__,
            written=format,
        )

    async def export_cases(
        self,
        *,
        format: str = Format.JSONL,  # noqa: A002 - as of the others
        actor: Actor,
    ) -> AsyncGenerator[str, None]:
        """Every case that the firm has named, with what it says of it; the table is a list again.

        Raises:
            TooManyExports, StorageUnavailable: as with `export_events`.
        """
        return await self._put_on_record(
            _Progress(
                of="cases",
                actor=actor,
                read=partial(case_directory.export, self._store.read),
                key=Column.RECEIPT,
                shape=_said_of_case,
                lines=lines_of(word(Format, format, noun="format"), tuple(Column)),
                filter={},
                begun_at=self._clock.now(),
            )
        )

    async def count_cases(self, *, actor: Actor) -> int:
        """How many cases the firm has named."""
        async with self._store.read() as connection:
            return await case_directory.count(connection)

    async def count_events(self, *, actor: Actor, **filters: str | None) -> int:
        """How many events match; as slow as the export where no index has a part of the filter."""
        zone, now = self._zone(), self._clock.now()
        return await self._count(event_filter(filters, actor=actor, timezone=zone, now=now))

    async def count_alerts(
        self, *, outstanding: bool = False, actor: Actor, **filters: str | None
    ) -> int:
        """The same of alerts."""
        return await self._count(self._alerts(filters, actor, outstanding=outstanding))

    async def _count(self, where: Filter) -> int:
        async with self._store.read() as connection:
            return await walk.count(connection, where)

    def _alerts(self, given: Given, actor: Actor, *, outstanding: bool) -> Filter:
        settings, now = self._settings(), self._clock.now()
        return alert_filter(given, actor=actor, outstanding=outstanding, settings=settings, now=now)

    def _zone(self) -> str:
        return self._settings().server.timezone

    async def _begun(
        self,
        of: str,
        where: Filter,
        given: Given,
        *,
        shape: Callable[[Any], Mapping[str, Any]],
        fields: Iterable[str],
        written: str,
    ) -> AsyncGenerator[str, None]:
        one = _Progress(
            of=of,
            actor=where.seen_by,
            read=partial(walk.export, self._store.read, where),
            key="id",
            shape=shape,
            lines=lines_of(word(Format, written, noun="format"), tuple(fields)),
            filter=understood(where, given),
            begun_at=self._clock.now(),
        )
        async with self._store.read() as connection:
            await must_be_known(connection, given, self._settings())
        return await self._put_on_record(one)

    async def _put_on_record(self, one: _Progress) -> AsyncGenerator[str, None]:
        if self._under_way >= AT_ONCE:
            raise TooManyExports
        lines = self._lines(one)
        # Up to its first line, which is none: it is on record then, and counts as under way until
        # it is closed, by whoever drops it.
        await anext(lines)
        return lines

    async def _lines(self, one: _Progress) -> AsyncGenerator[str, None]:
        self._under_way += 1
        try:
            await self._record(self._entry(one, "started", {"filter": on_record(one.filter)}))
            try:
                yield ""
                if heading := one.text(one.lines.heading()):
                    yield heading
                async with aclosing(self._rows(one)) as lines:
                    async for line in lines:
                        yield line
            except BaseException:
                await self._cut_off(one)
                raise
            summary = one.summary()
            figures = {**one.figures(), "sha256": summary["sha256"]}
            await self._record(self._entry(one, "ended", figures))
            yield one.lines.last(summary)
        finally:
            self._under_way -= 1

    async def _rows(self, one: _Progress) -> AsyncGenerator[str, None]:
        """The lines of the rows, with turns for deliveries in between."""
        size = 0
        async with aclosing(one.read()) as rows:
            async for row in rows:
                line = one.line(row)
                size += len(line)
                if one.rows % ROWS_A_TURN == 0 or size > TEXT_A_TURN:
                    await asyncio.sleep(0)
                    size = 0
                yield line

    async def _cut_off(self, one: _Progress) -> None:
        """Put on record that it did not end, though whoever took the lines may be gone."""
        entry = self._entry(one, "ended", {**one.figures(), "cut_off": True})

        async def record() -> None:
            # What cannot be recorded has begun on record, and no end.
            with suppress(CasebellError):
                await self._record(entry)

        task = asyncio.create_task(record())
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)
        # A cancellation of whoever waits does not undo it.
        await asyncio.shield(task)

    def _entry(self, one: _Progress, became: str, data: Mapping[str, Any]) -> journal.Entry:
        return journal.Entry.of(
            one.actor,
            at=self._clock.now(),
            kind=f"export.{became}",
            subject=f"export:{one.number}",
            data={"of": one.of, **data},
        )

    async def _in_journal(self, entry: journal.Entry) -> None:
        await self._store.transact(journal.append, [entry])


def _said_of_case(row: Any) -> Mapping[str, Any]:
    """A case as a list has it."""
    return {column: getattr(row, column) for column in Column}
