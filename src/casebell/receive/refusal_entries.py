"""The journal entries of refusals: a few of each source and error in an hour, then one a minute.

Anybody can have deliveries refused, one a second for ever. Each is counted, and the newest are kept
(`store/refused.py`), but nothing of the journal is ever removed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from casebell.clock import Clock
from casebell.events import Micros
from casebell.store.journal import Entry
from casebell.store.refused import TALLY_KIND, Refused, single_entry, tally_entry

#: Refusals of one source and error that have an entry each, in an hour.
SINGLE_AN_HOUR = 10
HOUR_SECONDS = 3_600.0
#: Seconds between two entries that count.
TALLY_EVERY = 60.0
#: Addresses that are told apart in one.
MAX_ADDRESSES = 1_000

#: A source and an error.
Kind: TypeAlias = tuple[str, str]


class RefusalEntries:
    """Decides what the journal says of refusals: `add`, write what it returns, `written`.

    What could not be written is counted in a later entry.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hour_began = clock.monotonic()
        #: Of this hour.
        self._singly: defaultdict[Kind, int] = defaultdict(int)
        #: Those whose entries are being written, with the time of each.
        self._writing: list[tuple[Kind, Micros]] = []
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
        self, batch: Iterable[Refused], more: Mapping[Kind, int], *, last: bool = False
    ) -> Sequence[Entry]:
        """The entries to write now.

        Args:
            batch: refusals that are kept.
            more: further ones, which are only counted.
            last: nothing comes after this.
        """
        now = self._clock.monotonic()
        if now - self._hour_began >= HOUR_SECONDS:
            self._hour_began = now
            self._singly.clear()
        # The last write failed.
        for kind, at in self._writing:
            self._count({kind: 1}, at=at)
        self._writing.clear()
        entries = []
        for one in batch:
            kind = (one.source, one.error)
            self._singly[kind] += 1
            if self._singly[kind] <= SINGLE_AN_HOUR:
                entries.append(single_entry(one))
                self._writing.append((kind, one.at))
            else:
                self._count({kind: 1}, at=one.at)
                if len(self._addresses) < MAX_ADDRESSES:
                    self._addresses.add(one.address)
        self._count(more, at=self._clock.now())
        if self.due or (last and self._counted):
            entries.append(
                tally_entry(
                    self._counted,
                    addresses=len(self._addresses),
                    since=self._since,
                    at=self._last_at,
                )
            )
        return entries

    def written(self, entries: Sequence[Entry]) -> None:
        """Begin to count anew, where the last entry that was written is one that counts."""
        self._writing.clear()
        if entries and entries[-1].kind == TALLY_KIND:
            self._counted.clear()
            self._addresses.clear()
            self._counted_at = self._clock.monotonic()

    def _count(self, numbers: Mapping[Kind, int], *, at: Micros) -> None:
        if numbers:
            if not self._counted:
                self._since = at
            self._counted.update(numbers)
            self._last_at = at
