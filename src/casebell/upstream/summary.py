"""What people are told of a reconciliation: each once, in the transaction that says that they were.

First looks alert nobody. In the place of an alert for each case, operations hear how many there
were, and each owner how many of theirs ask for something.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from casebell.alerts import OWNER, AlertKind, NewAlert
from casebell.clock import DAY, SECOND, in_zone
from casebell.errors import UpstreamError
from casebell.events import Absences, Case, Micros
from casebell.notify.channel import Channels
from casebell.ops_messages import (
    CasesNotLookedAt,
    ChangesMissed,
    FirstLooks,
    FirstLooksOfOwner,
    OpsMessage,
    ReconciliationWaits,
    UpstreamFails,
    UpstreamWorks,
)
from casebell.ops_targets import OpsTargets, subject_of
from casebell.people.hearing import Hearer, reached, who_may_hear
from casebell.people.roster import Roster, absences_at
from casebell.settings.upstream import UpstreamSettings
from casebell.store import absences, marks, outbox, reconciliations, registrations, tracked
from casebell.store.engine import Connection
from casebell.store.ops import notify
from casebell.store.reconciliations import Run
from casebell.uscis.receipts import mask

#: Cases that a message names.
NAMED: Final = 10
#: How far back changes are counted that webhooks brought, at most.
MOST_BACK: Final[Micros] = 31 * DAY
_FAILS: Final = "upstream-fails:"
_NONE: Final = "none"


class Delivered(NamedTuple):
    """How many changes webhooks brought, and since when that was counted."""

    since: Micros
    changes: int


async def delivered(
    connection: Connection, upstream: UpstreamSettings, *, now: Micros
) -> Delivered | None:
    """What webhooks brought since the run before began, if the latest one found what they did not.

    Not in a writing transaction: it counts a month at most, for which deliveries must not wait.
    """
    run = await reconciliations.latest(connection, upstream.name)
    if run is None or run.found == run.told_found:
        return None
    before = await reconciliations.last_before(connection, run)
    since = max(now - MOST_BACK, 0 if before is None else before.began_at)
    changes = await reconciliations.count_changes(connection, upstream.source, since=since)
    return Delivered(since, changes)


async def tell(
    connection: Connection,
    upstream: UpstreamSettings,
    *,
    by_webhooks: Delivered | None,
    channels: Channels,
    zone: str,
    now: Micros,
) -> set[str]:
    """Tell of all that the latest run has found and nobody was told of.

    Args:
        by_webhooks: as `delivered` counts it.
        zone: the time zone for people.

    Returns:
        The channels of what was put into the outbox.
    """
    run = await reconciliations.latest(connection, upstream.name)
    if run is None:
        return set()
    new: list[NewAlert] = []
    messages: list[OpsMessage] = []
    asking = await tracked.to_tell(connection, upstream.name)
    # Those of a look at one case are told with the next run.
    if asking or run.first_looks > run.told_first_looks:
        away = absences_at(await absences.known(connection), now)
        of_owners = _by_hearer(asking, channels.roster, away)
        new += _to_owners(of_owners, run, now=now)
        messages.append(_first_looks(run, asking, of_owners))
        await tracked.forget_asked(connection, upstream.name)
    if by_webhooks is not None:
        messages.append(_missed(upstream, run, by_webhooks, zone=zone))
    if run.newly_failed > run.told_failed:
        messages.append(await _failing(connection, run))
    await reconciliations.told(connection, run)
    new += [alert for one in messages for alert in channels.ops.alerts_for(one, now=now)]
    await outbox.add(connection, new, now=now)
    return {alert.channel for alert in new}


# --- First looks ----------------------------------------------------------------------------------


class _Heard(NamedTuple):
    """Whom the owners of cases are, and of which each hears."""

    #: By channel and target, who it is and what cases it is of.
    by_target: dict[tuple[str, str], tuple[Hearer, list[Case]]]
    unowned: int


def _by_hearer(asking: Sequence[Case], roster: Roster, away: Absences) -> _Heard:
    """Who owns each case and may hear of it, through the channels that look for owners."""
    over = roster.looking_for_owners
    found: dict[tuple[str, str], tuple[Hearer, list[Case]]] = {}
    unowned = 0
    for case in asking:
        owners = [
            hearer
            for hearer in reached(over, case, roster=roster, away=away)
            if hearer.to.addressed_as == OWNER
        ]
        heard = who_may_hear(owners, case, channels=(), roster=roster, away=away)
        hearers = [] if heard.instead else heard.hearers
        unowned += not hearers
        for hearer in hearers:
            place = (hearer.channel, hearer.to.target)
            found.setdefault(place, (hearer, []))[1].append(case)
    return _Heard(found, unowned)


def _to_owners(heard: _Heard, run: Run, *, now: Micros) -> list[NewAlert]:
    new = []
    for hearer, of_cases in heard.by_target.values():
        note = FirstLooksOfOwner(
            upstream=run.upstream,
            run=run.id,
            looked=run.first_looks,
            asking=len(of_cases),
            first=_named(of_cases),
        )
        new.append(
            hearer.alert(
                kind=AlertKind.OPS, subject=subject_of(note, now=now), urgent=False, note=note
            )
        )
    return new


def _first_looks(run: Run, asking: Sequence[Case], heard: _Heard) -> FirstLooks:
    return FirstLooks(
        upstream=run.upstream,
        run=run.id,
        looked=run.first_looks,
        # Of a look at one case it is told with the next run.
        cases=max(run.first_looks - run.told_first_looks, len(asking)),
        asking=len(asking),
        first=_named(asking),
        unowned=heard.unowned,
    )


def _named(cases: Sequence[Case]) -> str:
    """The first few, masked; how many more there are."""
    if not cases:
        return _NONE
    listed = ", ".join(mask(case.receipt) for case in cases[:NAMED])
    more = len(cases) - NAMED
    return f"{listed}, and {more:,} more" if more > 0 else listed


# --- What is wrong --------------------------------------------------------------------------------


def _missed(
    upstream: UpstreamSettings, run: Run, by_webhooks: Delivered, *, zone: str
) -> ChangesMissed:
    return ChangesMissed(
        upstream=run.upstream,
        run=run.id,
        source=upstream.source,
        found=run.found,
        delivered=by_webhooks.changes,
        since=_at(by_webhooks.since, zone),
    )


async def _failing(connection: Connection, run: Run) -> CasesNotLookedAt:
    first = await registrations.failing(connection, run.upstream, limit=1)
    receipt, why = (first[0].receipt, first[0].problem) if first else ("", "")
    return CasesNotLookedAt(
        upstream=run.upstream,
        run=run.id,
        newly=run.newly_failed,
        failed=run.failed,
        first=mask(receipt),
        why=why,
    )


async def tell_of_waiting(
    connection: Connection,
    upstream: UpstreamSettings,
    run: Run,
    error: UpstreamError,
    *,
    ops: OpsTargets,
    now: Micros,
) -> set[str]:
    """Tell that the requests of a day are used up, and cases are left; once a run."""
    left = await tracked.count_left(connection, upstream.name, before=run.takes_before)
    rows = await tracked.next_cases(connection, upstream.name, before=run.takes_before, limit=1)
    if not rows:
        return set()
    message = ReconciliationWaits(
        upstream=upstream.name,
        run=run.id,
        left=left,
        first=mask(rows[0].receipt),
        why=error.message,
    )
    return await _notify(connection, message, ops, now=now)


async def tell_of_failure(
    connection: Connection,
    upstream: UpstreamSettings,
    error: UpstreamError,
    *,
    ops: OpsTargets,
    now: Micros,
) -> set[str]:
    """Tell that an API cannot be asked; once until it works again."""
    since = await marks.first(connection, f"{_FAILS}{upstream.name}", now=now)
    message = UpstreamFails(upstream=upstream.name, since=since, why=error.message, hint=error.hint)
    return await _notify(connection, message, ops, now=now)


async def fails(connection: Connection, upstream: str) -> bool:
    """Whether operations were told that it cannot be asked."""
    return await marks.at(connection, f"{_FAILS}{upstream}") is not None


async def tell_of_recovery(
    connection: Connection,
    upstream: UpstreamSettings,
    *,
    ops: OpsTargets,
    zone: str,
    now: Micros,
) -> set[str]:
    """Tell that an API can be asked again, where operations know that it failed."""
    since = await marks.take(connection, f"{_FAILS}{upstream.name}")
    if since is None:
        return set()
    message = UpstreamWorks(upstream=upstream.name, since=since, failed=_at(since, zone))
    return await _notify(connection, message, ops, now=now)


async def _notify(
    connection: Connection, message: OpsMessage, ops: OpsTargets, *, now: Micros
) -> set[str]:
    return set(ops.channels) if await notify(connection, message, to=ops, now=now) else set()


def _at(at: Micros, zone: str) -> str:
    return in_zone(datetime.fromtimestamp(at // SECOND, UTC), zone)
