"""Imports the list of cases that practice software leaves, whenever there is another."""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from casebell.actors import SERVER
from casebell.case_file import MAX_BYTES
from casebell.clock import DAY, SECOND, Clock
from casebell.errors import StorageUnavailable, UnusableCaseFile
from casebell.files import NotOrdinary, reason_of
from casebell.loops import Loop
from casebell.ops_messages import (
    CaseListMissing,
    CaseListProblems,
    CaseListUnusable,
    OpsMessage,
)
from casebell.ops_targets import OpsTargets
from casebell.service.case_directory import CaseDirectory
from casebell.settings import Settings
from casebell.store import marks
from casebell.store.engine import Store
from casebell.store.ops import notify
from casebell.telemetry import Log, Metrics

#: Seconds between two looks at a file that changed: it is whole once both see the same.
SETTLE = 10.0
#: Seconds after which another server may import a list that one has begun with.
TURN = 600
#: Looks, `cases.every` apart, after which a file that is not there is told.
PATIENCE = 2

#: What changes when the file does: inode, size, time of its last change.
_State: TypeAlias = tuple[int, int, int]


class CaseListWatch(Loop):
    """Looks at `cases.file` every `cases.every`; start it with `async with`.

    Args:
        settings: returns those in force.
        ops: returns the targets of operations in force.
        followed: called once operations were told something.
    """

    def __init__(
        self,
        *,
        store: Store,
        directory: CaseDirectory,
        settings: Callable[[], Settings],
        ops: Callable[[], OpsTargets],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            self.look,
            name="case-list",
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("cases").inc,
        )
        self._store = store
        self._directory = directory
        self._settings = settings
        self._ops = ops
        self._followed = followed
        #: As the last look saw the file, and as it was when nothing remained to be done about it.
        self._seen: _State | None = None
        self._done: _State | None = None
        #: Until when others wait for this server's import.
        self._turn = 0
        #: Since when it is not there (monotonic seconds).
        self._missing_since: float | None = None

    def _rest(self) -> float | None:
        """Seconds until the next look; shorter while a new file may still be written to."""
        if self._settings().cases.file is None:
            return None
        return self._settings().cases.every if self._seen == self._done else SETTLE

    @property
    def _day(self) -> int:
        return self._clock.now() // DAY

    async def look(self) -> None:
        """Import the file where it is new, and the same as at the look before."""
        file = self._settings().cases.file
        if file is None:
            self._seen = self._done = self._missing_since = None
            return
        try:
            found = await asyncio.to_thread(_state_of, file)
        except FileNotFoundError:
            await self._missing(file)
            return
        except OSError as error:
            self._seen = self._done = None
            reason = reason_of(error, file)
            state = f"{reason}:{self._day}"
            await self._tell(CaseListUnusable(file=str(file), state=state, reason=f"{reason}."))
            return
        self._missing_since = None
        before, self._seen = self._seen, found
        if found == before != self._done:
            await self._take(file, found)

    async def _missing(self, file: Path) -> None:
        now = self._clock.monotonic()
        self._seen = self._done = None
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since < PATIENCE * self._settings().cases.every:
            return
        async with self._store.read() as connection:
            last = await marks.last_list(connection)
        await self._tell(CaseListMissing(file=str(file), last=last, day=self._day))

    async def _take(self, file: Path, state: _State) -> None:
        try:
            content = await asyncio.to_thread(_read, file)
            if await asyncio.to_thread(_state_of, file) != state:
                # Written to meanwhile: the next looks see when that has ended.
                return
        except OSError:
            # The next look says what became of it.
            return
        try:
            is_done = await self._import(file, content)
        except StorageUnavailable:
            raise
        except Exception:
            # A defect is logged once for a file, and not again every few seconds.
            self._done = state
            raise
        if is_done:
            self._done = state

    async def _import(self, file: Path, content: bytes) -> bool:
        """Whether nothing remains to be done about this list."""
        sha256 = hashlib.sha256(content).hexdigest()
        now = self._clock.now()
        until, before = now + TURN * SECOND, self._turn
        turn = await self._store.transact(
            marks.take_turn, sha256, now=now, until=until, before=before
        )
        if turn is not marks.Turn.OURS:
            return turn is marks.Turn.DONE
        self._turn = until
        try:
            answer = await self._directory.import_cases(content=content, actor=SERVER)
        except UnusableCaseFile as error:
            reason = f"{error.message} {error.hint}".rstrip()
            self._log.warning("cases.not_imported", reason=error.message)
            await self._tell(CaseListUnusable(file=str(file), state=sha256, reason=reason))
        else:
            counts = {name: answer[name] for name in ("new", "changed", "unchanged")}
            self._log.info("cases.imported", **counts, left_out=answer["left_out"])
            if answer["left_out"]:
                taken, left_out = sum(counts.values()), answer["left_out"]
                await self._tell(
                    CaseListProblems(file=str(file), sha256=sha256, taken=taken, left_out=left_out)
                )
        await self._store.transact(marks.end_turn, sha256, now=self._clock.now())
        return True

    async def _tell(self, message: OpsMessage) -> None:
        now = self._clock.now()
        if await self._store.transact(notify, message, to=self._ops(), now=now):
            self._followed()


def _state_of(file: Path) -> _State:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NotOrdinary(errno.EINVAL, "It is no ordinary file")
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _read(file: Path) -> bytes:
    """The file, or as much as tells that it is too large."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read(MAX_BYTES + 1)
