"""Who is let in with a name and a password; on both databases."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from casebell.actors import Actor, Role, command_line
from casebell.clock import SECOND
from casebell.errors import CasebellError, PasswordsBusy, SignInFailed, TooManyAttempts
from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.limits import MAX_OF_ACCOUNT, MAX_OF_NETWORK
from casebell.service.passwords import MAX_BYTES, MAX_OF_NEIGHBOURHOOD, MAX_WAITING, Passwords
from casebell.service.sessions import KnownAccount
from casebell.settings.models import Console
from casebell.store import accounts as stored
from casebell.store import schema
from casebell.store.attempts import WINDOW
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from contracts.writing import writing
from service.harness import settings_of
from service.hashers import HeldUpHasher, WatchedHasher, cheap
from waiting import until

SHELL = command_line("jchan")
OFFICE, HOME = "198.51.100.7", "203.0.113.9"
RIGHT, WRONG = "correct horse battery staple", "incorrect horse battery staple"
WINDOW_SECONDS = WINDOW / SECOND


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hasher() -> WatchedHasher:
    return WatchedHasher()


@asynccontextmanager
async def opened(store: Store, clock: ManualClock, hasher: Any) -> AsyncIterator[Access]:
    """One server's; at the end everything is written."""
    log, passwords = RecordingLog().log, Passwords(hasher)
    made = Access(
        store=store, passwords=passwords, settings=Console, clock=clock, log=log, pause=0.0
    )
    async with made as access:
        yield access


def verbs(store: Store, clock: ManualClock) -> Accounts:
    settings = settings_of("parley")
    passwords = Passwords(cheap())
    return Accounts(store=store, settings=lambda: settings, passwords=passwords, clock=clock)


async def add(store: Store, clock: ManualClock, name: str = "Ana", **fields: Any) -> None:
    given = {"role": "operator", "password": RIGHT, "actor": SHELL, **fields}
    await verbs(store, clock).add_account(name=name, **given)


async def fail(
    access: Access, name: str = "ana", password: str = WRONG, *, address: str = OFFICE
) -> CasebellError:
    """Try in vain; the error."""
    with pytest.raises((SignInFailed, TooManyAttempts)) as failed:
        await access.password(name, password, address=address)
    return failed.value


def places_left(access: Access) -> int:
    """How many more passwords may wait."""
    return access._passwords._places._value


async def failures(store: Store) -> list[tuple[str, str, str]]:
    """The journal's entries of failed attempts."""
    rows = await read_table(store, schema.journal)
    found = [row for row in rows if row.kind == "attempt.failed"]
    return [(row.actor, row.subject, json.loads(row.data)["reason"]) for row in found]


async def test_signed_in(store: Store, clock: ManualClock, hasher: WatchedHasher) -> None:
    """The actor of the account, however its name was typed; its session's time is written."""
    await add(store, clock, person="ana")
    clock.advance(60)
    async with opened(store, clock, hasher) as access:
        found = await access.password("ANA", RIGHT, address=OFFICE)
        await access.sessions.begin(found, how="password", address=OFFICE)
    assert found.actor == Actor(name="account:Ana", role=Role.OPERATOR, person="ana")
    [row] = await read_table(store, schema.accounts)
    assert row.last_sign_in_at == clock.now()
    assert await failures(store) == []
    assert await read_table(store, schema.failed_attempts) == []


async def test_every_reason_is_one_error(
    store: Store, clock: ManualClock, hasher: WatchedHasher
) -> None:
    """A stranger learns neither by the answer nor by its cost which names there are."""
    await add(store, clock)
    await add(store, clock, "gone")
    await add(store, clock, "guest", expires="1h")
    await verbs(store, clock).disable_account(name="gone", actor=SHELL)
    clock.advance(3_600)
    attempts = {
        ("ana", WRONG): ("account:Ana", "wrong_password"),
        ("ana", ""): ("account:Ana", "wrong_password"),
        ("ana", "x" * (MAX_BYTES + 1)): ("account:Ana", "wrong_password"),
        ("gone", RIGHT): ("account:gone", "disabled"),
        ("guest", RIGHT): ("account:guest", "expired"),
        ("guest", WRONG): ("account:guest", "expired"),
        ("hunter2-typed-here", RIGHT): ("accounts", "unknown"),
        ("a na", RIGHT): ("accounts", "unknown"),
        ("n" * 10_000, RIGHT): ("accounts", "unknown"),
        ("\udc80\x00", RIGHT): ("accounts", "unknown"),
    }
    async with opened(store, clock, hasher) as access:
        errors = [await fail(access, *typed) for typed in attempts]
        assert len(hasher.checked) == len(attempts)
        assert len(set(hasher.checked)) == 1
    assert {(type(one), one.message, one.hint, one.http_status) for one in errors} == {
        (SignInFailed, SignInFailed.__doc__, "", 401)
    }
    assert await failures(store) == [(f"address:{OFFICE}", *told) for told in attempts.values()]
    for table in schema.metadata.sorted_tables:
        rows = repr(await read_table(store, table))
        assert not any(typed in rows for typed in ("hunter2-typed", RIGHT, WRONG, "nnnnn"))


async def test_disabled_at_once(store: Store, clock: ManualClock, hasher: WatchedHasher) -> None:
    """And enabled again, and with another password; the server runs on."""
    await add(store, clock)
    async with opened(store, clock, hasher) as access:
        await verbs(store, clock).disable_account(name="ana", actor=SHELL)
        assert isinstance(await fail(access, password=RIGHT), SignInFailed)
        await verbs(store, clock).enable_account(name="ana", actor=SHELL)
        await access.password("ana", RIGHT, address=OFFICE)
        await verbs(store, clock).set_password(name="ana", password=WRONG, actor=SHELL)
        await access.password("ana", WRONG, address=OFFICE)


class TestLimits:
    """They are asked before anything is hashed."""

    @pytest.mark.parametrize("name", ["ana", "nobody-of-this-name"])
    async def test_of_an_account(
        self, store: Store, clock: ManualClock, hasher: WatchedHasher, name: str
    ) -> None:
        """Ten at an address, whether or not there is the account; elsewhere it is not limited."""
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            for _ in range(MAX_OF_ACCOUNT):
                assert isinstance(await fail(access, name), SignInFailed)
            hashed = len(hasher.checked)
            limited = await fail(access, name.upper(), RIGHT)
            assert isinstance(limited, TooManyAttempts)
            assert (limited.retry_after, limited.http_status) == (WINDOW_SECONDS, 429)
            assert len(hasher.checked) == hashed
            assert isinstance(await fail(access, name, address=HOME), SignInFailed)
            assert isinstance(await fail(access, "other"), SignInFailed)
            clock.advance(WINDOW_SECONDS)
            assert isinstance(await fail(access, name), SignInFailed)
            await access.password("ana", RIGHT, address=OFFICE)
        assert (f"address:{OFFICE}", "accounts", "too_many") in await failures(store)

    async def test_of_a_network(
        self, store: Store, clock: ManualClock, hasher: WatchedHasher
    ) -> None:
        """Thirty names at one address, and all of them at that address wait."""
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            for number in range(MAX_OF_NETWORK):
                assert isinstance(await fail(access, f"name-{number}"), SignInFailed)
            assert isinstance(await fail(access, password=RIGHT), TooManyAttempts)
            await access.password("ana", RIGHT, address=HOME)

    async def test_tokens_are_counted_apart(
        self, store: Store, clock: ManualClock, hasher: WatchedHasher
    ) -> None:
        """A program with a revoked token keeps nobody of its firm from signing in."""
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            for _ in range(2 * MAX_OF_NETWORK):
                with pytest.raises(CasebellError):
                    await access.bearer("x", address=OFFICE)
            await access.password("ana", RIGHT, address=OFFICE)

    async def test_a_success_does_not_count(
        self, store: Store, clock: ManualClock, hasher: WatchedHasher
    ) -> None:
        """Nor does it clear what failed: somebody else may be guessing."""
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            for _ in range(MAX_OF_ACCOUNT - 1):
                await fail(access)
                await access.password("ana", RIGHT, address=OFFICE)
            await fail(access)
            assert isinstance(await fail(access, password=RIGHT), TooManyAttempts)

    async def test_all_at_once(
        self, store: Store, clock: ManualClock, hasher: WatchedHasher
    ) -> None:
        """Attempts under way count, so that ten at once are no eleven guesses."""
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            together = [fail(access) for _ in range(3 * MAX_OF_ACCOUNT)]
            kinds = [type(one) for one in await asyncio.gather(*together)]
            assert kinds.count(SignInFailed) == len(hasher.checked) <= MAX_OF_ACCOUNT
            # On a busy machine some of the ten found too many waiting, and failed at nothing.
            for _ in range(PasswordsBusy in kinds and MAX_OF_ACCOUNT):
                kinds.append(type(await fail(access)))  # noqa: PERF401 - one after the other
            assert kinds.count(SignInFailed) == len(hasher.checked) == MAX_OF_ACCOUNT

    async def test_who_goes_away(self, store: Store, clock: ManualClock) -> None:
        """A check that was asked for counts, whether or not anybody waits for its answer."""
        hasher = HeldUpHasher()
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            places = places_left(access)
            left = places - MAX_OF_NEIGHBOURHOOD
            for _ in range(MAX_OF_ACCOUNT // MAX_OF_NEIGHBOURHOOD):
                hasher.let.clear()
                trying = [
                    asyncio.create_task(access.password("ana", RIGHT, address=OFFICE))
                    for _ in range(MAX_OF_NEIGHBOURHOOD)
                ]
                await until(lambda: places_left(access) == left, "five wait or are checked")
                for one in trying:
                    one.cancel()
                await asyncio.wait(trying)
                assert all(one.cancelled() for one in trying)
                hasher.let.set()
                await until(lambda: places_left(access) == places, "their places")
            assert isinstance(await fail(access, password=RIGHT), TooManyAttempts)

    async def test_a_restart(self, store: Store, clock: ManualClock, hasher: WatchedHasher) -> None:
        """They outlast it, and the names that were typed are nowhere."""
        await add(store, clock)
        for _ in range(2):
            async with opened(store, clock, hasher) as access:
                for _ in range(MAX_OF_ACCOUNT // 2):
                    assert isinstance(await fail(access), SignInFailed)
        async with opened(store, clock, hasher) as access:
            assert isinstance(await fail(access, password=RIGHT), TooManyAttempts)
        keys = [row.key for row in await read_table(store, schema.failed_attempts)]
        assert len(keys) == 2
        assert not any("ana" in key for key in keys)

    async def test_too_many_wait(self, store: Store, clock: ManualClock) -> None:
        """Who cannot be checked in time has not failed."""
        hasher = HeldUpHasher()
        await add(store, clock)
        async with opened(store, clock, hasher) as access:
            trying = [
                asyncio.create_task(access.password("ana", RIGHT, address=f"10.0.{number}.1"))
                for number in range(3 * MAX_WAITING)
            ]
            await asyncio.wait(trying[1 + MAX_WAITING :], return_when=asyncio.FIRST_COMPLETED)
            hasher.let.set()
            found = await asyncio.gather(*trying, return_exceptions=True)
            assert {type(one) for one in found} == {KnownAccount, PasswordsBusy}
            await access.password("ana", RIGHT, address="10.0.99.1")
        assert await failures(store) == []


async def test_hashed_anew(store: Store, clock: ManualClock) -> None:
    """Where hashes are made otherwise today, a sign-in replaces the old one."""
    await add(store, clock)
    today = cheap(time_cost=2)
    async with opened(store, clock, today) as access:
        await access.password("ana", RIGHT, address=OFFICE)
    [row] = await read_table(store, schema.accounts)
    assert not today.check_needs_rehash(row.password_hash)
    async with opened(store, clock, today) as access:
        await access.password("ana", RIGHT, address=OFFICE)
    [again] = await read_table(store, schema.accounts)
    assert again.password_hash == row.password_hash


async def test_a_change_that_comes_between(store: Store, clock: ManualClock) -> None:
    """An old password never comes back by its new hash."""
    await add(store, clock)
    [row] = await read_table(store, schema.accounts)
    async with writing(store) as connection:
        await stored.rehash(connection, row.id, old="another", new="$new")
    assert await read_table(store, schema.accounts) == [row]
