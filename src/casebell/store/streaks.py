"""How many deliveries of each source were refused in a row: since its last authentic one.

A row for each source that was ever refused one. What could not be told to a source is kept under
`UNKNOWN`, and what can have been no delivery under `NOISE`. The row also says what operations know,
so a restart neither repeats nor forgets.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.clock import DAY, HOUR
from casebell.events import Micros
from casebell.json_text import canonical
from casebell.store.refused import RISE
from casebell.store.schema import events, refused, streaks
from casebell.store.statements import Driver, TableRow, insert_new

#: Stands for a source where none was meant that we know.
UNKNOWN = "unknown"
#: Stands for a source where nothing looks like a delivery: what scanners ask of any open port.
NOISE = "noise"
#: The longest pause between two messages on one source.
MAX_PAUSE: Micros = 6 * HOUR
#: Authentic deliveries whose addresses are compared with those of refusals.
_LATEST = 20


class _StreakRow(TableRow):
    source: str
    errors: str
    since: int
    last_at: int
    told_count: int
    tellings: int
    told_errors: str
    pauses: int
    ended: int


_NEW_STREAKS = insert_new(streaks, _StreakRow)


@dataclass(frozen=True, kw_only=True, slots=True)
class Streak:
    """The refusals of a source since its last authentic delivery."""

    source: str
    #: How many, by the error's code.
    errors: Mapping[str, int]
    #: Of the first and the last of them.
    since: Micros
    last_at: Micros
    #: How many of them operations know of.
    told_count: int
    #: When they were last notified of this source; None is never.
    notified_at: Micros | None
    #: Messages on this source so far.
    tellings: int
    #: When they were last told of each error.
    told_errors: Mapping[str, Micros]
    #: Messages of which each followed the one before within a day.
    pauses: int
    #: Refusals of an earlier streak that operations know of, but not that it ended; 0 if none.
    ended: int

    @property
    def count(self) -> int:
        """How many in a row."""
        return sum(self.errors.values())

    @property
    def is_long(self) -> bool:
        """Whether it is long enough for operations to hear of it."""
        return self.count >= RISE

    @property
    def long_errors(self) -> Sequence[str]:
        """The errors that came often enough, the commonest first."""
        often = [code for code, number in self.errors.items() if number >= RISE]
        return sorted(often, key=lambda code: (-self.errors[code], code))

    def new_errors(self, *, now: Micros) -> Sequence[str]:
        """Those of them of which operations did not hear within a day."""
        return [code for code in self.long_errors if now - self.told_errors.get(code, -DAY) >= DAY]

    def due(self, *, now: Micros, newly_familiar: bool) -> bool:
        """Whether operations may hear of it again.

        At once where another error came. Else the pause doubles, so that a forger cannot have them
        told every hour; but where an address of authentic deliveries joined, it is an hour at most:
        the source's own fault must not wait behind a forger's.
        """
        if self.notified_at is None or self.notified_at > now or self.new_errors(now=now):
            return True
        pause = min(HOUR << min(self.pauses, 8), MAX_PAUSE)
        if newly_familiar:
            pause = HOUR
        return now - self.notified_at >= pause


@dataclass(kw_only=True, slots=True)
class Noted:
    """What came from one source since the last write."""

    #: Whether an authentic delivery came before what is counted here.
    authentic: bool = False
    #: How many were refused since, by the error's code.
    errors: Counter[str] = field(default_factory=Counter)
    since: Micros = 0
    last_at: Micros = 0

    def refuse(self, error: str, *, at: Micros) -> None:
        """Count one more."""
        if not self.errors:
            self.since = at
        self.errors[error] += 1
        self.last_at = at

    def precede(self, later: "Noted") -> "Noted":
        """Both together, where `later` came after this."""
        if later.authentic:
            return later
        both = self.errors + later.errors
        return Noted(
            authentic=self.authentic,
            errors=both,
            since=self.since if self.errors else later.since,
            last_at=later.last_at or self.last_at,
        )


async def record(connection: AsyncConnection, noted: Mapping[str, Noted]) -> None:
    """Add what came, by source, in a writing transaction."""
    new = [
        _StreakRow(
            source=source,
            errors="{}",
            since=one.since,
            last_at=one.last_at,
            told_count=0,
            tellings=0,
            told_errors="{}",
            pauses=0,
            ended=0,
        )
        # In one order, so that two servers never wait for each other.
        for source, one in sorted(noted.items())
        if one.errors
    ]
    await (await Driver.of(connection)).run(_NEW_STREAKS, new)
    # Another server on the same PostgreSQL may count at this moment, too.
    statement = select(streaks).where(streaks.c.source.in_(noted)).order_by(streaks.c.source)
    for row in (await connection.execute(statement.with_for_update())).all():
        before, one = _streak(row), noted[row.source]
        errors = Counter() if one.authentic else Counter(before.errors)
        over = one.authentic and before.told_count > 0
        continues = bool(errors)
        errors.update(one.errors)
        await connection.execute(
            streaks.update()
            .where(streaks.c.source == row.source)
            .values(
                errors=canonical(dict(errors)),
                since=before.since if continues else one.since,
                last_at=one.last_at or before.last_at,
                told_count=0 if one.authentic else before.told_count,
                ended=before.count if over else before.ended,
            )
        )


async def read(connection: AsyncConnection) -> Sequence[Streak]:
    """The streak of each source that ever had one, by source."""
    rows = await connection.execute(select(streaks).order_by(streaks.c.source))
    return [_streak(row) for row in rows]


async def mark_told(connection: AsyncConnection, streak: Streak, *, now: Micros) -> None:
    """Record that operations were told of so many of a streak."""
    soon = streak.notified_at is not None and now - streak.notified_at < DAY
    await connection.execute(
        streaks.update()
        .where(streaks.c.source == streak.source, streaks.c.tellings == streak.tellings)
        .values(
            told_count=streak.count,
            notified_at=now,
            tellings=streak.tellings + 1,
            told_errors=canonical({**streak.told_errors, **dict.fromkeys(streak.long_errors, now)}),
            pauses=streak.pauses + 1 if soon else 0,
        )
    )


async def mark_end_told(connection: AsyncConnection, source: str, **_: object) -> None:
    """Record that operations were told that a streak ended."""
    await connection.execute(streaks.update().where(streaks.c.source == source).values(ended=0))


async def forget(connection: AsyncConnection, *, known: Collection[str], before: Micros) -> None:
    """End streaks that no authentic delivery can end, once nothing was refused for long.

    Their rows stay: a message is named by its number, and a name that was used counts as sent.
    """
    await connection.execute(
        streaks.update()
        .where(streaks.c.source.not_in(list(known)), streaks.c.last_at < before)
        .values(errors="{}", told_count=0, ended=0)
    )


class Origin(NamedTuple):
    """Where the refusals of a streak came from, as far as they are kept."""

    addresses: int
    #: Whether authentic deliveries of late came from one of these addresses.
    familiar: bool
    #: Whether the first refusal from such an address is one of which operations were not told.
    newly_familiar: bool


async def origin_of(connection: AsyncConnection, streak: Streak) -> Origin:
    """Where the refusals of a streak came from."""
    statement = select(refused.c.address, func.min(refused.c.at).label("first_at"))
    statement = statement.where(refused.c.source == streak.source, refused.c.at >= streak.since)
    rows = await connection.execute(statement.group_by(refused.c.address))
    first_at = {row.address: row.first_at for row in rows}
    latest = select(events.c.address).where(events.c.source == streak.source)
    latest = latest.order_by(events.c.id.desc()).limit(_LATEST)
    authentic = (await connection.execute(latest)).scalars()
    familiar = [first_at[address] for address in authentic if address in first_at]
    notified_at = -1 if streak.notified_at is None else streak.notified_at
    return Origin(
        addresses=len(first_at),
        familiar=bool(familiar),
        newly_familiar=any(at > notified_at for at in familiar),
    )


async def latest_of(
    connection: AsyncConnection, streak: Streak, *, error: str | None, limit: int
) -> Sequence[int]:
    """The ids of the newest refusals of a streak with an error; without one, of its source."""
    statement = select(refused.c.id).where(
        refused.c.source == streak.source, refused.c.readmitted_at.is_(None)
    )
    if error is not None:
        statement = statement.where(refused.c.error == error, refused.c.at >= streak.since)
    statement = statement.order_by(refused.c.id.desc()).limit(limit)
    return list((await connection.execute(statement)).scalars())


def _streak(row: Any) -> Streak:
    return Streak(
        source=row.source,
        errors=json.loads(row.errors),
        since=row.since,
        last_at=row.last_at,
        told_count=row.told_count,
        notified_at=row.notified_at,
        tellings=row.tellings,
        told_errors=json.loads(row.told_errors),
        pauses=row.pauses,
        ended=row.ended,
    )
