"""How many attempts to be let in may fail.

Each limit is of a network, as `networks` has it, so that a stranger elsewhere can lock nobody out.
Tokens, passwords and what an identity provider gives are counted apart: a program with an old token
must not keep the people of its firm, who have the same address, from signing in.
"""

import hashlib
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from casebell.clock import SECOND, Clock
from casebell.errors import TooManyAttempts
from casebell.networks import network_of
from casebell.store.attempts import MAX_WINDOWS, WINDOW, Window

#: Failures of a network in `WINDOW`: with tokens, with passwords, over an identity provider.
MAX_OF_NETWORK = 30
#: Those with one account's name.
MAX_OF_ACCOUNT = 10
#: Codes of one account's second factor, wherever they come from.
MAX_OF_CODES = 30
#: Seconds that a failure beyond its limit waits for its answer. A flood on a few connections is
#: then a few requests a second, and takes no turns from deliveries.
PAUSE = 1.0
#: Windows that one write counts: the others wait for the next.
MAX_A_WRITE = 500


def of_tokens(address: str) -> Mapping[str, int]:
    """The limit of failures with tokens, by its key."""
    return {f"token {network_of(address)}": MAX_OF_NETWORK}


def of_grants(address: str) -> Mapping[str, int]:
    """The limit of failures with what an identity provider gives, by its key."""
    return {f"grant {network_of(address)}": MAX_OF_NETWORK}


def of_passwords(address: str, *, account: str) -> Mapping[str, int]:
    """The limits of failures with passwords.

    A name is known by sixteen bits of its digest. So names that are no account are limited as those
    of accounts are, and what was typed cannot be told from what is kept.

    Args:
        account: the folded name, whether or not there is an account.
    """
    network = network_of(address)
    mark = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    return {f"password {network}": MAX_OF_NETWORK, f"account {network} {mark}": MAX_OF_ACCOUNT}


def of_codes(address: str, *, account: str) -> Mapping[str, int]:
    """The limits of failures with the six digits of a second factor.

    Those of passwords, and one of the account: of a million codes three are right at a time, and
    whoever has many addresses could try them all. Only somebody who knows the password can reach
    it, and a recovery code still lets its owner in.

    Args:
        account: the folded name of one that there is.
    """
    return {**of_passwords(address, account=account), f"codes {account}": MAX_OF_CODES}


class Limits:
    """Counts failures: here at once, and on all servers by what is written in between.

    Args:
        pause: seconds that a failure beyond its limit waits for its answer.
    """

    def __init__(self, clock: Clock, *, pause: float = PAUSE) -> None:
        self._clock = clock
        self._pause = pause
        #: What the database counts, as far as it is known here; the one unseen for longest first.
        self._stored: OrderedDict[str, Window] = OrderedDict()
        #: What is not written yet.
        self._new: OrderedDict[str, Window] = OrderedDict()
        #: Attempts under way, which count as if they had failed.
        self._under_way: Counter[str] = Counter()
        self._dropped: list[str] = []

    @contextmanager
    def attempt(self, limits: Mapping[str, int]) -> Iterator[None]:
        """Let an attempt be made, if that many have not failed yet.

        Raises:
            TooManyAttempts: they have.
        """
        self.see(limits)
        self._under_way.update(limits.keys())
        try:
            yield
        finally:
            self._under_way.subtract(limits.keys())
            self._under_way += Counter()

    def see(self, limits: Mapping[str, int]) -> None:
        """See that no limit is reached.

        Raises:
            TooManyAttempts: one is.
        """
        now = self._clock.now()
        for key, limit in limits.items():
            counting = [
                one
                for one in (self._stored.get(key), self._new.get(key))
                if one is not None and not one.is_over(now)
            ]
            if sum(one.count for one in counting) + self._under_way[key] >= limit:
                ends = min((one.began_at + WINDOW for one in counting), default=now)
                seconds = max(1, math.ceil((ends - now) / SECOND))
                raise TooManyAttempts(retry_after=seconds)

    async def refuse(self, limits: Mapping[str, int]) -> None:
        """Count a failure, if that many have not failed yet.

        Raises:
            TooManyAttempts: they have; it is told late.
        """
        try:
            self.see(limits)
        except TooManyAttempts:
            await self.wait()
            raise
        self.fail(limits)

    async def wait(self) -> None:
        """Wait as long as an answer does that one attempt too many gets."""
        await self._clock.sleep(self._pause)

    def fail(self, limits: Mapping[str, int]) -> None:
        """Count a failure."""
        now = self._clock.now()
        for key in limits:
            one = Window(key=key, began_at=now, count=1)
            self._new[key] = self._new[key].then(one) if key in self._new else one
        while len(self._new) > MAX_WINDOWS:
            self._new.popitem(last=False)

    def unwritten(self) -> tuple[Sequence[Window], Sequence[str]]:
        """What to write: failures, and keys that are dropped for newer ones."""
        failed = [one for one, _ in zip(self._new.values(), range(MAX_A_WRITE), strict=False)]
        return failed, [key for key in self._dropped if key not in self._stored]

    def written(self, failed: Sequence[Window], sums: Sequence[Window]) -> None:
        """Note that these failures are on disk, and what the database counts with them."""
        self._dropped.clear()
        for one in failed:
            new = self._new.get(one.key)
            # Another began meanwhile where this one was over.
            if new is not None and new.began_at == one.began_at:
                del self._new[one.key]
                if new.count > one.count:
                    rest = new.count - one.count
                    self._new[one.key] = Window(key=one.key, began_at=one.began_at, count=rest)
        self.load(sums)

    def load(self, windows: Sequence[Window]) -> None:
        """Take over what the database counts, the least important first."""
        for one in windows:
            self._stored[one.key] = one
            self._stored.move_to_end(one.key)
        while len(self._stored) > MAX_WINDOWS:
            key, _ = self._stored.popitem(last=False)
            self._dropped.append(key)
