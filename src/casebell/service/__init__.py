"""What can be seen and done: a verb is written once, whoever asks for it.

A verb takes the actor and values by name, and gives back a value of which JSON can be made; a few
give bytes or lines (`rights.NOT_JSON`). The command line, over the socket or on the store itself,
and the API ask by `Service.ask` alone.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from casebell.actors import Actor, Right
from casebell.errors import Forbidden, Refusal
from casebell.people.identity import People, known
from casebell.service.rights import NOT_JSON, RIGHTS

Verb: TypeAlias = Callable[..., Awaitable[Any]]


class UnknownCommand(Refusal):
    """The running server does not know this command."""

    hint = "It is of another release: restart it."


class NotJson(Refusal):
    """This is given as bytes or line by line, not as one JSON value."""

    hint = "Use the command, which reads the store itself, or the API."


class Service:
    """The verbs by name; the one place that asks whether an actor has the right to one.

    Args:
        parts: verbs by name.
        rights: which right each needs; a verb that is not there is refused to everybody.
        people: returns who can be told by name, with the names and teams of an actor.
    """

    def __init__(
        self,
        *parts: Mapping[str, Verb],
        rights: Mapping[str, Right] = RIGHTS,
        people: Callable[[], People] = dict,
    ) -> None:
        self._rights = rights
        self._people = people
        self._verbs = {name: verb for part in parts for name, verb in part.items()}

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """All of them; to be asked for by `ask`."""
        return self._verbs

    def allow(self, name: str, *, actor: Actor) -> None:
        """See that an actor has the right to a verb, before more is read of what it asks.

        Raises:
            Forbidden: it has not.
        """
        right = self._rights.get(name)
        if right is None or not actor.may(right):
            raise Forbidden

    async def ask(
        self, name: str, arguments: Mapping[str, Any], *, actor: Actor, raw: bool = False
    ) -> Any:
        """The value of a verb.

        Args:
            raw: whoever asks takes bytes, and lines one by one, where the verb gives those.

        Raises:
            UnknownCommand: there is none of this name, or it does not take these arguments.
            Forbidden: the actor does not have the right to it.
            NotJson: it gives something else, and `raw` is off.
            CasebellError: as the verb says.
        """
        try:
            verb = self._verbs[name]
            inspect.signature(verb).bind(**arguments, actor=actor)
        except (KeyError, TypeError):
            raise UnknownCommand from None
        self.allow(name, actor=actor)
        if name in NOT_JSON and not raw:
            raise NotJson
        return await verb(**arguments, actor=known(actor, self._people()))
