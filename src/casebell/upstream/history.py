"""Reads the history of a case page by page, so that nothing is lost and it always ends.

Parley's page says `limit` and `before` and no more: not whether `before` is inclusive, how fine its
times are, or how many entries a server gives at most. So each page begins just after the oldest
entry that is known, and what comes again is left out
(docs/decisions/0039-asking-the-providers-api.md).
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from casebell.clock import SECOND, iso
from casebell.errors import UpstreamUnreadable
from casebell.events import Micros
from casebell.provider_time import NEVER
from casebell.upstream.told import Told

#: Entries that are asked for at once: the default of Parley's page.
USUAL: Final = 50
#: The same where more entries have one time than a page has.
MOST: Final = 200
#: Pages of one history, and bytes: all of it is in memory at once.
MAX_PAGES: Final = 200
MAX_BYTES: Final = 16 * 1024 * 1024

#: Returns the entries of a page, given how many and before when.
Page: TypeAlias = Callable[[int, str | None], Awaitable[Sequence[Told]]]


class Pages:
    """What was seen of a server's pages: a shorter one than before is the last of its history."""

    def __init__(self) -> None:
        self._longest = 0

    def is_last(self, entries: int, *, limit: int) -> bool:
        """Whether no other page follows one with so many entries.

        A server may give fewer than it is asked for, but not now and then: whatever its own limit
        is, a page below its longest one is below that limit.
        """
        known, self._longest = self._longest, max(self._longest, entries)
        return entries < min(known, limit)


async def read_history(
    page: Page,
    *,
    back_to: Micros | None,
    pages: Pages,
    endless: Callable[[str], UpstreamUnreadable],
) -> list[Told]:
    """The entries of a history, newest first, each once.

    Args:
        back_to: entries before it are not needed; None: all are.
        endless: makes the error of a history that cannot be read to its end.
    """
    reading = _Reading(back_to=back_to, pages=pages, endless=endless)
    for _ in range(MAX_PAGES):
        before = None if reading.before is None else _as_text(reading.before)
        if reading.is_over(await page(reading.limit, before)):
            return _newest_first(reading.known.values())
    raise endless(f"it has more than {MAX_PAGES} pages")


class _Reading:
    """What is known of a history so far, and which page is next."""

    def __init__(
        self,
        *,
        back_to: Micros | None,
        pages: Pages,
        endless: Callable[[str], UpstreamUnreadable],
    ) -> None:
        self.known: dict[str, Told] = {}
        self.before: Micros | None = None
        self.limit = USUAL
        self._back_to = back_to
        self._pages = pages
        self._endless = endless
        #: The oldest time so far, and how surely the next page begins after it.
        self._bottom: Micros | None = None
        self._step = 0
        self._bytes = 0

    def is_over(self, entries: Sequence[Told]) -> bool:
        """Take a page; whether nothing older is left that is needed."""
        is_new = self._add(entries)
        times = [one.at for one in entries if one.at is not None]
        full = len(entries) >= self.limit
        if self._pages.is_last(len(entries), limit=self.limit) or not entries:
            return True
        if not times:
            if full:
                raise self._endless("its entries have no time by which to ask for older ones")
            return True
        oldest, newest = min(times), max(times)
        if self._back_to is not None and oldest < self._back_to:
            return True
        if self.before is not None and oldest >= self.before + SECOND and not full:
            # It does not heed `before`, and gives no sign that there is more.
            return True
        alone = oldest == newest
        if alone and (full or (self.limit > USUAL and not is_new)):
            self._ask_for_more(is_new=is_new)
            return False
        return self._descend(oldest, alone=alone, full=full)

    def _add(self, entries: Sequence[Told]) -> bool:
        """Keep what is new; whether something is."""
        before = len(self.known)
        for one in entries:
            if (content := _content(one)) not in self.known:
                self.known[content] = one
                self._bytes += len(one.body)
        if self._bytes > MAX_BYTES:
            raise self._endless(f"it has more than {MAX_BYTES // 1024**2} MiB")
        return len(self.known) > before

    def _ask_for_more(self, *, is_new: bool) -> None:
        """Of the same page: more entries may have its one time than it has room for."""
        if self.limit >= MOST or (self.limit > USUAL and not is_new):
            raise self._endless("more entries have one time than a page has")
        self.limit *= 2

    def _descend(self, oldest: Micros, *, alone: bool, full: bool) -> bool:
        """Have the next page begin further down; whether there is no further down."""
        if self._bottom is None or oldest < self._bottom:
            self._bottom, self.limit = oldest, USUAL
            self._step = _EXACT if alone else 0
        else:
            self._step += 1
        steps = _steps(self._bottom)
        if self._step < len(steps):
            self.before = steps[self._step]
            return False
        if full:
            raise self._endless("its pages do not go back in time")
        return True


def _steps(at: Micros) -> tuple[Micros, ...]:
    """Where the page after a time may begin, from the surest on.

    The first begin after it, for times of a second, a millisecond and a microsecond: the others of
    the same time come along. Where they bring nothing new, the next begin at it and before it.
    """
    return ((at // SECOND + 1) * SECOND, (at // 1_000 + 1) * 1_000, at + 1, at, at - 1)


#: The step that begins at a time itself: the surer ones would bring the same page again where all
#: its entries have this time.
_EXACT: Final = 3


def _as_text(at: Micros) -> str:
    """A time as Parley's page writes them, with a fraction only where there is one."""
    return f"{iso(at)[:19]}Z" if at % SECOND == 0 else iso(at)


def _content(one: Told) -> str:
    """The same text for the same entry, however it is spelled."""
    return json.dumps(json.loads(one.body), sort_keys=True)


def _newest_first(entries: Iterable[Told]) -> list[Told]:
    """In the order of their times; one without a time stays behind the one that it came after."""
    latest, timed = NEVER, []
    for one in entries:
        latest = latest if one.at is None else one.at
        timed.append((latest, one))
    return [one for _, one in sorted(timed, key=lambda pair: -pair[0])]
