"""The verbs of the second factor: set up, given up and made anew by whom it belongs to."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from typing_extensions import TypedDict

from casebell.actors import Actor, Role
from casebell.clock import Clock
from casebell.errors import BadArgument, Refusal
from casebell.service import Verb
from casebell.service.access import Access
from casebell.service.identifiers import fold
from casebell.service.one_time_codes import (
    address_of,
    intervals_of,
    new_recovery_codes,
    new_secret,
    six_digits,
)
from casebell.settings import Settings
from casebell.shapes import described
from casebell.store import second_factor
from casebell.store.digests import digest_of
from casebell.store.engine import Store


@described
class Enrolment(TypedDict):
    """What an authenticator is given; a code of it puts it in force."""

    secret: str
    """As base32, for whoever types it."""
    address: str
    """The same for a picture."""


@described
class RecoveryCodes(TypedDict):
    """Codes for whoever loses the authenticator, this once."""

    codes: list[str]


class SecondFactor:
    """What people do to the second factor of the account that they signed in with.

    Args:
        access: checks their passwords.
        settings: those in force; they say which roles need one.
    """

    def __init__(
        self, *, store: Store, access: Access, settings: Callable[[], Settings], clock: Clock
    ) -> None:
        self._store = store
        self._access = access
        self._settings = settings
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "begin_second_factor": self.begin_second_factor,
            "pending_second_factor": self.pending_second_factor,
            "confirm_second_factor": self.confirm_second_factor,
            "turn_off_second_factor": self.turn_off_second_factor,
            "make_recovery_codes": self.make_recovery_codes,
        }

    async def begin_second_factor(
        self, *, session: int, password: str | None, address: str, actor: Actor
    ) -> Enrolment:
        """Make a secret for an authenticator; what is in force stays so until a code confirms it.

        Args:
            session: the id of the actor's session, beside which the secret is kept.
            password: that of the account; None where it was asked for to begin the session, which
                is for nothing else.
            address: where the request comes from, as limits count.

        Raises:
            WrongPassword, TooManyAttempts: as `Access.own_password`.
            Refusal: the session has ended, or is signed in and no password is given.
        """
        name = own(actor)
        if password is not None:
            await self._access.own_password(name, password, address=address)
        secret = new_secret()
        await self._store.transact(
            second_factor.begin,
            fold(name),
            session=session,
            secret=secret,
            signed_in=password is not None,
        )
        return self._enrolment(secret, name)

    async def pending_second_factor(self, *, session: int, actor: Actor) -> Enrolment | None:
        """That secret, to be shown again; None where nothing was begun."""
        name = own(actor)
        async with self._store.read() as connection:
            secret = await second_factor.pending(connection, fold(name), session=session)
        return None if secret is None else self._enrolment(secret, name)

    async def confirm_second_factor(
        self, *, session: int, code: str, actor: Actor
    ) -> RecoveryCodes:
        """Put the secret in force by a code of it; recovery codes in the place of earlier ones.

        A wrong code is not counted: whoever may try one has been shown the secret.

        Raises:
            BadArgument: this is no code of it.
            Refusal: nothing was begun, or it was begun anew meanwhile.
        """
        key, now = fold(own(actor)), self._clock.now()
        async with self._store.read() as connection:
            secret = await second_factor.pending(connection, key, session=session)
        if secret is None:
            raise Refusal("There is nothing to confirm.", hint="Begin to set it up again.")
        digits = six_digits(code)
        intervals = digits and intervals_of(digits, secret=secret, now=now)
        if not intervals:
            raise BadArgument(
                "This is not the code that the authenticator shows now.",
                hint="Is the time of that device right? It should set its clock by itself.",
                argument="code",
            )
        codes = new_recovery_codes()
        await self._store.transact(
            second_factor.turn_on,
            key,
            session=session,
            secret=secret,
            interval=intervals[-1],
            codes=[digest_of(one) for one in codes],
            now=now,
            actor=actor,
        )
        return {"codes": codes}

    async def turn_off_second_factor(self, *, password: str, address: str, actor: Actor) -> None:
        """Ask for the password alone from now on.

        Raises:
            WrongPassword, TooManyAttempts: as `Access.own_password`.
            Refusal: there is none, or the role needs one.
        """
        name = own(actor)
        if needs_second_factor(self._settings(), actor.role):
            raise Refusal(
                "Your role needs a second factor.", hint="Another authenticator can replace it."
            )
        await self._access.own_password(name, password, address=address)
        await self._store.transact(
            second_factor.turn_off,
            fold(name),
            now=self._clock.now(),
            actor=actor,
            ends_sessions=False,
        )

    async def make_recovery_codes(
        self, *, password: str, address: str, actor: Actor
    ) -> RecoveryCodes:
        """New recovery codes; none of the earlier ones serves any more.

        Raises:
            WrongPassword, TooManyAttempts: as `Access.own_password`.
            Refusal: there is no second factor.
        """
        name = own(actor)
        await self._access.own_password(name, password, address=address)
        codes = new_recovery_codes()
        await self._store.transact(
            second_factor.replace_codes,
            fold(name),
            codes=[digest_of(one) for one in codes],
            now=self._clock.now(),
            actor=actor,
        )
        return {"codes": codes}

    def _enrolment(self, secret: str, name: str) -> Enrolment:
        # Whoever has accounts of two Casebells can tell them apart.
        url = self._settings().people_url
        where = url and urlsplit(url).netloc
        return {
            "secret": secret,
            "address": address_of(secret, name=f"{name}@{where}" if where else name),
        }


def needs_second_factor(settings: Settings, role: Role) -> bool:
    """Whether a role may not do without one."""
    return role in settings.console.second_factor


def own(actor: Actor) -> str:
    """The name of the account that an actor signed in with.

    Raises:
        Refusal: it did not sign in.
    """
    if actor.account is None:
        raise Refusal("Only whoever signed in has an account of their own.")
    return actor.account
