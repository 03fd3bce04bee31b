"""A budget of processor time for work that a stranger can cause before it is known who asks."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from casebell.errors import AuthenticationBusy
from casebell.networks import network_of

Result = TypeVar("Result")

#: Addresses whose spending is known; the one unseen for longest is dropped first.
MAX_ADDRESSES = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """Seconds of processor time that may be spent."""

    #: At once.
    at_once: float
    #: What comes back, a second.
    a_second: float


#: A compaction of 230 KB takes 0.1 seconds, and nothing else is served meanwhile. All strangers
#: together may take a tenth of a core; one of them a fiftieth.
IN_ALL = Allowance(at_once=0.3, a_second=0.1)
EACH_ADDRESS = Allowance(at_once=0.12, a_second=0.02)


@dataclass(slots=True)
class _Purse:
    """What is left of an allowance."""

    allowance: Allowance
    left: float
    at: float

    def fill(self, now: float) -> None:
        earned = (now - self.at) * self.allowance.a_second
        self.left, self.at = min(self.left + earned, self.allowance.at_once), now

    def has(self, seconds: float) -> bool:
        # A full purse is enough for any piece of work: the rest is a debt.
        return self.left >= min(seconds, self.allowance.at_once)


class WorkBudget:
    """Spends processor time on work, for each address and in all.

    Args:
        monotonic: seconds on a clock that never jumps.
        processor_time: seconds that this thread has used of the processor.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        processor_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self._monotonic = monotonic
        self._processor_time = processor_time
        self._in_all = self._full(IN_ALL)
        self._by_sender: OrderedDict[str, _Purse] = OrderedDict()

    def spend(
        self, work: Callable[[], Result | None], *, address: str, seconds: float
    ) -> Result | None:
        """Do some work that takes about so many seconds; None is work in vain, which is paid for.

        Work that had a result costs nothing: it proved a delivery.

        Raises:
            AuthenticationBusy: the budget is spent for now.
        """
        purses = (self._in_all, self._purse_of(address))
        for purse in purses:
            purse.fill(self._monotonic())
        if not all(purse.has(seconds) for purse in purses):
            raise AuthenticationBusy
        began = self._processor_time()
        result = work()
        if result is None:
            for purse in purses:
                purse.left -= self._processor_time() - began
        return result

    def _purse_of(self, address: str) -> _Purse:
        sender = network_of(address)
        purse = self._by_sender.setdefault(sender, self._full(EACH_ADDRESS))
        self._by_sender.move_to_end(sender)
        if len(self._by_sender) > MAX_ADDRESSES:
            self._by_sender.popitem(last=False)
        return purse

    def _full(self, allowance: Allowance) -> _Purse:
        return _Purse(allowance, left=allowance.at_once, at=self._monotonic())
