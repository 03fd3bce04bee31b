"""Who asks: the bearer of a token, or whoever knows an account's password and has its codes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from casebell.actors import Actor, Role
from casebell.clock import Clock
from casebell.errors import (
    BadArgument,
    PasswordsBusy,
    SignInFailed,
    TooManyAttempts,
    Unauthorized,
    WrongCode,
    WrongPassword,
)
from casebell.service.access_record import AccessRecord
from casebell.service.access_shapes import unusable
from casebell.service.identifiers import fold, identifier
from casebell.service.limits import PAUSE, Limits, of_codes, of_passwords, of_tokens
from casebell.service.lookups import Lookups
from casebell.service.one_time_codes import intervals_of, recovery_code, six_digits
from casebell.service.passwords import Passwords
from casebell.service.sessions import KnownAccount, Sessions
from casebell.service.token_text import is_token
from casebell.settings.models import Console
from casebell.store import accounts, second_factor, tokens
from casebell.store.attempts import Attempt
from casebell.store.digests import digest_of
from casebell.store.engine import Store
from casebell.telemetry import Log


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeUsed:
    """A code that was right."""

    #: Of a recovery code: how many there still are.
    recovery_codes_left: int | None = None


class Access:
    """Tells who asks, or that it may not; start it with `async with`.

    Each request reads its row, so that revoking and disabling work at once, on every server.

    Args:
        settings: those of the console in force.
        pause: seconds that a failure beyond its limit waits for its answer.
    """

    def __init__(
        self,
        *,
        store: Store,
        passwords: Passwords,
        settings: Callable[[], Console],
        clock: Clock,
        log: Log,
        pause: float = PAUSE,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._limits = Limits(clock, pause=pause)
        self._tokens = Lookups(store, tokens.with_digests)
        self._record = AccessRecord(store=store, limits=self._limits, clock=clock, log=log)
        #: Of those whom it knows.
        self.sessions = Sessions(store=store, record=self._record, settings=settings, clock=clock)

    async def __aenter__(self) -> Self:
        await self._record.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._record.__aexit__()
        await self._tokens.close()
        await self.sessions.close()
        self._passwords.close()

    @property
    def turns(self) -> bool:
        """Whether its loop runs."""
        return self._record.turns

    async def bearer(self, token: str, *, address: str) -> Actor:
        """Who has a token.

        A token that is right is never limited, whatever else came from its address.

        Args:
            token: what stands behind `Bearer`.
            address: as `Delivery.address` has it.

        Raises:
            Unauthorized: it is no token, unknown or revoked.
            TooManyAttempts: too many such tokens came from this address.
            StorageUnavailable: the storage cannot be read now.
        """
        row, reason = None, "malformed"
        if is_token(token):
            row = await self._tokens.find(digest_of(token))
            reason = "unknown" if row is None else "revoked"
        if row is None or row.revoked_at is not None:
            await self._refuse_token(address, reason=reason, name=None if row is None else row.name)
        self._record.used(row.id, last=row.last_used_at)
        return Actor(name=f"token:{row.name}", role=Role(row.role), person=row.person)

    async def _refuse_token(self, address: str, *, reason: str, name: str | None) -> NoReturn:
        self.failed("tokens", address, reason=reason, name=name)
        await self._limits.refuse(of_tokens(address))
        raise Unauthorized

    async def password(self, name: str, password: str, *, address: str) -> KnownAccount:
        """Who signs in; `sessions` goes on from there.

        The limits are asked first. Then each attempt costs one check of a hash and ends with one
        error, whether the account does not exist, is disabled or expired, or has another password.

        Raises:
            SignInFailed: nobody who may.
            TooManyAttempts: too many from this address failed, or wait.
            StorageUnavailable: the storage cannot be read now.
        """
        row = await self._with_password(name, password, address=address)
        return KnownAccount(
            id=row.id,
            actor=Actor(name=f"account:{row.name}", role=Role(row.role), person=row.person),
            second_factor=row.totp_secret is not None,
            password_since=row.password_changed_at,
        )

    async def own_password(self, name: str, password: str, *, address: str) -> None:
        """See that somebody who is signed in knows the password of the account.

        Raises:
            WrongPassword: it is another.
            TooManyAttempts: too many from this address failed, or wait.
            StorageUnavailable: the storage cannot be read now.
        """
        try:
            await self._with_password(name, password, address=address)
        except SignInFailed:
            raise WrongPassword from None

    async def code(self, name: str, typed: str, *, address: str) -> CodeUsed:
        """See that somebody who knows the password has the second factor, and use the code up.

        Args:
            typed: six digits, or a recovery code.

        Raises:
            WrongCode: it is none of the account, or was used.
            TooManyAttempts: too many from this address failed, or of this account's codes.
            StorageUnavailable: the storage cannot be used now.
        """
        key, digits = fold(name), six_digits(typed)
        limits = (of_passwords if digits is None else of_codes)(address, account=key)
        async with self.limited(limits, address):
            row = await self._account(key)
            found = await self._use(row, digits=digits, recovery=recovery_code(typed))
            if isinstance(found, str):
                self._limits.fail(limits)
        if isinstance(found, str):
            self.failed("accounts", address, reason=found, name=row and row.name)
            raise WrongCode
        return found

    async def _use(self, row: Any, *, digits: str | None, recovery: str | None) -> CodeUsed | str:
        """Use a code up; or why it lets nobody in."""
        now = self._clock.now()
        if row is None or row.totp_secret is None:
            return "no_second_factor"
        if (why := unusable(row, now)) is not None:
            return why
        if recovery is not None:
            left = await self._store.transact(
                second_factor.use_code,
                row.key,
                digest=digest_of(recovery),
                now=now,
                actor=Actor(name=f"account:{row.name}", role=Role(row.role)),
            )
            return "wrong_code" if left is None else CodeUsed(recovery_codes_left=left)
        intervals = digits and intervals_of(digits, secret=row.totp_secret, now=now)
        for interval in intervals or ():
            if await self._store.transact(
                second_factor.use_interval, row.id, secret=row.totp_secret, interval=interval
            ):
                return CodeUsed()
        return "used_code" if intervals else "wrong_code"

    async def _with_password(self, name: str, password: str, *, address: str) -> Any:
        key = ""
        with suppress(BadArgument):
            # What cannot be a name is nobody's, and may not even be a text of the database.
            key = fold(identifier(name))
        limits = of_passwords(address, account=key)
        async with self.limited(limits, address):
            row = await self._account(key)
            usable = row is not None and unusable(row, self._clock.now()) is None
            # That of nobody costs the same.
            kept = (row.password_hash if usable else None) or self._passwords.of_nobody
            try:
                right = await self._passwords.matches(kept, password, address=address)
            except asyncio.CancelledError:
                # Whoever goes away before the answer has cost as much as whoever waits for it.
                self._limits.fail(limits)
                raise
            if not right:
                self._limits.fail(limits)
        if not right:
            why = "unknown" if row is None else unusable(row, self._clock.now())
            reason = why or "wrong_password"
            self.failed("accounts", address, reason=reason, name=None if row is None else row.name)
            raise SignInFailed
        if self._passwords.outdated(kept):
            with suppress(PasswordsBusy):
                new = await self._passwords.hash(password)
                self._record.rehashed(row.id, old=kept, new=new)
        return row

    @asynccontextmanager
    async def limited(self, limits: Mapping[str, int], address: str) -> AsyncIterator[None]:
        """Let an attempt to sign in be made; one too many waits for its answer.

        Raises:
            TooManyAttempts: too many have failed.
        """
        try:
            with self._limits.attempt(limits):
                yield
        except PasswordsBusy:
            raise
        except TooManyAttempts:
            self.failed("accounts", address, reason="too_many")
            await self._limits.wait()
            raise

    def fail(self, limits: Mapping[str, int]) -> None:
        """Count a failure."""
        self._limits.fail(limits)

    async def _account(self, key: str) -> Any:
        async with self._store.read() as connection:
            return await accounts.find_with_hash(connection, key)

    def failed(self, at_what: str, address: str, *, reason: str, name: str | None = None) -> None:
        """Put a failed attempt on record."""
        now = self._clock.now()
        self._record.failed(
            Attempt(at=now, address=address, at_what=at_what, reason=reason, name=name)
        )
