"""The verbs of one's own account: see it, change its password, end its sessions."""

from collections.abc import Callable, Mapping
from typing import Any

from casebell.actors import Actor
from casebell.clock import SECOND, Clock, iso
from casebell.service import Verb
from casebell.service import access_shapes as shapes
from casebell.service.access import Access
from casebell.service.identifiers import fold
from casebell.service.passwords import Passwords, checked
from casebell.service.second_factor import needs_second_factor, own
from casebell.settings import Settings
from casebell.store import accounts, second_factor, sessions
from casebell.store.engine import Store


class OwnAccount:
    """What people see of the account that they signed in with, and do to it themselves.

    Args:
        access: checks their passwords.
        passwords: makes the hashes of new ones.
        settings: those in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        access: Access,
        passwords: Passwords,
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._store = store
        self._access = access
        self._passwords = passwords
        self._settings = settings
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "own_account": self.own_account,
            "change_own_password": self.change_own_password,
            "end_other_sessions": self.end_other_sessions,
        }

    async def own_account(self, *, session: int, actor: Actor) -> shapes.OwnAccount:
        """The account, what it is signed in with, and where.

        Args:
            session: the id of the actor's session.
        """
        key, now = fold(own(actor)), self._clock.now()
        async with self._store.read() as connection:
            row = await accounts.get(connection, key)
            left = await second_factor.codes_left(connection, row.id)
            seen_since = now - round(self._settings().console.idle * SECOND)
            found = await sessions.of_account(connection, row.id, seen_since=seen_since, now=now)
        return {
            "account": shapes.account(row, now=now),
            "has_password": row.has_password,
            "needs_second_factor": needs_second_factor(self._settings(), actor.role),
            "recovery_codes": left,
            "sessions": [_session(one, this_one=one.id == session) for one in found],
        }

    async def change_own_password(
        self, *, session: int, password: str, new: str, address: str, actor: Actor
    ) -> None:
        """Another password, which ends all other sessions.

        Args:
            session: the id of the actor's session.
            password: the present one.
            address: where the request comes from, as limits count.

        Raises:
            WrongPassword, TooManyAttempts: as `Access.own_password`.
            BadArgument: the account may not have this password.
            PasswordsBusy: too many passwords are being hashed.
        """
        name = own(actor)
        await self._access.own_password(name, password, address=address)
        password_hash = await self._passwords.hash(checked(new, name=name))
        await self._store.transact(
            accounts.set_password,
            fold(name),
            password_hash=password_hash,
            but=session,
            now=self._clock.now(),
            actor=actor,
        )

    async def end_other_sessions(self, *, session: int, actor: Actor) -> None:
        """Sign out everywhere else.

        Args:
            session: the id of the actor's session.
        """
        await self._store.transact(
            accounts.end_sessions,
            fold(own(actor)),
            but=session,
            now=self._clock.now(),
            actor=actor,
        )


def _session(row: Any, *, this_one: bool) -> shapes.OwnSession:
    return {
        "began_at": iso(row.began_at),
        "seen_at": iso(row.seen_at),
        "this_one": this_one,
    }
