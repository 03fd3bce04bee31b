"""Who is signed in: known by the digest of what the browser has in its cookie."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.errors import NotSignedIn
from casebell.events import Micros
from casebell.store import digests as digests_of
from casebell.store import journal
from casebell.store.schema import accounts, sessions
from casebell.store.statements import Query, among


class SessionRow(digests_of.DigestRow):
    """What a request asks of its session, and of the account that it is of."""

    id: int
    account_id: int
    asked: str
    began_at: Micros
    seen_at: Micros
    ends_at: Micros
    told: str | None
    name: str
    role: str
    person: str | None
    disabled_at: Micros | None
    expires_at: Micros | None
    #: Whether a password lets somebody in, and nothing else is asked for.
    password_alone: bool


_PASSWORD_ALONE = accounts.c.password_hash.is_not(None) & accounts.c.totp_secret.is_(None)
#: Sessions of an account; finished ones and others count apart, so that whoever has the password
#: alone ends none that was begun with a code, too.
MAX_OF_ACCOUNT = 50
_OF_SESSION = {column.name for column in sessions.c}
_OF_DIGESTS = Query(
    SessionRow,
    lambda backend: (
        select(
            *(
                (sessions if name in _OF_SESSION else accounts).c[name]
                for name in SessionRow.__struct_fields__[:-1]
            ),
            _PASSWORD_ALONE.label("password_alone"),
        )
        .join_from(sessions, accounts)
        .where(among(sessions.c.digest, backend))
    ),
)


async def add(
    connection: AsyncConnection,
    *,
    digest: str,
    account: int,
    asked: str,
    ends_at: Micros,
    entries: Sequence[journal.Entry],
    replaces: int | None = None,
    proved: tuple[Micros, bool] | None = None,
    now: Micros,
) -> None:
    """Add a session, and remove those that are over, and the oldest of too many.

    Args:
        asked: what is still asked for; "" of somebody who is signed in.
        entries: what the journal says of it.
        replaces: a session that it goes on with.
        proved: since when the account had the password that was given, and whether it had a second
            factor then; None where neither was asked for.

    Raises:
        NotSignedIn: that one has ended, or the account has another password or second factor, or
            is disabled, by now.
    """
    # What was checked outside this transaction may have been changed since.
    if proved is not None and proved != await _asks_for(connection, account):
        raise NotSignedIn
    await remove_ended(connection, now=now)
    if replaces is not None:
        gone = await connection.execute(sessions.delete().where(sessions.c.id == replaces))
        if not gone.rowcount:
            raise NotSignedIn
    await connection.execute(
        sessions.insert().values(
            digest=digest,
            account_id=account,
            asked=asked,
            began_at=now,
            seen_at=now,
            ends_at=ends_at,
        )
    )
    await _remove_oldest(connection, account, asked=bool(asked))
    if entries:
        await journal.append(connection, entries)


async def _asks_for(connection: AsyncConnection, account: int) -> tuple[Micros, bool] | None:
    """What an account asks for; None if it is disabled. It stays so until the transaction ends."""
    usable = (accounts.c.id == account, accounts.c.disabled_at.is_(None))
    columns = (accounts.c.password_changed_at, accounts.c.totp_secret.is_not(None))
    statement = select(*columns).where(*usable).with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else (row[0], bool(row[1]))


async def _remove_oldest(connection: AsyncConnection, account: int, *, asked: bool) -> None:
    same = sessions.c.account_id == account, (sessions.c.asked != "") == asked
    newest = select(sessions.c.id).where(*same).order_by(sessions.c.id.desc())
    over = newest.offset(MAX_OF_ACCOUNT).limit(1).scalar_subquery()
    await connection.execute(sessions.delete().where(*same, sessions.c.id <= over))


async def renew(connection: AsyncConnection, session: int, *, digest: str) -> None:
    """Have a session known by another digest, and not by the one before.

    Raises:
        NotSignedIn: it has ended.
    """
    same = sessions.c.id == session
    renewed = await connection.execute(sessions.update().where(same).values(digest=digest))
    if not renewed.rowcount:
        raise NotSignedIn


async def remove_ended(connection: AsyncConnection, *, now: Micros) -> None:
    """Remove the sessions that are over."""
    await connection.execute(sessions.delete().where(sessions.c.ends_at <= now))


async def with_digests(
    connection: AsyncConnection, digests: Collection[str]
) -> Mapping[str, SessionRow]:
    """The sessions of these digests, by their digests; they may be over."""
    return await digests_of.with_digests(connection, _OF_DIGESTS, digests)


async def of_account(
    connection: AsyncConnection, account: int, *, seen_since: Micros, now: Micros
) -> list[Any]:
    """The sessions of an account that are not over, the newest first; without their secrets.

    Args:
        seen_since: those without a request since then are over.
    """
    secret = {"digest", "totp_pending"}
    columns = [column for column in sessions.c if column.name not in secret]
    mine = (sessions.c.account_id == account, sessions.c.ends_at > now)
    here = sessions.c.seen_at > seen_since
    statement = select(*columns).where(*mine, here).order_by(sessions.c.id.desc())
    return list((await connection.execute(statement)).all())


async def end(
    connection: AsyncConnection, session: int, *, subject: str, now: Micros, actor: Actor
) -> None:
    """End a session; one that has ended already stays so, and is told once.

    Args:
        subject: its account, as the journal has it.
    """
    gone = await connection.execute(sessions.delete().where(sessions.c.id == session))
    if gone.rowcount:
        entry = journal.Entry.of(actor, at=now, kind="session.ended", subject=subject, data={})
        await journal.append(connection, [entry])


async def end_all(connection: AsyncConnection, account: int, *, but: int | None = None) -> int:
    """End the sessions of an account; how many there were.

    Args:
        but: one that goes on.
    """
    condition = sessions.c.account_id == account
    if but is not None:
        condition &= sessions.c.id != but
    return (await connection.execute(sessions.delete().where(condition))).rowcount


async def record_seen(connection: AsyncConnection, at: Mapping[int, Micros]) -> None:
    """Record when sessions were last seen, by their ids; a later time stays."""
    for number, time in at.items():
        earlier = (sessions.c.id == number, sessions.c.seen_at < time)
        await connection.execute(sessions.update().where(*earlier).values(seen_at=time))


async def tell(connection: AsyncConnection, session: int, told: str | None) -> None:
    """Keep what the next page of a session is to say; None: it was said."""
    await connection.execute(sessions.update().where(sessions.c.id == session).values(told=told))
