"""The verbs of accounts, on both databases."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from casebell.actors import Actor, Role, command_line
from casebell.clock import iso
from casebell.errors import BadArgument, Forbidden, NotFound, Refusal
from casebell.service import Service
from casebell.service.accounts import Accounts
from casebell.service.passwords import Passwords
from casebell.store import schema
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from service.harness import settings_of
from service.hashers import cheap

SHELL = command_line("jchan", by="Jia Chan")
GOOD = "correct horse battery staple"
DAY = 86_400 * 1_000_000


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def accounts(store: Store, clock: ManualClock) -> Accounts:
    settings = settings_of("parley", timezone="America/New_York")
    passwords = Passwords(cheap())
    return Accounts(store=store, settings=lambda: settings, passwords=passwords, clock=clock)


async def add(accounts: Accounts, name: str = "Ana", **fields: Any) -> Any:
    given = {"role": "viewer", "password": GOOD, "actor": SHELL, **fields}
    return await accounts.add_account(name=name, **given)


async def journalled(store: Store) -> list[tuple[str, dict[str, Any]]]:
    rows = await read_table(store, schema.journal)
    assert {(row.actor, row.subject) for row in rows} == {("cli:jchan", "account:Ana")}
    told = [(row.kind, json.loads(row.data)) for row in rows]
    assert all(data.pop("by") == "Jia Chan" for _, data in told)
    return told


async def test_added(store: Store, accounts: Accounts, clock: ManualClock) -> None:
    """With everything that can be given; the hash and the password are shown nowhere."""
    given = {"email": "ana@example-firm.com", "person": "ana", "expires": "30d"}
    shown = await add(accounts, role="admin", **given)
    # She may come into the configuration later.
    assert shown.pop("warnings") == ["There is no [people.ana] in the configuration."]
    assert shown == {
        "name": "Ana",
        "role": "admin",
        "email": "ana@example-firm.com",
        "person": "ana",
        "state": "active",
        "created_at": iso(clock.now()),
        "created_by": "cli:jchan",
        "expires_at": iso(clock.now() + 30 * DAY),
        "disabled_at": None,
        "last_sign_in_at": None,
        "password_changed_at": iso(clock.now()),
        "issuer": None,
        "second_factor": False,
    }
    assert await accounts.list_accounts(actor=SHELL) == [shown]
    [row] = await read_table(store, schema.accounts)
    data = {"role": "admin", "person": "ana", "expires_at": iso(row.expires_at)}
    assert await journalled(store) == [("account.added", data)]
    for table in schema.metadata.sorted_tables:
        rows = repr(await read_table(store, table))
        assert GOOD not in rows
        assert (row.password_hash in rows) == (table is schema.accounts)


@pytest.mark.parametrize("name", ["Ana", "ana", "ANA", "\uff21na"])
async def test_one_name_is_one_account(accounts: Accounts, name: str) -> None:
    """However it is written."""
    await add(accounts)
    with pytest.raises(Refusal, match="There is an account “Ana” already"):
        await add(accounts, name)
    assert (await accounts.disable_account(name=name, actor=SHELL))["name"] == "Ana"


async def test_changed(store: Store, accounts: Accounts) -> None:
    """Only what is named; the journal has the keys, and of the values what rights depend on."""
    await add(accounts, email="ana@example-firm.com", expires="30d")
    shown = await accounts.set_account(
        name="ana", changes={"role": "operator", "email": "a@example.org"}, actor=SHELL
    )
    assert (shown["role"], shown["email"], shown["warnings"]) == ("operator", "a@example.org", [])
    assert shown["expires_at"] is not None
    changes = {"email": None, "expires": None, "person": "ana"}
    shown = await accounts.set_account(name="ana", changes=changes, actor=SHELL)
    assert (shown["email"], shown["expires_at"], shown["person"]) == (None, None, "ana")
    assert shown["warnings"] == ["There is no [people.ana] in the configuration."]
    assert (await journalled(store))[1:] == [
        ("account.changed", {"changed": ["email", "role"], "role": "operator"}),
        (
            "account.changed",
            {"changed": ["email", "expires_at", "person"], "person": "ana", "expires_at": None},
        ),
    ]


async def test_disabled_and_enabled(store: Store, accounts: Accounts) -> None:
    """Each once; the last admin too, since the shell remains."""
    await add(accounts, role="admin")
    assert (await accounts.disable_account(name="ana", actor=SHELL))["state"] == "disabled"
    with pytest.raises(Refusal, match="disabled already"):
        await accounts.disable_account(name="ana", actor=SHELL)
    assert (await accounts.enable_account(name="ana", actor=SHELL))["state"] == "active"
    with pytest.raises(Refusal, match="not disabled"):
        await accounts.enable_account(name="ana", actor=SHELL)
    kinds = [kind for kind, _ in await journalled(store)]
    assert kinds == ["account.added", "account.disabled", "account.enabled"]


async def test_another_password(store: Store, accounts: Accounts, clock: ManualClock) -> None:
    """Its time is shown; neither it nor its hash is in the journal."""
    await add(accounts)
    [before] = await read_table(store, schema.accounts)
    clock.advance(60)
    shown = await accounts.set_password(name="ANA", password=GOOD + "!", actor=SHELL)
    assert shown["password_changed_at"] == iso(clock.now()) != shown["created_at"]
    [after] = await read_table(store, schema.accounts)
    assert after.password_hash != before.password_hash
    assert (await journalled(store))[1:] == [("account.password_changed", {})]


async def test_expired(accounts: Accounts, clock: ManualClock) -> None:
    """The list says so from the moment on; a disabled one is disabled."""
    await add(accounts, expires="1h")
    clock.advance(3_599)
    assert (await accounts.list_accounts(actor=SHELL))[0]["state"] == "active"
    clock.advance(1)
    assert (await accounts.list_accounts(actor=SHELL))[0]["state"] == "expired"
    assert (await accounts.disable_account(name="ana", actor=SHELL))["state"] == "disabled"


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("2026-01-31", "2026-01-31T05:00:00.000000Z"),
        ("2026-01-31T18:00", "2026-01-31T23:00:00.000000Z"),
        ("2026-01-31T18:00:00Z", "2026-01-31T18:00:00.000000Z"),
        ("1h30m", iso(ManualClock().now() + DAY // 16)),
    ],
)
async def test_when_one_expires(accounts: Accounts, given: str, at: str) -> None:
    """A length from now, or a date in server.timezone."""
    assert (await add(accounts, expires=given))["expires_at"] == at


#: What is wrong with an account, and what the error says of it.
WRONG = [
    ({"name": "a b"}, "A name has at most 64 characters"),
    ({"role": "root"}, "known: viewer, operator"),
    ({"person": "a b"}, "A person's id"),
    ({"email": "ana"}, "no e-mail address"),
    ({"email": "a na@example.org"}, "no e-mail address"),
    ({"email": f"{'a' * 250}@x.org"}, "no e-mail address"),
    ({"password": "short"}, "at least 12 characters"),
    ({"name": "correct.horse", "password": "Correct.Horse"}, "not the account's name"),
    ({"expires": "tomorrow"}, "Write a length or a date"),
    ({"expires": "2020-01-01"}, "in the future"),
    ({"expires": "0s"}, "in the future"),
    ({"expires": "99999d"}, "Write a length or a date"),
    ({"expires": "9999-12-31T23:59:59-23:00"}, "Write a length or a date|in the future"),
]


async def test_what_cannot_be_given(store: Store, accounts: Accounts) -> None:
    """The error names what is wrong, never the password; nothing is written."""
    for fields, says in WRONG:
        with pytest.raises(BadArgument, match=says) as refused:
            await add(accounts, **fields)
        assert fields.get("password", GOOD) not in str(refused.value)
    assert await read_table(store, schema.accounts) == []
    assert await read_table(store, schema.journal) == []


async def test_what_cannot_be_changed(store: Store, accounts: Accounts) -> None:
    """A password has a verb of its own; a role there always is."""
    await add(accounts)
    wrong: list[dict[str, str | None]]
    wrong = [{}, {"password": GOOD}, {"name": "b"}, {"role": None}, {"role": "root"}]
    for changes in wrong:
        with pytest.raises(BadArgument):
            await accounts.set_account(name="ana", changes=changes, actor=SHELL)
    assert len(await read_table(store, schema.journal)) == 1


async def test_there_is_none(accounts: Accounts) -> None:
    """Each verb names the nearest."""
    await add(accounts)
    for ask in (
        accounts.set_account(name="anna", changes={"role": "viewer"}, actor=SHELL),
        accounts.disable_account(name="anna", actor=SHELL),
        accounts.enable_account(name="anna", actor=SHELL),
        accounts.set_password(name="anna", password=GOOD, actor=SHELL),
    ):
        with pytest.raises(NotFound) as none:
            await ask
        assert none.value.hint == "Did you mean `Ana`?"
    with pytest.raises(BadArgument, match="A name has"):
        await accounts.disable_account(name="\udc80", actor=SHELL)


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.ADMIN])
async def test_only_an_admin(accounts: Accounts, role: Role) -> None:
    """Nobody else sees accounts or changes one."""
    service = Service(accounts.verbs())
    actor = Actor(name="account:x", role=role)
    asked: dict[str, dict[str, Any]] = {
        "add_account": {"name": "a", "role": "admin", "password": GOOD},
        "list_accounts": {},
        "set_account": {"name": "a", "changes": {"role": "admin"}},
        "disable_account": {"name": "a"},
        "enable_account": {"name": "a"},
        "set_password": {"name": "a", "password": GOOD},
    }
    for verb, arguments in asked.items():
        with pytest.raises(Forbidden):
            await service.ask(verb, arguments, actor=actor)
