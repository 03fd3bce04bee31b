"""Failed attempts to be let in: how many of late, for their limits, and what the journal says."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.clock import MINUTE, iso
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import failed_attempts
from casebell.store.statements import Driver, Query, TableRow, among, columns_of, upsert

#: Failures are counted for so long, from the first of them.
WINDOW: Micros = 15 * MINUTE
#: Rows that are read at the start.
MAX_WINDOWS = 10_000

#: What failed, and why: "tokens", "revoked".
Kind: TypeAlias = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A failed attempt; what was typed is not kept."""

    at: Micros
    address: str
    #: `tokens` or `accounts`.
    at_what: str
    #: Why it failed: `unknown`, `revoked`, `wrong_password`, …
    reason: str
    #: The name of the token or account, where there is one.
    name: str | None = None


class Window(TableRow):
    """How many attempts of one key failed, from the first of them on."""

    key: str
    began_at: Micros
    count: int

    def is_over(self, now: Micros) -> bool:
        """Whether it counts no more; one of the future does not either."""
        return not 0 <= now - self.began_at < WINDOW

    def then(self, later: "Window") -> "Window":
        """Both as one."""
        if self.is_over(later.began_at):
            return later
        return Window(self.key, self.began_at, self.count + later.count)


_OF_KEYS = Query(
    Window,
    lambda backend: select(*columns_of(failed_attempts, Window)).where(
        among(failed_attempts.c.key, backend)
    ),
)
_PUT = upsert(failed_attempts, Window)


async def recent(connection: AsyncConnection, *, now: Micros) -> list[Window]:
    """The windows that still count, the latest first."""
    statement = (
        select(*columns_of(failed_attempts, Window))
        .where(failed_attempts.c.began_at > now - WINDOW)
        .order_by(failed_attempts.c.began_at.desc())
        .limit(MAX_WINDOWS)
    )
    return [Window(*row) for row in await connection.execute(statement)]


async def record(
    connection: AsyncConnection,
    *,
    failed: Collection[Window],
    forgotten: Collection[str],
    entries: Sequence[journal.Entry],
    now: Micros,
) -> list[Window]:
    """Add failures to what is counted, on all servers; return the windows as they are now.

    Args:
        failed: those since the last time.
        forgotten: keys that are not counted any more.
    """
    driver = await Driver.of(connection)
    known = {one.key: one for one in await driver.fetch(_OF_KEYS, among=[w.key for w in failed])}
    sums = [known[one.key].then(one) if one.key in known else one for one in failed]
    await driver.run(_PUT, sums)
    old = failed_attempts.c.began_at <= now - WINDOW
    await connection.execute(failed_attempts.delete().where(old))
    if forgotten:
        gone = failed_attempts.c.key.in_(forgotten)
        await connection.execute(failed_attempts.delete().where(gone))
    if entries:
        await journal.append(connection, entries)
    return sums


def single_entry(one: Attempt) -> journal.Entry:
    """The journal entry of one failed attempt."""
    noun = one.at_what.removesuffix("s")
    return journal.Entry(
        at=one.at,
        kind="attempt.failed",
        actor=f"address:{one.address}",
        subject=one.at_what if one.name is None else f"{noun}:{one.name}",
        data={"reason": one.reason},
    )


def tally_entry(
    counted: Mapping[Kind, int], *, addresses: int, since: Micros, at: Micros
) -> journal.Entry:
    """The journal entry of many, counted by what they were at, and why they failed."""
    by_what: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (at_what, reason), number in counted.items():
        by_what[at_what][reason] = number
    return journal.Entry(
        at=at,
        kind="attempts.failed",
        actor="server",
        subject="access",
        data={
            "count": sum(counted.values()),
            "failed": dict(by_what),
            "addresses": addresses,
            "since": iso(since),
        },
    )
