"""One's own account, on both databases: seen, its password changed, its sessions ended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from casebell.clock import iso
from casebell.errors import BadArgument, NotSignedIn, Refusal, SignInFailed, TooManyAttempts
from casebell.service.limits import MAX_OF_ACCOUNT
from casebell.service.own_account import OwnAccount
from casebell.service.passwords import Passwords
from casebell.service.sessions import Asked, Session
from casebell.store import schema
from contracts.stores import read_table
from contracts.writing import writing
from service.firm import ANA, OFFICE, PASSWORD, SHELL, WRONG, Firm, open_firm
from service.hashers import cheap

NEW = "another correct horse"


@pytest.fixture
async def firm(store_url: str) -> AsyncIterator[Firm]:
    """On each backend."""
    async with open_firm(store_url) as opened:
        yield opened


def own_of(firm: Firm) -> OwnAccount:
    """Its verbs."""
    return OwnAccount(
        store=firm.store,
        access=firm.access,
        passwords=Passwords(cheap()),
        settings=lambda: firm.settings,
        clock=firm.clock,
    )


async def sign_in(firm: Firm, *, password: str = PASSWORD) -> str:
    """With the password; what the cookie holds then."""
    found = await firm.access.password("ana", password, address=OFFICE)
    return await firm.access.sessions.begin(found, how="password", address=OFFICE)


async def session_of(firm: Firm, cookie: str) -> Session:
    """The session of a cookie."""
    return await firm.access.sessions.find(cookie)


async def signs_in_with(firm: Firm, password: str) -> bool:
    """Whether that is the password."""
    try:
        await firm.access.password("ana", password, address="203.0.113.200")
    except SignInFailed:
        return False
    return True


async def test_what_is_seen_of_it(firm: Firm) -> None:
    """The account, where it is signed in, and what is left of its recovery codes; no secret."""
    elsewhere, here = await sign_in(firm), await sign_in(firm)
    session = await session_of(firm, here)
    seen = await own_of(firm).own_account(session=session.id, actor=ANA)
    assert seen["account"]["name"] == "Ana"
    assert (seen["has_password"], seen["needs_second_factor"], seen["recovery_codes"]) == (
        *(True, False, 0),
    )
    at = iso(firm.clock.now())
    assert seen["sessions"] == [
        {"began_at": at, "seen_at": at, "this_one": True},
        {"began_at": at, "seen_at": at, "this_one": False},
    ]
    secret, codes = await firm.turn_on()
    session = await session_of(firm, await sign_in(firm))
    assert session.asked is Asked.CODE
    seen = await own_of(firm).own_account(session=session.id, actor=ANA)
    assert (seen["account"]["second_factor"], seen["recovery_codes"]) == (True, 10)
    for hidden in (secret, codes[0], "argon2", here, elsewhere):
        assert hidden not in repr(seen)


async def test_where_nobody_is_any_more(firm: Firm) -> None:
    """A browser that asked for nothing for too long is not signed in, and not listed."""
    await sign_in(firm)
    firm.clock.advance(3_600)
    session = await session_of(firm, await sign_in(firm))
    seen = await own_of(firm).own_account(session=session.id, actor=ANA)
    assert [one["this_one"] for one in seen["sessions"]] == [True]


async def test_another_password(firm: Firm) -> None:
    """With the present one; it ends all other sessions, and the journal has whose it is."""
    elsewhere, here = await sign_in(firm), await sign_in(firm)
    session = (await session_of(firm, here)).id
    given: dict[str, Any] = {"session": session, "address": OFFICE, "actor": ANA}
    with pytest.raises(SignInFailed, match="not your present password"):
        await own_of(firm).change_own_password(password=WRONG, new=NEW, **given)
    with pytest.raises(BadArgument, match="at least 12"):
        await own_of(firm).change_own_password(password=PASSWORD, new="short", **given)
    assert await signs_in_with(firm, PASSWORD)
    await own_of(firm).change_own_password(password=PASSWORD, new=NEW, **given)
    assert (await signs_in_with(firm, PASSWORD), await signs_in_with(firm, NEW)) == (False, True)
    assert (await session_of(firm, here)).id == session
    with pytest.raises(NotSignedIn):
        await session_of(firm, elsewhere)
    rows = await read_table(firm.store, schema.journal)
    assert (rows[-1].kind, rows[-1].actor) == ("account.password_changed", "account:Ana")


async def test_guesses_at_the_present_one_are_counted(firm: Firm) -> None:
    """A browser that was left open does not tell the password."""
    session = (await session_of(firm, await sign_in(firm))).id
    given: dict[str, Any] = {"session": session, "address": OFFICE, "actor": ANA}
    for _ in range(MAX_OF_ACCOUNT):
        with pytest.raises(SignInFailed):
            await own_of(firm).change_own_password(password=WRONG, new=NEW, **given)
    with pytest.raises(TooManyAttempts):
        await own_of(firm).change_own_password(password=PASSWORD, new=NEW, **given)


async def test_signed_out_everywhere_else(firm: Firm) -> None:
    """By whom it belongs to, but here; by an admin, everywhere."""
    cookies = [await sign_in(firm) for _ in range(3)]
    here = await session_of(firm, cookies[1])
    await own_of(firm).end_other_sessions(session=here.id, actor=ANA)
    for number in (0, 2):
        with pytest.raises(NotSignedIn):
            await session_of(firm, cookies[number])
    assert await session_of(firm, cookies[1]) == here
    await firm.accounts.end_sessions(name="ANA", actor=SHELL)
    with pytest.raises(NotSignedIn):
        await session_of(firm, cookies[1])
    rows = await read_table(firm.store, schema.journal)
    told = [(one.actor, one.data) for one in rows if one.kind == "account.signed_out"]
    assert told == [("account:Ana", '{"sessions":2}'), ("cli:jchan", '{"sessions":1}')]


async def test_of_whom_did_not_sign_in(firm: Firm) -> None:
    """There is none."""
    for ask in (
        own_of(firm).own_account(session=1, actor=SHELL),
        own_of(firm).end_other_sessions(session=1, actor=SHELL),
    ):
        with pytest.raises(Refusal, match="Only whoever signed in"):
            await ask


class TestARoleThatNeedsASecondFactor:
    """Nobody of it goes on with a password alone."""

    async def test_from_now_on(self, firm: Firm) -> None:
        """Whoever is signed in signs in again, and is led to set one up."""
        cookie = await sign_in(firm)
        assert (await session_of(firm, cookie)).asked is Asked.NOTHING
        firm.console(second_factor=["admin", "operator"])
        with pytest.raises(NotSignedIn):
            await session_of(firm, cookie)
        assert (await session_of(firm, await sign_in(firm))).asked is Asked.ENROL
        firm.console(second_factor=["admin"])
        assert (await session_of(firm, cookie)).asked is Asked.NOTHING

    async def test_whoever_has_one_goes_on(self, firm: Firm) -> None:
        """With what was asked for given, the session is another."""
        await firm.turn_on()
        firm.console(second_factor=["operator"])
        sessions, before = firm.access.sessions, await sign_in(firm)
        asked = await session_of(firm, before)
        assert asked.asked is Asked.CODE
        after = await sessions.finish(asked, how="code", address=OFFICE)
        assert (await session_of(firm, after)).asked is Asked.NOTHING
        with pytest.raises(NotSignedIn):
            await session_of(firm, before)
        # Once.
        with pytest.raises(NotSignedIn):
            await sessions.finish(asked, how="code", address=OFFICE)

    async def test_whom_a_provider_knows_goes_on(self, firm: Firm) -> None:
        """Asking for more than a password is then the provider's."""
        firm.console(second_factor=["operator"])
        found = await firm.access.password("ana", PASSWORD, address=OFFICE)
        async with writing(firm.store) as connection:
            await connection.execute(schema.accounts.update().values(password_hash=None))
        cookie = await firm.access.sessions.begin(found, how="oidc", address=OFFICE)
        assert (await session_of(firm, cookie)).asked is Asked.NOTHING
