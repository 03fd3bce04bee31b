"""Whom an alert was meant for, in words: "Jia Chan, the owner"."""

from collections.abc import Mapping
from typing import Any

from casebell.alerts import OF_TEAM, OPERATIONS, OWNER, TEAM, UNASSIGNED
from casebell.people.identity import People

#: A target, as a decision or an alert has it on record.
Told = Mapping[str, Any]

_WORDS = {
    OWNER: "the owner",
    TEAM: "of the case's team",
    UNASSIGNED: "nobody was found: unassigned",
    OPERATIONS: "operations",
}


def meant_for(one: Told, people: People) -> str | None:
    """Whom a target was meant for; None of an address that the channel has by itself.

    Args:
        people: of whom the names are. Who is no longer among them is called by id.
    """
    addressed_as = one.get("addressed_as") or ""
    person, absent = one.get("person"), one.get("for_absent")
    if person is None:
        return _WORDS.get(addressed_as)
    name = _name(person, people)
    if absent is not None:
        return f"{name}, for {_name(absent, people)} who is away"
    if addressed_as.startswith(OF_TEAM):
        return f"{name}, of team {addressed_as.removeprefix(OF_TEAM)}"
    return f"{name}, {_WORDS[addressed_as]}" if addressed_as in _WORDS else name


def told(alert: Any) -> Told:
    """What the row of an alert has of its target."""
    return {name: getattr(alert, name) for name in ("person", "addressed_as", "for_absent")}


def _name(person: str, people: People) -> str:
    return people[person].name if person in people else person
