"""The second factor, on both databases: set up, asked for, used up, lost and given up."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pyotp import parse_uri

from casebell.actors import Actor, Role
from casebell.clock import SECOND
from casebell.errors import BadArgument, Refusal, SignInFailed, TooManyAttempts, WrongCode
from casebell.service.access import CodeUsed
from casebell.service.limits import MAX_OF_ACCOUNT, MAX_OF_CODES
from casebell.service.one_time_codes import INTERVAL
from casebell.store import schema
from casebell.store.attempts import WINDOW
from casebell.store.engine import Store
from contracts.stores import read_table
from service.firm import ANA, HOME, OFFICE, PASSWORD, SHELL, STEP, WRONG, Firm, open_firm


@pytest.fixture
async def firm(store_url: str) -> AsyncIterator[Firm]:
    """On each backend."""
    async with open_firm(store_url) as opened:
        yield opened


async def test_set_up(firm: Firm) -> None:
    """A secret is in force once a code of it was shown, and not before; the code is used then."""
    session = await firm.session()
    [account] = await firm.accounts.list_accounts(actor=SHELL)
    assert account["second_factor"] is False
    made = await firm.verbs.begin_second_factor(
        session=session, password=PASSWORD, address=OFFICE, actor=ANA
    )
    assert await firm.verbs.pending_second_factor(session=session, actor=ANA) == made
    read = parse_uri(made["address"])
    assert (read.secret, read.name) == (made["secret"], "Ana@cases.example.org")
    assert (await firm.accounts.list_accounts(actor=SHELL))[0]["second_factor"] is False
    code = firm.shown(made["secret"])
    codes = await firm.verbs.confirm_second_factor(session=session, code=code, actor=ANA)
    assert len(codes["codes"]) == 10
    assert (await firm.accounts.list_accounts(actor=SHELL))[0]["second_factor"] is True
    assert await firm.verbs.pending_second_factor(session=session, actor=ANA) is None
    assert isinstance(await firm.fails(code), WrongCode)
    firm.clock.advance(STEP)
    await firm.access.code("ANA", firm.shown(made["secret"]), address=OFFICE)
    assert ("account.second_factor_on", {}) in await firm.told()


async def test_a_wrong_code_confirms_nothing(firm: Firm) -> None:
    """Nor does an old one; the same secret can be tried again, as often as somebody likes."""
    session = await firm.session()
    secret = await firm.begin(session)
    for code in (firm.shown(secret, early=2), "12345", *["x"] * MAX_OF_ACCOUNT):
        with pytest.raises(BadArgument, match="not the code"):
            await firm.verbs.confirm_second_factor(session=session, code=code, actor=ANA)
    assert (await firm.accounts.list_accounts(actor=SHELL))[0]["second_factor"] is False
    assert await firm.told() == []
    code = firm.shown(secret, early=-1)
    await firm.verbs.confirm_second_factor(session=session, code=code, actor=ANA)


async def test_it_needs_the_password(firm: Firm) -> None:
    """Whoever finds a browser open can set nothing up; guesses count as those of a sign-in."""
    session = await firm.session()
    with pytest.raises(Refusal, match="needs the password"):
        await firm.begin(session, password=None)
    for _ in range(MAX_OF_ACCOUNT):
        with pytest.raises(SignInFailed, match="not your present password"):
            await firm.begin(session, password=WRONG)
    with pytest.raises(TooManyAttempts):
        await firm.begin(session)
    assert await firm.verbs.pending_second_factor(session=session, actor=ANA) is None


async def test_a_session_for_it_alone(firm: Firm) -> None:
    """Whose role needs one gave the password just now; it sets up the first, and no second."""
    one, other = await firm.session(asked="enrol"), await firm.session(asked="enrol")
    secret = await firm.begin(one, password=None)
    await firm.begin(other, password=None)
    await firm.verbs.confirm_second_factor(session=one, code=firm.shown(secret), actor=ANA)
    late = await firm.session(asked="enrol")
    for session in (one, other, late, await firm.session(asked="code")):
        if session != one:
            with pytest.raises(Refusal):
                await firm.begin(session, password=None)
    assert [row.id for row in await read_table(firm.store, schema.sessions)][:2] == [one, late]


async def test_another_in_its_place(firm: Firm) -> None:
    """A new device; the old one, its codes and all other sessions end when it is confirmed."""
    secret, codes = await firm.turn_on()
    session, elsewhere = await firm.session(), await firm.session()
    new = await firm.begin(session)
    await firm.access.code("ana", firm.shown(secret), address=OFFICE)
    await firm.verbs.confirm_second_factor(session=session, code=firm.shown(new), actor=ANA)
    firm.clock.advance(STEP)
    for code in (firm.shown(secret), codes[0]):
        assert isinstance(await firm.fails(code), WrongCode)
    await firm.access.code("ana", firm.shown(new), address=OFFICE)
    rows = await read_table(firm.store, schema.sessions)
    assert (session in (found := [row.id for row in rows]), elsewhere in found) == (True, False)


async def test_begun_anew(firm: Firm) -> None:
    """Only the latest secret can be confirmed, and only where it was shown."""
    session, other = await firm.session(), await firm.session()
    first, second = await firm.begin(session), await firm.begin(session)
    assert first != second
    with pytest.raises(BadArgument):
        await firm.verbs.confirm_second_factor(session=session, code=firm.shown(first), actor=ANA)
    with pytest.raises(Refusal, match="nothing to confirm"):
        await firm.verbs.confirm_second_factor(session=other, code=firm.shown(second), actor=ANA)
    somebody = Actor(name="account:Bo", role=Role.OPERATOR)
    assert await firm.verbs.pending_second_factor(session=session, actor=somebody) is None


@pytest.mark.parametrize("actor", [SHELL, Actor(name="token:account:Ana", role=Role.ADMIN)])
async def test_who_did_not_sign_in_has_none(firm: Firm, actor: Actor) -> None:
    """Neither the command line nor a token is an account, whatever its name."""
    session = await firm.session()
    with pytest.raises(Refusal, match="Only whoever signed in"):
        await firm.verbs.begin_second_factor(
            session=session, password=PASSWORD, address=OFFICE, actor=actor
        )


class TestCodes:
    """What is asked for beside the password."""

    async def test_none_is_taken_twice(self, firm: Firm) -> None:
        """Nor one of an earlier interval than the last that was used."""
        secret, _ = await firm.turn_on()
        await firm.access.code("ana", firm.shown(secret, early=1), address=OFFICE)
        for early in (1, 0, -1):
            assert isinstance(await firm.fails(firm.shown(secret, early=early)), WrongCode)
        firm.clock.advance(2 * STEP)
        await firm.access.code("ana", firm.shown(secret), address=OFFICE)

    async def test_by_two_servers_at_once(self, firm: Firm, store_url: str) -> None:
        """One of them takes it; so it is with recovery codes."""
        secret, codes = await firm.turn_on()
        # SQLite has one server, and its requests race as well.
        other = firm.store if firm.store.is_sqlite else await Store(store_url).open()
        try:
            async with firm.another_server(other) as there:
                for typed in (firm.shown(secret), codes[3]):
                    tries = [
                        access.code("ana", typed, address=f"{OFFICE[:-1]}{n}")
                        for n in range(5)
                        for access in (firm.access, there)
                    ]
                    ended = await asyncio.gather(*tries, return_exceptions=True)
                    kinds = [type(one) for one in ended]
                    assert (kinds.count(WrongCode), kinds.count(CodeUsed)) == (9, 1)
        finally:
            if other is not firm.store:
                await other.close()

    async def test_a_recovery_code(self, firm: Firm) -> None:
        """Each serves once, however it is typed; the journal has how many are left."""
        _, codes = await firm.turn_on()
        used = await firm.access.code("ana", codes[0], address=OFFICE)
        assert used.recovery_codes_left == 9
        await firm.access.code("ana", codes[1].upper().replace("-", " "), address=OFFICE)
        for typed in codes[:2]:
            assert isinstance(await firm.fails(typed), WrongCode)
        await firm.access.code("ana", codes[2], address=OFFICE)
        told = [data for kind, data in await firm.told() if kind == "account.recovery_code_used"]
        assert told == [{"left": 9}, {"left": 8}, {"left": 7}]

    async def test_of_nobody(self, firm: Firm) -> None:
        """Without a second factor, or of an account that may not sign in, no code is right."""
        assert isinstance(await firm.fails("123456"), WrongCode)
        secret, codes = await firm.turn_on()
        await firm.accounts.disable_account(name="ana", actor=SHELL)
        for typed in (firm.shown(secret), codes[0]):
            assert isinstance(await firm.fails(typed), WrongCode)
        await firm.accounts.enable_account(name="ana", actor=SHELL)
        await firm.access.code("ana", codes[0], address=OFFICE)

    async def test_new_ones(self, firm: Firm) -> None:
        """With the password; the earlier ones are gone, the authenticator stays."""
        secret, codes = await firm.turn_on()
        given: dict[str, Any] = {"address": OFFICE, "actor": ANA}
        with pytest.raises(SignInFailed):
            await firm.verbs.make_recovery_codes(password=WRONG, **given)
        new = (await firm.verbs.make_recovery_codes(password=PASSWORD, **given))["codes"]
        assert not set(new) & set(codes)
        assert isinstance(await firm.fails(codes[0]), WrongCode)
        await firm.access.code("ana", new[0], address=OFFICE)
        await firm.access.code("ana", firm.shown(secret), address=OFFICE)
        assert ("account.recovery_codes_made", {}) in await firm.told()

    @pytest.mark.parametrize("seed", range(3))
    async def test_what_is_taken_only_rises(self, firm: Firm, seed: int) -> None:
        """A code is taken if its interval is near enough, and later than all that were taken."""
        chosen = random.Random(seed)
        secret, _ = await firm.turn_on()
        last = firm.clock.now() // INTERVAL - 1
        taken: list[bool] = []
        for number in range(MAX_OF_CODES):
            firm.clock.advance(chosen.choice([0, 10, 29, 30, 61]))
            early = chosen.randint(-2, 2)
            interval = firm.clock.now() // INTERVAL + early
            taken.append(abs(early) <= 1 and interval > last)
            giving = firm.access.code(
                "ana", firm.shown(secret, early=early), address=f"10.0.{number}.1"
            )
            if taken[-1]:
                await giving
                last = interval
            else:
                with pytest.raises(WrongCode):
                    await giving
        assert {True, False} == set(taken)


class TestLimits:
    """They are asked before a code is looked at."""

    async def test_of_an_account_at_an_address(self, firm: Firm) -> None:
        """Ten, with what failed of passwords; a right code is not taken then, nor used up."""
        secret, codes = await firm.turn_on()
        for number in range(MAX_OF_ACCOUNT):
            if number % 2:
                assert isinstance(await firm.fails("0000-0000-0000-0000"), WrongCode)
            else:
                with pytest.raises(SignInFailed):
                    await firm.access.password("ana", WRONG, address=OFFICE)
        for typed in (firm.shown(secret), codes[0]):
            limited = await firm.fails(typed)
            assert isinstance(limited, TooManyAttempts)
            assert limited.retry_after > 0
        await firm.access.code("ana", firm.shown(secret), address=HOME)
        await firm.access.code("ana", codes[0], address=HOME)

    async def test_of_an_account_everywhere(self, firm: Firm) -> None:
        """Many addresses guess no more than thirty; a recovery code still lets its owner in."""
        secret, codes = await firm.turn_on()
        for number in range(MAX_OF_CODES):
            wrong = firm.shown(secret, early=9)
            failed = await firm.fails(wrong, address=f"10.0.{number}.1")
            assert isinstance(failed, WrongCode)
        assert isinstance(await firm.fails(firm.shown(secret), address=HOME), TooManyAttempts)
        await firm.access.code("ana", codes[0], address=HOME)
        await firm.access.password("ana", PASSWORD, address=HOME)
        firm.clock.advance(WINDOW / SECOND)
        await firm.access.code("ana", firm.shown(secret), address=HOME)

    async def test_all_at_once(self, firm: Firm) -> None:
        """Attempts under way count, so that ten at once are no eleven guesses."""
        await firm.turn_on()
        together = [firm.fails("123456") for _ in range(3 * MAX_OF_ACCOUNT)]
        kinds = [type(one) for one in await asyncio.gather(*together)]
        assert kinds.count(WrongCode) == MAX_OF_ACCOUNT

    async def test_a_right_code_forgives_nothing(self, firm: Firm) -> None:
        """Somebody else may be guessing."""
        secret, _ = await firm.turn_on()
        for _ in range(MAX_OF_ACCOUNT):
            await firm.access.code("ana", firm.shown(secret), address=OFFICE)
            firm.clock.advance(STEP)
            await firm.fails(firm.shown(secret, early=9))
        assert isinstance(await firm.fails(firm.shown(secret)), TooManyAttempts)


class TestGivenUp:
    """By whom it belongs to, or by an admin."""

    async def test_with_the_password(self, firm: Firm) -> None:
        """Then a password is enough, and nothing of it is kept."""
        await firm.turn_on()
        given: dict[str, Any] = {"address": OFFICE, "actor": ANA}
        with pytest.raises(SignInFailed):
            await firm.verbs.turn_off_second_factor(password=WRONG, **given)
        await firm.verbs.turn_off_second_factor(password=PASSWORD, **given)
        [row] = await read_table(firm.store, schema.accounts)
        assert (row.totp_secret, row.totp_step) == (None, None)
        assert await read_table(firm.store, schema.recovery_codes) == []
        assert ("account.second_factor_off", {}) in await firm.told()
        with pytest.raises(Refusal, match="no second factor"):
            await firm.verbs.turn_off_second_factor(password=PASSWORD, **given)
        with pytest.raises(Refusal, match="no second factor"):
            await firm.verbs.make_recovery_codes(password=PASSWORD, **given)

    async def test_where_the_role_needs_it(self, firm: Firm) -> None:
        """It cannot be turned off."""
        await firm.turn_on()
        firm.console(second_factor=["operator"])
        with pytest.raises(Refusal, match="Your role needs"):
            await firm.verbs.turn_off_second_factor(password=PASSWORD, address=OFFICE, actor=ANA)

    async def test_lost(self, firm: Firm) -> None:
        """An admin forgets it; the sessions on what was lost end with it."""
        await firm.turn_on()
        await firm.session()
        shown = await firm.accounts.reset_second_factor(name="ANA", actor=SHELL)
        assert shown["second_factor"] is False
        assert await read_table(firm.store, schema.sessions) == []
        rows = await read_table(firm.store, schema.journal)
        assert (rows[-1].kind, rows[-1].actor, rows[-1].subject) == (
            *("account.second_factor_off", "cli:jchan", "account:Ana"),
        )
        with pytest.raises(Refusal, match="no second factor"):
            await firm.accounts.reset_second_factor(name="ana", actor=SHELL)


async def test_secrets_are_nowhere_else(firm: Firm) -> None:
    """The secret is in its column alone; recovery codes and what was typed are in no table."""
    secret, codes = await firm.turn_on()
    await firm.access.code("ana", codes[0], address=OFFICE)
    code = firm.shown(secret, early=9)
    await firm.fails(code)
    await firm.access.__aexit__()
    for table in schema.metadata.sorted_tables:
        rows = repr(await read_table(firm.store, table))
        assert not any(one in rows or one.replace("-", "") in rows for one in codes)
        assert f"'{code}'" not in rows
        assert (secret in rows) == (table is schema.accounts)
    told = await read_table(firm.store, schema.journal)
    failed = [json.loads(one.data) for one in told if one.kind == "attempt.failed"]
    assert failed == [{"reason": "wrong_code"}]
