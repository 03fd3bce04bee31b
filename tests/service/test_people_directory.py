"""Who can be told by name, and who is away: what can be said of them, and what cannot."""

import json
import re
from typing import Any

import pytest

from casebell.clock import iso
from casebell.errors import BadArgument, CasebellError, NotFound, Refusal
from casebell.people.roster import Recipients, Roster
from casebell.service.people_directory import PeopleDirectory
from casebell.settings.models import PersonSettings
from casebell.store import absences
from casebell.store.engine import Store
from casebell.store.schema import journal
from contracts.actors import ADMIN
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from service.harness import settings_of

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com", teams=("RFE",)),
    "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com"),
    "ana": PersonSettings(id="ana", name="Ana Ruiz"),
    "ben": PersonSettings(id="ben", name="Ben Ode", email="ben@f.com"),
}
MAIL = Recipients(
    to=("@owner",),
    unassigned=("rfe@f.com",),
    addresses={"jchan": "jchan@f.com", "kim": "kim@f.com", "ben": "ben@f.com"},
)
PAGER = Recipients(to=("@jchan",), addresses={"jchan": "+1"}, members={"@jchan": ["jchan"]})
ROOM = Recipients(to=("#rfe",))
ROSTER = Roster(people=PEOPLE, channels={"mail": MAIL, "pager": PAGER, "room": ROOM})


class Firm:
    """Four people on a Tuesday, 2025-10-14 15:22:05 in New York."""

    def __init__(self, store: Store, roster: Roster | None = ROSTER) -> None:
        self.store = store
        self.clock = ManualClock()
        settings = settings_of("parley", timezone="America/New_York")
        self.settings = settings.model_copy(update={"people": PEOPLE})
        self.verbs = PeopleDirectory(
            store=store, settings=lambda: self.settings, roster=lambda: roster, clock=self.clock
        )

    async def away(self, name: str, until: str, to: str) -> dict[str, Any]:
        """Say that somebody is away."""
        return {**await self.verbs.set_away(name=name, until=until, to=to, actor=ADMIN)}

    async def who_is_away(self) -> dict[str, tuple[str | None, str | None]]:
        """By id, until when, and who stands in."""
        found = await self.verbs.list_people(actor=ADMIN)
        return {
            one["id"]: (one["away_until"], one["stand_in"]) for one in found if one["away_until"]
        }


async def test_everybody(store: Store) -> None:
    """In the order of the configuration, with the channels that may mean each by name."""
    found = await Firm(store).verbs.list_people(actor=ADMIN)
    assert [one["id"] for one in found] == list(PEOPLE)
    assert found[0] == {
        "id": "jchan",
        "name": "Jia Chan",
        "email": "jchan@f.com",
        "teams": ["RFE"],
        "channels": [
            {"channel": "mail", "target": "jchan@f.com"},
            {"channel": "pager", "target": "+1"},
        ],
        "away_until": None,
        "stand_in": None,
    }
    assert found[2]["channels"] == [{"channel": "mail", "target": None}]
    assert json.loads(json.dumps(found)) == found


async def test_until(store: Store) -> None:
    """A date is the last day in the zone of the firm, also over a change of the clocks."""
    firm = Firm(store)
    for until, ends in {
        "2025-10-14": "2025-10-15T04:00:00.000000Z",
        "2025-11-02": "2025-11-03T05:00:00.000000Z",
        "2025-10-15T12:00": "2025-10-15T16:00:00.000000Z",
        "2025-10-15T12:00:00Z": "2025-10-15T12:00:00.000000Z",
    }.items():
        answer = await firm.away("jchan", until, "kim")
        assert (until, answer["away_until"]) == (until, ends)
        # What was said before is replaced.
        assert await firm.who_is_away() == {"jchan": (ends, "kim")}
    firm.clock.advance(86_400)
    assert await firm.who_is_away() == {}


async def test_by_any_spelling(store: Store) -> None:
    """Both by id, name or e-mail address; both are on record by id."""
    answer = await Firm(store).away(" jia  CHAN", "2025-10-20", "KIM@f.com")
    assert (answer["id"], answer["stand_in"]) == ("jchan", "kim")
    (warning,) = answer["warnings"]
    assert warning.startswith("Kim Roe cannot be reached on pager, where Jia Chan is: only Jia Ch")
    entry = (await read_table(store, journal))[-1]
    assert (entry.kind, entry.subject) == ("person.away", "person:jchan")
    assert json.loads(entry.data) == {"until": answer["away_until"], "to": "kim"}


#: Who is away until when, for whom; the error, and what it says.
REFUSED: list[tuple[tuple[str, str, str], type[CasebellError], str]] = [
    (("jchin", "2025-10-20", "kim"), NotFound, "no such person"),
    (("jchan", "2025-10-20", "kin"), BadArgument, "Did you mean `kim`?"),
    (("jchan", "2025-10-20", "Jia Chan"), BadArgument, "cannot stand in for themselves"),
    (("jchan", "2025-10-20", "ana"), Refusal, "No channel can reach Ana Ruiz"),
    (("jchan", "2025-10-13", "kim"), BadArgument, "over: 2025-10-13"),
    (("jchan", "2025-10-14T15:00", "kim"), BadArgument, "over: 2025-10-14 15:00:00 EDT"),
    (("jchan", "Friday", "kim"), BadArgument, "Write the last day, or a time"),
    (("jchan", "9999-12-31", "kim"), BadArgument, "Write the last day, or a time"),
]


async def test_refused(store: Store) -> None:
    """What names nobody, ends in the past, or would have nobody hear; nothing is said of it."""
    firm = Firm(store)
    for given, error, said in REFUSED:
        with pytest.raises(error, match=re.escape(said)):
            await firm.away(*given)
    with pytest.raises(NotFound) as caught:
        await firm.away("jchin", "2025-10-20", "kim")
    assert caught.value.hint == "Did you mean `jchan`?"
    assert await firm.who_is_away() == {}
    assert await read_table(store, journal) == []


async def test_a_stand_in_who_is_away(store: Store) -> None:
    """It is done, and the answer says who hears then."""
    firm = Firm(store)
    await firm.away("kim", "2025-10-31", "ben")
    answer = await firm.away("ben", "2025-10-20", "kim")
    assert answer["warnings"] == [
        "Kim Roe is away, too, until 2025-10-31; Ben Ode stands in for them."
    ]
    # Who is back by then is none.
    firm.clock.advance(20 * 86_400)
    assert (await firm.away("ben", "2025-11-20", "kim"))["warnings"] == []


async def test_where_the_channels_are_not_known(store: Store) -> None:
    """Without their secrets a command cannot tell who is reached, and says so."""
    firm = Firm(store, roster=None)
    answer = await firm.away("jchan", "2025-10-20", "ana")
    assert answer["channels"] == []
    assert answer["warnings"] == ["Whether a channel can reach Ana Ruiz cannot be told here."]


async def test_back(store: Store) -> None:
    """Before the time; who was not away is said to be that, and nothing is on record."""
    firm = Firm(store)
    await firm.away("jchan", "2025-10-20", "kim")
    answer = await firm.verbs.set_back(name="Jia Chan", actor=ADMIN)
    assert (answer["id"], answer["away_until"], answer["warnings"]) == ("jchan", None, [])
    assert await firm.who_is_away() == {}
    again = await firm.verbs.set_back(name="jchan", actor=ADMIN)
    assert again["warnings"] == ["Jia Chan was not away."]
    kinds = [entry.kind for entry in await read_table(store, journal)]
    assert kinds == ["person.away", "person.back"]
    with pytest.raises(NotFound):
        await firm.verbs.set_back(name="somebody", actor=ADMIN)


async def test_decisions_read_it(store: Store) -> None:
    """What is said here is what each batch of deliveries asks for."""
    firm = Firm(store)
    answer = await firm.away("jchan", "2025-10-20", "kim")
    async with store.read() as connection:
        known = await absences.known(connection)
    assert {person: (iso(one.until), one.stand_in) for person, one in known.items()} == {
        "jchan": (answer["away_until"], "kim")
    }
