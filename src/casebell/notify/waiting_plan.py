"""What waits for hours of its channel follows the hours in force, and digests are put ahead.

At the start, after a reload, after a step of the clock, and each minute: what waits for a time that
is none any more is due now, and its claim decides again; digests that will not be are taken back;
and each target that a channel has by itself or names gets its next digest, so that it is told, too,
that nothing happened.
"""

from collections.abc import Callable, Iterator

from casebell.alerts import AlertKind, NewAlert, Wait
from casebell.clock import Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.notify.channel import Channels
from casebell.people.hearing import Hearer
from casebell.people.hours import ALWAYS, Hours
from casebell.store import holding
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log, Metrics

#: Seconds between two checks.
EVERY = 60.0


class WaitingPlan(Loop):
    """Keeps what waits in line with the hours in force; start it with `async with`.

    Args:
        channels: returns the channels in force.
        is_gone: returns whether no server has a channel of this name.
        followed: called after alerts became due.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Callable[[], Channels],
        is_gone: Callable[[str], bool],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[], None],
    ) -> None:
        super().__init__(
            self._follow,
            name="waiting-plan",
            every=EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._store = store
        self._channels = channels
        self._is_gone = is_gone
        self._followed = followed

    async def _follow(self) -> None:
        now = self._clock.now()
        channels = self._channels()
        async with self._store.read() as connection:
            held = await holding.held(connection, now=now)
            planned = await holding.planned(connection)
        mistaken = [
            (name, kind, wait)
            for name, waiting in held.items()
            if name in channels.by_name or self._is_gone(name)
            for kind, wait in waiting
            if not _hours(channels, name).still_holds(wait, kind=kind, now=now)
        ]
        wanted = {name: dict(_digests(channels, name, now)) for name in channels.by_name}
        gone = {
            name: [one for one in there if one[1] > now and one not in wanted.get(name, {})]
            for name, there in planned.items()
            if name in wanted or self._is_gone(name)
        }
        new = {
            name: [one for place, one in digests.items() if place not in planned.get(name, ())]
            for name, digests in wanted.items()
        }
        if not (mistaken or any(gone.values()) or any(new.values())):
            return
        count = await self._store.transact(
            self._write, channels=channels, mistaken=mistaken, gone=gone, new=new, now=now
        )
        if count:
            self._log.info("alerts.reconsidered", alerts=count)
            self._followed()

    async def _write(
        self,
        connection: Connection,
        *,
        channels: Channels,
        mistaken: list[tuple[str, str, Wait]],
        gone: dict[str, list[tuple[str, Micros]]],
        new: dict[str, list[NewAlert]],
        now: Micros,
    ) -> int:
        count = 0
        for name, kind, wait in mistaken:
            count += await holding.reconsider(connection, name, kind, wait, now=now)
        for name, places in gone.items():
            await holding.unplan(connection, name, places)
        for name, digests in new.items():
            if digest := channels.policies[name].hours.digest:
                await holding.plan(connection, digests, due=digest.next(now), now=now)
        return count


def _hours(channels: Channels, name: str) -> Hours:
    """The hours of a channel; one that is gone has none, so that its alerts fail."""
    policy = channels.policies.get(name)
    return ALWAYS if policy is None else policy.hours


def _digests(
    channels: Channels, name: str, now: Micros
) -> Iterator[tuple[tuple[str, Micros], NewAlert]]:
    """The next digests of a channel, by target and time."""
    digest = channels.policies[name].hours.digest
    if digest is None:
        return
    due = digest.next(now)
    for to in channels.roster.always(name):
        yield (
            (to.target, due),
            Hearer(name, to).alert(
                kind=AlertKind.DIGEST, subject=digest.subject(name, due), urgent=False
            ),
        )
