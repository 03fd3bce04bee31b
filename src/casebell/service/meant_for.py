"""Whom an alert was meant for, in words: "Jia Chan, the owner"."""

from collections.abc import Iterable, Mapping
from typing import Any

from casebell.alerts import OPERATIONS, UNASSIGNED
from casebell.people.identity import People
from casebell.settings.people import OF_TEAM, OWNER, TEAM

#: A target of a decision, as it is on record.
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


def recorded(alert: Any, notify: Iterable[Told]) -> Told:
    """What is on record of the target of an alert: in the decision, or as the alert's row has it.

    Args:
        alert: the row. One that stands in for another is in no decision.
        notify: the targets of the decision.
    """
    for one in notify:
        if (one["channel"], one["target"]) == (alert.channel, alert.target):
            return one
    return {"person": alert.person, "addressed_as": alert.addressed_as}


def _name(person: str, people: People) -> str:
    return people[person].name if person in people else person
