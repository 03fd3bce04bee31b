"""Accounts of people: known by their folded names, never removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor, Role
from casebell.clock import iso_or_none
from casebell.errors import NotFound, Refusal
from casebell.events import Micros
from casebell.store import journal, sessions
from casebell.store.schema import accounts

#: What only a check may read.
_SECRET = (accounts.c.password_hash, accounts.c.totp_secret)
#: Every column but those, and whether they are there.
SHOWN = [
    *(column for column in accounts.c if all(column is not one for one in _SECRET)),
    accounts.c.password_hash.is_not(None).label("has_password"),
    accounts.c.totp_secret.is_not(None).label("second_factor"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAccount:
    """An account to be added."""

    #: The folded name.
    key: str
    name: str
    role: Role
    email: str | None
    person: str | None
    expires_at: Micros | None


async def add(
    connection: AsyncConnection, new: NewAccount, *, password_hash: str, now: Micros, actor: Actor
) -> Any:
    """Add an account; its row.

    Raises:
        Refusal: there is one of this name.
    """
    there = await find(connection, new.key)
    if there is not None:
        changes = f"`casebell accounts set {there.name}` changes it"
        password = f"`casebell accounts password {there.name}` gives it another password"
        raise Refusal(
            f"There is an account “{there.name}” already.",
            hint=f"{changes}; {password}."
            if there.issuer is None
            else f"It signs in over {there.issuer}; {changes}.",
        )
    return await insert(connection, new, now=now, actor=actor, password_hash=password_hash)


async def change(
    connection: AsyncConnection,
    key: str,
    values: Mapping[str, Any],
    *,
    now: Micros,
    actor: Actor,
) -> Any:
    """Change columns of an account; its row.

    Of what it is changed to the journal has only what rights depend on: an entry is never removed,
    and an e-mail address may have to be.

    Raises:
        NotFound: there is none of this name.
        Refusal: an identity provider gives it its role.
    """
    row = await get(connection, key)
    if "role" in values and row.issuer is not None:
        raise Refusal(
            f"Account “{row.name}” has its role from {row.issuer}, at each sign-in.",
            hint="Change its groups or app roles there, or `roles` and `emails` of [console.oidc].",
        )
    await update(connection, key, values)
    told = {name: values[name] for name in ("role", "person") if name in values}
    data = {"changed": sorted(values), **told}
    if "expires_at" in values:
        data["expires_at"] = iso_or_none(values["expires_at"])
    return await recorded(connection, key, "account.changed", data=data, now=now, actor=actor)


async def disable(connection: AsyncConnection, key: str, *, now: Micros, actor: Actor) -> Any:
    """Let nobody sign in with an account any more; its row.

    Raises:
        NotFound, Refusal: there is none of this name, or it is disabled already.
    """
    if (row := await get(connection, key)).disabled_at is not None:
        raise Refusal(f"Account “{row.name}” has been disabled already.")
    await update(connection, key, {"disabled_at": now})
    await sessions.end_all(connection, row.id)
    return await recorded(connection, key, "account.disabled", data={}, now=now, actor=actor)


async def enable(connection: AsyncConnection, key: str, *, now: Micros, actor: Actor) -> Any:
    """Undo that; its row.

    Raises:
        NotFound, Refusal: there is none of this name, or it is not disabled.
    """
    if (row := await get(connection, key)).disabled_at is None:
        raise Refusal(f"Account “{row.name}” is not disabled.")
    await update(connection, key, {"disabled_at": None})
    return await recorded(connection, key, "account.enabled", data={}, now=now, actor=actor)


async def set_password(
    connection: AsyncConnection,
    key: str,
    *,
    password_hash: str,
    but: int | None = None,
    now: Micros,
    actor: Actor,
) -> Any:
    """Give an account another password, which ends its sessions; its row.

    Args:
        but: a session that goes on.

    Raises:
        NotFound: there is none of this name.
        Refusal: it signs in over an identity provider.
    """
    if (row := await get(connection, key)).issuer is not None:
        raise Refusal(
            f"Account “{row.name}” signs in over {row.issuer}, and has no password here.",
            hint="Its password is changed there.",
        )
    await update(connection, key, {"password_hash": password_hash, "password_changed_at": now})
    await sessions.end_all(connection, row.id, but=but)
    kind = "account.password_changed"
    return await recorded(connection, key, kind, data={}, now=now, actor=actor)


async def end_sessions(
    connection: AsyncConnection,
    key: str,
    *,
    but: int | None = None,
    now: Micros,
    actor: Actor,
) -> Any:
    """Sign an account out everywhere; its row.

    Args:
        but: a session that goes on.

    Raises:
        NotFound: there is none of this name.
    """
    row = await get(connection, key)
    data = {"sessions": await sessions.end_all(connection, row.id, but=but)}
    return await recorded(connection, key, "account.signed_out", data=data, now=now, actor=actor)


async def every(connection: AsyncConnection) -> Sequence[Any]:
    """All of them, without the hashes of their passwords."""
    return (await connection.execute(select(*SHOWN).order_by(accounts.c.key))).all()


async def find(connection: AsyncConnection, key: str) -> Any:
    """An account without its hash; None if there is none of this name."""
    statement = select(*SHOWN).where(accounts.c.key == key)
    return (await connection.execute(statement)).one_or_none()


async def get(connection: AsyncConnection, key: str) -> Any:
    """The same of one that there must be.

    Raises:
        NotFound: there is none of this name.
    """
    row = await find(connection, key)
    if row is None:
        raise NotFound("There is no account of this name.")
    return row


async def find_with_hash(connection: AsyncConnection, key: str) -> Any:
    """The same with the hash of its password, to check one by."""
    statement = select(accounts).where(accounts.c.key == key)
    return (await connection.execute(statement)).one_or_none()


async def record_sign_ins(connection: AsyncConnection, at: Mapping[int, Micros]) -> None:
    """Record when people last signed in, by the ids of their accounts; a later time stays."""
    for number, time in at.items():
        column = accounts.c.last_sign_in_at
        earlier = or_(column.is_(None), column < time)
        await connection.execute(
            accounts.update().where(accounts.c.id == number, earlier).values(last_sign_in_at=time)
        )


async def rehash(connection: AsyncConnection, number: int, *, old: str, new: str) -> None:
    """Replace a hash by one of the same password, unless the password was changed meanwhile."""
    same = (accounts.c.id == number, accounts.c.password_hash == old)
    await connection.execute(accounts.update().where(*same).values(password_hash=new))


async def insert(
    connection: AsyncConnection, new: NewAccount, *, now: Micros, actor: Actor, **signs_in: str
) -> Any:
    """Add an account of which it is known that the name is free; its row.

    Args:
        signs_in: the columns of how its owner does.
    """
    await connection.execute(
        accounts.insert().values(
            key=new.key,
            name=new.name,
            role=new.role,
            email=new.email,
            person=new.person,
            created_at=now,
            created_by=actor.name,
            expires_at=new.expires_at,
            password_changed_at=now,
            **signs_in,
        )
    )
    data = {"role": new.role, "person": new.person, "expires_at": iso_or_none(new.expires_at)}
    if "issuer" in signs_in:
        data["issuer"] = signs_in["issuer"]
    return await recorded(connection, new.key, "account.added", data=data, now=now, actor=actor)


async def recorded(
    connection: AsyncConnection,
    key: str,
    kind: str,
    *,
    data: Mapping[str, Any],
    now: Micros,
    actor: Actor,
) -> Any:
    """Journal what was done to an account; its row after that."""
    row = await get(connection, key)
    entry = journal.Entry.of(actor, at=now, kind=kind, subject=f"account:{row.name}", data=data)
    await journal.append(connection, [entry])
    return row


async def update(connection: AsyncConnection, key: str, values: Mapping[str, Any]) -> None:
    """Change columns of an account, without an entry."""
    await connection.execute(accounts.update().where(accounts.c.key == key).values(**values))
