"""A dispatcher at work over a real store and real channels, for its tests."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from casebell.alerts import AlertKind, Message, NewAlert, Outcome, SendResult
from casebell.events import Micros
from casebell.notify.channel import Channel, Channels, Policy, Route
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.fallback import FallbackPolicy
from casebell.notify.render import Style
from casebell.ops_targets import OpsTargets
from casebell.people.hours import ALWAYS, Hours
from casebell.people.roster import Recipients, Roster
from casebell.sandbox.http_sink import HttpSink
from casebell.store import outbox
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts
from casebell.telemetry import Metrics
from contracts.case_events import RECEIVED_AT
from contracts.channel_contract import load
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import is_idle, read_table
from contracts.writing import writing
from waiting import until

#: The safe label that a JSON service gets.
TARGET = "json"
RETRY_AFTER = (("Retry-After", "30"),)


def channels_of(
    by_name: Mapping[str, Channel],
    *,
    fallbacks: Mapping[str, str] | None = None,
    ops: Sequence[str] = (),
    max_age: float = 3_600.0,
    pace: float = 0.0,
    payload: bool = False,
    hours: Hours = ALWAYS,
) -> Channels:
    """These channels, all treated alike."""
    style = Style(disclose="minimal", timezone=ZoneInfo("UTC"), public_url=None)
    policy = Policy(
        style=style,
        timeout=5.0,
        max_age=max_age,
        pace=pace,
        payload=payload,
        hours=hours,
        sources=("parley", "torch"),
    )
    targets = {name: channel.targets for name, channel in by_name.items()}
    return Channels(
        by_name=by_name,
        policies=dict.fromkeys(by_name, policy),
        fallbacks=FallbackPolicy(
            roster=Roster(
                people={},
                channels={name: channel.recipients for name, channel in by_name.items()},
                ops=OpsTargets.on(ops, targets=targets).targets,
            ),
            fallbacks=fallbacks or {},
            ops=OpsTargets.on(ops, targets=targets),
        ),
    )


class DispatcherHarness:
    """A dispatcher over some channels, and what came of its work."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        *,
        fallbacks: Mapping[str, str] | None = None,
        ops: Sequence[str] = (),
        max_age: float = 3_600.0,
        pace: float = 0.0,
        payload: bool = False,
        owner: str = "this-process",
        hours: Hours = ALWAYS,
        now: Micros = RECEIVED_AT,
    ) -> None:
        #: The channels that other servers have.
        self.elsewhere: Collection[str] | None = ()
        #: Whether these work by other settings.
        self.differs = False
        self.store = store
        self.clock = ManualClock(now)
        self.recording = RecordingLog()
        self.metrics = Metrics()
        self.channels = channels_of(
            channels,
            fallbacks=fallbacks,
            ops=ops,
            max_age=max_age,
            pace=pace,
            payload=payload,
            hours=hours,
        )
        self.dispatcher = Dispatcher(
            store=store,
            channels=lambda: self.channels,
            owner=owner,
            clock=self.clock,
            metrics=self.metrics,
            log=self.recording.log,
            elsewhere=lambda: self.elsewhere,
            differs=lambda: self.differs,
            # Waits have their full length.
            chance=lambda: 1.0,
        )

    async def put(self, *subjects: str, **fields: Any) -> None:
        """Put alerts of event 1 into the outbox, and wake the dispatcher."""
        new = [
            NewAlert(
                **{
                    "kind": AlertKind.CASE,
                    "subject": subject,
                    "channel": "slack",
                    "target": TARGET,
                    "urgent": False,
                    "rules": ("RFE issued",),
                    "event_id": 1,
                    "change_id": 1,
                    **fields,
                }
            )
            for subject in subjects
        ]
        async with writing(self.store) as connection:
            await outbox.add(connection, new, now=self.clock.now())
        self.dispatcher.wake()

    def reload(self, *, hours: Hours) -> None:
        """Put the same channels with other hours in force."""
        self.channels = channels_of(self.channels.by_name, hours=hours)
        self.dispatcher.channels_changed()

    async def states(self) -> dict[tuple[str, str], str]:
        """The state of each alert, by subject and channel."""
        return {
            (row.subject, row.channel): row.state for row in await read_table(self.store, alerts)
        }

    async def until(self, **states: str) -> None:
        """Wait until the alerts of Slack with these subjects are in these states."""
        wanted = {(subject, "slack"): state for subject, state in states.items()}

        async def there() -> bool:
            return wanted.items() <= (await self.states()).items()

        await until(there, f"these states: {states}")

    async def go_round(self) -> None:
        """Wake every channel's loop, and wait until each has sent what was due, and rests.

        A loop that was asked to pause rests on the clock, and is not waited for.
        """
        self.dispatcher.wake()
        workers = self.dispatcher._workers.values()
        await until(lambda: all(is_idle(one._wakeup) for one in workers), "the loops to go round")

    async def pauses(self, seconds: float) -> None:
        """Wait until a loop waits on the clock, for that long still."""
        # The clock watch always waits, for as long as some of the pauses.
        await until(
            lambda: self.clock.has_sleeper(seconds, fits=lambda task: task != "clock-watch"),
            f"a pause of {seconds:g} s",
        )

    async def attempted(self) -> list[tuple[int, str, str | None, str]]:
        """Number, outcome, reason and title of each attempt."""
        return [
            (row.number, row.outcome, row.reason, row.title)
            for row in await read_table(self.store, attempts)
        ]

    def later(self, seconds: float) -> None:
        """Let time pass, and ring."""
        self.clock.advance(seconds)
        self.dispatcher.wake()


def titles(sink: HttpSink) -> list[str]:
    """The titles of the messages that came in, in order."""
    return [json.loads(request.body)["title"] for request in sink.requests]


def bodies(sink: HttpSink) -> list[str]:
    """The same of their texts."""
    return [json.loads(request.body)["message"] for request in sink.requests]


def channel_to(sink: HttpSink, *, timeout: float = 5.0) -> Channel:
    """A real channel to a sink."""
    return load(f"json://127.0.0.1:{sink.port}/", timeout=timeout)


class DefectiveChannel:
    """A channel with a defect: it raises instead of answering, for the first so many sends."""

    name = "slack"
    targets = (TARGET,)
    routes = MappingProxyType({TARGET: Route(to=TARGET, sender="")})
    recipients = Recipients(to=targets)

    def reaches(self, target: str) -> bool:
        """Its one target."""
        return target in self.targets

    def __init__(self, *, defects: int) -> None:
        self.sent: list[Message] = []
        self._defects = defects

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Raise or keep."""
        self.sent.append(message)
        if len(self.sent) <= self._defects:
            raise ZeroDivisionError("a secret")
        return SendResult(outcome=Outcome.SENT)

    async def close(self) -> None:
        """Nothing to end."""


@asynccontextmanager
async def running(harness: DispatcherHarness) -> AsyncIterator[DispatcherHarness]:
    """Its dispatcher at work; ends at once."""
    async with harness.dispatcher:
        yield harness
