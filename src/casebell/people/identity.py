"""Who is one person: whoever asks, and the owners that cases write in many ways."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from casebell.actors import Actor
from casebell.spelling import spelling

if TYPE_CHECKING:
    # Commands that ask a server import this, and do not pay for the models of the configuration.
    from casebell.settings.models import PersonSettings

#: By id.
People: TypeAlias = "Mapping[str, PersonSettings]"


def known(actor: Actor, people: People) -> Actor:
    """The actor with the names and teams that the configuration has of its person."""
    person = None if actor.person is None else people.get(actor.person)
    if person is None:
        return actor
    return replace(actor, names=person.spellings, teams=actor.teams | frozenset(person.teams))


def by_spelling(people: People) -> "Mapping[str, PersonSettings]":
    """Each person by id, by name and by e-mail address, as texts are compared."""
    return {text: person for person in people.values() for text in person.spellings}


def by_team(people: People) -> Mapping[str, Sequence[str]]:
    """By team, as texts are compared, the ids of those who belong to it."""
    found: dict[str, list[str]] = {}
    for person in people.values():
        for team in map(spelling, person.teams):
            found.setdefault(team, []).append(person.id)
    return found


def named(text: str, people: People) -> "PersonSettings | None":
    """The person whom a text means: an id, a name or an e-mail address, as texts are compared."""
    return by_spelling(people).get(spelling(text))


def written_as(text: str, people: People) -> frozenset[str]:
    """How cases may write an owner whom this text means, as texts are compared."""
    person = named(text, people)
    return frozenset({spelling(text)} | (set() if person is None else person.spellings))


def called(actor: str, people: People) -> str:
    """What people call who did something.

    Args:
        actor: as the record has it: the id of a person, or an actor such as "account:ana".
    """
    how, is_actor, name = actor.partition(":")
    if not is_actor:
        return people[actor].name if actor in people else actor
    return f"the token {name}" if how == "token" else name or actor
