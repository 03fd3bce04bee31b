"""What an operator can see: lists a page at a time, one event and its story, what waits.

Every answer is a value as docs/contract.md has it, made in `shapes`; whoever asked makes text, a
page or JSON of it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from casebell import shapes
from casebell.actors import Actor
from casebell.clock import HOUR, Clock
from casebell.errors import NotFound
from casebell.events import HeldState
from casebell.people.identity import People
from casebell.receive.explaining import explain, explain_streak
from casebell.service import Verb, explained
from casebell.service.filters import (
    Given,
    alert_filter,
    event_filter,
    journal_filter,
    understood,
    word,
)
from casebell.service.followed import acknowledgement, owed
from casebell.service.listing import Listing, listing_of, page_for
from casebell.service.looking import record_bodies, record_page
from casebell.service.meant_for import meant_for, told
from casebell.service.names import must_be_known
from casebell.service.waits_in_words import WaitsInWords
from casebell.settings import Settings
from casebell.store import (
    acknowledgements,
    conflicts,
    escalations,
    pushed_out,
    queries,
    queue_list,
    soundness,
    streaks,
    walk,
)
from casebell.store.engine import Connection, Store
from casebell.store.lists import AlertFilter, EventFilter, HeldFilter, RefusedFilter
from casebell.store.walk import Filter


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
        self._waits = WaitsInWords(settings=settings, clock=clock)

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "list_events": self.list_events,
            "show_event": self.show_event,
            "find_event": self.find_event,
            "event_body": self.event_body,
            "why": self.why,
            "explain_event": self.explain_event,
            "list_alerts": self.list_alerts,
            "list_held": self.list_held,
            "list_journal": self.list_journal,
            "list_refused": self.list_refused,
            "why_refused": self.why_refused,
            "refused_in_a_row": self.refused_in_a_row,
            "pushed_out": self.pushed_out,
            "waiting": self.waiting,
            "soundness": self.soundness,
        }

    async def list_events(
        self, *, limit: int, cursor: str | None = None, actor: Actor, **filters: str | None
    ) -> Listing:
        """Events, newest first."""
        where = self._events(filters, actor)
        return await self._listed(where, shapes.event, filters, limit=limit, cursor=cursor)

    async def show_event(self, *, key: str, actor: Actor) -> Sequence[Mapping[str, Any]]:
        """The events that are meant by a key, each with its deliveries and its body.

        Raises:
            NotFound: there is none.
        """
        async with self._store.read() as connection:
            found: list[dict[str, Any]] = [
                {
                    **await _with_deliveries(connection, event),
                    "body": shapes.body(await queries.body_of(connection, event.id)),
                }
                for event in await _events(connection, key, actor)
            ]
        events = [one["id"] for one in found]
        await record_bodies(self._store, actor, events, now=self._clock.now())
        return found

    async def event_body(self, *, number: int, actor: Actor) -> bytes:
        """The exact bytes of an event; raises as `find_event` does."""
        async with self._store.read() as connection:
            event = await _event(connection, number, actor)
            body = bytes(await queries.body_of(connection, event.id))
        await record_bodies(self._store, actor, [event.id], now=self._clock.now())
        return body

    async def find_event(self, *, number: int, actor: Actor) -> shapes.EventWithDeliveries:
        """The event of our number, with its deliveries.

        Raises:
            NotFound: there is none that the actor may see.
        """
        async with self._store.read() as connection:
            return await _with_deliveries(connection, await _event(connection, number, actor))

    async def why(self, *, key: str, actor: Actor) -> Sequence[shapes.Explanation]:
        """The events that are meant by a key, each with everything that became of it.

        Raises:
            NotFound: there is none.
        """
        async with self._store.read() as connection:
            return [
                await _explanation(connection, event, actor, self._settings().people, self._waits)
                for event in await _events(connection, key, actor)
            ]

    async def explain_event(self, *, number: int, actor: Actor) -> shapes.Explanation:
        """Everything that became of the event of our number; raises as `find_event` does."""
        async with self._store.read() as connection:
            event = await _event(connection, number, actor)
            people = self._settings().people
            return await _explanation(connection, event, actor, people, self._waits)

    async def list_alerts(
        self,
        *,
        outstanding: bool = False,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
        **filters: str | None,
    ) -> Listing:
        """Alerts, newest first.

        Args:
            outstanding: only what failed, is no test and was not dismissed.
        """
        where = self._alerts(filters, actor, outstanding=outstanding)

        def shape(row: Any) -> shapes.Alert:
            return shapes.alert(row, waits=self._waits(row))

        return await self._listed(where, shape, filters, limit=limit, cursor=cursor)

    async def list_held(
        self,
        *,
        state: str | None = HeldState.HELD,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
    ) -> Listing:
        """Held deliveries with their bodies, newest first."""
        chosen = None if state is None else word(HeldState, state, noun="state")
        where = HeldFilter(state=chosen, seen_by=actor)
        found = await self._listed(where, shapes.held, limit=limit, cursor=cursor)
        await record_page(
            self._store,
            actor,
            "held",
            told=understood(where, {"state": state}),
            numbers=[one["id"] for one in found["items"]],
            now=self._clock.now(),
        )
        return found

    async def list_journal(
        self,
        *,
        actor_name: str | None = None,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
        **filters: str | None,
    ) -> Listing:
        """Journal entries, newest first.

        Args:
            actor_name: only by this actor: the filter `actor`.
            actor: who asks.
        """
        now = self._clock.now()
        filters["actor"] = actor_name
        where = journal_filter(filters, timezone=self._settings().server.timezone, now=now)
        found = await self._listed(where, shapes.entry, limit=limit, cursor=cursor)
        await record_page(
            self._store,
            actor,
            "journal",
            told=understood(where, filters),
            numbers=[one["seq"] for one in found["items"]],
            now=now,
        )
        return found

    async def list_refused(
        self,
        *,
        source: str | None = None,
        error: str | None = None,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
    ) -> Listing:
        """Refused deliveries, newest first."""
        where = RefusedFilter(source=source, error=error)
        given = {"source": source, "error": error}
        return await self._listed(where, shapes.refused, given, limit=limit, cursor=cursor)

    async def _listed(
        self,
        where: Filter,
        shape: Callable[[Any], Mapping[str, Any]],
        given: Given = MappingProxyType({}),
        *,
        limit: int,
        cursor: str | None,
    ) -> Listing:
        async with self._store.read() as connection:
            await must_be_known(connection, given, self._settings())
            page = await page_for(connection, where, limit=limit, cursor=cursor, paged=self._paged)
        return await listing_of(page, shape)

    async def why_refused(self, *, actor: Actor, refused_id: int) -> Mapping[str, Any]:
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

    async def refused_in_a_row(self, *, actor: Actor) -> Sequence[Mapping[str, Any]]:
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

    async def pushed_out(self, *, actor: Actor) -> Mapping[str, int]:
        """By source, how many refused deliveries that could be readmitted a flood pushed out.

        A flood that pushed out nothing for a day is left out.
        """
        async with self._store.read() as connection:
            found = await pushed_out.since(connection, self._clock.now() - 24 * HOUR)
        return {row.source: row.number for row in found}

    async def waiting(self, *, actor: Actor) -> Mapping[str, int]:
        """How many events, alerts and held deliveries wait."""
        async with self._store.read() as connection:
            return await queries.backlog(connection)

    async def soundness(self, *, actor: Actor) -> Mapping[str, Any]:
        """What is not ours in the database, and the changes that it kept from being told."""
        async with self._store.read() as connection:
            return {
                "differences": await connection.run_sync(soundness.differences),
                "untold_changes": await soundness.untold(connection),
            }

    def _events(self, given: Given, actor: Actor) -> EventFilter:
        zone, now = self._settings().server.timezone, self._clock.now()
        return event_filter(given, actor=actor, timezone=zone, now=now)

    def _alerts(self, given: Given, actor: Actor, *, outstanding: bool) -> AlertFilter:
        settings, now = self._settings(), self._clock.now()
        return alert_filter(given, actor=actor, outstanding=outstanding, settings=settings, now=now)


async def _event(connection: Connection, number: int, actor: Actor) -> Any:
    found = await queries.find_event(connection, number, seen_by=actor)
    if found is None:
        raise NotFound("There is no event of this number.")
    return found


async def _events(connection: Connection, key: str, actor: Actor) -> Sequence[Any]:
    found = await queries.find_events(connection, key, seen_by=actor)
    if not found:
        raise NotFound(
            "There is no event with this key.",
            hint="`casebell events list` shows the latest; `--receipt NUMBER` those of a case.",
        )
    return found


async def _with_deliveries(connection: Connection, event: Any) -> shapes.EventWithDeliveries:
    others = await queries.deliveries_of(connection, event.id)
    return {**shapes.event(event), "delivered": shapes.delivered(event, others)}


async def _explanation(
    connection: Connection,
    event: Any,
    actor: Actor,
    people: People,
    waits: Callable[[Any], str | None],
) -> shapes.Explanation:
    """Everything that became of an event."""
    change: shapes.Change | None = None
    alerts: Sequence[Any] = ()
    escalated: Sequence[Any] = ()
    seen: Sequence[Any] = ()
    asked: Any = None
    if event.change_id is not None:
        escalated = await escalations.of_changes(connection, [event.change_id])
        seen = await acknowledgements.of_changes(connection, [event.change_id])
        asked = await queue_list.find(connection, event.change_id)
        row = await queries.find_change(connection, event.change_id)
        reported = await queries.events_of(connection, event.change_id)
        change = None if row is None else shapes.change(row, events=reported)
        of_change = AlertFilter(change_id=event.change_id, seen_by=actor)
        alerts = (await walk.page_of(connection, of_change, limit=1_000)).rows
    others = await queries.deliveries_of(connection, event.id)
    return {
        "event": shapes.event(event),
        "delivered": shapes.delivered(event, others),
        "conflicts": list(
            map(shapes.conflict, await conflicts.of_event(connection, event.id, seen_by=actor))
        ),
        "change": change,
        "alerts": [
            {
                **shapes.alert(alert, waits=waits(alert)),
                "meant_for": meant_for(told(alert), people),
                "tried": list(map(shapes.attempt, await queries.attempts_of(connection, alert.id))),
                "by_hand": list(map(shapes.by_hand, await queries.by_hand(connection, alert.id))),
            }
            for alert in reversed(alerts)
        ],
        "escalations": list(map(shapes.escalation, escalated)),
        "acknowledged": [acknowledgement(one, people) for one in seen],
        "owed": None if asked is None else owed(asked, people),
    }
