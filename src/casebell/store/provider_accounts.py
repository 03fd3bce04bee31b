"""Accounts of those who sign in over an identity provider: known by issuer and subject."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor, Role
from casebell.events import Micros
from casebell.store import accounts as stored
from casebell.store.schema import accounts


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Somebody whom an identity provider knows."""

    issuer: str
    subject: str
    #: What the account is called when it is made; with a number behind it where that is taken.
    name: str
    #: Its address when it is made.
    email: str | None
    role: Role


async def find(connection: AsyncConnection, *, issuer: str, subject: str) -> Any:
    """The account of a subject; None if there is none."""
    same = (accounts.c.issuer == issuer, accounts.c.subject == subject)
    return (await connection.execute(select(*stored.SHOWN).where(*same))).one_or_none()


async def take_up(
    connection: AsyncConnection,
    known: Known,
    *,
    key_of: Callable[[str], str],
    now: Micros,
    actor: Actor,
) -> Any:
    """Have an account for somebody, in the role of today; its row.

    An account that merely has the same name is somebody else's, and stays.

    Args:
        key_of: folds a name.
    """
    row = await find(connection, issuer=known.issuer, subject=known.subject)
    if row is not None:
        if row.role == known.role:
            return row
        await stored.update(connection, row.key, {"role": known.role})
        data = {"changed": ["role"], "role": known.role}
        return await stored.recorded(
            connection, row.key, "account.changed", data=data, now=now, actor=actor
        )
    name, number = known.name, 1
    while await stored.find(connection, key_of(name)) is not None:
        number += 1
        name = f"{known.name}-{number}"
    new = stored.NewAccount(
        key=key_of(name),
        name=name,
        role=known.role,
        email=known.email,
        person=None,
        expires_at=None,
    )
    of = {"issuer": known.issuer, "subject": known.subject}
    return await stored.insert(connection, new, now=now, actor=actor, **of)
