"""One request of the console: who asks, what for, and how the service is asked."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from casebell.actors import Actor, Right
from casebell.console.protection import Reached
from casebell.events import Micros
from casebell.people.identity import People, known
from casebell.service.sessions import Session


class Ask(Protocol):
    """Asks the service as somebody."""

    def __call__(
        self, name: str, arguments: Mapping[str, Any], *, actor: Actor, raw: bool = False
    ) -> Awaitable[Any]:
        """See `Service.ask`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What a page knows of the request that it answers."""

    service: Ask
    #: Whoever is signed in; None at the doors that are open to all.
    session: Session | None
    #: The address that was asked for, with its parameters.
    here: str
    #: The parameters of the address as they stand there, each with its values.
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Parts of the path and parameters, as they are understood.
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: The fields of a form, each with its values.
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: What the files hold that were chosen in it.
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    #: The time zone in which times are shown, and that of the firm.
    zone: str
    local_zone: str
    now: Micros
    #: Where the request came from.
    address: str
    #: How it came.
    reached: Reached
    #: The names of the browser's cookies, with what they hold.
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Who can be told by name.
    people: People = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """Who is signed in, with the names that cases may have of them; only where somebody is."""
        assert self.session is not None  # noqa: S101 - the endpoint lets nobody else in
        return known(self.session.actor, self.people)

    @property
    def session_id(self) -> int:
        """The session of whoever is signed in."""
        assert self.session is not None  # noqa: S101 - as with `actor`
        return self.session.id

    def may(self, right: Right) -> bool:
        """Whether whoever is signed in has a right."""
        return self.session is not None and self.session.actor.may(right)

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """The value of a verb; raises as `Service.ask` does."""
        return await self.service(verb, arguments, actor=self.actor)

    def value(self, name: str) -> str:
        """A field of the form; "" without it."""
        return (self.form.get(name) or [""])[0]

    def parameter(self, name: str) -> str:
        """A parameter of the address; "" without it."""
        return (self.query.get(name) or [""])[0]
