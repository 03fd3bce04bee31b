"""Open changes whose owner may not see to them: away, unknown, gone, or not there at all."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.events import Absences
from casebell.people.identity import People, by_spelling
from casebell.people.roster import absences_at
from casebell.service import Verb
from casebell.shapes import described
from casebell.store import absences, cases, walk
from casebell.store.engine import Store
from casebell.store.queue_list import QueueFilter
from casebell.uscis.receipts import mask

#: Open changes that are read at a time, and how often.
PAGE = 200
MAX_PAGES = 50
#: Receipts and people of each kind that are told.
SHOWN = 3
#: Characters of an owner that is nobody.
MAX_NAME = 60


class Doubt(StrEnum):
    """Why an owner may not see to a change."""

    #: The firm named none.
    MISSING = "missing"
    #: It wrote somebody who is nobody here, and no address.
    UNKNOWN = "unknown"
    #: Somebody was told of it who is no longer in the configuration, and the owner was not.
    GONE = "gone"
    AWAY = "away"


@described
class InDoubt(TypedDict):
    """Open changes of one kind."""

    count: int
    receipts: list[str]
    """The newest of them, masked."""
    who: list[str]
    """Owners as the firm wrote them; ids of those who are away or gone."""


@described
class OwnersInDoubt(TypedDict):
    """The open changes whose owner may not see to them: the newest thousands are looked at."""

    looked: int
    more: bool
    """Whether there are older ones, which were not looked at."""
    missing: InDoubt
    unknown: InDoubt
    gone: InDoubt
    away: InDoubt


@dataclass(kw_only=True, slots=True)
class _Found:
    """What was found of one kind."""

    count: int = 0
    receipts: list[str] = field(default_factory=list[str])
    who: dict[str, None] = field(default_factory=dict[str, None])

    def add(self, receipt: str, who: str) -> None:
        """One more."""
        self.count += 1
        if len(self.receipts) < SHOWN:
            self.receipts.append(mask(receipt))
        if who and len(self.who) < SHOWN:
            self.who.setdefault(who)

    def shown(self) -> InDoubt:
        """As JSON."""
        return {"count": self.count, "receipts": self.receipts, "who": list(self.who)}


class OwnerReading:
    """The verb.

    Args:
        people: returns who can be told by name.
    """

    def __init__(self, *, store: Store, people: Callable[[], People], clock: Clock) -> None:
        self._store = store
        self._people = people
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"owners_in_doubt": self.owners_in_doubt}

    async def owners_in_doubt(self, *, actor: Actor) -> OwnersInDoubt:
        """The open changes whose owner may not see to them, newest first."""
        where = QueueFilter(seen_by=actor)
        judge = _Judge(self._people())
        found = {doubt: _Found() for doubt in Doubt}
        looked, after = 0, None
        async with self._store.read() as connection:
            away = absences_at(await absences.known(connection), self._clock.now())
        for _ in range(MAX_PAGES):
            async with self._store.read() as connection:
                page = await walk.page_of(connection, where, limit=PAGE, after=after)
                numbers = [row.change_id for row in page.rows]
                told = await cases.told_by_name(connection, numbers)
            for row in page.rows:
                judged = judge.of(row, told.get(row.change_id, ()), away)
                if judged is not None:
                    found[judged[0]].add(row.receipt, judged[1])
            looked, after = looked + len(page.rows), page.next
            if after is None:
                break
            # Deliveries have a turn.
            await asyncio.sleep(0)
        return {
            "looked": looked,
            "more": after is not None,
            "missing": found[Doubt.MISSING].shown(),
            "unknown": found[Doubt.UNKNOWN].shown(),
            "gone": found[Doubt.GONE].shown(),
            "away": found[Doubt.AWAY].shown(),
        }


class _Judge:
    """Says of the owner of an open change why they may not see to it."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._by_spelling = by_spelling(people)

    def of(self, row: Any, told: Iterable[str], away: Absences) -> tuple[Doubt, str] | None:
        """The doubt, and whom it is about; None where there is none.

        Args:
            row: of a listing of the queue.
            told: the ids of those who were told of its change by name.
        """
        person = self._by_spelling.get(row.owner_key)
        if person is None and row.owner_email:
            return None
        heard = set(told)
        gone = sorted(heard - self._people.keys())
        if gone and (person is None or person.id not in heard):
            return Doubt.GONE, gone[0]
        if person is None:
            kind = Doubt.UNKNOWN if row.owner else Doubt.MISSING
            return kind, row.owner[:MAX_NAME]
        return (Doubt.AWAY, person.id) if person.id in away else None
