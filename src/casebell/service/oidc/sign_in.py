"""Signing in over the identity provider, from the button to the account."""

import asyncio
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from casebell.actors import Actor, Role
from casebell.clock import Clock
from casebell.errors import NotThere
from casebell.networks import host_of
from casebell.notify.inert_text import one_line
from casebell.service.access import Access
from casebell.service.access_shapes import unusable
from casebell.service.identifiers import fold
from casebell.service.limits import of_grants
from casebell.service.oidc.failures import (
    OTHER_ISSUER,
    AccountClosed,
    Declined,
    NoRole,
    NotOpen,
    NotProven,
    SignInByProviderFailed,
)
from casebell.service.oidc.identity import Identity
from casebell.service.oidc.pending import Pending, random_text
from casebell.service.sessions import KnownAccount
from casebell.settings import Settings
from casebell.store import provider_accounts
from casebell.store.engine import Store

if TYPE_CHECKING:
    from casebell.service.oidc.identity_provider import IdentityProvider

#: Behind the address of the pages; the provider must know it.
CALLBACK = "/sign-in/oidc/callback"
#: Makes accounts and changes their roles.
ACTOR = Actor(name="oidc", role=Role.ADMIN)
#: Characters of what the provider says why it lets somebody not in.
MAX_SHOWN = 500
#: What a provider may answer instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6);
#: another word is not logged.
_ERRORS = frozenset(
    {"access_denied", "invalid_request", "invalid_scope", "server_error", "temporarily_unavailable",
     "unauthorized_client", "unsupported_response_type", "account_selection_required",
     "consent_required", "interaction_required", "login_required"}
)  # fmt: skip


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that has begun."""

    #: Where the browser goes.
    url: str
    #: What it carries meanwhile.
    cookie: str


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has signed in."""

    account: KnownAccount
    #: Where the browser goes: a path of ours, as it was given at the beginning.
    next: str


class SignInByProvider:
    """The two steps of it; each failure is put on record.

    Args:
        settings: those in force.
        access: counts failures, and writes them down.
        random: what makes state, nonce and verifier.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        access: Access,
        clock: Clock,
        random: Callable[[], str] = random_text,
    ) -> None:
        self._store = store
        self._settings = settings
        self._access = access
        self._clock = clock
        self._random = random
        self._provider: IdentityProvider | None = None

    def offered(self) -> str | None:
        """What the provider is called; None where none is configured."""
        oidc = self._settings().console.oidc
        return None if oidc is None else host_of(oidc.issuer)

    async def begin(self, *, next_path: str, address: str) -> Begun:
        """Begin.

        Args:
            next_path: where the browser is to go at the end, a path of ours.
            address: of the visitor, as `Delivery.address` has it.

        Raises:
            NotThere: no provider is configured.
            ProviderUnavailable: it cannot be asked.
        """
        provider = await self._configured()
        pending = Pending.begin(next_path=next_path, now=self._clock.now(), random=self._random)
        try:
            url = await provider.authorization_url(pending)
        except SignInByProviderFailed as error:
            self._note(error, address)
            raise
        return Begun(url=url, cookie=pending.text())

    async def finish(self, *, cookie: str, query: Mapping[str, str], address: str) -> SignedIn:
        """See who came back.

        Args:
            cookie: what the browser carried; "" where it has none.
            query: what the provider gave it.

        Raises:
            NotThere: no provider is configured.
            TooManyAttempts: too many from this address failed.
            SignInByProviderFailed: nobody who gets in; says why.
            StorageUnavailable: the storage cannot be used now.
        """
        provider = await self._configured()
        limits = of_grants(address)
        try:
            pending = self._answered(cookie, query)
            code = await self._code(provider, query)
            async with self._access.limited(limits, address):
                try:
                    row = await self._account(provider, code, pending)
                except (NotProven, NoRole, AccountClosed, asyncio.CancelledError):
                    # Whoever goes away before the answer has cost as much as whoever waits for it.
                    self._access.fail(limits)
                    raise
        except SignInByProviderFailed as error:
            self._note(error, address)
            raise
        actor = Actor(name=f"account:{row.name}", role=Role(row.role), person=row.person)
        # A second factor is the provider's to ask for.
        account = KnownAccount(id=row.id, actor=actor, second_factor=False)
        return SignedIn(account=account, next=pending.next)

    async def _configured(self) -> "IdentityProvider":
        settings = self._settings()
        if (oidc := settings.console.oidc) is None:
            raise NotThere
        redirect_uri = f"{settings.people_url}{CALLBACK}"
        # It takes 0.2 seconds, in which others are to be served.
        module = await asyncio.to_thread(import_module, "casebell.service.oidc.identity_provider")
        same = self._provider is not None and self._provider.oidc == oidc
        if self._provider is None or not same or self._provider.redirect_uri != redirect_uri:
            self._provider = module.IdentityProvider(
                oidc, redirect_uri=redirect_uri, clock=self._clock
            )
        return self._provider

    def _answered(self, cookie: str, query: Mapping[str, str]) -> Pending:
        """What the browser began, if this answers it."""
        pending = Pending.read(cookie)
        if pending is None:
            raise NotOpen(cause="no_cookie")
        if not pending.is_answered_by(query.get("state", "")):
            raise NotOpen(cause="other_state")
        if not pending.is_open(self._clock.now()):
            raise NotOpen(cause="too_old")
        return pending

    async def _code(self, provider: "IdentityProvider", query: Mapping[str, str]) -> str:
        """The code of an answer, or what the provider says instead."""
        issuer = query.get("iss")
        expected = issuer is not None or (await provider.metadata()).names_itself
        if expected and issuer != provider.oidc.issuer:
            # Another provider's answer, carried here (RFC 9207).
            raise NotProven(cause=OTHER_ISSUER)
        if error := query.get("error"):
            host = host_of(provider.oidc.issuer)
            said = one_line(query.get("error_description", ""), limit=MAX_SHOWN)
            raise Declined(
                f"{host} did not let you in. It says: {said or one_line(error, limit=MAX_SHOWN)}",
                cause=error if error in _ERRORS else "other_error",
            )
        if not (code := query.get("code")):
            raise NotProven(cause="no_code")
        return code

    async def _account(self, provider: "IdentityProvider", code: str, pending: Pending) -> Any:
        """The row of the account of whoever comes with a code; made or changed where it must be."""
        identity = Identity.of(await provider.claims(code, pending))
        role = identity.role(provider.oidc)
        same = {"issuer": identity.issuer, "subject": identity.subject}
        async with self._store.read() as connection:
            row = await provider_accounts.find(connection, **same)
        if row is not None and (why := unusable(row, self._clock.now())) is not None:
            raise AccountClosed(f"The account {row.name} is {why}.", cause=why, account=row.name)
        if row is not None and row.role == role:
            return row
        known = provider_accounts.Known(
            **same, name=identity.name, email=identity.verified_email, role=role
        )
        return await self._store.transact(
            provider_accounts.take_up, known, key_of=fold, now=self._clock.now(), actor=ACTOR
        )

    def _note(self, error: SignInByProviderFailed, address: str) -> None:
        self._access.failed("accounts", address, reason=error.code, name=error.account)
