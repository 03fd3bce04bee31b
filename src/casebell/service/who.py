"""Who did something, and how, in words: `the link sent to jchan`, `Jia Chan (account jia)`."""

from casebell.people.identity import People

_HOW = {
    "link": "the link sent to {}",
    "account": "account {}",
    "token": "token {}",
    "cli": "{} on the command line",
}


def who(actor: str, people: People, *, person: str | None = None, by: str | None = None) -> str:
    """Who somebody was.

    Args:
        actor: as the journal has it, or the id of a person.
        people: of whom the names are. Who is no longer among them is called by id.
        person: the id of who it was, where that is known.
        by: who it was, as claimed.
    """
    kind, is_actor, name = actor.partition(":")
    if not is_actor:
        return people[actor].name if actor in people else actor
    how = _HOW[kind].format(name) if kind in _HOW else actor
    if kind == "link":
        # Whoever has the link: a message can be passed on.
        return how
    if person is not None:
        return f"{people[person].name if person in people else person} ({how})"
    return f"{how}, as “{by}”" if by else how
