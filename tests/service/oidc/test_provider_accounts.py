"""The accounts of those who sign in over an identity provider; on both databases."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from casebell.actors import Role, command_line
from casebell.errors import Refusal, SignInFailed
from casebell.service.oidc.failures import AccountClosed, NoRole
from casebell.store import schema
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from service.oidc.desk import OFFICE, Desk, opened
from service.oidc.provider import SUBJECT, Provider

SHELL = command_line("jchan")
RIGHT = "correct horse battery staple"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as made:
        yield made


async def journal(store: Store, kind: str) -> list[tuple[str, str, Any]]:
    rows = await read_table(store, schema.journal)
    return [(row.actor, row.subject, json.loads(row.data)) for row in rows if row.kind == kind]


async def accounts(store: Store) -> list[tuple[str, str, str | None]]:
    """Name, role and e-mail address of all."""
    rows = await read_table(store, schema.accounts)
    return [(row.name, row.role, row.email) for row in rows]


async def test_the_first_sign_in_makes_the_account(desk: Desk) -> None:
    """Known by issuer and subject, without a password and a person, and on record."""
    cookie, url = await desk.begin(next_path="/events?status=rfe_issued")
    done = await desk.finish(cookie, desk.provider.approve(url))
    assert done.next == "/events?status=rfe_issued"
    assert (done.account.actor.role, done.account.second_factor) == (Role.VIEWER, False)
    [row] = await read_table(desk.store, schema.accounts)
    assert (row.id, row.name, row.role) == (done.account.id, "jchan@example-firm.com", "viewer")
    assert (row.issuer, row.subject) == (desk.provider.issuer, SUBJECT)
    assert (row.password_hash, row.person, row.email) == (None, None, None)
    added = {"role": "viewer", "person": None, "expires_at": None, "issuer": desk.provider.issuer}
    subject = "account:jchan@example-firm.com"
    assert await journal(desk.store, "account.added") == [("oidc", subject, added)]
    assert await journal(desk.store, "attempt.failed") == []


async def test_the_next_sign_in_finds_it(desk: Desk) -> None:
    """Whatever the person is called now: an address or a name may pass to another."""
    first = await desk.come()
    again = await desk.come(preferred_username="jwong@example-firm.com", email="j@wong.example")
    assert again.account == first.account
    other = await desk.come(sub="another", preferred_username="jchan@example-firm.com")
    assert other.account.id != first.account.id
    assert other.account.actor.name == "account:jchan@example-firm.com-2"


async def test_a_local_account_of_that_name_is_another(desk: Desk) -> None:
    """Neither is it signed in to, nor can its password be used for the new one."""
    given: dict[str, Any] = {"role": "admin", "password": RIGHT, "actor": SHELL}
    await desk.accounts.add_account(name="JChan@example-firm.com", **given)
    assert await desk.name() == "jchan@example-firm.com-2"
    assert [role for _, role, _ in await accounts(desk.store)] == ["admin", "viewer"]
    with pytest.raises(SignInFailed):
        await desk.access.password("jchan@example-firm.com-2", RIGHT, address=OFFICE)


async def test_the_role_is_that_of_each_sign_in(desk: Desk) -> None:
    """A change is on record once; whoever set another meanwhile was refused."""
    await desk.come()
    [(name, role, _)] = await accounts(desk.store)
    for groups, expected in ((["operators"], "operator"), (["operators", "x"], "operator")):
        await desk.come(groups=groups)
        [(name, role, _)] = await accounts(desk.store)
        assert role == expected
    changed = {"changed": ["role"], "role": "operator"}
    assert await journal(desk.store, "account.changed") == [("oidc", f"account:{name}", changed)]


async def test_what_an_admin_can_change(desk: Desk) -> None:
    """The person, and whether it is open; neither the role nor a password."""
    account = await desk.name()
    [shown] = await desk.accounts.list_accounts(actor=SHELL)
    assert (shown["issuer"], shown["password_changed_at"]) == (desk.provider.issuer, None)
    await desk.accounts.set_account(name=account, changes={"person": "jchan"}, actor=SHELL)
    assert (await desk.come()).account.actor.person == "jchan"
    with pytest.raises(Refusal, match="has its role from") as refused:
        await desk.accounts.set_account(name=account, changes={"role": "admin"}, actor=SHELL)
    assert "[console.oidc]" in refused.value.hint
    with pytest.raises(Refusal, match="has no password here"):
        await desk.accounts.set_password(name=account, password=RIGHT, actor=SHELL)
    given: dict[str, Any] = {"role": "admin", "password": RIGHT, "actor": SHELL}
    with pytest.raises(Refusal, match="There is an account") as refused:
        await desk.accounts.add_account(name=account, **given)
    assert "casebell accounts password" not in refused.value.hint


@pytest.mark.parametrize("how", ["disabled", "expired"])
async def test_a_closed_account(
    store: Store, provider: Provider, clock: ManualClock, how: str
) -> None:
    """It is refused, its role stays, and the journal names it."""
    async with opened(store, provider, clock) as desk:
        account = await desk.name()
        if how == "disabled":
            await desk.accounts.disable_account(name=account, actor=SHELL)
        else:
            await desk.accounts.set_account(name=account, changes={"expires": "1h"}, actor=SHELL)
            desk.clock.advance(3_600)
        failed = await desk.fail(groups=["admins"])
    assert isinstance(failed, AccountClosed)
    assert failed.message == f"The account {account} is {how}."
    assert [role for _, role, _ in await accounts(store)] == ["viewer"]
    assert desk.causes() == [("oidc_account_closed", how)]
    assert await desk.attempts() == [(f"account:{account}", "oidc_account_closed")]


async def test_a_role_that_was_taken_away(desk: Desk) -> None:
    """Ends the access at the next sign-in; the account stays as it was."""
    await desk.come()
    assert isinstance(await desk.fail(groups=[]), NoRole)
    assert len(await accounts(desk.store)) == 1
