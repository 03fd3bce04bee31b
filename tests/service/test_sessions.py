"""Who is signed in, and for how long; on both databases."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from casebell.actors import Role, command_line
from casebell.errors import NotSignedIn
from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.passwords import Passwords
from casebell.service.sessions import Asked, KnownAccount, Session
from casebell.settings.models import Console
from casebell.store import schema
from casebell.store.engine import Store
from casebell.store.sessions import MAX_OF_ACCOUNT
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from contracts.writing import writing
from service.harness import settings_of
from service.hashers import cheap

SHELL = command_line("jchan")
PASSWORD = "correct horse battery staple"
OFFICE = "198.51.100.7"
SETTINGS = Console.model_validate({"session": "12h", "idle": "1h"})


class Signing:
    """A server's way in, with one account."""

    def __init__(self, store: Store, clock: ManualClock, settings: Console) -> None:
        self.store, self.clock, self.settings = store, clock, settings
        passwords = Passwords(cheap())
        self.access = Access(
            store=store,
            passwords=passwords,
            settings=lambda: self.settings,
            clock=clock,
            log=RecordingLog().log,
            pause=0.0,
        )
        configured = settings_of("parley")
        self.accounts = Accounts(
            store=store, settings=lambda: configured, passwords=passwords, clock=clock
        )

    async def known(self) -> KnownAccount:
        return await self.access.password("ana", PASSWORD, address=OFFICE)

    async def sign_in(self) -> str:
        known = await self.known()
        return await self.access.sessions.begin(known, how="password", address=OFFICE)

    async def find(self, cookie: str) -> Session:
        return await self.access.sessions.find(cookie)

    async def is_over(self, cookie: str) -> bool:
        try:
            await self.find(cookie)
        except NotSignedIn:
            return True
        return False

    async def entries(self, kind: str) -> list[tuple[str, str, Any]]:
        return [
            (row.actor, row.subject, json.loads(row.data))
            for row in await read_table(self.store, schema.journal)
            if row.kind == kind
        ]


@asynccontextmanager
async def opened(store: Store, settings: Console = SETTINGS) -> AsyncIterator[Signing]:
    clock = ManualClock()
    signing = Signing(store, clock, settings)
    async with signing.access:
        await signing.accounts.add_account(
            name="Ana", role="operator", password=PASSWORD, person="ana", actor=SHELL
        )
        yield signing


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as opened_store:
        yield opened_store


async def test_from_sign_in_to_sign_out(store: Store) -> None:
    """Whoever has the cookie is the account; the database has its digest alone."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        session = await signing.find(cookie)
        assert (session.actor.name, session.actor.role) == ("account:Ana", Role.OPERATOR)
        assert (session.actor.person, session.asked) == ("ana", Asked.NOTHING)
        assert session.actor.watched
        [row] = await read_table(store, schema.sessions)
        assert cookie not in str(row)
        assert len(row.digest) == 64
        await signing.access.sessions.end(session)
        assert await signing.is_over(cookie)
        # Twice, as with two windows.
        await signing.access.sessions.end(session)
        assert await read_table(store, schema.sessions) == []
        who = ("account:Ana", "account:Ana")
        told = {"how": "password", "address": OFFICE}
        assert await signing.entries("session.began") == [(*who, told)]
        assert await signing.entries("session.ended") == [(*who, {})]


@pytest.mark.parametrize("cookie", ["", "a", "a" * 43, "a" * 44, "é" * 43, "' OR 1=1 --"])
async def test_what_is_no_session(store: Store, cookie: str) -> None:
    """Whatever a browser sends, it is nobody."""
    async with opened(store) as signing:
        await signing.sign_in()
        assert await signing.is_over(cookie)


async def test_its_times(store: Store) -> None:
    """It ends after so long without a request, and after so long in any case."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        for _ in range(12):
            signing.clock.advance(3_599)
            await signing.find(cookie)
            await _written(signing)
        signing.clock.advance(12)
        assert await signing.is_over(cookie)
        idle = await signing.sign_in()
        signing.clock.advance(3_599)
        assert not await signing.is_over(idle)
        await _written(signing)
        signing.clock.advance(3_600)
        assert await signing.is_over(idle)


async def test_shorter_times_hold_at_once(store: Store) -> None:
    """A configuration that shortens them ends sessions that began before."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        signing.clock.advance(600)
        signing.settings = Console.model_validate({"session": "10m"})
        assert await signing.is_over(cookie)
        signing.settings = Console.model_validate({"idle": "10m"})
        assert await signing.is_over(cookie)
        signing.settings = Console.model_validate({"session": "30d"})
        assert not await signing.is_over(cookie)
        signing.clock.advance(12 * 3_600 - 600)
        assert await signing.is_over(cookie)


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.disable_account(name="ana", actor=SHELL),
        lambda accounts: accounts.set_password(name="ana", password=PASSWORD + "2", actor=SHELL),
        lambda accounts: accounts.set_account(name="ana", changes={"expires": "1m"}, actor=SHELL),
    ],
    ids=["disabled", "another password", "expired"],
)
async def test_what_ends_all(store: Store, change: Any) -> None:
    """For the next request, on every server."""
    async with opened(store) as signing, opened_again(store, signing) as other:
        cookies = [await signing.sign_in(), await signing.sign_in()]
        assert not await other.is_over(cookies[0])
        await change(signing.accounts)
        signing.clock.advance(60)
        for cookie in cookies:
            assert await signing.is_over(cookie)
            assert await other.is_over(cookie)


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.set_password(name="ana", password=PASSWORD + "2", actor=SHELL),
        lambda accounts: accounts.disable_account(name="ana", actor=SHELL),
        lambda accounts: _set(accounts._store, totp_secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
    ],
    ids=["another password", "disabled", "a second factor"],
)
async def test_changed_between_the_check_and_the_session(store: Store, change: Any) -> None:
    """Whoever gave the old password just before gets in no more, nor without the new code."""
    async with opened(store) as signing:
        known = await signing.known()
        signing.clock.advance(1)
        await change(signing.accounts)
        with pytest.raises(NotSignedIn):
            await signing.access.sessions.begin(known, how="password", address=OFFICE)
        assert await read_table(store, schema.sessions) == []


async def test_renewed(store: Store) -> None:
    """The same session by another cookie; one that has ended stays so."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        before = await signing.find(cookie)
        renewed = await signing.access.sessions.renew(before)
        assert await signing.is_over(cookie)
        assert await signing.find(renewed) == before
        await signing.access.sessions.end(before)
        with pytest.raises(NotSignedIn):
            await signing.access.sessions.renew(before)


async def test_so_many_at_a_time(store: Store) -> None:
    """The oldest ends; what a password alone began ends none that was finished."""
    async with opened(store) as signing:
        known = await signing.known()
        begin = signing.access.sessions.begin
        finished = [
            await begin(known, how="password", address=OFFICE) for _ in range(MAX_OF_ACCOUNT + 1)
        ]
        assert await signing.is_over(finished[0])
        assert not await signing.is_over(finished[1])
        await _set(store, totp_secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
        known = await signing.known()
        asked = [
            await begin(known, how="password", address=OFFICE) for _ in range(MAX_OF_ACCOUNT + 1)
        ]
        assert await signing.is_over(asked[0])
        assert not await signing.is_over(asked[1])
        assert not await signing.is_over(finished[1])


async def test_enabled_again(store: Store) -> None:
    """What was ended stays so."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        await signing.accounts.disable_account(name="ana", actor=SHELL)
        await signing.accounts.enable_account(name="ana", actor=SHELL)
        assert await signing.is_over(cookie)


async def test_another_role_at_once(store: Store) -> None:
    """Each request has the role of its row."""
    async with opened(store) as signing:
        cookie = await signing.sign_in()
        await signing.accounts.set_account(name="ana", changes={"role": "viewer"}, actor=SHELL)
        assert (await signing.find(cookie)).actor.role is Role.VIEWER


async def test_what_is_asked_for(store: Store) -> None:
    """A role that needs a second factor opens nothing without one; a provider has its own."""
    needed = SETTINGS.model_copy(update={"second_factor": (Role.OPERATOR,)})
    async with opened(store, needed) as signing:
        cookie = await signing.sign_in()
        session = await signing.find(cookie)
        assert session.asked is Asked.ENROL
        assert await signing.entries("session.began") == []
        signing.clock.advance(599)
        await _set(store, totp_secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
        finished = await signing.access.sessions.finish(session, how="password", address=OFFICE)
        assert await signing.is_over(cookie), "whoever knew it before"
        assert (await signing.find(finished)).asked is Asked.NOTHING
        assert len(await signing.entries("session.began")) == 1
        unfinished = await signing.sign_in()
        signing.clock.advance(600)
        assert await signing.is_over(unfinished)
        known = await signing.known()
        await _set(store, password_hash=None, totp_secret=None)
        by_provider = await signing.access.sessions.begin(known, how="oidc", address=OFFICE)
        assert (await signing.find(by_provider)).asked is Asked.NOTHING


async def test_what_the_next_page_says(store: Store) -> None:
    """It is kept for this session until it was said."""
    async with opened(store) as signing:
        cookie, other = await signing.sign_in(), await signing.sign_in()
        told = {"sentences": ["Done: “é” \ud800"], "good": True}
        await signing.access.sessions.tell(await signing.find(cookie), told)
        assert (await signing.find(other)).told is None
        session = await signing.find(cookie)
        assert session.told == told
        await signing.access.sessions.said(session)
        assert (await signing.find(cookie)).told is None


async def test_rows_do_not_stay(store: Store) -> None:
    """The next sign-in removes those that are over."""
    async with opened(store) as signing:
        for _ in range(3):
            await signing.sign_in()
        signing.clock.advance(12 * 3_600)
        await signing.sign_in()
        assert len(await read_table(store, schema.sessions)) == 1


@asynccontextmanager
async def opened_again(store: Store, signing: Signing) -> AsyncIterator[Signing]:
    """Another server on the same database."""
    other = Signing(store, signing.clock, signing.settings)
    async with other.access:
        yield other


async def _set(store: Store, **columns: str | None) -> None:
    """Have the account otherwise, as what is set up and known elsewhere leaves it."""
    async with writing(store) as connection:
        await connection.execute(schema.accounts.update().values(**columns))


async def _written(signing: Signing) -> None:
    """Have what waits to be written on disk."""
    await signing.access._record._write(last=True)
