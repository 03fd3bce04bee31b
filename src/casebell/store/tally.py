"""Journal entries of what strangers cause: a few one by one, then one a minute that counts.

Anybody can have a delivery or a token refused, one a second for ever, and nothing of the journal is
ever removed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from casebell.clock import Clock
from casebell.events import Micros
from casebell.store.journal import Entry

#: Seconds between two entries that count.
TALLY_EVERY = 60.0
#: Addresses that are told apart in one.
MAX_ADDRESSES = 1_000


class Caused(Protocol):
    """What a stranger caused."""

    @property
    def at(self) -> Micros:
        """When."""
        ...

    @property
    def address(self) -> str:
        """From where."""
        ...


One = TypeVar("One", bound=Caused)
Kind = TypeVar("Kind", bound=Hashable)


class TallyEntry(Protocol[Kind]):
    """Makes the entry that counts many."""

    def __call__(
        self, counted: Mapping[Kind, int], *, addresses: int, since: Micros, at: Micros
    ) -> Entry:
        """How many of each kind, from how many addresses, since when, and the time of the last."""
        ...


class Tally(Generic[One, Kind]):
    """Decides what the journal says: `add`, write what it returns, `written`.

    What could not be written is counted in a later entry.

    Args:
        kind_of: what one is counted as.
        group_of: the kinds that share their few entries; each kind has its own by default.
        single: the entry of one.
        tally: the entry that counts.
        singles: those of a group that have an entry each, in `seconds`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        kind_of: Callable[[One], Kind],
        group_of: Callable[[Kind], Hashable] = lambda kind: kind,
        single: Callable[[One], Entry],
        tally: TallyEntry[Kind],
        singles: int,
        seconds: float,
    ) -> None:
        self._clock = clock
        self._kind_of = kind_of
        self._group_of = group_of
        self._single = single
        self._tally = tally
        self._singles = singles
        self._seconds = seconds
        self._began = clock.monotonic()
        #: Since then.
        self._singly: defaultdict[Hashable, int] = defaultdict(int)
        #: Those whose entries are being written, with the time of each.
        self._writing: list[tuple[Kind, Micros]] = []
        #: The entry that counts, while it is being written.
        self._telling: Entry | None = None
        #: Since the last entry that counts.
        self._counted: Counter[Kind] = Counter()
        self._addresses: set[str] = set()
        self._since: Micros = 0
        self._last_at: Micros = 0
        self._counted_at = clock.monotonic() - TALLY_EVERY

    @property
    def due(self) -> bool:
        """Whether an entry that counts has waited long enough."""
        waited = self._clock.monotonic() - self._counted_at
        return bool(self._counted) and waited >= TALLY_EVERY

    def add(
        self, batch: Iterable[One], more: Mapping[Kind, int], *, last: bool = False
    ) -> Sequence[Entry]:
        """The entries to write now.

        Args:
            batch: what was caused.
            more: further ones, which are only counted.
            last: nothing comes after this.
        """
        now = self._clock.monotonic()
        if now - self._began >= self._seconds:
            self._began = now
            self._singly.clear()
        # The last write failed.
        for kind, at in self._writing:
            self._count({kind: 1}, at=at)
        self._writing.clear()
        entries = []
        for one in batch:
            kind = self._kind_of(one)
            group = self._group_of(kind)
            self._singly[group] += 1
            if self._singly[group] <= self._singles:
                entries.append(self._single(one))
                self._writing.append((kind, one.at))
            else:
                self._count({kind: 1}, at=one.at)
                if len(self._addresses) < MAX_ADDRESSES:
                    self._addresses.add(one.address)
        self._count(more, at=self._clock.now())
        self._telling = None
        if self.due or (last and self._counted):
            self._telling = self._tally(
                self._counted,
                addresses=len(self._addresses),
                since=self._since,
                at=self._last_at,
            )
            entries.append(self._telling)
        return entries

    def written(self) -> None:
        """Note that the entries which `add` returned are on disk."""
        self._writing.clear()
        if self._telling is not None:
            self._telling = None
            self._counted.clear()
            self._addresses.clear()
            self._counted_at = self._clock.monotonic()

    def _count(self, numbers: Mapping[Kind, int], *, at: Micros) -> None:
        if numbers:
            if not self._counted:
                self._since = at
            self._counted.update(numbers)
            self._last_at = at
