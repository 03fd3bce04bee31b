"""Whom recipients are for a case: owner, team, persons, who stands in, and who hears otherwise."""

from typing import Any

import pytest

from casebell.alerts import UNASSIGNED
from casebell.events import Absence, Absences, Case
from casebell.people.roster import Addressee, Recipients, Roster, absences_at
from casebell.settings.models import PersonSettings

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com", teams=("RFE",)),
    "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com", teams=("rfe", "removal")),
    "ana": PersonSettings(id="ana", name="Ana Ruiz"),
}
ADDRESSES = {"jchan": "jchan@f.com", "kim": "kim@f.com"}
MEMBERS = {"@kim": ["kim"], "@team:rfe": ["jchan", "kim"], "@ana": ["ana"]}


def roster(*to: str, unassigned: tuple[str, ...] = ("rfe@f.com",), **given: Any) -> Roster:
    """One channel with these recipients."""
    mail = Recipients(
        **{
            "to": to,
            "unassigned": unassigned,
            "addresses": ADDRESSES,
            "members": MEMBERS,
            "takes_addresses": True,
            **given,
        }
    )
    return Roster(people=PEOPLE, channels={"mail": mail}, ops=[("ops", "it@f.com")])


def case(**fields: Any) -> Case:
    """A case of somebody."""
    return Case(**{"receipt": "IOE0912345678", **fields})


def told(
    to: Roster, of: Case, away: Absences | None = None
) -> list[tuple[str, str | None, str, str | None]]:
    """Target, person, how it is addressed and for whom, of each addressee."""
    found = to.reached("mail", of, away=away or {})
    return [(one.target, one.person, one.addressed_as, one.for_absent) for one in found]


@pytest.mark.parametrize("owner", ["jchan", "Jia Chan", " jia  CHAN ", "JCHAN@f.com"])
def test_an_owner_by_any_spelling(owner: str) -> None:
    """Id, name and e-mail address, whatever their case and blanks."""
    assert told(roster("@owner"), case(owner=owner)) == [("jchan@f.com", "jchan", "@owner", None)]


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({}, ("rfe@f.com", None, UNASSIGNED, None)),
        ({"owner": "Somebody Else"}, ("rfe@f.com", None, UNASSIGNED, None)),
        # Without an address on this channel.
        ({"owner": "ana"}, ("rfe@f.com", None, UNASSIGNED, None)),
        (
            {"owner": "Somebody Else", "owner_email": "else@g.com"},
            ("else@g.com", None, "@owner", None),
        ),
        # The configuration knows better than the case.
        ({"owner": "kim", "owner_email": "old@f.com"}, ("kim@f.com", "kim", "@owner", None)),
    ],
)
def test_an_owner_who_is_nobody(
    fields: dict[str, str], heard: tuple[str, str | None, str, str | None]
) -> None:
    """Then the address of the case counts, and without one `unassigned`."""
    assert told(roster("@owner"), case(**fields)) == [heard]


def test_a_service_without_addresses() -> None:
    """The address of an owner who is no person serves only where the channel takes any."""
    of = case(owner="Somebody Else", owner_email="else@g.com")
    assert told(roster("@owner", takes_addresses=False), of) == [
        ("rfe@f.com", None, UNASSIGNED, None)
    ]


def test_teams() -> None:
    """Everybody in the team of the case, or in the one that is named; an unknown one is nobody."""
    rfe = [("jchan@f.com", "jchan", "@team", None), ("kim@f.com", "kim", "@team", None)]
    assert told(roster("@team"), case(team=" rfe ")) == rfe
    assert told(roster("@team"), case(team="other")) == [("rfe@f.com", None, UNASSIGNED, None)]
    named = [(target, person, "@team:rfe", None) for target, person, _, _ in rfe]
    assert told(roster("@team:rfe"), case()) == named


def test_each_target_once() -> None:
    """Who is owner, of the team and named hears once, as the first of them."""
    found = told(roster("@owner", "@team", "@kim", "all@f.com"), case(owner="kim", team="RFE"))
    assert found == [
        ("kim@f.com", "kim", "@owner", None),
        ("jchan@f.com", "jchan", "@team", None),
        ("all@f.com", None, "", None),
    ]


def test_no_owner_beside_a_team() -> None:
    """Whoever is found of the case hears; `unassigned` only where neither is found."""
    found = [one[:3] for one in told(roster("@owner", "@team"), case(team="removal"))]
    assert found == [("kim@f.com", "kim", "@team")]
    owned = told(roster("@owner", "@team"), case(owner="jchan"))
    assert owned == [("jchan@f.com", "jchan", "@owner", None)]
    # Who is named whatever the case is nobody's owner.
    neither = [one[:3] for one in told(roster("@owner", "@team", "@kim"), case())]
    assert neither == [("kim@f.com", "kim", "@kim"), ("rfe@f.com", None, UNASSIGNED)]


def test_away() -> None:
    """Both hear; somebody who stands in may be away, too, and two who stand in for each other."""
    away = {"jchan": Absence(10, "kim")}
    both = [("jchan@f.com", "jchan", "@owner", None), ("kim@f.com", "kim", "@owner", "jchan")]
    assert told(roster("@owner"), case(owner="jchan"), away) == both
    ring = {**away, "kim": Absence(10, "jchan")}
    assert told(roster("@owner"), case(owner="jchan"), ring) == both
    # Nobody hears of it by a stand-in without an address; the owner still does.
    lonely = {"jchan": Absence(10, "ana")}
    assert told(roster("@owner"), case(owner="jchan"), lonely) == both[:1]


def test_an_end() -> None:
    """An absence ends with its time."""
    away = {"jchan": Absence(10, "kim")}
    assert absences_at(away, 9) == away
    assert absences_at(away, 10) == {}


def test_one_person() -> None:
    """Only what is written `@…` and read by one person is one person."""
    shared = {**ADDRESSES, "ana": "kim@f.com"}
    named = {**ADDRESSES, "ana": "Kim <KIM@f.com>"}
    mail = roster("@owner", "kim@f.com")
    assert mail.is_one_person("mail", Addressee(target="jchan@f.com", addressed_as="@owner"))
    assert not mail.is_one_person("mail", Addressee(target="jchan@f.com"))
    assert not mail.is_one_person("mail", Addressee(target="rfe@f.com", addressed_as=UNASSIGNED))
    # An address that the channel has by itself is read by others, however it is written.
    for target in ("kim@f.com", "RFE@F.com", "X<rfe@f.com>", "<rfe@f.com>", "\uff52fe@f.com"):
        assert not mail.is_one_person("mail", Addressee(target=target, addressed_as="@owner"))
    for addresses, target in ((shared, "kim@f.com"), (named, "kim@f.com")):
        other = roster("@owner", addresses=addresses)
        assert not other.is_one_person("mail", Addressee(target=target, addressed_as="@owner"))
    room = roster("@owner", rooms=frozenset({"kim@f.com"}))
    assert not room.is_one_person("mail", Addressee(target="kim@f.com", addressed_as="@owner"))


def test_an_address_of_another_channel() -> None:
    """An owner's address that another channel has by itself is no person's, unless one has it."""
    mail = Recipients(to=("@owner",), addresses=ADDRESSES, takes_addresses=True)
    others = Recipients(to=("it@f.com", "kim@f.com"))
    both = Roster(people=PEOPLE, channels={"mail": mail, "others": others})
    assert not both.is_one_person("mail", Addressee(target="it@f.com", addressed_as="@owner"))
    assert both.is_one_person("mail", Addressee(target="kim@f.com", addressed_as="@owner"))


def test_one_mailbox_once() -> None:
    """An address with a name before it is the same target."""
    found = told(roster("jchan@f.com", "@owner"), case(owner="E", owner_email="J<JCHAN@f.com>"))
    assert found == [("jchan@f.com", None, "", None)]
