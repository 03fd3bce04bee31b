"""Whom the recipients of a channel are for one case: owner, team, persons, and who stands in.

`to` of a channel names addresses, and people by `@owner`, `@team`, `@jchan` and `@team:rfe`. Whom
these reach is resolved when a decision is made, and kept with it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from casebell.alerts import OPERATIONS, OWNER, PERSONAL, TEAM, UNASSIGNED
from casebell.events import NOBODY_IS_AWAY, Absences, Case, Micros
from casebell.people.identity import by_spelling, by_team
from casebell.settings.models import PersonSettings
from casebell.spelling import spelling

#: An address behind a name, as mail has it.
_BEHIND_A_NAME = re.compile(r"[^<]*<([^<>]+)>")


def absences_at(known: Absences, now: Micros) -> Absences:
    """Those that have not ended."""
    return {person: one for person, one in known.items() if one.until > now} if known else known


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressee:
    """A target of a channel, and why it is one."""

    target: str
    #: The id of who reads there; None for an address of nobody in particular, and for an owner of
    #: whom only the address is known.
    person: str | None = None
    #: As in `NewAlert`.
    addressed_as: str = ""
    #: The id of who is away, and for whom this person hears.
    for_absent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipients:
    """The recipients of one channel: what is configured, as the loaded channel takes it."""

    #: As `to` has them; of a channel without `to` its targets.
    to: tuple[str, ...]
    unassigned: tuple[str, ...] = ()
    #: By the id of a person whom the channel can reach, the target.
    addresses: Mapping[str, str] = field(default_factory=dict)
    #: Those of these addresses that are rooms.
    rooms: frozenset[str] = frozenset()
    #: By recipient that names people, such as "@jchan" or "@team:rfe", their ids.
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Whether its service takes any e-mail address.
    takes_addresses: bool = False

    @property
    def named(self) -> list[str]:
        """The targets of those whom it names by id or team, whatever the case."""
        return [
            self.addresses[person]
            for one in (*self.to, *self.unassigned)
            for person in self.members.get(one, ())
            if person in self.addresses
        ]

    @property
    def by_case(self) -> bool:
        """Whether they depend on the case."""
        return OWNER in self.to or TEAM in self.to

    @property
    def takes_any_owner(self) -> bool:
        """Whether it reaches an owner who is no person of the configuration, by the address."""
        return OWNER in self.to and self.takes_addresses

    @property
    def by_person(self) -> bool:
        """Whether they depend on who is away."""
        return any(one.startswith(PERSONAL) for one in (*self.to, *self.unassigned))

    def may_mean(self, person: str) -> bool:
        """Whether somebody may be looked up for a case, or is named, and hears then."""
        return self.by_case or any(person in some for some in self.members.values())

    @property
    def own(self) -> frozenset[str]:
        """Who reads at the addresses that it has by itself: anybody, as far as is known."""
        written = (*self.to, *self.unassigned)
        return frozenset(_reader(one) for one in written if not one.startswith(PERSONAL))

    @property
    def shared(self) -> frozenset[str]:
        """Who reads at the targets that more than one person may read."""
        readers = Counter(map(_reader, self.addresses.values()))
        several = {one for one, number in readers.items() if number > 1}
        return self.own | several | frozenset(map(_reader, self.rooms))


class Roster:
    """The people of a configuration, and whom each channel reaches.

    Args:
        people: by id.
        channels: by name.
        ops: the targets of operations, as pairs of a channel and a target.
    """

    def __init__(
        self,
        *,
        people: Mapping[str, PersonSettings],
        channels: Mapping[str, Recipients],
        ops: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._people = people
        self._channels = channels
        self._ops = tuple(ops)
        self._by_spelling = by_spelling(people)
        self._shared = {name: recipients.shared for name, recipients in channels.items()}
        every = channels.values()
        people_read = {_reader(one) for some in every for one in some.addresses.values()}
        #: Who reads at what some channel has by itself, and no person has.
        self._nobodys = frozenset[str]().union(*(one.own for one in every)) - people_read
        self._teams = by_team(people)

    def owner_of(self, case: Case) -> PersonSettings | None:
        """The owner of a case; None where it has none, or one who is no person here."""
        return self._by_spelling.get(spelling(case.owner)) if case.owner else None

    def owner_names(self, case: Case) -> tuple[str, ...]:
        """How rules may call the owner of a case beside what the firm wrote."""
        person = self.owner_of(case)
        if person is None:
            return ()
        return tuple(filter(None, (person.id, person.name, person.email)))

    def has(self, channel: str) -> bool:
        """Whether there is this channel."""
        return channel in self._channels

    def by_case(self, channel: str) -> bool:
        """Whether the recipients of a channel depend on the case."""
        return self._channels[channel].by_case

    def by_person(self, channel: str) -> bool:
        """Whether they depend on who is away."""
        return self._channels[channel].by_person

    def reached(
        self, channel: str, case: Case, *, away: Absences = NOBODY_IS_AWAY
    ) -> list[Addressee]:
        """Each target that a channel reaches for a case, once.

        Args:
            away: who is away now.
        """
        recipients = self._channels[channel]
        first: dict[str, Addressee] = {}
        for one in self._resolved(recipients, recipients.to, case, away):
            first.setdefault(_reader(one.target), one)
        return list(first.values())

    def always(self, channel: str) -> list[Addressee]:
        """Whom a channel has by itself, or names, whatever the case."""
        return self.reached(channel, Case(receipt=""))

    @property
    def looking_for_owners(self) -> list[str]:
        """The channels with `@owner`."""
        return [name for name, recipients in self._channels.items() if OWNER in recipients.to]

    @property
    def looking_up(self) -> list[str]:
        """The channels with `@owner` or `@team`."""
        return [name for name, recipients in self._channels.items() if recipients.by_case]

    def finds_owner(self, channel: str, case: Case) -> bool:
        """Whether `@owner` of a channel finds somebody who may hear of a case."""
        found = self._personal(self._channels[channel], OWNER, case, NOBODY_IS_AWAY)
        return any(not case.confidential or self.is_one_person(channel, one) for one in found)

    def addresses_of(self, person: str) -> dict[str, str | None]:
        """By channel that may mean somebody by name, the address; None where it has none."""
        return {
            name: recipients.addresses.get(person)
            for name, recipients in self._channels.items()
            if recipients.may_mean(person)
        }

    def reached_on(self, person: str) -> list[str]:
        """The channels that can reach somebody by name, be it as who stands in for another."""
        return [
            name
            for name, recipients in self._channels.items()
            if recipients.by_person and person in recipients.addresses
        ]

    def mailbox(self, channel: str, to: Addressee) -> str | None:
        """The mailbox in which a person reads a channel; None of any other service, or target."""
        takes_addresses = self._channels[channel].takes_addresses
        return _reader(to.target) if takes_addresses and to.person is not None else None

    def unassigned(self, channel: str, case: Case, *, away: Absences) -> list[Addressee]:
        """Whom a channel reaches where nobody is found."""
        return list(self._unassigned(self._channels[channel], case, away))

    def operations(self) -> list[tuple[str, Addressee]]:
        """The targets of operations, each with its channel."""
        return [
            (channel, Addressee(target=target, addressed_as=OPERATIONS))
            for channel, target in self._ops
        ]

    def is_one_person(self, channel: str, to: Addressee) -> bool:
        """Whether it was written `@…` and one person alone reads there."""
        reader = _reader(to.target)
        shared = reader in self._shared[channel] or reader in self._nobodys
        return to.addressed_as.startswith(PERSONAL) and not shared

    def _resolved(
        self, recipients: Recipients, written: Sequence[str], case: Case, away: Absences
    ) -> Iterator[Addressee]:
        found_of_case = False
        for one in written:
            if not one.startswith(PERSONAL):
                yield Addressee(target=one)
                continue
            found = list(self._personal(recipients, one, case, away))
            found_of_case = found_of_case or (one in (OWNER, TEAM) and bool(found))
            yield from found
        if recipients.by_case and not found_of_case:
            yield from self._unassigned(recipients, case, away)

    def _personal(
        self, recipients: Recipients, written: str, case: Case, away: Absences
    ) -> Iterator[Addressee]:
        known = self.owner_of(case) if written == OWNER else None
        if written == OWNER and known is None:
            if case.owner_email and recipients.takes_any_owner:
                yield Addressee(target=case.owner_email, addressed_as=OWNER)
            return
        for person in self._meant(recipients, written, case, known):
            for hears, absent in _with_stand_ins(person, away):
                if target := recipients.addresses.get(hears):
                    yield Addressee(
                        target=target, person=hears, addressed_as=written, for_absent=absent
                    )

    def _meant(
        self, recipients: Recipients, written: str, case: Case, owner: PersonSettings | None
    ) -> Sequence[str]:
        if owner is not None:
            return [owner.id]
        if written == TEAM:
            return self._teams.get(spelling(case.team), ()) if case.team else ()
        return recipients.members.get(written, ())

    def _unassigned(
        self, recipients: Recipients, case: Case, away: Absences
    ) -> Iterator[Addressee]:
        for one in recipients.unassigned:
            if not one.startswith(PERSONAL):
                yield Addressee(target=one, addressed_as=UNASSIGNED)
            else:
                yield from self._personal(recipients, one, case, away)


def _reader(target: str) -> str:
    """Who reads at a target, however it is written: one mailbox, whatever the name before it."""
    found = _BEHIND_A_NAME.fullmatch(target)
    return spelling(found[1] if found else target)


def _with_stand_ins(person: str, away: Absences) -> Iterator[tuple[str, str | None]]:
    """A person; then who hears beside them while they are away, each with whom they stand in for.

    Who stands in may be away, too.
    """
    passed = [person]
    yield person, None
    while (absence := away.get(passed[-1])) is not None and absence.stand_in not in passed:
        yield absence.stand_in, passed[-1]
        passed.append(absence.stand_in)
