"""What is written of a second factor, on both databases, when something came between."""

from collections.abc import AsyncIterator

import pytest

from casebell.actors import Actor, Role
from casebell.errors import Refusal
from casebell.store import accounts, schema, second_factor, sessions
from casebell.store.accounts import NewAccount
from casebell.store.engine import Store
from contracts.stores import read_table
from contracts.writing import writing

NOW = 1_700_000_000_000_000
ANA = Actor(name="account:ana", role=Role.VIEWER)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend, with two accounts and a session of each."""
    async with Store(store_url) as opened:
        for key in ("ana", "bo"):
            given = {"email": None, "person": None, "expires_at": None}
            new = NewAccount(key=key, name=key, role=Role.VIEWER, **given)
            async with writing(opened) as connection:
                row = await accounts.add(connection, new, password_hash="$", now=NOW, actor=ANA)
                await sessions.add(
                    connection,
                    digest=key,
                    account=row.id,
                    asked="",
                    ends_at=NOW + 1,
                    entries=[],
                    replaces=None,
                    now=NOW,
                )
        yield opened


async def session_of(store: Store, key: str) -> int:
    """The session of an account."""
    [row] = [row for row in await read_table(store, schema.sessions) if row.digest == key]
    return int(row.id)


async def begin(store: Store, secret: str, *, session: int) -> None:
    """Ana begins to set one up."""
    async with writing(store) as connection:
        await second_factor.begin(connection, "ana", session=session, secret=secret, signed_in=True)


async def turn_on(store: Store, secret: str, *, session: int) -> None:
    """And confirms it."""
    async with writing(store) as connection:
        await second_factor.turn_on(
            connection,
            "ana",
            session=session,
            secret=secret,
            interval=7,
            codes=["one", "two"],
            now=NOW,
            actor=ANA,
        )


async def test_begun_anew_before_it_is_confirmed(store: Store) -> None:
    """A code of the first picture does not put the second in force, nor the first."""
    session = await session_of(store, "ana")
    await begin(store, "first", session=session)
    await begin(store, "second", session=session)
    with pytest.raises(Refusal, match="begun anew"):
        await turn_on(store, "first", session=session)
    assert {row.totp_secret for row in await read_table(store, schema.accounts)} == {None}
    assert await read_table(store, schema.recovery_codes) == []
    await turn_on(store, "second", session=session)
    with pytest.raises(Refusal, match="begun anew"):
        await turn_on(store, "second", session=session)
    rows = {row.key: row for row in await read_table(store, schema.accounts)}
    assert (rows["ana"].totp_secret, rows["ana"].totp_step) == ("second", 7)
    assert rows["bo"].totp_secret is None


async def test_a_session_of_somebody_else(store: Store) -> None:
    """It keeps no secret of hers, and none is confirmed from it."""
    session = await session_of(store, "bo")
    with pytest.raises(Refusal):
        await begin(store, "secret", session=session)
    with pytest.raises(Refusal):
        await turn_on(store, "secret", session=session)
    assert {row.totp_pending for row in await read_table(store, schema.sessions)} == {None}


async def test_another_secret_before_a_code_is_used(store: Store) -> None:
    """A code that was checked against the old one is not used up for the new one."""
    session = await session_of(store, "ana")
    await begin(store, "secret", session=session)
    await turn_on(store, "secret", session=session)
    [row] = [row for row in await read_table(store, schema.accounts) if row.key == "ana"]
    async with writing(store) as connection:
        for secret, interval, used in (
            *(("old", 9, False), ("secret", 7, False), ("secret", 6, False)),
            *(("secret", 8, True), ("secret", 8, False)),
        ):
            assert used == await second_factor.use_interval(
                connection, row.id, secret=secret, interval=interval
            )
