"""How far a reconciliation is, by its row and those of the cases."""

from dataclasses import dataclass

from casebell.events import Micros
from casebell.store import reconciliations, tracked
from casebell.store.engine import Connection
from casebell.store.reconciliations import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    """How far a run is."""

    upstream: str
    #: The number of the run; None of a look at one case.
    run: int | None
    checked: int = 0
    #: Changes that no webhook had delivered.
    found: int = 0
    first_looks: int = 0
    failed: int = 0
    #: Cases that are left.
    remaining: int = 0
    done: bool = False
    #: Why it does not go on now, as a sentence.
    waits: str | None = None
    #: Whether that is because the API fails, and not because its limits are reached.
    fails: bool = False
    #: The process that works on it, where it is another.
    elsewhere: str | None = None


async def stand_of(connection: Connection, run: Run, *, owner: str, now: Micros) -> Stand:
    """How far a run is now.

    Args:
        owner: this process, in leases.
    """
    found = await reconciliations.find(connection, run.id)
    done = found.ended_at is not None
    left = 0
    if not done:
        left = await tracked.count_left(connection, found.upstream, before=found.takes_before)
    return Stand(
        upstream=found.upstream,
        run=found.id,
        checked=found.checked,
        found=found.found,
        first_looks=found.first_looks,
        failed=found.failed,
        remaining=left,
        done=done,
        waits=found.waits,
        fails=found.waits is not None and found.failures > 0,
        elsewhere=None
        if found.lease_owner == owner or (found.lease_until or 0) <= now
        else found.lease_owner,
    )
