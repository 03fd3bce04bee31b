"""The verbs of accounts: people sign in with a name and a password."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from casebell.actors import Actor, Role
from casebell.clock import SECOND, Clock
from casebell.errors import BadArgument, NotFound
from casebell.events import Micros
from casebell.service import Verb
from casebell.service import access_shapes as shapes
from casebell.service.filters import word
from casebell.service.identifiers import email_address, fold, identifier
from casebell.service.passwords import Passwords, checked
from casebell.settings import Settings, parse_duration
from casebell.settings.values import nearest
from casebell.store import accounts, second_factor
from casebell.store.engine import Store

#: The last time that can be written as a text.
MAX_TIME: Micros = 253_402_300_799 * SECOND


class Accounts:
    """What can be done to accounts; the database alone suffices.

    Args:
        settings: those in force; a date without a time zone is of theirs.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._passwords = passwords
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "add_account": self.add_account,
            "list_accounts": self.list_accounts,
            "find_account": self.find_account,
            "set_account": self.set_account,
            "disable_account": self.disable_account,
            "enable_account": self.enable_account,
            "set_password": self.set_password,
            "reset_second_factor": self.reset_second_factor,
            "end_sessions": self.end_sessions,
        }

    async def add_account(
        self,
        *,
        name: str,
        role: str,
        password: str,
        email: str | None = None,
        person: str | None = None,
        expires: str | None = None,
        actor: Actor,
    ) -> shapes.AccountChanged:
        """Add an account.

        Args:
            person: whose cases are its own.
            expires: when nobody may sign in with it any more: "30d" from now, or a time.

        Raises:
            BadArgument: a value cannot be what it is given as.
            Refusal: there is an account of this name.
            PasswordsBusy: too many passwords are being hashed.
        """
        name = identifier(name)
        new = accounts.NewAccount(
            key=fold(name),
            name=name,
            role=self._role(role),
            email=None if email is None else email_address(email),
            person=None if person is None else self._person(person),
            expires_at=None if expires is None else self._expiry(expires),
        )
        password_hash = await self._passwords.hash(checked(password, name=name))
        row = await self._store.transact(
            accounts.add, new, password_hash=password_hash, now=self._clock.now(), actor=actor
        )
        return {**self._shown(row), "warnings": self._warnings(new.person)}

    async def list_accounts(self, *, actor: Actor) -> list[shapes.Account]:
        """All accounts by name."""
        async with self._store.read() as connection:
            return list(map(self._shown, await accounts.every(connection)))

    async def find_account(self, *, name: str, actor: Actor) -> shapes.Account:
        """One account.

        Raises:
            NotFound: there is none of this name.
        """
        try:
            async with self._store.read() as connection:
                return self._shown(await accounts.get(connection, fold(identifier(name))))
        except NotFound as error:
            raise await self._nearest(error, name, actor=actor) from None

    async def set_account(
        self, *, name: str, changes: Mapping[str, str | None], actor: Actor
    ) -> shapes.AccountChanged:
        """Change an account.

        Args:
            changes: what is to be changed: `role`, `email`, `person`, `expires`; None clears.

        Raises:
            NotFound: there is none of this name.
            BadArgument: a value cannot be what it is given as, or there is nothing to change.
        """
        columns = {
            "role": ("role", self._role),
            "email": ("email", email_address),
            "person": ("person", self._person),
            "expires": ("expires_at", self._expiry),
        }
        if not changes or not changes.keys() <= columns.keys():
            raise BadArgument(f"What can be changed: {', '.join(columns)}.")
        if changes.get("role", "") is None:
            raise BadArgument("An account has a role.")
        values: dict[str, Any] = {}
        for key, given in changes.items():
            column, read = columns[key]
            values[column] = None if given is None else read(given)
        changed = await self._changed(accounts.change, name, values, actor=actor)
        return {**changed, "warnings": self._warnings(values.get("person"))}

    async def disable_account(self, *, name: str, actor: Actor) -> shapes.Account:
        """Let nobody sign in with an account any more.

        Raises:
            NotFound, Refusal: there is none of this name, or it is disabled already.
        """
        return await self._changed(accounts.disable, name, actor=actor)

    async def enable_account(self, *, name: str, actor: Actor) -> shapes.Account:
        """Undo that.

        Raises:
            NotFound, Refusal: there is none of this name, or it is not disabled.
        """
        return await self._changed(accounts.enable, name, actor=actor)

    async def set_password(self, *, name: str, password: str, actor: Actor) -> shapes.Account:
        """Give an account another password.

        Raises:
            NotFound: there is none of this name.
            BadArgument: it may not have this password.
            PasswordsBusy: too many passwords are being hashed.
        """
        password_hash = await self._passwords.hash(checked(password, name=name))
        return await self._changed(
            accounts.set_password, name, password_hash=password_hash, actor=actor
        )

    async def reset_second_factor(self, *, name: str, actor: Actor) -> shapes.Account:
        """Forget the second factor of whoever lost it, and end their sessions.

        Raises:
            NotFound, Refusal: there is none of this name, or it has no second factor.
        """
        return await self._changed(second_factor.turn_off, name, ends_sessions=True, actor=actor)

    async def end_sessions(self, *, name: str, actor: Actor) -> shapes.Account:
        """Sign an account out, wherever it is signed in.

        Raises:
            NotFound: there is none of this name.
        """
        return await self._changed(accounts.end_sessions, name, actor=actor)

    async def _changed(
        self, change: Callable[..., Any], name: str, *given: Any, actor: Actor, **named: Any
    ) -> shapes.Account:
        key = fold(identifier(name))
        try:
            row = await self._store.transact(
                change, key, *given, now=self._clock.now(), actor=actor, **named
            )
        except NotFound as error:
            raise await self._nearest(error, name, actor=actor) from None
        return self._shown(row)

    async def _nearest(self, error: NotFound, name: str, *, actor: Actor) -> NotFound:
        """The same error with the name that may be meant."""
        known = [one["name"] for one in await self.list_accounts(actor=actor)]
        return NotFound(error.message, hint=nearest(name, known))

    def _shown(self, row: Any) -> shapes.Account:
        return shapes.account(row, now=self._clock.now())

    def _warnings(self, person: str | None) -> list[str]:
        return shapes.of_person(person, self._settings().people)

    def _role(self, given: str) -> Role:
        return word(Role, given, noun="role")

    def _person(self, given: str) -> str:
        return identifier(given, noun="person's id")

    def _expiry(self, given: str) -> Micros:
        """When an account expires, of a text that somebody wrote."""
        now = self._clock.now()
        try:
            at = now + round(parse_duration(given) * SECOND)
        except ValueError:
            at = self._moment(given)
        if not now < at <= MAX_TIME:
            raise BadArgument("An account expires in the future.")
        return at

    def _moment(self, given: str) -> Micros:
        try:
            parsed = datetime.fromisoformat(given)
            zone = ZoneInfo(self._settings().server.timezone)
            aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
            return round(aware.timestamp() * SECOND)
        except (ValueError, OverflowError):
            raise BadArgument(
                'Write a length or a date: "30d", "2027-01-31", "2027-01-31T18:00:00Z".'
            ) from None
