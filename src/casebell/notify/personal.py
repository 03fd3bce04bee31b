"""The people whom a channel can reach, each by one address; all are loaded with the channel."""

from collections.abc import Mapping, Sequence

from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_load import Service, load_recipient
from casebell.people.roster import Recipients
from casebell.settings import ChannelSettings
from casebell.settings.models import PersonSettings
from casebell.settings.people import OF_TEAM, OWNER, PERSONAL, TEAM
from casebell.spelling import spelling

#: Whether a channel takes an address that nobody knows yet is asked with this one.
_ANY_ADDRESS = "owner@example.com"


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
    problems: list[Problem] = []
    for person in people.values():
        own = person.addresses.get(settings.name)
        address = own or person.email
        service = address and load_recipient(address.strip(), settings, schemas=schemas)
        if address and service:
            addresses[person.id] = address.strip()
            services[address.strip()] = service
        elif own or person.id in named:
            problems.append(_unreachable(person, settings.name, own=bool(own)))
    if problems:
        raise ConfigError(problems)
    takes_addresses = OWNER in to and (
        load_recipient(_ANY_ADDRESS, settings, schemas=schemas) is not None
    )
    return services, Recipients(
        to=to,
        unassigned=unassigned,
        addresses=addresses,
        members=members,
        takes_addresses=takes_addresses,
    )


def _members(written: Sequence[str], people: Mapping[str, PersonSettings]) -> dict[str, list[str]]:
    """By recipient that names people, by themselves or by a team, their ids."""
    found: dict[str, list[str]] = {}
    for one in written:
        if one.startswith(OF_TEAM):
            team = spelling(one.removeprefix(OF_TEAM))
            found[one] = [
                person.id for person in people.values() if team in map(spelling, person.teams)
            ]
        elif one.startswith(PERSONAL) and one not in (OWNER, TEAM):
            found[one] = [one.removeprefix(PERSONAL)]
    return found


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
