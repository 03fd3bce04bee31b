"""What can be seen and done: a verb is written once, whoever asks for it.

A verb takes the actor and values by name, and gives back a value of which JSON can be made. The
command line, over the socket or on the store itself, and the API ask by `Service.ask` alone.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from casebell.actors import Actor, Right
from casebell.errors import Forbidden, Refusal
from casebell.service.rights import RIGHTS

Verb: TypeAlias = Callable[..., Awaitable[Any]]


class UnknownCommand(Refusal):
    """The running server does not know this command."""

    hint = "It is of another release: restart it."


class Service:
    """The verbs by name; the one place that asks whether an actor has the right to one.

    Args:
        parts: verbs by name.
        rights: which right each needs; a verb that is not there is refused to everybody.
    """

    def __init__(self, *parts: Mapping[str, Verb], rights: Mapping[str, Right] = RIGHTS) -> None:
        self._rights = rights
        self._verbs = {name: verb for part in parts for name, verb in part.items()}

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """All of them; to be asked for by `ask`."""
        return self._verbs

    async def ask(self, name: str, arguments: Mapping[str, Any], *, actor: Actor) -> Any:
        """The value of a verb.

        Raises:
            UnknownCommand: there is none of this name, or it does not take these arguments.
            Forbidden: the actor does not have the right to it.
            CasebellError: as the verb says.
        """
        try:
            verb = self._verbs[name]
            inspect.signature(verb).bind(**arguments, actor=actor)
        except (KeyError, TypeError):
            raise UnknownCommand from None
        right = self._rights.get(name)
        if right is None or not actor.may(right):
            raise Forbidden
        return await verb(**arguments, actor=actor)
