"""Checks of people, and of the recipients that are people."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from casebell.alerts import OF_TEAM, OWNER, PERSONAL, TEAM
from casebell.settings.models import ChannelSettings, Document
from casebell.settings.places import Finding
from casebell.settings.values import nearest
from casebell.spelling import spelling

#: Ids that would read as another recipient.
_TAKEN = frozenset({"owner", "team"})


def findings(
    document: Document, *, channels: Collection[str], known: Collection[str]
) -> Iterator[Finding]:
    """The errors between people, channels and rules.

    Args:
        channels, known: the names of all channels and people, including those with errors.
    """
    yield from _people(document, channels)
    for channel in document.channels.values():
        yield from _channel(channel, document, known)
    if document.alerts.pilot is not None and document.alerts.pilot not in channels:
        yield Finding(
            loc=("alerts", "pilot"),
            message="There is no such channel.",
            hint=nearest(document.alerts.pilot, channels),
        )
    elif (pilot := document.channels.get(document.alerts.pilot or "")) and pilot.webhook:
        yield Finding(
            loc=("alerts", "pilot"),
            message="A pilot is for people to read, and this channel is a webhook.",
            hint="Name a channel with a `url`, such as the mailbox of IT.",
        )
    yield from _owners(document)


def teams_of(document: Document) -> dict[str, str]:
    """Every team that somebody is in: as texts are compared, and as it is first written."""
    found: dict[str, str] = {}
    for person in document.people.values():
        for team in person.teams:
            found.setdefault(spelling(team), team)
    return found


def people_in(channel: ChannelSettings) -> list[str]:
    """The recipients of a channel that are people, as they are written."""
    written = (one.strip() for one in (*channel.to, *channel.unassigned))
    return [one for one in written if one.startswith(PERSONAL)]


def _people(document: Document, channels: Collection[str]) -> Iterator[Finding]:
    written: dict[str, set[str]] = defaultdict(set)
    for person in document.people.values():
        loc = ("people", person.id)
        if person.id in _TAKEN:
            yield Finding(
                loc=loc,
                message=f'"@{person.id}" is the {person.id} of a case already.',
                hint="Choose another id.",
            )
        for name in person.addresses:
            if name not in channels:
                yield Finding(
                    loc=(*loc, "addresses", name),
                    message="There is no such channel.",
                    hint=nearest(name, channels),
                )
        for text in person.spellings:
            written[text].add(person.id)
        others = set().union(*(written[text] for text in person.spellings)) - {person.id}
        if others:
            yield Finding(
                loc=loc,
                message=f"This person and {min(others)} cannot be told apart by name or address.",
                hint="The owner of a case is found by id, name and e-mail address: all differ.",
            )


def _channel(
    channel: ChannelSettings, document: Document, known: Collection[str]
) -> Iterator[Finding]:
    loc = ("channels", channel.name)
    of_case = {OWNER, TEAM} & set(channel.to)
    if of_case and not channel.unassigned and not channel.webhook:
        yield Finding(
            loc=(*loc, "unassigned"),
            message=f'A case without somebody for "{min(of_case)}" would reach nobody here.',
            hint='Write who hears then: unassigned = ["rfe-team@example-firm.com"].',
        )
    if channel.unassigned and not of_case and not channel.webhook:
        yield Finding(
            loc=(*loc, "unassigned"),
            message='Nobody is looked up here, so that nothing can be without "@owner" or "@team".',
            hint="Take the key out, or name @owner or @team in `to`.",
        )
    for key in ("to", "unassigned"):
        for place, recipient in enumerate(getattr(channel, key)):
            if recipient.startswith(PERSONAL):
                yield from _recipient((*loc, key, place), recipient, document, known)


def _recipient(
    loc: tuple[str | int, ...], recipient: str, document: Document, known: Collection[str]
) -> Iterator[Finding]:
    if recipient in (OWNER, TEAM):
        if loc[-2] == "unassigned":
            yield Finding(
                loc=loc,
                message="This is whom a case has not.",
                hint='Write an address, "@jchan" or "@team:rfe".',
            )
    elif recipient.startswith(OF_TEAM):
        team, teams = recipient.removeprefix(OF_TEAM), teams_of(document)
        if spelling(team) not in teams:
            yield Finding(
                loc=loc,
                message="Nobody is in this team.",
                hint=nearest(team, teams.values()) or "Name it in the `teams` of its people.",
            )
    elif recipient.removeprefix(PERSONAL) not in known:
        people = [f"{PERSONAL}{person}" for person in known]
        yield Finding(
            loc=loc,
            message="There is no such person.",
            hint=nearest(recipient, [OWNER, TEAM, *people] if people else ())
            or "Recipients with an @ at the beginning are people: [people.jchan]. A service's own "
            "name, such as @U012AB3CD, belongs in their `addresses`.",
        )


def _owners(document: Document) -> Iterator[Finding]:
    """Rules on an owner who is nobody; without people, an owner is any text."""
    if not document.people:
        return
    everybody = set().union(*(person.spellings for person in document.people.values()))
    for section in ("rules", "escalations"):
        for number, rule in enumerate(getattr(document, section)):
            for choice, when in enumerate(rule.when):
                for place, owner in enumerate(when.owner):
                    if spelling(owner) not in everybody:
                        yield Finding(
                            loc=(section, number, "when", choice, "owner", place),
                            message="There is no such person.",
                            hint=nearest(owner, document.people),
                        )


def remarks(document: Document) -> Iterator[str]:
    """Sentences on people who work, but may be a mistake."""
    for person in document.people.values():
        if person.email is None and not person.addresses:
            yield (
                f"people.{person.id} has neither an e-mail address nor another: nothing can be "
                "sent to them."
            )
