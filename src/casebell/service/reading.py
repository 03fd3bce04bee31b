"""What an operator can see: lists a page at a time, one event and its story, what waits.

Every answer is a value as docs/contract.md has it, made in `shapes`; whoever asked makes text, a
page or JSON of it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from casebell.alerts import AlertState
from casebell.clock import SECOND, Clock, iso
from casebell.errors import BadArgument, NotFound
from casebell.events import HeldState, Micros, Status, Tag
from casebell.service import UnknownCommand, Verb, shapes
from casebell.settings import parse_duration
from casebell.store import held, queries, refused
from casebell.store.engine import Connection, Store
from casebell.store.queries import EventFilter
from casebell.uscis.receipts import ReceiptError, canonical

Word = TypeVar("Word", bound=StrEnum)

#: Rows of one answer of a server: making JSON of more would keep deliveries waiting.
MAX_PAGE = 500
#: The same of held deliveries, which come with their bodies.
HELD_PAGE = 20


class Reading:
    """What can be read.

    Args:
        timezone: of times that come without one; times of answers are UTC.
        paged: whether an answer has at most a page, and says in `next` where it goes on.
    """

    def __init__(
        self, *, store: Store, timezone: Callable[[], str], clock: Clock, paged: bool = True
    ) -> None:
        self._store = store
        self._clock = clock
        self._paged = paged
        self._timezone = timezone

    def verbs(self) -> Mapping[str, Verb]:
        """What may be asked for by name."""
        return {
            "list_events": self.list_events,
            "show_event": self.show_event,
            "why": self.why,
            "list_alerts": self.list_alerts,
            "list_held": self.list_held,
            "list_refused": self.list_refused,
            "waiting": self.waiting,
        }

    async def list_events(
        self, *, limit: int, before: int | None = None, **filters: str | None
    ) -> Mapping[str, Any]:
        """Events, newest first; `looked_back_to` says where older ones were not looked at."""
        where = self._filter(filters)
        most = self._most(limit, MAX_PAGE)
        async with self._store.read() as connection:
            page = await queries.list_events(
                connection, where, limit=limit, most=most, before=before
            )
        back = page.looked_back_to
        return {
            **_page(map(shapes.event, page.events), most=most, limit=limit),
            "looked_back_to": None if back is None else iso(back),
        }

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
        self, *, state: str | None = None, limit: int, before: int | None = None
    ) -> Mapping[str, Any]:
        """Alerts, newest first."""
        most = self._most(limit, MAX_PAGE)
        found = None if state is None else _word(AlertState, state, noun="state")
        async with self._store.read() as connection:
            rows = await queries.list_alerts(connection, state=found, limit=most, before=before)
        return _page(map(shapes.alert, rows), most=most, limit=limit)

    async def list_held(
        self, *, state: str | None = HeldState.HELD, limit: int, before: int | None = None
    ) -> Mapping[str, Any]:
        """Held deliveries with their bodies, newest first."""
        most = self._most(limit, HELD_PAGE)
        found = None if state is None else _word(HeldState, state, noun="state")
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
            rows = await refused.list_refused(
                connection, source=source, error=error, limit=most, before=before
            )
        return _page(map(shapes.refused, rows), most=most, limit=limit)

    async def waiting(self) -> Mapping[str, int]:
        """How many events, alerts and held deliveries wait."""
        async with self._store.read() as connection:
            return await queries.backlog(connection)

    def export_events(self, **filters: str | None) -> AsyncGenerator[Mapping[str, Any], None]:
        """Every event that matches, oldest first; filtered as `list_events` is.

        Raises:
            BadArgument: at once; a filter cannot be understood.
        """
        return self._export(self._filter(filters))

    async def _export(self, where: EventFilter) -> AsyncGenerator[Mapping[str, Any], None]:
        async with self._store.read() as connection:
            async for event in queries.export_events(connection, where):
                yield shapes.event(event)

    async def count_events(self, **filters: str | None) -> int:
        """How many events match; as slow as the export where no index has a part of the filter."""
        async with self._store.read() as connection:
            return await queries.count_events(connection, self._filter(filters))

    def _most(self, limit: int, page: int) -> int:
        return min(limit, page) if self._paged else limit

    def _filter(self, given: Mapping[str, str | None]) -> EventFilter:
        """The filter of events, of the texts that people write; None is no condition.

        Raises:
            BadArgument: one cannot be understood.
            UnknownCommand: there is no filter of this name.
        """
        time = partial(moment, timezone=self._timezone(), now=self._clock.now())
        filters: Mapping[str, Callable[[str], Any]] = {
            "source": str,
            "status": partial(_word, Status, noun="status"),
            "tag": partial(_word, Tag, noun="tag"),
            "receipt": _receipt,
            "since": time,
            "until": time,
            "text": str,
        }
        if not given.keys() <= filters.keys():
            raise UnknownCommand
        return EventFilter(
            **{name: filters[name](text) for name, text in given.items() if text is not None}
        )


def moment(text: str, *, timezone: str, now: Micros) -> Micros:
    """A point in time as people write it: ISO 8601, or "24h" ago.

    Args:
        timezone: of a time that names none: the one in which lists show theirs.

    Raises:
        BadArgument: it is neither.
    """
    try:
        seconds = parse_duration(text)
    except ValueError:
        pass
    else:
        return now - round(seconds * SECOND)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(
            'Write a date, a time or a length: "2026-11-21", "2026-11-21T09:30:00Z", "24h".'
        ) from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(timezone))
    return round(aware.timestamp() * SECOND)


def _word(words: type[Word], given: str, *, noun: str) -> Word:
    try:
        return words(given)
    except ValueError:
        raise BadArgument(f"There is no such {noun}; known: {', '.join(words)}.") from None


def _receipt(given: str) -> str:
    """A receipt number in any spelling, as it is kept."""
    try:
        return canonical(given)
    except ReceiptError:
        raise BadArgument("A receipt number is three letters and ten digits.") from None


def _page(rows: Iterable[Mapping[str, Any]], *, most: int, limit: int) -> dict[str, Any]:
    """Rows, and the id before which the next page begins, where more were asked for."""
    page = list(rows)
    goes_on = len(page) == most < limit
    return {"rows": page, "next": page[-1]["id"] if goes_on else None}


async def _events(connection: Connection, key: str) -> Sequence[Any]:
    found = await queries.find_events(connection, key)
    if not found:
        raise NotFound(
            "There is no event with this key.", hint="`casebell events list` shows the latest."
        )
    return found


async def _delivered(connection: Connection, event: Any) -> Sequence[Mapping[str, Any]]:
    return shapes.delivered(event, await queries.deliveries_of(connection, event.id))


async def _explanation(connection: Connection, event: Any) -> Mapping[str, Any]:
    """Everything that became of an event."""
    change: dict[str, Any] | None = None
    alerts: Sequence[Any] = ()
    if event.change_id is not None:
        row = await queries.find_change(connection, event.change_id)
        reported = await queries.events_of(connection, event.change_id)
        change = None if row is None else shapes.change(row, events=reported)
        alerts = await queries.list_alerts(connection, change_id=event.change_id, limit=1_000)
    return {
        "event": shapes.event(event),
        "delivered": await _delivered(connection, event),
        "change": change,
        "alerts": [
            {
                **shapes.alert(alert),
                "tried": list(map(shapes.attempt, await queries.attempts_of(connection, alert.id))),
            }
            for alert in reversed(alerts)
        ],
    }
