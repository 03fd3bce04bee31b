"""What a configuration would have decided otherwise: changes are decided again, and compared.

    read the file → read a piece → decide each change → compare → … → answer

Nothing is written, and nobody is told. What is not asked again, and why:
docs/decisions/0028-decided-again.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import SECOND, Clock, iso
from casebell.errors import BadArgument
from casebell.events import MAX_NUMBER, Absence, Absences, Micros
from casebell.people.identity import People
from casebell.route.difference import Record, reasons, tells_alike
from casebell.route.rulebook import Rulebook
from casebell.service import Verb
from casebell.service.cursors import WrongCursor, cursor_of, place_of
from casebell.service.meant_for import meant_for
from casebell.settings import Settings, parse_duration
from casebell.settings.changes import Changes, changes
from casebell.shapes import ToBeNotified, described
from casebell.store import decisions
from casebell.store.decisions import DecidedChange
from casebell.store.engine import Store

#: Changes that are read at a time.
PIECE = 50
#: Changes that one answer looks at: two or three seconds, while deliveries go on.
MAX_LOOKED = 10_000
#: Of those that would be decided otherwise, as many are told of one by one.
MAX_ITEMS = 100
#: Changes, and characters of their texts, that are decided before deliveries have a turn: about a
#: millisecond.
CHANGES_A_TURN = 10
TEXT_A_TURN = 10_000


class Configured(Protocol):
    """A configuration, and what decides by it."""

    @property
    def settings(self) -> Settings:
        """The settings."""
        ...

    @property
    def rulebook(self) -> Rulebook:
        """The rules with what they need."""
        ...


@described
class WouldBeNotified(ToBeNotified):
    """The same in words."""

    meant_for: str | None
    """`Jia Chan, the owner`; null of an address that the channel has by itself."""


@described
class Decided(TypedDict):
    """How a change is understood, and who hears of it."""

    status: str
    tags: list[str]
    notify: list[WouldBeNotified]
    because: str


@described
class DecidedOtherwise(TypedDict):
    """A change about which the file decides otherwise."""

    change: int
    event: int
    """The event that reported it first."""
    receipt: str
    at: str
    decided_at: str
    then: Decided
    now: Decided
    why: list[str]
    """Sentences."""
    in_force: bool | None
    """Whether the configuration in force decides as the file does; null without a server."""


@described
class Figures(TypedDict):
    """How many changes were decided again, and what came of it."""

    since: str
    looked: int
    """The sum of the next three."""
    same: int
    differ: int
    undecided: int
    """Those that cannot be read, or not be decided."""
    looked_back_to: str | None
    """Where older changes of the span were not looked at yet."""
    config_sha256: str
    """Of the file."""


@described
class Comparison(Figures):
    """What a configuration would have decided otherwise, newest first."""

    changed: Changes | None
    """What of the file differs from the configuration in force; null without a server."""
    items: list[DecidedOtherwise]
    """The newest of those that differ."""
    next: str | None
    """The cursor for older changes of the span; null where all were looked at."""


class DecidingAgain:
    """The verb.

    Args:
        file: returns the configuration as it lies; blocks, and raises ConfigError.
        in_force: returns that in force; None without a server.
    """

    def __init__(
        self,
        *,
        store: Store,
        file: Callable[[], Configured],
        in_force: Callable[[], Configured] | None,
        clock: Clock,
    ) -> None:
        self._store = store
        self._file = file
        self._in_force = in_force
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"decided_otherwise": self.decided_otherwise}

    async def decided_otherwise(
        self, *, over: str, cursor: str | None = None, limit: int = MAX_ITEMS, actor: Actor
    ) -> Comparison:
        """The changes of the last time about which the file as it lies decides otherwise.

        Args:
            over: how long: "30d".
            cursor: `next` of the answer before.
            limit: how many changes are told of one by one; all of those looked at are counted.

        Raises:
            ConfigError: the file cannot be used, with its problems.
            BadArgument: `over` is no length of time, or the cursor none of ours.
        """
        since = _since(over, now=self._clock.now())
        newest = None if cursor is None else _number(cursor)
        # In a thread: requests are answered meanwhile.
        file = await asyncio.to_thread(self._file)
        in_force = self._in_force() if self._in_force else None
        comparing = _Comparing(file, in_force, limit=limit)
        rest = await self._walk(comparing, since=since, newest=newest, actor=actor)
        return {
            "since": iso(since),
            "looked": comparing.same + comparing.differ + comparing.undecided,
            "same": comparing.same,
            "differ": comparing.differ,
            "undecided": comparing.undecided,
            "config_sha256": file.settings.sha256,
            "changed": changes(in_force.settings, file.settings) if in_force else None,
            "items": comparing.items,
            "next": cursor_of((rest,)) if rest else None,
            "looked_back_to": iso(comparing.earliest) if rest else None,
        }

    async def _walk(
        self, comparing: "_Comparing", *, since: Micros, newest: int | None, actor: Actor
    ) -> int:
        """Compare a piece after another; the number of the newest change that is left, or 0."""
        if newest is None:
            async with self._store.read() as connection:
                newest = await decisions.latest(connection)
        last = newest - MAX_LOOKED
        while newest > max(last, 0):
            oldest = max(newest - PIECE, 0) + 1
            # Each by itself: the reader is nobody's for longer than a piece takes.
            async with self._store.read() as connection:
                piece = await decisions.piece(
                    connection, newest=newest, oldest=oldest, since=since, seen_by=actor
                )
            if not piece.within:
                return 0
            comparing.undecided += piece.unreadable
            comparing.earliest = piece.earliest
            async for one in _gently(piece.changes):
                comparing.take(one)
            newest = oldest - 1
        return newest


class _Made(NamedTuple):
    """What was, or would be, decided about a change."""

    status: str
    tags: Sequence[str]
    record: Record

    def alike(self, other: "_Made") -> bool:
        """Whether both understand it as the same, and tell the same targets."""
        understood = (self.status, self.tags) == (other.status, other.tags)
        return understood and tells_alike(self.record, other.record)

    def shown(self, people: People) -> Decided:
        """As JSON values."""
        return {
            "status": self.status,
            "tags": list(self.tags),
            "notify": [_in_words(one, people) for one in self.record["notify"]],
            "because": self.record["because"],
        }


class _Comparing:
    """The comparison of one answer, as far as it is."""

    def __init__(self, file: Configured, in_force: Configured | None, *, limit: int) -> None:
        self._file = file
        self._in_force = in_force
        self._limit = limit
        self.same = 0
        self.differ = 0
        self.undecided = 0
        self.items: list[DecidedOtherwise] = []
        self.earliest: Micros = 0

    def take(self, one: DecidedChange) -> None:
        """Decide one more change again."""
        try:
            then = _Made(one.change.status, sorted(one.change.tags), one.decision)
            now = _again(one, self._file.rulebook)
            alike = then.alike(now)
            if not alike and len(self.items) < self._limit:
                self.items.append(self._item(one, then, now))
        except Exception:  # noqa: BLE001 - of any kind: one change must not cost the answer
            self.undecided += 1
            return
        self.same += alike
        self.differ += not alike

    def _item(self, one: DecidedChange, then: _Made, now: _Made) -> DecidedOtherwise:
        in_force = self._in_force
        people = self._file.settings.people
        return {
            "change": one.change.id,
            "event": one.event_id,
            "receipt": one.change.receipt,
            "at": iso(one.change.at),
            "decided_at": iso(one.decided_at),
            "then": then.shown(people),
            "now": now.shown(people),
            "why": list(_why(then, now)),
            "in_force": _again(one, in_force.rulebook).alike(now) if in_force else None,
        }


def _in_words(one: ToBeNotified, people: People) -> WouldBeNotified:
    return {**one, "meant_for": meant_for(one, people)}


def _again(one: DecidedChange, rulebook: Rulebook) -> _Made:
    away = _away_then(one.decision)
    found = rulebook.decide_again(one.event, late=one.late, case=one.case, away=away)
    return _Made(found.event.status, sorted(found.event.tags), found.decision)


def _away_then(record: Record) -> Absences:
    """Who was away when a decision was made, as far as somebody heard for them."""
    return {
        one["for_absent"]: Absence(until=MAX_NUMBER, stand_in=one["person"])
        for one in record["notify"]
        if "for_absent" in one
    }


def _why(then: _Made, now: _Made) -> Iterator[str]:
    if (then.status, then.tags) != (now.status, now.tags):
        yield "Its type, words and text are understood otherwise."
    yield from reasons(then.record, now.record)


async def _gently(some: Sequence[DecidedChange]) -> AsyncIterator[DecidedChange]:
    """Changes one by one, with turns for deliveries in between."""
    waiting = size = 0
    for one in some:
        yield one
        waiting, size = waiting + 1, size + len(one.event.text)
        if waiting == CHANGES_A_TURN or size > TEXT_A_TURN:
            await asyncio.sleep(0)
            waiting = size = 0


def _since(over: str, *, now: Micros) -> Micros:
    try:
        return now - round(parse_duration(over) * SECOND)
    except ValueError:
        raise BadArgument('Write a length of time: "30d", "24h".', argument="over") from None


def _number(cursor: str) -> int:
    place = place_of(cursor)
    if len(place) != 1:
        raise WrongCursor
    return place[0]
