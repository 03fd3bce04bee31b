"""Passwords: which may be given, and how they are hashed beside the event loop."""

import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from casebell.errors import BadArgument, PasswordsBusy
from casebell.service.passwords import (
    MAX_BYTES,
    MAX_OF_NEIGHBOURHOOD,
    MAX_WAITING,
    MIN_CHARACTERS,
    Passwords,
    checked,
    normalised,
)
from service.hashers import HeldUpHasher, WatchedHasher, cheap

OFFICE = "198.51.100.7"
GOOD = "correct horse battery staple"


async def test_parameters() -> None:
    """Argon2id, 19 MiB, two passes, one lane: for accounts, and for whoever has none."""
    passwords = Passwords()
    kept = await passwords.hash(GOOD)
    for one in (kept, passwords.of_nobody):
        found = extract_parameters(one)
        assert (found.type, found.version) == (Type.ID, 19)
        assert (found.memory_cost, found.time_cost, found.parallelism) == (19 * 1024, 2, 1)
        assert (found.salt_len, found.hash_len) == (16, 32)
        assert not passwords.outdated(one)
    assert await passwords.matches(kept, GOOD, address=OFFICE)
    passwords.close()


async def test_right_and_wrong() -> None:
    """A hash is of one password, and has its own salt; the hash of nobody is of none."""
    passwords = Passwords(cheap())
    kept, other = [await passwords.hash(GOOD) for _ in range(2)]
    assert kept != other
    assert GOOD not in kept
    assert await passwords.matches(kept, GOOD, address=OFFICE)
    for wrong in ("", GOOD[:-1], GOOD + "x", GOOD.upper(), "x" * (MAX_BYTES + 1), GOOD + "\udc80"):
        assert not await passwords.matches(kept, wrong, address=OFFICE), wrong
        assert not await passwords.matches(passwords.of_nobody, wrong, address=OFFICE), wrong
    passwords.close()


async def test_a_keyboard_composes_otherwise() -> None:
    """`é` is one character or two, and the same password."""
    passwords = Passwords(cheap())
    kept = await passwords.hash(unicodedata.normalize("NFC", "un café très serré"))
    assert await passwords.matches(
        kept, unicodedata.normalize("NFD", "un café très serré"), address=OFFICE
    )
    passwords.close()


async def test_a_password_that_none_can_have_costs_the_same() -> None:
    """Each attempt is one check of a hash, whatever was typed."""
    hasher = WatchedHasher()
    passwords = Passwords(hasher)
    kept = await passwords.hash(GOOD)
    for typed in (GOOD, "", "x" * (MAX_BYTES + 1), "\udc80"):
        await passwords.matches(kept, typed, address=OFFICE)
    assert hasher.checked == ["$argon2id$v=19$m=8,t=1,p=1"] * 4
    passwords.close()


async def test_outdated() -> None:
    """A hash of other parameters is still right, and to be replaced."""
    earlier, today = Passwords(cheap()), Passwords(cheap(time_cost=2))
    kept = await earlier.hash(GOOD)
    assert await today.matches(kept, GOOD, address=OFFICE)
    assert today.outdated(kept)
    for one in (earlier, today):
        one.close()


class TestTurns:
    """One is hashed at a time, some wait, more are told so."""

    async def test_a_neighbourhood_has_few_of_the_places(self) -> None:
        """Whoever has thousands of addresses keeps nobody elsewhere from signing in."""
        hasher = HeldUpHasher()
        passwords = Passwords(hasher)
        kept = passwords.of_nobody
        many = [
            asyncio.create_task(passwords.matches(kept, GOOD, address=f"2001:db8:7:{number:x}::1"))
            for number in range(3 * MAX_WAITING)
        ]
        await asyncio.sleep(0)
        others = [
            asyncio.create_task(passwords.matches(kept, GOOD, address=address))
            for address in (OFFICE, "2001:db8:8::1")
        ]
        await asyncio.sleep(0)
        hasher.let.set()
        assert await asyncio.gather(*others) == [False, False]
        found = await asyncio.gather(*many, return_exceptions=True)
        assert found.count(False) == MAX_OF_NEIGHBOURHOOD
        assert sum(isinstance(one, PasswordsBusy) for one in found) == (
            len(many) - MAX_OF_NEIGHBOURHOOD
        )
        # Each gave its place back.
        assert not await passwords.matches(kept, GOOD, address="2001:db8:7::1")
        passwords.close()

    async def test_how_many_wait(self) -> None:
        """The loop goes on meanwhile; who was sent away may come again."""
        hasher = HeldUpHasher()
        passwords = Passwords(hasher)
        waiting = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(1 + MAX_WAITING)]
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(PasswordsBusy) as busy:
                await passwords.hash(GOOD)
        assert (busy.value.http_status, busy.value.retry_after) == (429, 1)
        hasher.let.set()
        assert len(set(await asyncio.gather(*waiting))) == 1 + MAX_WAITING
        assert (hasher.most_at_once, hasher.threads) == (1, {"passwords_0"})
        await asyncio.gather(*[passwords.hash(GOOD) for _ in range(1 + MAX_WAITING)])
        passwords.close()

    async def test_who_goes_away(self) -> None:
        """It gives its place back; what is being hashed keeps its own until it ends."""
        hasher = HeldUpHasher()
        passwords = Passwords(hasher)
        first = asyncio.create_task(passwords.hash(GOOD))
        await asyncio.to_thread(hasher.begun.wait, 20)
        others = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        for one in (first, others[0]):
            one.cancel()
        await asyncio.wait([first, others[0]])
        in_its_place = asyncio.create_task(passwords.hash(GOOD))
        await asyncio.sleep(0)
        with pytest.raises(PasswordsBusy):
            await passwords.hash(GOOD)
        hasher.let.set()
        assert await asyncio.gather(in_its_place, *others[1:])
        passwords.close()


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("x" * (MIN_CHARACTERS - 1), "at least 12 characters"),
        # As people count: each is one, however it is written.
        (unicodedata.normalize("NFD", "é" * (MIN_CHARACTERS - 1)), "at least 12 characters"),
        ("x" * (MAX_BYTES + 1), "at most 1,024 bytes"),
        ("é" * (MAX_BYTES // 2 + 1), "at most 1,024 bytes"),
        ("Ana.Rivera@Example-Firm.com", "not the account's name"),
        (GOOD + "\udc80", "at most 1,024 bytes"),
    ],
)
def test_passwords_that_may_not_be(password: str, says: str) -> None:
    """Length, and the account's own name; the error never has it, nor has what caused it."""
    with pytest.raises(BadArgument, match=says) as refused:
        checked(password, name="ana.rivera@example-firm.com")
    assert password not in f"{refused.value!r} {refused.value.hint}"
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize(
    "password",
    ["x" * MIN_CHARACTERS, "x" * MAX_BYTES, "é" * 12, " " * 12, "😀" * 12, "密码" * 6],
)
def test_passwords_that_may_be(password: str) -> None:
    """No rules of composition: NIST SP 800-63B."""
    assert checked(password, name="ana") == password
    assert normalised(password)


def test_what_is_kept_in_memory_is_not_shown() -> None:
    """A log line or a debugger that shows the part shows no hash."""
    passwords = Passwords(cheap())
    assert "argon2id" not in repr(passwords)
    assert isinstance(cheap(), PasswordHasher)
    passwords.close()
