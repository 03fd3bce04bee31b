"""The verbs of tokens: programs ask the API with one."""

from collections.abc import Callable, Mapping

from casebell.actors import Actor, Role
from casebell.clock import Clock
from casebell.errors import NotFound
from casebell.people.identity import People
from casebell.service import Verb
from casebell.service import access_shapes as shapes
from casebell.service.filters import word
from casebell.service.identifiers import identifier
from casebell.service.token_text import new_token
from casebell.settings.values import nearest
from casebell.store import tokens
from casebell.store.digests import digest_of
from casebell.store.engine import Store


class Tokens:
    """What can be done to tokens; the database alone suffices.

    Args:
        people: returns who can be told by name.
        make: returns a token that nobody has.
    """

    def __init__(
        self,
        *,
        store: Store,
        people: Callable[[], People] = dict,
        clock: Clock,
        make: Callable[[], str] = new_token,
    ) -> None:
        self._store = store
        self._people = people
        self._clock = clock
        self._make = make

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "add_token": self.add_token,
            "list_tokens": self.list_tokens,
            "revoke_token": self.revoke_token,
        }

    async def add_token(
        self, *, name: str, role: str, person: str | None = None, actor: Actor
    ) -> shapes.NewToken:
        """Make a token; only this answer has it.

        Args:
            person: whose cases are its own.

        Raises:
            BadArgument: the name, the role or the person cannot be one.
            Refusal: there is or was a token of this name.
        """
        name, given = identifier(name), word(Role, role, noun="role")
        owner = None if person is None else identifier(person, noun="person's id")
        token = self._make()
        await self._store.transact(
            tokens.add,
            name=name,
            digest=digest_of(token),
            role=given,
            person=owner,
            now=self._clock.now(),
            actor=actor,
        )
        return {
            "name": name,
            "role": given,
            "token": token,
            "warnings": shapes.of_person(owner, self._people()),
        }

    async def list_tokens(self, *, actor: Actor) -> list[shapes.Token]:
        """All tokens by name, the revoked ones too."""
        async with self._store.read() as connection:
            return list(map(shapes.token, await tokens.every(connection)))

    async def revoke_token(self, *, name: str, actor: Actor) -> shapes.Token:
        """Revoke a token: the next request with it is refused, on every server.

        Raises:
            NotFound: there is none of this name.
            Refusal: it is revoked already.
        """
        name = identifier(name)
        try:
            await self._store.transact(tokens.revoke, name, now=self._clock.now(), actor=actor)
        except NotFound as error:
            known = [one["name"] for one in await self.list_tokens(actor=actor)]
            raise NotFound(error.message, hint=nearest(name, known)) from None
        (revoked,) = [one for one in await self.list_tokens(actor=actor) if one["name"] == name]
        return revoked
