"""What an operator can see: lists a page at a time, one event and its story, what waits.

Every answer is a value as docs/contract.md has it, made in `shapes`; whoever asked makes text, a
page or JSON of it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from casebell import shapes
from casebell.clock import HOUR, Clock, iso
from casebell.errors import NotFound
from casebell.events import HeldState
from casebell.receive.explaining import explain, explain_streak
from casebell.service import Verb, explained
from casebell.service.filters import Given, alert_filter, event_filter, word
from casebell.service.names import must_be_known
from casebell.settings import Settings
from casebell.store import (
    conflicts,
    held,
    pushed_out,
    queries,
    refused,
    soundness,
    streaks,
    walk,
)
from casebell.store.engine import Connection, Store
from casebell.store.queries import AlertFilter, EventFilter
from casebell.store.walk import Filter

#: Rows of an export as values, one by one.
Export: TypeAlias = AsyncGenerator[Mapping[str, Any], None]

#: Rows of one answer of a server: making JSON of more would keep deliveries waiting.
MAX_PAGE = 500
#: The same of held deliveries, which come with their bodies.
HELD_PAGE = 20


class Reading:
    """What can be read.

    Args:
        settings: those in force. Their time zone is that of times that come without one; times of
            answers are UTC. The secrets of their sources are tried to explain a refusal.
        paged: whether an answer has at most a page, and says in `next` where it goes on.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        clock: Clock,
        paged: bool = True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._paged = paged
        self._settings = settings

    def verbs(self) -> Mapping[str, Verb]:
        """What may be asked for by name."""
        return {
            "list_events": self.list_events,
            "show_event": self.show_event,
            "why": self.why,
            "list_alerts": self.list_alerts,
            "list_held": self.list_held,
            "list_refused": self.list_refused,
            "why_refused": self.why_refused,
            "refused_in_a_row": self.refused_in_a_row,
            "pushed_out": self.pushed_out,
            "waiting": self.waiting,
            "soundness": self.soundness,
        }

    async def list_events(
        self, *, limit: int, before: int | None = None, **filters: str | None
    ) -> Mapping[str, Any]:
        """Events, newest first; `looked_back_to` says where older ones were not looked at."""
        where = self._events(filters)
        return await self._listed(where, filters, shapes.event, limit=limit, before=before)

    async def show_event(self, *, key: str) -> Sequence[Mapping[str, Any]]:
        """The events that are meant by a key, each with its deliveries and its body.

        Raises:
            NotFound: there is none.
        """
        async with self._store.read() as connection:
            return [
                {
                    **shapes.event(event),
                    "delivered": await _delivered(connection, event),
                    "body": shapes.body(await queries.body_of(connection, event.id)),
                }
                for event in await _events(connection, key)
            ]

    async def why(self, *, key: str) -> Sequence[Mapping[str, Any]]:
        """The events that are meant by a key, each with everything that became of it.

        Raises:
            NotFound: there is none.
        """
        async with self._store.read() as connection:
            return [
                await _explanation(connection, event) for event in await _events(connection, key)
            ]

    async def list_alerts(
        self,
        *,
        outstanding: bool = False,
        limit: int,
        before: int | None = None,
        **filters: str | None,
    ) -> Mapping[str, Any]:
        """Alerts, newest first.

        Args:
            outstanding: only what failed, is no test and was not dismissed.
        """
        where = self._alerts(filters, outstanding=outstanding)
        return await self._listed(where, filters, shapes.alert, limit=limit, before=before)

    async def _listed(
        self,
        where: Filter,
        given: Given,
        shape: Callable[[Any], Mapping[str, Any]],
        *,
        limit: int,
        before: int | None,
    ) -> Mapping[str, Any]:
        most = self._most(limit, MAX_PAGE)
        async with self._store.read() as connection:
            await must_be_known(connection, given, self._settings())
            page = await walk.page_of(connection, where, limit=limit, most=most, before=before)
        back = page.looked_back_to
        return {
            **_page(map(shape, page.rows), most=most, limit=limit),
            "looked_back_to": None if back is None else iso(back),
        }

    async def list_held(
        self, *, state: str | None = HeldState.HELD, limit: int, before: int | None = None
    ) -> Mapping[str, Any]:
        """Held deliveries with their bodies, newest first."""
        most = self._most(limit, HELD_PAGE)
        found = None if state is None else word(HeldState, state, noun="state")
        async with self._store.read() as connection:
            rows = await held.list_held(connection, state=found, limit=most, before=before)
        return _page(map(shapes.held, rows), most=most, limit=limit)

    async def list_refused(
        self,
        *,
        source: str | None = None,
        error: str | None = None,
        limit: int,
        before: int | None = None,
    ) -> Mapping[str, Any]:
        """Refused deliveries, newest first."""
        most = self._most(limit, MAX_PAGE)
        async with self._store.read() as connection:
            given = {"source": source, "error": error}
            await must_be_known(connection, given, self._settings())
            rows = await refused.list_refused(
                connection, source=source, error=error, limit=most, before=before
            )
        return _page(map(shapes.refused, rows), most=most, limit=limit)

    async def why_refused(self, *, refused_id: int) -> Mapping[str, Any]:
        """A refused delivery with the likely cause, found by trying over what is kept.

        Raises:
            NotFound: there is none of this number, or not any longer.
        """
        async with self._store.read() as connection:
            for one in await explain(connection, [refused_id], sources=self._settings().sources):
                return explained.refusal_explained(one)
        raise NotFound(
            f"There is no refused delivery {refused_id}, or it is forgotten by now.",
            hint="`casebell refused list` shows those there are.",
        )

    async def refused_in_a_row(self) -> Sequence[Mapping[str, Any]]:
        """What was refused of each source since its last authentic delivery, by error, and why."""
        async with self._store.read() as connection:
            return [
                explained.streak(
                    streak,
                    error=error,
                    explained=await explain_streak(
                        connection, streak, error=error, sources=self._settings().sources
                    ),
                )
                for streak in await streaks.read(connection)
                for error in sorted(streak.errors, key=streak.errors.__getitem__, reverse=True)
            ]

    async def pushed_out(self) -> Mapping[str, int]:
        """By source, how many refused deliveries that could be readmitted a flood pushed out.

        A flood that pushed out nothing for a day is left out.
        """
        async with self._store.read() as connection:
            found = await pushed_out.since(connection, self._clock.now() - 24 * HOUR)
        return {row.source: row.number for row in found}

    async def waiting(self) -> Mapping[str, int]:
        """How many events, alerts and held deliveries wait."""
        async with self._store.read() as connection:
            return await queries.backlog(connection)

    async def soundness(self) -> Mapping[str, Any]:
        """What is not ours in the database, and the changes that it kept from being told."""
        async with self._store.read() as connection:
            return {
                "differences": await connection.run_sync(soundness.differences),
                "untold_changes": await soundness.untold(connection),
            }

    async def export_events(self, **filters: str | None) -> Export:
        """Every event that matches, oldest first; filtered as `list_events` is.

        Raises:
            BadArgument: at once; a filter cannot be understood.
        """
        return await self._exported(self._events(filters), filters, shapes.event)

    async def export_alerts(self, *, outstanding: bool = False, **filters: str | None) -> Export:
        """The same of alerts."""
        where = self._alerts(filters, outstanding=outstanding)
        return await self._exported(where, filters, shapes.alert)

    async def _exported(
        self, where: Filter, given: Given, shape: Callable[[Any], Mapping[str, Any]]
    ) -> Export:
        async with self._store.read() as connection:
            await must_be_known(connection, given, self._settings())
        return self._export(where, shape)

    async def _export(self, where: Filter, shape: Callable[[Any], Mapping[str, Any]]) -> Export:
        async with self._store.read() as connection:
            async for row in walk.export(connection, where):
                yield shape(row)

    async def count_events(self, **filters: str | None) -> int:
        """How many events match; as slow as the export where no index has a part of the filter."""
        return await self._count(self._events(filters))

    async def count_alerts(self, *, outstanding: bool = False, **filters: str | None) -> int:
        """The same of alerts."""
        return await self._count(self._alerts(filters, outstanding=outstanding))

    async def _count(self, where: Filter) -> int:
        async with self._store.read() as connection:
            return await walk.count(connection, where)

    def _events(self, given: Given) -> EventFilter:
        zone, now = self._settings().server.timezone, self._clock.now()
        return event_filter(given, timezone=zone, now=now)

    def _alerts(self, given: Given, *, outstanding: bool) -> AlertFilter:
        now = self._clock.now()
        return alert_filter(
            given, outstanding=outstanding, timezone=self._settings().server.timezone, now=now
        )

    def _most(self, limit: int, page: int) -> int:
        return min(limit, page) if self._paged else limit


def _page(rows: Iterable[Mapping[str, Any]], *, most: int, limit: int) -> dict[str, Any]:
    """Rows, and the id before which the next page begins, where more were asked for."""
    page = list(rows)
    goes_on = len(page) == most < limit
    return {"rows": page, "next": page[-1]["id"] if goes_on else None}


async def _events(connection: Connection, key: str) -> Sequence[Any]:
    found = await queries.find_events(connection, key)
    if not found:
        raise NotFound(
            "There is no event with this key.",
            hint="`casebell events list` shows the latest; `--receipt NUMBER` those of a case.",
        )
    return found


async def _delivered(connection: Connection, event: Any) -> Sequence[Mapping[str, Any]]:
    return shapes.delivered(event, await queries.deliveries_of(connection, event.id))


async def _explanation(connection: Connection, event: Any) -> Mapping[str, Any]:
    """Everything that became of an event."""
    change: shapes.Change | None = None
    alerts: Sequence[Any] = ()
    if event.change_id is not None:
        row = await queries.find_change(connection, event.change_id)
        reported = await queries.events_of(connection, event.change_id)
        change = None if row is None else shapes.change(row, events=reported)
        of_change = AlertFilter(change_id=event.change_id)
        alerts = (await walk.page_of(connection, of_change, limit=1_000)).rows
    return {
        "event": shapes.event(event),
        "delivered": await _delivered(connection, event),
        "conflicts": list(map(shapes.conflict, await conflicts.of_event(connection, event.id))),
        "change": change,
        "alerts": [
            {
                **shapes.alert(alert),
                "tried": list(map(shapes.attempt, await queries.attempts_of(connection, alert.id))),
                "by_hand": list(map(shapes.by_hand, await queries.by_hand(connection, alert.id))),
            }
            for alert in reversed(alerts)
        ],
    }
