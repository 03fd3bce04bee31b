"""The people whom a channel can reach, each by one address; all are loaded with the channel."""

import re
from collections.abc import Mapping, Sequence

from casebell.alerts import OF_TEAM, OWNER, PERSONAL, TEAM
from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_load import Service, load_recipient
from casebell.people.identity import by_team
from casebell.people.roster import Recipients
from casebell.settings import ChannelSettings
from casebell.settings.models import PersonSettings
from casebell.spelling import spelling

#: Whether a channel takes an address that nobody knows yet is asked with this one.
_ANY_ADDRESS = "owner@example.com"
#: How services with rooms write a person; what else they take is a room.
_USER = re.compile(r"@.+")
_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+")
_PERSONS: Mapping[str, Sequence[re.Pattern[str]]] = {
    "irc": (_USER,),
    "matrix": (_USER,),
    "rocket": (_USER,),
    "signal": (re.compile(r"\+?[0-9][0-9 ()-]*"),),
    "slack": (_USER, _MAILBOX),
    # Groups have negative numbers; a name is that of a channel.
    "tgram": (re.compile(r"[0-9]+"),),
    "zulip": (_MAILBOX,),
}
#: How a room begins elsewhere.
_ROOM = "#"


def load_people(
    settings: ChannelSettings, people: Mapping[str, PersonSettings], *, schemas: Sequence[str]
) -> tuple[dict[str, Service], Recipients]:
    """The services of people's addresses by target, and the channel's recipients.

    Whom it names must have an address for it. Everybody else may: as an owner or in a team, whose
    case is told to `unassigned` without one, or as who stands in for somebody.

    Raises:
        ConfigError: an address cannot be used, or somebody who is named has none.
    """
    to = tuple(entry.strip() for entry in settings.to)
    unassigned = tuple(entry.strip() for entry in settings.unassigned)
    members = _members((*to, *unassigned), people)
    named = {person for some in members.values() for person in some}
    services: dict[str, Service] = {}
    addresses: dict[str, str] = {}
    rooms: set[str] = set()
    problems: list[Problem] = []
    for person in people.values():
        own = person.addresses.get(settings.name)
        address = (own or person.email or "").strip()
        service = load_recipient(address, settings, schemas=schemas) if address else None
        if service:
            addresses[person.id] = address
            services[address] = service
            if _is_room(address, of=service.kind):
                rooms.add(address)
        elif own or person.id in named:
            problems.append(_unreachable(person, settings.name, own=bool(own)))
    if problems:
        raise ConfigError(problems)
    return services, Recipients(
        to=to,
        unassigned=unassigned,
        addresses=addresses,
        rooms=frozenset(rooms),
        members=members,
        takes_addresses=any(one.startswith(PERSONAL) for one in (*to, *unassigned))
        and load_recipient(_ANY_ADDRESS, settings, schemas=schemas) is not None,
    )


def _members(
    written: Sequence[str], people: Mapping[str, PersonSettings]
) -> dict[str, Sequence[str]]:
    """By recipient that names people, by themselves or by a team, their ids."""
    found: dict[str, Sequence[str]] = {}
    teams = by_team(people)
    for one in written:
        if one.startswith(OF_TEAM):
            found[one] = teams.get(spelling(one.removeprefix(OF_TEAM)), ())
        elif one.startswith(PERSONAL) and one not in (OWNER, TEAM):
            found[one] = [one.removeprefix(PERSONAL)]
    return found


def _is_room(address: str, *, of: str) -> bool:
    """Whether a service takes an address for that of a room."""
    persons = _PERSONS.get(of)
    if persons is None:
        return address.startswith(_ROOM)
    return not any(one.fullmatch(address) for one in persons)


def _unreachable(person: PersonSettings, channel: str, *, own: bool) -> Problem:
    if own:
        return Problem(
            key=f"people.{person.id}.addresses.{channel}",
            message="is no recipient of this channel's service",
            hint="Write it as the service has it, such as @U012AB3CD on Slack.",
        )
    return Problem(
        key=f"people.{person.id}",
        message=f"has no address that channels.{channel} can reach",
        hint=f'Write one: addresses = {{ {channel} = "…" }}.',
    )
