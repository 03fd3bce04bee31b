"""The verbs of tokens, on both databases."""

import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from casebell.actors import Actor, Role, command_line
from casebell.clock import iso
from casebell.errors import BadArgument, Forbidden, NotFound, Refusal
from casebell.service import Service
from casebell.service.tokens import Tokens
from casebell.store import schema
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table

SHELL = command_line("jchan", by="Jia Chan")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as opened:
        yield opened


def tokens(store: Store, clock: ManualClock | None = None) -> Tokens:
    return Tokens(store=store, clock=clock or ManualClock())


async def test_added(store: Store) -> None:
    """The answer alone has the token: the database has its digest, the journal who made it."""
    clock = ManualClock()
    made = await tokens(store, clock).add_token(
        name="practice", role="operator", person="jchan", actor=SHELL
    )
    assert (made["name"], made["role"]) == ("practice", "operator")
    assert made["warnings"] == ["There is no [people.jchan] in the configuration."]
    [row] = await read_table(store, schema.tokens)
    assert row.digest == hashlib.sha256(made["token"].encode()).hexdigest()
    [entry] = await read_table(store, schema.journal)
    told = (entry.kind, entry.actor, entry.subject, json.loads(entry.data))
    data = {"role": "operator", "person": "jchan", "by": "Jia Chan"}
    assert told == ("token.added", "cli:jchan", "token:practice", data)
    for table in schema.metadata.sorted_tables:
        assert made["token"] not in repr(await read_table(store, table))
    assert await tokens(store).list_tokens(actor=SHELL) == [
        {
            "name": "practice",
            "role": "operator",
            "person": "jchan",
            "created_at": iso(clock.now()),
            "created_by": "cli:jchan",
            "last_used_at": None,
            "revoked_at": None,
        }
    ]


async def test_revoked(store: Store) -> None:
    """For good, with its entry; its name stays taken."""
    clock = ManualClock()
    verbs = tokens(store, clock)
    for name in ("practice", "backup"):
        await verbs.add_token(name=name, role="viewer", actor=SHELL)
    clock.advance(60)
    revoked = await verbs.revoke_token(name="practice", actor=SHELL)
    assert revoked["revoked_at"] == iso(clock.now())
    assert [one["name"] for one in await verbs.list_tokens(actor=SHELL)] == ["backup", "practice"]
    last = (await read_table(store, schema.journal))[-1]
    assert (last.kind, last.subject, last.data) == (
        "token.revoked",
        "token:practice",
        '{"by":"Jia Chan"}',
    )
    with pytest.raises(Refusal, match="revoked already"):
        await verbs.revoke_token(name="practice", actor=SHELL)
    with pytest.raises(Refusal, match="a name is not given twice"):
        await verbs.add_token(name="practice", role="viewer", actor=SHELL)
    with pytest.raises(NotFound) as none:
        await verbs.revoke_token(name="practise", actor=SHELL)
    assert none.value.hint == "Did you mean `practice`?"


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a b", "a\nb", "\u202eeliforp", "a\u200bb", "a\u00a0b", "\udc80"]
)
async def test_names_that_cannot_be_given(store: Store, name: str) -> None:
    """Nothing in a list or the journal looks like what it is not."""
    with pytest.raises(BadArgument, match="A name has at most 64 characters"):
        await tokens(store).add_token(name=name, role="viewer", actor=SHELL)
    with pytest.raises(BadArgument, match="A name has at most 64 characters"):
        await tokens(store).revoke_token(name=name, actor=SHELL)
    with pytest.raises(BadArgument, match="A person's id has"):
        await tokens(store).add_token(name="a", role="viewer", person=name, actor=SHELL)


async def test_a_role_that_is_none(store: Store) -> None:
    """The error names those there are."""
    with pytest.raises(BadArgument, match="known: viewer, operator, auditor, admin"):
        await tokens(store).add_token(name="a", role="root", actor=SHELL)


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.ADMIN])
async def test_only_an_admin(store: Store, role: Role) -> None:
    """Nobody else adds, sees or revokes tokens."""
    actor = Actor(name="token:x", role=role)
    service = Service(tokens(store).verbs())
    for verb, arguments in {
        "add_token": {"name": "a", "role": "admin"},
        "list_tokens": {},
        "revoke_token": {"name": "a"},
    }.items():
        with pytest.raises(Forbidden):
            await service.ask(verb, arguments, actor=actor)
    assert await read_table(store, schema.tokens) == []
