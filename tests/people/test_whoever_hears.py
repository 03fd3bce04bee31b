"""What holds for any people, channels, cases and absences: nobody is told twice, or by mistake."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import assume, given
from hypothesis import strategies as st

from casebell.alerts import OPERATIONS, UNASSIGNED
from casebell.events import Absence, Absences, Case, Status
from casebell.people.roster import Addressee, Recipients, Roster
from casebell.route.decide import Decision, decide
from casebell.route.match import Matching, Notify
from casebell.settings.models import PersonSettings
from contracts.case_events import classified_event
from contracts.examples import few

IDS = ("jchan", "kim", "ana", "ben")
TEAMS = ("rfe", "removal")
#: Rooms, mailboxes that several read, and the address of one of these people.
PLAIN = ("#immigration", "desk@f.com", "DESK@f.com", "kim@f.com")
PERSONAL = ("@owner", "@team", "@jchan", "@kim", "@team:rfe")
#: How a firm writes its owners: an id, a name, an address, somebody unknown, nobody.
OWNERS = ("jchan", "Jia CHAN", "kim@f.com", "ana", "Ben  Ode", "Somebody Else", "")
NAMES = {"jchan": "Jia Chan", "kim": "Kim Roe", "ana": "Ana Ruiz", "ben": "Ben Ode"}
OPS = ("mail", "it@f.com")


@dataclass(frozen=True, kw_only=True)
class Firm:
    """People and channels, with a case and who is away."""

    people: Mapping[str, PersonSettings]
    channels: Mapping[str, Recipients]
    case: Case
    away: Absences

    @property
    def roster(self) -> Roster:
        """Whom its channels reach."""
        return Roster(people=self.people, channels=self.channels, ops=[OPS])

    def decided(self) -> Decision:
        """A change about which a rule tells every channel."""
        matching = Matching(
            results=(),
            notify=tuple(Notify(channel=one, rules=("All",), urgent=True) for one in self.channels),
            urgent=True,
        )
        event = classified_event(status=Status.RFE_ISSUED)
        return decide(event, self.case, matching, roster=self.roster, away=self.away)

    def readers(self, channel: str, target: str) -> set[str | None]:
        """The ids of those who may read at a target; None for whoever else does."""
        recipients = self.channels[channel]
        found: set[str | None] = {
            person
            for person, address in recipients.addresses.items()
            if address.casefold() == target.casefold()
        }
        plain = {one.casefold() for one in (*recipients.to, *recipients.unassigned)}
        if target.startswith("#") or target.casefold() in plain:
            found.add(None)
        return found


@st.composite
def recipients_of(draw: st.DrawFn, teams: Mapping[str, list[str]]) -> Recipients:
    """A channel; `unassigned` is there where the configuration asks for it."""
    written = [one for one in (*PERSONAL, *PLAIN) if one != "@team:rfe" or teams["rfe"]]
    to = draw(st.lists(st.sampled_from(written), min_size=1, max_size=4, unique=True))
    unassigned = draw(st.lists(st.sampled_from(["rfe@f.com", "@kim"]), max_size=2, unique=True))
    if {"@owner", "@team"} & set(to) and "rfe@f.com" not in unassigned:
        unassigned.append("rfe@f.com")
    everybody = {"@jchan": ["jchan"], "@kim": ["kim"], "@team:rfe": teams["rfe"]}
    members = {name: some for name, some in everybody.items() if name in (*to, *unassigned)}
    # Who is named has an address, others may; and two may share one.
    named = {person for some in members.values() for person in some}
    addresses = {one: f"{one}@f.com" for one in named | draw(st.sets(st.sampled_from(IDS)))}
    shared = draw(st.sampled_from(["", "#immigration", "desk@f.com", "both@f.com"]))
    if shared:
        addresses |= dict.fromkeys(draw(st.sets(st.sampled_from(IDS), max_size=2)), shared)
    return Recipients(
        to=tuple(to),
        unassigned=tuple(unassigned),
        addresses=addresses,
        rooms=frozenset({"#immigration"} & set(addresses.values())),
        members=members,
        takes_addresses=draw(st.booleans()),
    )


@st.composite
def firms(draw: st.DrawFn, *, owner: str = "") -> Firm:
    """Any firm; with an owner, who is away."""
    of_person = {one: draw(st.sets(st.sampled_from(TEAMS))) for one in IDS}
    people = {
        one: PersonSettings(id=one, name=NAMES[one], email=f"{one}@f.com", teams=tuple(some))
        for one, some in of_person.items()
    }
    teams = {team: [one for one in IDS if team in of_person[one]] for team in TEAMS}
    channels = {
        name: draw(recipients_of(teams))
        for name in draw(st.sampled_from([("mail",), ("mail", "chat")]))
    }
    case = Case(
        receipt="IOE0912345678",
        owner=owner or draw(st.sampled_from(OWNERS)),
        owner_email=draw(st.sampled_from(["", "else@g.com", "Desk@f.com", "RFE@f.com"])),
        team=draw(st.sampled_from(["", "RFE", "removal", "other"])),
        confidential=draw(st.booleans()),
    )
    stands_in = st.builds(Absence, until=st.just(10), stand_in=st.sampled_from([*IDS, "left"]))
    away = draw(st.dictionaries(st.sampled_from(IDS), stands_in, max_size=4))
    if owner:
        away[owner] = draw(stands_in)
    away = {person: one for person, one in away.items() if one.stand_in != person}
    return Firm(people=people, channels=channels, case=case, away=away)


@few
@given(firms())
def test_each_target_once(firm: Firm) -> None:
    """However many ways lead to it, and however its address is written."""
    heard = [(one.channel, one.to.target.casefold()) for one in firm.decided().recipients]
    assert len(heard) == len(set(heard))


@given(firms())
def test_a_confidential_case_is_one_persons(firm: Firm) -> None:
    """Where somebody reads alone, nobody else hears; else `unassigned` and operations alone do."""
    assume(firm.case.confidential)
    heard = firm.decided().recipients
    others = [one for one in heard if not _is_alone(firm, one.channel, one.to)]
    assert not others or not any(
        _is_alone(firm, name, one)
        for name in firm.channels
        for one in firm.roster.reached(name, firm.case, away=firm.away)
    )
    for one in others:
        unassigned = firm.channels[one.channel].unassigned
        assert one.to.addressed_as in (UNASSIGNED, OPERATIONS) or (
            one.to.addressed_as in unassigned
        ), one
        assert (one.channel, one.to.target) == OPS or one.to.addressed_as != OPERATIONS


def _is_alone(firm: Firm, channel: str, to: Addressee) -> bool:
    """Whether it was looked up, and the owner's own or one person's address."""
    if to.addressed_as in (UNASSIGNED, OPERATIONS, ""):
        return False
    if to.person is not None:
        return firm.readers(channel, to.target) == {to.person}
    # What another channel has by itself is no owner's own address either.
    return not any(firm.readers(name, to.target) for name in firm.channels)


@few
@given(firms(owner="jchan"))
def test_who_is_away_still_hears(firm: Firm) -> None:
    """The owner at their address, and who stands in beside them; of a confidential case alone."""
    heard = {(one.channel, one.to.target.casefold()) for one in firm.decided().recipients}
    absence = firm.away.get("jchan")
    both = ["jchan", *([absence.stand_in] if absence else [])]
    for name, recipients in firm.channels.items():
        for person in both if "@owner" in recipients.to else []:
            address = recipients.addresses.get(person)
            if address is None:
                continue
            if not firm.case.confidential or firm.readers(name, address) == {person}:
                assert (name, address.casefold()) in heard


@few
@given(firms())
def test_somebody_hears(firm: Firm) -> None:
    """`unassigned` where neither owner nor team is anybody; of a confidential case, somebody."""
    heard = {(one.channel, one.to.target.casefold()) for one in firm.decided().recipients}
    assert heard
    owner = firm.roster.owner_of(firm.case)
    for name, recipients in firm.channels.items() if not firm.case.confidential else ():
        reached = recipients.addresses.keys()
        addressed = recipients.takes_addresses and firm.case.owner_email and owner is None
        of_owner = {owner.id} & reached if owner else addressed
        team = {
            one.id
            for one in firm.people.values()
            if firm.case.team.casefold() in one.teams and firm.case.team
        }
        away = {firm.away[one].stand_in for one in team if one in firm.away}
        missing = recipients.by_case and not (
            ("@owner" in recipients.to and of_owner)
            or ("@team" in recipients.to and team & reached)
        )
        if missing and not (owner and owner.id in firm.away) and not away:
            assert (name, "rfe@f.com") in heard


def test_one_mailbox_once_over_several_channels() -> None:
    """Who is owner and of the team hears by mail once, by the urgent channel; a chat is another."""
    people = {"kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com", teams=("rfe",))}
    mail = Recipients(
        to=("@owner",),
        unassigned=("desk@f.com",),
        addresses={"kim": "kim@f.com"},
        takes_addresses=True,
    )
    channels = {
        "digest": mail,
        "team": Recipients(
            to=("@team",),
            unassigned=("desk@f.com",),
            addresses={"kim": "Kim Roe <KIM@f.com>"},
            takes_addresses=True,
        ),
        "chat": Recipients(to=("@owner",), unassigned=("#rfe",), addresses={"kim": "kim@f.com"}),
    }
    wishes = [
        Notify(channel="digest", rules=("All",), urgent=False),
        Notify(channel="team", rules=("RFE",), urgent=True),
        Notify(channel="chat", rules=("All",), urgent=False),
    ]
    decision = decide(
        classified_event(status=Status.RFE_ISSUED),
        Case(receipt="IOE0912345678", owner="kim", team="rfe"),
        Matching(results=(), notify=tuple(wishes), urgent=True),
        roster=Roster(people=people, channels=channels),
        away={},
    )
    heard = [(one.channel, one.to.person, one.urgent) for one in decision.recipients]
    assert heard == [("team", "kim", True), ("chat", "kim", False)]
