"""Who is let in with a token, and what is written of whoever is not; on both databases."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from casebell.actors import Actor, Role, command_line
from casebell.clock import SECOND
from casebell.errors import TooManyAttempts, Unauthorized
from casebell.service.access import Access
from casebell.service.access_record import MAX_WAITING, SINGLE_A_MINUTE, WRITE_EVERY
from casebell.service.limits import MAX_OF_NETWORK, PAUSE
from casebell.service.passwords import Passwords
from casebell.service.token_text import new_token
from casebell.service.tokens import Tokens
from casebell.settings.models import Console
from casebell.store import schema
from casebell.store.attempts import WINDOW
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import failing_transactions, read_table, recorded_transactions
from waiting import until

SHELL = command_line("jchan")
OFFICE, HOME = "198.51.100.7", "203.0.113.9"
WINDOW_SECONDS = WINDOW / SECOND


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend."""
    async with Store(store_url) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@asynccontextmanager
async def opened(store: Store, clock: ManualClock, *, pause: float = 0.0) -> AsyncIterator[Access]:
    """One server's; at the end everything is written."""
    log = RecordingLog().log
    made = Access(
        store=store, passwords=Passwords(), settings=Console, clock=clock, log=log, pause=pause
    )
    async with made as access:
        yield access


async def token(store: Store, clock: ManualClock, name: str = "practice", **fields: Any) -> str:
    verbs = Tokens(store=store, clock=clock)
    made = await verbs.add_token(**{"name": name, "role": "operator", "actor": SHELL, **fields})
    return made["token"]


async def revoke(store: Store, name: str = "practice") -> None:
    await Tokens(store=store, clock=ManualClock()).revoke_token(name=name, actor=SHELL)


async def refuse(access: Access, text: str, *, address: str = OFFICE) -> str:
    """A token that is not right; the code of the error."""
    with pytest.raises((Unauthorized, TooManyAttempts)) as refused:
        await access.bearer(text, address=address)
    assert text not in f"{refused.value!r} {refused.value} {refused.value.hint}" or not text
    return refused.value.code


async def failures(store: Store) -> list[Any]:
    """The journal's entries of failed attempts."""
    rows = await read_table(store, schema.journal)
    return [row for row in rows if row.kind.startswith("attempt")]


async def test_a_bearer(store: Store, clock: ManualClock) -> None:
    """It is the actor of its token, with the token's role and person, and what it sees is kept."""
    right = await token(store, clock, person="jchan")
    async with opened(store, clock) as access:
        assert await access.bearer(right, address=OFFICE) == Actor(
            name="token:practice", role=Role.OPERATOR, person="jchan", watched=True
        )


async def test_who_is_not_let_in(store: Store, clock: ManualClock) -> None:
    """One error for all; the journal says why, and has nothing that was typed."""
    right, revoked = await token(store, clock), await token(store, clock, "old")
    await revoke(store, "old")
    typed = ["", "x" * 5_000, right[:-1], right[:-1] + "!", right.lower(), "pässword", new_token()]
    async with opened(store, clock) as access:
        for text in [*typed, revoked]:
            assert await refuse(access, text) == "unauthorized"
    told = [(one.actor, one.subject, json.loads(one.data)) for one in await failures(store)]
    of_stranger = (f"address:{OFFICE}", "tokens")
    assert told == [
        *[(*of_stranger, {"reason": "malformed"})] * 6,
        (*of_stranger, {"reason": "unknown"}),
        (f"address:{OFFICE}", "token:old", {"reason": "revoked"}),
    ]
    for table in schema.metadata.sorted_tables:
        rows = repr(await read_table(store, table))
        assert all(text not in rows for text in [*typed, right, revoked] if text)


async def test_revoked_at_once(store: Store, clock: ManualClock) -> None:
    """On every server of a database, while they run."""
    right = await token(store, clock)
    async with opened(store, clock) as one, opened(store, clock) as other:
        for access in (one, other):
            await access.bearer(right, address=OFFICE)
        await revoke(store)
        for access in (one, other):
            assert await refuse(access, right) == "unauthorized"


async def test_last_used(store: Store, clock: ManualClock) -> None:
    """Written beside the request, once a minute for each token."""
    right = await token(store, clock)
    commits = store.commits
    with recorded_transactions(store) as begun:
        async with opened(store, clock) as access:
            for _ in range(5):
                await access.bearer(right, address=OFFICE)
            first = clock.now()
            await until(lambda: store.commits == commits + 1, "the use to be written")
            for _ in range(59):
                clock.advance(1)
                await access.bearer(right, address=OFFICE)
            assert (await read_table(store, schema.tokens))[0].last_used_at == first
            clock.advance(1)
            await access.bearer(right, address=OFFICE)
            second = clock.now()
    assert (await read_table(store, schema.tokens))[0].last_used_at == second
    assert len(begun) == 2


async def test_a_disk_that_fails(store: Store, clock: ManualClock) -> None:
    """No request fails for what is written beside it, which is written later."""
    right = await token(store, clock)
    async with opened(store, clock) as access:
        with failing_transactions(store):
            assert await refuse(access, new_token()) == "unauthorized"
            await until(lambda: store.failures > 0, "a write that fails")
            await access.bearer(right, address=OFFICE)
        used = clock.now()
        clock.advance(120)
    assert (await read_table(store, schema.tokens))[0].last_used_at == used
    [entry] = await failures(store)
    assert json.loads(entry.data)["count"] == 1


class TestJournal:
    """What the journal has of failures: ten a minute, then a count."""

    async def test_a_flood(self, store: Store, clock: ManualClock) -> None:
        """Each is counted, in an entry a minute and a transaction a second."""

        def is_idle() -> bool:
            return WRITE_EVERY in clock.asleep

        with recorded_transactions(store) as begun:
            async with opened(store, clock) as access:
                for second in range(90):
                    written = len(begun)
                    for number in (1, 2):
                        address = f"2001:db8:{second:x}:{number}::1"
                        assert await refuse(access, "x", address=address) == "unauthorized"
                    clock.advance(WRITE_EVERY)
                    await until(lambda: len(begun) > written and is_idle(), "a write")  # noqa: B023
        entries = await failures(store)
        single = [one for one in entries if one.kind == "attempt.failed"]
        tallies = [json.loads(one.data) for one in entries if one.kind == "attempts.failed"]
        assert len(single) == 2 * SINGLE_A_MINUTE
        assert len(tallies) <= 3
        assert len(single) + sum(one["count"] for one in tallies) == 180
        assert {(one.actor, one.subject) for one in entries if one not in single} == {
            ("server", "access")
        }
        assert sum(Counter(one["failed"]["tokens"])["malformed"] for one in tallies) == 160
        assert all(0 < one["addresses"] <= one["count"] for one in tallies)
        assert all(one["since"].endswith("Z") for one in tallies)

    async def test_memory_is_bounded(self, store: Store, clock: ManualClock) -> None:
        """What cannot wait is counted."""
        async with opened(store, clock) as access:
            for number in range(MAX_WAITING + 50):
                await refuse(access, "x", address=f"10.1.{number // 250}.{number % 250}")
        *single, tally = await failures(store)
        assert len(single) == SINGLE_A_MINUTE
        assert json.loads(tally.data)["count"] == MAX_WAITING + 50 - SINGLE_A_MINUTE


class TestLimits:
    """Who failed too often is told to wait; a token that is right is not."""

    async def test_of_a_network(self, store: Store, clock: ManualClock) -> None:
        """After thirty failures; elsewhere, and after fifteen minutes, there are thirty more."""
        async with opened(store, clock) as access:
            for _ in range(MAX_OF_NETWORK):
                assert await refuse(access, "x") == "unauthorized"
                clock.advance(1)
            with pytest.raises(TooManyAttempts) as limited:
                await access.bearer(new_token(), address=OFFICE)
            assert limited.value.retry_after == WINDOW_SECONDS - MAX_OF_NETWORK
            assert await refuse(access, "x", address=HOME) == "unauthorized"
            clock.advance(limited.value.retry_after - 1)
            assert await refuse(access, "x") == "too_many_attempts"
            clock.advance(1)
            assert await refuse(access, "x") == "unauthorized"

    async def test_one_network_of_ipv6(self, store: Store, clock: ManualClock) -> None:
        """Whoever has an address has all of its /64."""
        async with opened(store, clock) as access:
            for number in range(MAX_OF_NETWORK):
                assert await refuse(access, "x", address=f"2001:db8::{number:x}") == "unauthorized"
            assert await refuse(access, "x", address="2001:db8::ffff") == "too_many_attempts"
            assert await refuse(access, "x", address="2001:db8:0:1::1") == "unauthorized"

    async def test_a_token_that_is_right(self, store: Store, clock: ManualClock) -> None:
        """A firm has one address: what others there did wrong is not its fault."""
        right = await token(store, clock)
        async with opened(store, clock) as access:
            for _ in range(MAX_OF_NETWORK + 5):
                await refuse(access, "x")
            assert (await access.bearer(right, address=OFFICE)).name == "token:practice"
            await revoke(store)
            assert await refuse(access, right) == "too_many_attempts"

    async def test_the_answer_waits(self, store: Store, clock: ManualClock) -> None:
        """So that a flood on few connections is few requests; nobody else waits with it."""
        right = await token(store, clock)
        async with opened(store, clock, pause=PAUSE) as access:
            for _ in range(MAX_OF_NETWORK):
                assert await refuse(access, "x") == "unauthorized"
            limited = asyncio.create_task(refuse(access, "x"))
            await until(lambda: clock.asleep.count(PAUSE) == 2, "the pause, and that of the loop")
            await access.bearer(right, address=OFFICE)
            assert await refuse(access, "x", address=HOME) == "unauthorized"
            assert not limited.done()
            clock.advance(PAUSE)
            assert await limited == "too_many_attempts"

    async def test_a_restart(self, store: Store, clock: ManualClock) -> None:
        """They outlast it; what is over is removed from the database."""
        for _ in range(2):
            async with opened(store, clock) as access:
                for _ in range(MAX_OF_NETWORK // 2):
                    assert await refuse(access, "x") == "unauthorized"
        async with opened(store, clock) as access:
            assert await refuse(access, "x") == "too_many_attempts"
            [row] = await read_table(store, schema.failed_attempts)
            assert (row.key, row.count) == (f"token {OFFICE}", MAX_OF_NETWORK)
            clock.advance(WINDOW_SECONDS)
            assert await refuse(access, "x", address=HOME) == "unauthorized"
        [row] = await read_table(store, schema.failed_attempts)
        assert (row.key, row.count) == (f"token {HOME}", 1)

    async def test_two_servers(self, store: Store, clock: ManualClock) -> None:
        """What one of them counted, the other does once it writes."""
        async with opened(store, clock) as one, opened(store, clock) as other:
            for _ in range(MAX_OF_NETWORK - 1):
                assert await refuse(one, "x") == "unauthorized"
            with recorded_transactions(store) as begun:
                clock.advance(WRITE_EVERY)
                await until(lambda: len(begun) == 1, "its write")
                assert await refuse(other, "x") == "unauthorized"
                await until(lambda: len(begun) == 2, "the other's")
            await until(lambda: other._limits._stored, "the sum")
            assert await refuse(other, "x") == "too_many_attempts"
