"""People: where each hears, who is away, and who stands in for whom."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import SECOND, Clock, iso
from casebell.errors import BadArgument, NotFound, Refusal
from casebell.events import Absence, Absences, Micros
from casebell.people.identity import People, named
from casebell.people.roster import Roster, absences_at
from casebell.service import Verb
from casebell.settings import Settings
from casebell.settings.models import PersonSettings
from casebell.settings.values import nearest
from casebell.shapes import described
from casebell.store import absences
from casebell.store.engine import Connection, Store
from casebell.times import last_of


@described
class AddressOn(TypedDict):
    """Where somebody hears over a channel that tells people by name."""

    channel: str
    target: str | None
    """Null where the channel cannot reach this person."""


@described
class Person(TypedDict):
    """Somebody who can be told by name."""

    id: str
    name: str
    email: str | None
    teams: list[str]
    channels: list[AddressOn]
    """Those that may be meant to reach this person."""
    away_until: str | None
    stand_in: str | None
    """The id of who hears, too, while this person is away."""


@described
class PersonChanged(Person):
    """The same after something was said of a person."""

    warnings: list[str]
    """What was done, and is probably not all that is meant."""


def person_named(text: str, people: People) -> PersonSettings:
    """Who has this id, name or e-mail address.

    Raises:
        NotFound: it is nobody.
    """
    found = named(text, people)
    if found is None:
        raise NotFound(
            "There is no such person in the configuration.",
            hint=_nearest(text, people) or "`casebell people list` shows everybody.",
        )
    return found


def _nearest(text: str, people: People) -> str:
    return nearest(text, [one for person in people.values() for one in (person.id, person.name)])


class PeopleDirectory:
    """The verbs.

    Args:
        settings: those in force.
        roster: returns whom each channel reaches; None where a channel cannot be loaded here.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        roster: Callable[[], Roster | None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._roster = roster
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "list_people": self.list_people,
            "set_away": self.set_away,
            "set_back": self.set_back,
        }

    async def list_people(self, *, actor: Actor) -> list[Person]:
        """Everybody who can be told by name, in the order of the configuration."""
        async with self._store.read() as connection:
            known = await absences.known(connection)
        away = absences_at(known, self._clock.now())
        roster = self._roster()
        return [_person(one, roster, away) for one in self._settings().people.values()]

    async def set_away(self, *, name: str, until: str, to: str, actor: Actor) -> PersonChanged:
        """Say that somebody is away from now on; who stands in hears beside them.

        Args:
            name: an id, a name or an e-mail address.
            until: the last day, or a time; without an offset in `server.timezone`.
            to: who stands in, written alike.

        Raises:
            NotFound: `name` is nobody.
            BadArgument: `until` is no time to come, or `to` nobody, or the same person.
            Refusal: no channel can reach who is to stand in.
        """
        person = self._named(name)
        now, roster = self._clock.now(), self._roster()
        absence = Absence(until=self._end(until, now=now), stand_in=self._stand_in(to, person).id)
        stands_in = self._settings().people[absence.stand_in]
        if roster is not None and not roster.reached_on(stands_in.id):
            raise Refusal(
                f"No channel can reach {stands_in.name} by name.",
                hint=f"Write an address in [people.{stands_in.id}], or name somebody else. "
                'Channels tell people by name with `to = ["@owner"]`.',
            )
        before = await self._store.transact(_begin, person.id, absence, now=now, actor=actor)
        away = {**absences_at(before, now), person.id: absence}
        return {
            **_person(person, roster, away),
            "warnings": list(self._warnings(person, stands_in, roster, away)),
        }

    async def set_back(self, *, name: str, actor: Actor) -> PersonChanged:
        """Say that somebody is back; a warning says that they were not away.

        Raises:
            NotFound: `name` is nobody.
        """
        person = self._named(name)
        now = self._clock.now()
        ended = await self._store.transact(absences.end, person.id, now=now, actor=actor)
        warnings = [] if ended else [f"{person.name} was not away."]
        return {**_person(person, self._roster(), {}), "warnings": warnings}

    def _named(self, text: str) -> PersonSettings:
        return person_named(text, self._settings().people)

    def _stand_in(self, text: str, person: PersonSettings) -> PersonSettings:
        found = named(text, self._settings().people)
        if found is None:
            hint = _nearest(text, self._settings().people)
            raise BadArgument(
                f"There is no such person in the configuration. {hint}".rstrip(), argument="to"
            )
        if found.id == person.id:
            raise BadArgument(f"{person.name} cannot stand in for themselves.", argument="to")
        return found

    def _end(self, text: str, *, now: Micros) -> Micros:
        """When an absence ends: behind its last day, or at a time."""
        zone = ZoneInfo(self._settings().server.timezone)
        try:
            end = _day_after(text, zone) or datetime.fromisoformat(text)
            aware = end if end.tzinfo else end.replace(tzinfo=zone)
            at = round(aware.timestamp() * SECOND)
            # What has no text in UTC is no time either.
            told = last_of(iso(at), zone.key)
        except (ValueError, OverflowError):
            raise BadArgument(
                'Write the last day, or a time: "2026-12-04", "2026-12-04T12:00".', argument="until"
            ) from None
        if at <= now:
            raise BadArgument(f"That is over: {told}.", argument="until")
        return at

    def _warnings(
        self,
        person: PersonSettings,
        stands_in: PersonSettings,
        roster: Roster | None,
        away: Absences,
    ) -> Iterator[str]:
        people = self._settings().people
        if (other := away.get(stands_in.id)) is not None:
            through = last_of(iso(other.until), self._settings().server.timezone)
            next_one = people.get(other.stand_in)
            yield (
                f"{stands_in.name} is away, too, until {through}; "
                f"{next_one.name if next_one else other.stand_in} stands in for them."
            )
        if roster is None:
            yield f"Whether a channel can reach {stands_in.name} cannot be told here."
            return
        reached = roster.addresses_of(person.id)
        also = roster.reached_on(stands_in.id)
        missing = [name for name, target in reached.items() if target and name not in also]
        if missing:
            yield (
                f"{stands_in.name} cannot be reached on {', '.join(missing)}, where "
                f"{person.name} is: only {person.name} hears there."
            )


async def _begin(
    connection: Connection, person: str, absence: Absence, *, now: Micros, actor: Actor
) -> Absences:
    """Say that somebody is away; who was before."""
    before = await absences.known(connection)
    await absences.begin(connection, person, absence, now=now, actor=actor)
    return before


def _day_after(text: str, zone: ZoneInfo) -> datetime | None:
    """The beginning of the day behind a date; None of a text that is none."""
    try:
        last = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(last + timedelta(days=1), time.min, tzinfo=zone)


def _person(person: PersonSettings, roster: Roster | None, away: Absences) -> Person:
    absence = away.get(person.id)
    addresses = {} if roster is None else roster.addresses_of(person.id)
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "teams": list(person.teams),
        "channels": [
            {"channel": channel, "target": target} for channel, target in addresses.items()
        ],
        "away_until": None if absence is None else iso(absence.until),
        "stand_in": None if absence is None else absence.stand_in,
    }
