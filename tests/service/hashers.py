"""Hashers of passwords for tests: real ones that cost next to nothing, watched or held up."""

import threading
from typing import Any

from argon2 import PasswordHasher


def cheap(time_cost: int = 1) -> PasswordHasher:
    """Argon2id as weak as it can be."""
    return PasswordHasher(time_cost=time_cost, memory_cost=8, parallelism=1)


class WatchedHasher(PasswordHasher):
    """Keeps each hash that it checked, without salt and tag: what it cost."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checked: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002
        """Check a hash."""
        assert isinstance(hash, str)
        self.checked.append(hash.rsplit("$", 2)[0])
        return super().verify(hash, password)


class HeldUpHasher(PasswordHasher):
    """Hashes nothing until it is let; counts how many it makes at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.let = threading.Event()
        self.begun = threading.Event()
        self.threads: set[str] = set()
        self.at_once = 0
        self.most_at_once = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        """Make a hash."""
        self._wait()
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002
        """Check a hash."""
        self._wait()
        return super().verify(hash, password)

    def _wait(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.let.wait(20)
        self.at_once -= 1
