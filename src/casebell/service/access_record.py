"""What is written of who asks, beside the requests: failed attempts, and when each was last let in.

A flood of forged tokens costs the database one small write a second, and no request waits for one.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Self, TypeVar

from casebell.clock import MINUTE, Clock
from casebell.errors import StorageUnavailable
from casebell.events import Micros
from casebell.loops import Loop
from casebell.service.limits import Limits
from casebell.store import accounts, attempts, sessions, tokens
from casebell.store.attempts import Attempt, Kind, Window
from casebell.store.engine import Connection, Store
from casebell.store.journal import Entry
from casebell.store.tally import TALLY_EVERY, Tally
from casebell.telemetry import Log

#: Failures that have a journal entry each, in a minute.
SINGLE_A_MINUTE = 10
MINUTE_SECONDS = 60.0
#: Failures that wait to be told one by one; beyond it they are only counted.
MAX_WAITING = 256
#: Seconds between two writes.
WRITE_EVERY = 1.0
#: A use is written once in so long.
USE_EVERY: Micros = MINUTE

Value = TypeVar("Value")


class _LastUses:
    """When each of some rows was last used, by their ids: what is to be written of it."""

    def __init__(self) -> None:
        self.waiting: dict[int, Micros] = {}
        self._written: dict[int, Micros] = {}

    def note(self, number: int, now: Micros, *, last: Micros | None) -> bool:
        """Note a use; whether it is to be written."""
        # A row that was read before a write can come here after it.
        known = (self.waiting.get(number), self._written.get(number), last)
        due = all(one is None or now - one >= USE_EVERY for one in known)
        if due:
            self.waiting[number] = now
        return due

    def written(self, uses: Mapping[int, Micros]) -> None:
        """Note that these are on disk."""
        _forget(self.waiting, uses)
        self._written |= uses
        # What was used longer ago than that is asked of its row again.
        newest = max(uses.values(), default=0)
        self._written = {
            number: at for number, at in self._written.items() if newest - at < USE_EVERY
        }


class AccessRecord:
    """Writes it; start it with `async with`.

    Args:
        limits: told what other servers, and an earlier process, counted.
    """

    def __init__(self, *, store: Store, limits: Limits, clock: Clock, log: Log) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._waiting: list[Attempt] = []
        self._dropped: Counter[Kind] = Counter()
        self._tally: Tally[Attempt, Kind] = Tally(
            clock,
            kind_of=lambda one: (one.at_what, one.reason),
            group_of=lambda _: "all",
            single=attempts.single_entry,
            tally=attempts.tally_entry,
            singles=SINGLE_A_MINUTE,
            seconds=MINUTE_SECONDS,
        )
        self._tokens = _LastUses()
        self._sessions = _LastUses()
        #: By the accounts' ids.
        self._sign_ins: dict[int, Micros] = {}
        #: The old and the new hash, by the account's id.
        self._hashes: dict[int, tuple[str, str]] = {}
        self._looked = False
        self._writing = asyncio.Lock()
        self._loop = Loop(
            self._work, name="access", every=TALLY_EVERY, at_once=True, clock=clock, log=log
        )

    async def __aenter__(self) -> Self:
        # Before the first attempt: limits survive a restart.
        with suppress(StorageUnavailable):
            await self._look()
        await self._loop.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, then end."""
        # Not during a write: what it took would be lost.
        async with self._writing:
            await self._loop.__aexit__()
        with suppress(StorageUnavailable):
            while await self._write(last=True):
                pass

    @property
    def turns(self) -> bool:
        """Whether it runs, and is not stuck."""
        return self._loop.turns

    def failed(self, attempt: Attempt) -> None:
        """Note a failed attempt."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(attempt)
        else:
            self._dropped[attempt.at_what, attempt.reason] += 1
        self._loop.wake()

    def used(self, token: int, *, last: Micros | None) -> None:
        """Note that a token was used.

        Args:
            last: when it was, as the database has it.
        """
        if self._tokens.note(token, self._clock.now(), last=last):
            self._loop.wake()

    def seen(self, session: int, *, last: Micros) -> None:
        """Note that a session was used.

        Args:
            last: when it was, as the database has it.
        """
        if self._sessions.note(session, self._clock.now(), last=last):
            self._loop.wake()

    def signed_in(self, account: int) -> None:
        """Note that somebody signed in."""
        self._sign_ins[account] = self._clock.now()
        self._loop.wake()

    def rehashed(self, account: int, *, old: str, new: str) -> None:
        """Note a hash of the same password."""
        self._hashes[account] = (old, new)
        self._loop.wake()

    async def _work(self) -> None:
        if not self._looked:
            await self._look()
        while await self._write():
            await self._clock.sleep(WRITE_EVERY)

    async def _look(self) -> None:
        async with self._store.read() as connection:
            self._limits.load(await attempts.recent(connection, now=self._clock.now()))
        self._looked = True

    async def _write(self, *, last: bool = False) -> bool:
        """Write what waits; whether there was anything.

        Raises:
            StorageUnavailable: it waits on.
        """
        async with self._writing:
            failed, dropped = self._limits.unwritten()
            uses, seen = dict(self._tokens.waiting), dict(self._sessions.waiting)
            sign_ins, hashes = dict(self._sign_ins), dict(self._hashes)
            batch, self._waiting = self._waiting, []
            more, self._dropped = self._dropped, Counter()
            # What it has taken, it tells in a later entry if this write fails.
            entries = self._tally.add(batch, more, last=last)
            if not (failed or uses or seen or sign_ins or hashes or entries):
                return False
            sums = await self._store.transact(
                _record,
                failed=failed,
                dropped=dropped,
                uses=uses,
                seen=seen,
                sign_ins=sign_ins,
                hashes=hashes,
                entries=entries,
                now=self._clock.now(),
            )
            self._tally.written()
            self._limits.written(failed, sums)
            self._tokens.written(uses)
            self._sessions.written(seen)
            _forget(self._sign_ins, sign_ins)
            _forget(self._hashes, hashes)
            return True


def _forget(waiting: dict[int, Value], written: Mapping[int, Value]) -> None:
    """Leave what came during the write."""
    for key, value in written.items():
        if waiting.get(key) == value:
            del waiting[key]


async def _record(
    connection: Connection,
    *,
    failed: Collection[Window],
    dropped: Collection[str],
    uses: Mapping[int, Micros],
    seen: Mapping[int, Micros],
    sign_ins: Mapping[int, Micros],
    hashes: Mapping[int, tuple[str, str]],
    entries: Sequence[Entry],
    now: Micros,
) -> list[Window]:
    sums = await attempts.record(
        connection, failed=failed, forgotten=dropped, entries=entries, now=now
    )
    await tokens.record_uses(connection, uses)
    await sessions.record_seen(connection, seen)
    await accounts.record_sign_ins(connection, sign_ins)
    for number, (old, new) in hashes.items():
        await accounts.rehash(connection, number, old=old, new=new)
    return sums
