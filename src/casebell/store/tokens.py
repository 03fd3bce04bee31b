"""Tokens of programs: known by their digests, never removed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor, Role
from casebell.errors import NotFound, Refusal
from casebell.events import Micros
from casebell.store import digests as digests_of
from casebell.store import journal
from casebell.store.schema import tokens
from casebell.store.statements import Query, among, columns_of


class TokenRow(digests_of.DigestRow):
    """What a request asks of its token."""

    id: int
    name: str
    role: str
    person: str | None
    last_used_at: Micros | None
    revoked_at: Micros | None


_OF_DIGESTS = Query(
    TokenRow,
    lambda backend: select(*columns_of(tokens, TokenRow)).where(among(tokens.c.digest, backend)),
)


async def add(
    connection: AsyncConnection,
    *,
    name: str,
    digest: str,
    role: Role,
    person: str | None,
    now: Micros,
    actor: Actor,
) -> None:
    """Add a token.

    Raises:
        Refusal: there is or was one of this name.
    """
    row = await _named(connection, name)
    if row is not None:
        revoked = " It is revoked; a name is not given twice." if row.revoked_at else ""
        raise Refusal(
            f"There is a token “{name}” already.{revoked}", hint="Give the new one another name."
        )
    await connection.execute(
        tokens.insert().values(
            name=name,
            digest=digest,
            role=role,
            person=person,
            created_at=now,
            created_by=actor.name,
        )
    )
    data = {"role": role, "person": person}
    await _record(connection, "token.added", name=name, data=data, now=now, actor=actor)


async def revoke(connection: AsyncConnection, name: str, *, now: Micros, actor: Actor) -> None:
    """Revoke a token, for good.

    Raises:
        NotFound: there is none of this name.
        Refusal: it is revoked already.
    """
    row = await _named(connection, name)
    if row is None:
        raise NotFound("There is no token of this name.")
    if row.revoked_at is not None:
        raise Refusal(f"Token “{name}” has been revoked already.")
    await connection.execute(tokens.update().where(tokens.c.id == row.id).values(revoked_at=now))
    await _record(connection, "token.revoked", name=name, data={}, now=now, actor=actor)


async def every(connection: AsyncConnection) -> Sequence[Any]:
    """All of them, the revoked ones too, without their digests."""
    columns = [column for column in tokens.c if column is not tokens.c.digest]
    return (await connection.execute(select(*columns).order_by(tokens.c.name))).all()


async def with_digests(
    connection: AsyncConnection, digests: Collection[str]
) -> Mapping[str, TokenRow]:
    """The tokens of these digests, by their digests; they may be revoked."""
    return await digests_of.with_digests(connection, _OF_DIGESTS, digests)


async def record_uses(connection: AsyncConnection, used: Mapping[int, Micros]) -> None:
    """Record when tokens were last used, by their ids; a later time stays."""
    for number, at in used.items():
        earlier = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < at)
        await connection.execute(
            tokens.update().where(tokens.c.id == number, earlier).values(last_used_at=at)
        )


async def _named(connection: AsyncConnection, name: str) -> Any:
    columns = tokens.c.id, tokens.c.revoked_at
    statement = select(*columns).where(tokens.c.name == name)
    return (await connection.execute(statement)).one_or_none()


async def _record(
    connection: AsyncConnection,
    kind: str,
    *,
    name: str,
    data: Mapping[str, Any],
    now: Micros,
    actor: Actor,
) -> None:
    entry = journal.Entry.of(actor, at=now, kind=kind, subject=f"token:{name}", data=data)
    await journal.append(connection, [entry])
