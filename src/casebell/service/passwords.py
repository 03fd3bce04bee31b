"""Passwords: which may be given, and their hashes, made one at a time beside the event loop.

Argon2id with 19 MiB, two passes and one lane, as OWASP has it: about 20 ms of one core.
"""

import asyncio
import base64
import secrets
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from casebell.errors import BadArgument, PasswordsBusy
from casebell.networks import neighbourhood_of
from casebell.service import readable
from casebell.service.identifiers import fold
from casebell.service.token_text import Randomness

#: Characters, and bytes as UTF-8 (NIST SP 800-63B-4, section 3.1.1.2).
MIN_CHARACTERS = 12
MAX_BYTES = 1_024
#: Random bytes of a password that is made for somebody.
GENERATED_BYTES = 10
#: Passwords that wait while another is hashed: half a second of them.
MAX_WAITING = 24
#: Those of one neighbourhood, the one that is hashed among them. Whoever has many addresses in it
#: is limited by none of them, and must not keep others from signing in.
MAX_OF_NEIGHBOURHOOD = 5

Result = TypeVar("Result")


def argon2id() -> PasswordHasher:
    """How passwords are hashed today."""
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Passwords:
    """Hashes passwords in a thread of its own.

    Args:
        hasher: makes the hashes, and checks those of others too.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2id()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(1 + MAX_WAITING)
        #: How many places each neighbourhood has.
        self._taken: Counter[str] = Counter()
        self._counting = threading.Lock()
        #: Costs what the hash of an account costs, and is of no password.
        self.of_nobody = _of_nobody(self._hasher)

    async def hash(self, password: str) -> str:
        """The hash of a password, with its parameters.

        Raises:
            PasswordsBusy: too many wait.
        """
        return await self._beside(partial(self._hasher.hash, normalised(password)))

    async def matches(self, kept: str, password: str, *, address: str) -> bool:
        """Whether a hash is of this password. It takes as long where it is not.

        Args:
            address: where it was typed, as `Delivery.address` has it.

        Raises:
            PasswordsBusy: too many wait, or too many from there.
        """
        near = neighbourhood_of(address)
        try:
            typed = normalised(password)
        except BadArgument:
            # None that could be given. It costs the same.
            kept, typed = self.of_nobody, ""
        return await self._beside(partial(self._matches, kept, typed), near=near)

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made otherwise than hashes are made today."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Wait for what is being hashed, and for nothing else."""
        self._thread.shutdown(cancel_futures=True)

    def _matches(self, kept: str, typed: str) -> bool:
        try:
            return self._hasher.verify(kept, typed)
        except VerifyMismatchError:
            return False

    async def _beside(self, work: Callable[[], Result], *, near: str = "") -> Result:
        """Do it in the thread.

        Args:
            near: the neighbourhood of whoever asks; "" of whoever is signed in.
        """
        self._take_place(near)
        future: Future[Result] = self._thread.submit(work)
        # Whoever goes away gives its place back once its work has ended, or was taken off.
        future.add_done_callback(lambda _: self._give_back(near))
        return await asyncio.wrap_future(future)

    def _take_place(self, near: str) -> None:
        with self._counting:
            full = bool(near) and self._taken[near] >= MAX_OF_NEIGHBOURHOOD
            if full or not self._places.acquire(blocking=False):
                raise PasswordsBusy
            self._taken[near] += 1

    def _give_back(self, near: str) -> None:
        """In the thread, or where the work is taken off."""
        with self._counting:
            self._taken[near] -= 1
            self._taken += Counter()
            self._places.release()


def checked(password: str, *, name: str) -> str:
    """A password that an account may have: a long one, and no more (NIST SP 800-63B-4).

    Raises:
        BadArgument: it may not.
    """
    typed = normalised(password)
    if len(typed) < MIN_CHARACTERS:
        raise BadArgument(f"A password has at least {MIN_CHARACTERS} characters.")
    if fold(typed) == fold(name):
        raise BadArgument("A password is not the account's name.")
    return password


def generated(randomness: Randomness = secrets.token_bytes) -> str:
    """A password for somebody else, who is given it once: 80 random bits, to be typed."""
    return readable.written(randomness(GENERATED_BYTES))


def normalised(password: str) -> str:
    """A password as it is hashed: however a keyboard or a system composes its characters.

    Raises:
        BadArgument: it is too long, or no text.
    """
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        # Not from this error, which has the whole password.
        size = MAX_BYTES + 1
    if size > MAX_BYTES:
        raise BadArgument(f"A password has at most {MAX_BYTES:,} bytes, as UTF-8.")
    return unicodedata.normalize("NFKC", password)


def _of_nobody(hasher: PasswordHasher) -> str:
    salt, tag = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${tag}"
