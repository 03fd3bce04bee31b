"""How the channels and the servers stand: who was reached, what waits, who works by which settings.

The keys of the values are those of docs/contract.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import iso, iso_or_none
from casebell.events import Micros
from casebell.notify import self_tests
from casebell.service import Verb
from casebell.settings import Settings
from casebell.shapes import described
from casebell.store import marks, targets
from casebell.store.engine import Store
from casebell.store.liveness import Living


@described
class Failure(TypedDict):
    """An attempt that failed."""

    at: str
    reason: str | None
    detail: str
    """One line for operators, without secrets and addresses."""


@described
class Target(TypedDict):
    """One address of a channel."""

    target: str
    """A safe label, never a URL."""
    last_sent_at: str | None
    """When the service last took a message; a test counts."""
    last_failure: Failure | None
    """The last attempt that failed, for good or to be tried again."""
    waiting: int
    """Alerts that are not sent yet."""
    waiting_for_hours: int
    """Of these, those that wait on purpose: for the hours of the channel, or its digest."""
    self_test_due_at: str | None
    """When a test is sent, unless something else was before; null without `self_test`. It is past
    where tests fail."""
    paused_until: str | None
    """Its service asked for a pause. Only the server that sends over the channel knows it."""


@described
class Channel(TypedDict):
    """A way to reach people."""

    name: str
    targets: list[Target]


@described
class Server(TypedDict):
    """A running server on this database."""

    name: str
    started_at: str
    channels: list[str]
    settings_agree: bool
    """Whether it works by the same settings as the server that answers."""
    differs: list[str]
    """The sections of the settings that are others there: `rules`, `channels`, …"""
    this_one: bool
    """Whether it is the server that answers."""


class Standing:
    """The verbs.

    Args:
        targets: returns the targets of each channel, as far as they are known; the channels are
            those of the settings.
        paused_until: until when a channel is paused.
        servers: returns the servers that live, this one first; only a server can tell.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        targets: Callable[[], Mapping[str, Sequence[str]]],
        paused_until: Callable[[str], Micros | None] = lambda _: None,
        servers: Callable[[], Sequence[Living]] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._targets = targets
        self._paused_until = paused_until
        self._servers = servers

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        told = {} if self._servers is None else {"list_servers": self.list_servers}
        return {"list_channels": self.list_channels, **told}

    async def list_channels(self, *, actor: Actor) -> Sequence[Channel]:
        """The channels of the configuration, in its order.

        Targets and channels that the configuration no longer has follow where alerts wait for them.
        """
        async with self._store.read() as connection:
            rows = {(row.channel, row.target): row for row in await targets.known(connection)}
            waiting = await targets.waiting(connection)
            first = await marks.first_targets(connection)
        here = self._targets()
        shown = {
            name: dict.fromkeys(
                here[name] if name in here else (target for of, target in rows if of == name)
            )
            for name in self._settings().channels
        }
        for channel, target in waiting:
            shown.setdefault(channel, {}).setdefault(target)
        return [
            {
                "name": name,
                "targets": [
                    self._target(
                        name,
                        target,
                        row=rows.get((name, target)),
                        first=first.get(marks.target_mark(name, target)),
                        waiting=waiting.get((name, target), targets.Waiting()),
                    )
                    for target in found
                ],
            }
            for name, found in shown.items()
        ]

    def _target(
        self, channel: str, target: str, *, row: Any, first: Micros | None, waiting: targets.Waiting
    ) -> Target:
        paused_until = self._paused_until(channel)
        # A target without this mark is none that is tested.
        used_at = first and ((row and row.last_sent_at) or first)
        due_at = used_at and self_tests.due_at(self._settings(), channel, used_at)
        return {
            "target": target,
            "last_sent_at": None if row is None else iso_or_none(row.last_sent_at),
            "last_failure": None if row is None or row.failed_at is None else _failure(row),
            "waiting": waiting.alerts,
            "waiting_for_hours": waiting.for_hours,
            "self_test_due_at": iso_or_none(due_at),
            "paused_until": iso_or_none(paused_until),
        }

    async def list_servers(self, *, actor: Actor) -> Sequence[Server]:
        """The servers that live and have said by which settings they work, this one first."""
        return list(_servers(self._servers() if self._servers else ()))


def _servers(living: Sequence[Living]) -> Iterator[Server]:
    for one in living:
        yield {
            "name": one.server.name,
            "started_at": iso(one.server.started_at),
            "channels": sorted(one.server.channels),
            "settings_agree": not one.differs,
            "differs": list(one.differs),
            "this_one": one.this_one,
        }


def _failure(row: Any) -> Failure:
    return {"at": iso(row.failed_at), "reason": row.reason, "detail": row.detail}
