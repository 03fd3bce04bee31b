"""The second factor of accounts: what is asked for beside a password, and what was used of it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.errors import Refusal
from casebell.events import Micros
from casebell.store import accounts as stored
from casebell.store import sessions as of_accounts
from casebell.store.schema import accounts, recovery_codes, sessions


async def begin(
    connection: AsyncConnection, key: str, *, session: int, secret: str, signed_in: bool
) -> None:
    """Keep a secret beside a session until a code shows that an authenticator has it.

    Another of the same session is forgotten, and each ends with its session.

    Args:
        signed_in: whether the session is for more than this.

    Raises:
        NotFound: there is no account of this name.
        Refusal: it has no such session.
    """
    row = await stored.get(connection, key)
    own = (sessions.c.id == session, sessions.c.account_id == row.id)
    same = sessions.c.asked == ("" if signed_in else "enrol")
    kept = await connection.execute(sessions.update().where(*own, same).values(totp_pending=secret))
    # One that was begun before there was a second factor does not replace it.
    if not kept.rowcount or (row.second_factor and not signed_in):
        raise Refusal("This session has ended, or needs the password for this.")


async def pending(connection: AsyncConnection, key: str, *, session: int) -> str | None:
    """That secret; None where nothing was begun."""
    same = (sessions.c.id == session, accounts.c.key == key)
    statement = select(sessions.c.totp_pending).join(accounts).where(*same)
    secret: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return secret


async def turn_on(
    connection: AsyncConnection,
    key: str,
    *,
    session: int,
    secret: str,
    interval: int,
    codes: Collection[str],
    now: Micros,
    actor: Actor,
) -> Any:
    """Ask for codes of a secret from now on, and end all other sessions; the account's row.

    Args:
        session: beside which the secret was kept.
        interval: that of the code which was shown: it is used.
        codes: the digests of the recovery codes; earlier ones are forgotten.

    Raises:
        NotFound: there is no account of this name.
        Refusal: the session has ended, or has begun anew with another secret.
    """
    row = await stored.get(connection, key)
    own = (sessions.c.id == session, sessions.c.account_id == row.id)
    same = sessions.c.totp_pending == secret
    cleared = await connection.execute(
        sessions.update().where(*own, same).values(totp_pending=None)
    )
    if not cleared.rowcount:
        raise Refusal("This was begun anew meanwhile.", hint="Use the latest picture.")
    await _set(connection, row.id, secret=secret, interval=interval)
    # Those that a password alone began.
    await of_accounts.end_all(connection, row.id, but=session)
    await _put_codes(connection, row.id, codes)
    return await stored.recorded(
        connection, key, "account.second_factor_on", data={}, now=now, actor=actor
    )


async def turn_off(
    connection: AsyncConnection, key: str, *, now: Micros, actor: Actor, ends_sessions: bool
) -> Any:
    """Ask for a password alone from now on; the account's row.

    Args:
        ends_sessions: whoever lost an authenticator may have lost a browser with it.

    Raises:
        NotFound: there is no account of this name.
        Refusal: nothing else is asked for.
    """
    row = await _with_second_factor(connection, key)
    await _set(connection, row.id, secret=None, interval=None)
    await _put_codes(connection, row.id, ())
    if ends_sessions:
        await of_accounts.end_all(connection, row.id)
    return await stored.recorded(
        connection, key, "account.second_factor_off", data={}, now=now, actor=actor
    )


async def replace_codes(
    connection: AsyncConnection,
    key: str,
    *,
    codes: Collection[str],
    now: Micros,
    actor: Actor,
) -> Any:
    """Take these recovery codes and none of the earlier ones; the account's row.

    Raises:
        NotFound: there is no account of this name.
        Refusal: it has no second factor.
    """
    row = await _with_second_factor(connection, key)
    await _put_codes(connection, row.id, codes)
    return await stored.recorded(
        connection, key, "account.recovery_codes_made", data={}, now=now, actor=actor
    )


async def codes_left(connection: AsyncConnection, number: int) -> int:
    """How many recovery codes an account has left, by its id."""
    unused = (recovery_codes.c.account_id == number, recovery_codes.c.used_at.is_(None))
    statement = select(func.count()).select_from(recovery_codes).where(*unused)
    return int((await connection.execute(statement)).scalar_one())


async def use_interval(
    connection: AsyncConnection, number: int, *, secret: str, interval: int
) -> bool:
    """Use the code of an interval; whether that could be done.

    It cannot if that code, or that of a later interval, was used already, nor if the account has
    another secret by now.
    """
    unused = or_(accounts.c.totp_step.is_(None), accounts.c.totp_step < interval)
    same = (accounts.c.id == number, accounts.c.totp_secret == secret)
    updated = await connection.execute(
        accounts.update().where(*same, unused).values(totp_step=interval)
    )
    return bool(updated.rowcount)


async def use_code(
    connection: AsyncConnection, key: str, *, digest: str, now: Micros, actor: Actor
) -> int | None:
    """Use a recovery code; how many are left. None: there is no such code, or it was used.

    Raises:
        NotFound: there is no account of this name.
    """
    row = await stored.get(connection, key)
    unused = (recovery_codes.c.account_id == row.id, recovery_codes.c.used_at.is_(None))
    updated = await connection.execute(
        recovery_codes.update()
        .where(*unused, recovery_codes.c.digest == digest)
        .values(used_at=now)
    )
    if not updated.rowcount:
        return None
    left = await codes_left(connection, row.id)
    await stored.recorded(
        connection, key, "account.recovery_code_used", data={"left": left}, now=now, actor=actor
    )
    return left


async def _with_second_factor(connection: AsyncConnection, key: str) -> Any:
    row = await stored.get(connection, key)
    if not row.second_factor:
        raise Refusal(f"Account “{row.name}” has no second factor.")
    return row


async def _set(
    connection: AsyncConnection, number: int, *, secret: str | None, interval: int | None
) -> None:
    values = {"totp_secret": secret, "totp_step": interval}
    await connection.execute(accounts.update().where(accounts.c.id == number).values(values))


async def _put_codes(connection: AsyncConnection, number: int, digests: Collection[str]) -> None:
    """Replace all recovery codes of an account, the used ones too."""
    of_account = recovery_codes.c.account_id == number
    await connection.execute(recovery_codes.delete().where(of_account))
    for digest in digests:
        row = {"account_id": number, "digest": digest}
        await connection.execute(recovery_codes.insert().values(row))
