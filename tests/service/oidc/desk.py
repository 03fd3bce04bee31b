"""A server's sign-in over an identity provider, with everything behind it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.oidc.failures import SignInByProviderFailed
from casebell.service.oidc.sign_in import SignedIn, SignInByProvider
from casebell.service.passwords import Passwords
from casebell.settings import Settings
from casebell.settings.models import Console
from casebell.store import schema
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from service.hashers import cheap
from service.oidc.provider import PEOPLE_URL, Provider

OFFICE = "198.51.100.7"


class Desk:
    """What a test does with it."""

    def __init__(self, *, store: Store, provider: Provider, clock: ManualClock) -> None:
        passwords = Passwords(cheap())
        self.store, self.provider, self.clock = store, provider, clock
        self.log = RecordingLog()
        self.console = Console(public_url=PEOPLE_URL, oidc=provider.oidc())
        self.access = Access(
            store=store,
            passwords=passwords,
            settings=lambda: self.console,
            clock=clock,
            log=self.log.log,
            pause=0.0,
        )
        self.sign_in = SignInByProvider(
            store=store, settings=self._settings, access=self.access, clock=clock
        )
        self._failures: list[SignInByProviderFailed] = []
        self.accounts = Accounts(
            store=store, settings=self._settings, passwords=passwords, clock=clock
        )

    def configure(self, **fields: Any) -> None:
        """Have other settings of the provider."""
        self.console = Console(public_url=PEOPLE_URL, oidc=self.provider.oidc(**fields))

    async def begin(self, *, next_path: str = "/") -> tuple[str, str]:
        """The cookie, and where the browser is sent."""
        with self._noted():
            begun = await self.sign_in.begin(next_path=next_path, address=OFFICE)
        return begun.cookie, begun.url

    async def finish(
        self, cookie: str, query: Mapping[str, str], *, address: str = OFFICE
    ) -> SignedIn:
        """Come back."""
        with self._noted():
            return await self.sign_in.finish(cookie=cookie, query=query, address=address)

    async def come(self, **claims: Any) -> SignedIn:
        """All of it, as somebody of whom the provider says this."""
        cookie, url = await self.begin()
        return await self.finish(cookie, self.provider.approve(url, **claims))

    async def fail(self, **claims: Any) -> SignInByProviderFailed:
        """The same in vain."""
        with pytest.raises(SignInByProviderFailed) as failed:
            await self.come(**claims)
        return failed.value

    async def name(self) -> str:
        """The name of the account of whoever comes."""
        return (await self.come()).account.actor.name.removeprefix("account:")

    async def attempts(self) -> list[tuple[str, str]]:
        """The journal's entries of failed attempts: whose, and why."""
        rows = await read_table(self.store, schema.journal)
        failed = [row for row in rows if row.kind == "attempt.failed"]
        return [(row.subject, json.loads(row.data)["reason"]) for row in failed]

    def causes(self) -> list[tuple[str, str]]:
        """Why sign-ins failed, one after the other."""
        return [(one.code, one.cause) for one in self._failures]

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except SignInByProviderFailed as error:
            self._failures.append(error)
            raise

    def _settings(self) -> Settings:
        return Settings(
            console=self.console, sources={}, path=Path("/c.toml"), base_dir=Path("/"), sha256=""
        )


@asynccontextmanager
async def opened(store: Store, provider: Provider, clock: ManualClock) -> AsyncIterator[Desk]:
    """One; at the end everything is written."""
    desk = Desk(store=store, provider=provider, clock=clock)
    async with desk.access:
        yield desk
