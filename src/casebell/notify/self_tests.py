"""Sends a marked test message where nothing was sent for long: a way that is not used may break.

To the targets that a channel always has: rooms, its own addresses, and people whom it names. Whose
address stands in for "@owner" hears of the cases that are theirs, and of no test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from casebell.alerts import AlertKind, NewAlert
from casebell.clock import SECOND, Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.notify.channel import Channels
from casebell.ops_messages import SelfTest
from casebell.ops_targets import subject_of
from casebell.people.calendars import Calendar
from casebell.settings import ChannelSettings, Settings
from casebell.store import marks, outbox, targets
from casebell.store.engine import Connection, Store
from casebell.telemetry import Log, Metrics
from casebell.times import lasting

#: Seconds between two looks.
CHECK_EVERY: Final = 60.0


def due_at(settings: Settings, channel: str, used_at: Micros) -> Micros | None:
    """When a target of a channel is tested next; None where it has no self-test.

    Args:
        used_at: when something was last sent to it; where nothing ever was, when it was first
            known.
    """
    found = settings.channels.get(channel)
    if found is None or found.self_test is None or settings.alerts.pilot is not None:
        # What is sent in pilot mode says nothing of a target.
        return None
    return _opens_at(settings, found, used_at + round(found.self_test * SECOND))


def _opens_at(settings: Settings, channel: ChannelSettings, at: Micros) -> Micros:
    """That time, or the next at which an ordinary message may go."""
    if channel.quiet_outside is None:
        return at
    return Calendar.of(settings.calendars[channel.quiet_outside]).opens_at(at)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tested:
    """A target of a channel with a self-test."""

    channel: ChannelSettings
    target: str

    @property
    def mark(self) -> str:
        return marks.target_mark(self.channel.name, self.target)


class SelfTests(Loop):
    """Puts the tests that are due into the outbox; start it with `async with`.

    Args:
        settings, channels: return those in force.
        added: called after tests were put into the outbox.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        channels: Callable[[], Channels],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        added: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            self.check,
            name="self-tests",
            every=CHECK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("notify").inc,
        )
        self._store = store
        self._settings = settings
        self._channels = channels
        self._added = added

    async def check(self) -> None:
        """Add the tests that are due; note targets that are new."""
        tested = list(self._tested())
        if not tested:
            return
        async with self._store.read() as connection:
            used = {(row.channel, row.target): row for row in await targets.known(connection)}
            first = await marks.first_targets(connection)
        now = self._clock.now()
        new = [one for one in tested if one.mark not in first]
        due = []
        for one in tested:
            row = used.get((one.channel.name, one.target))
            used_at = (row and row.last_sent_at) or first.get(one.mark, now)
            if (alert := self._due(one, used_at, now=now)) is not None:
                due.append(alert)
        if not new and not due:
            return

        async def write(connection: Connection) -> None:
            for one in new:
                await marks.first(connection, one.mark, now=now)
            # Another server may have added them: each is there once.
            await outbox.add(connection, due, now=now)

        await self._store.transact(write)
        if due:
            self._added()

    def _tested(self) -> Iterator[_Tested]:
        by_name = self._channels().by_name
        for channel in self._settings().channels.values():
            if channel.self_test is None or channel.name not in by_name:
                continue
            for target in by_name[channel.name].targets:
                yield _Tested(channel=channel, target=target)

    def _due(self, one: _Tested, used_at: Micros, *, now: Micros) -> NewAlert | None:
        settings = self._settings()
        at = due_at(settings, one.channel.name, used_at)
        if at is None or now < at or _opens_at(settings, one.channel, now) > now:
            return None
        period = round((one.channel.self_test or 0) * SECOND)
        message = SelfTest(
            channel=one.channel.name,
            silent_for=lasting(one.channel.self_test or 0),
            id=f"{used_at}-{(now - used_at) // period}",
        )
        return NewAlert(
            kind=AlertKind.TEST,
            subject=subject_of(message, now=now),
            channel=one.channel.name,
            target=one.target,
            urgent=message.urgent,
            note=message,
        )
