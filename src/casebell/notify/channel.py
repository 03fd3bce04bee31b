"""A channel as the dispatcher uses it, and all channels of one configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from casebell.alerts import OWNER, Message, SendResult
from casebell.clock import MINUTE, SECOND
from casebell.notify.fallback import FallbackPolicy
from casebell.notify.render import Style
from casebell.ops_targets import OpsTargets
from casebell.people.hours import ALWAYS, Hours
from casebell.people.roster import Recipients, Roster
from casebell.store.grouping import WINDOW

#: How long that waits which only another server may know: until all have been reloaded.
ROLL_OUT = 10 * MINUTE


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """From whom and to whom messages go, as far as the configuration says it; safe to show."""

    #: A recipient, or the name of the service whose URL has the place.
    to: str
    #: "" for a service that is told none.
    sender: str


class Channel(Protocol):
    """A named way to reach people, with one or more targets."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def targets(self) -> tuple[str, ...]:
        """Safe labels of those that it always has: recipients as configured, names of services."""
        ...

    @property
    def routes(self) -> Mapping[str, Route]:
        """By target, from whom and to whom its messages go."""
        ...

    @property
    def recipients(self) -> Recipients:
        """Whom it reaches, people among them."""
        ...

    def reaches(self, target: str) -> bool:
        """Whether it can send to a target: one of its own, a person's, or any that it takes."""
        ...

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send one message to one target; never raises for a failure."""
        ...

    async def close(self) -> None:
        """Start no more sends; one under way ends by itself."""
        ...


class Addressed(Protocol):
    """An alert, as far as it says for whom it is; the names are those of `Alert`."""

    @property
    def channel(self) -> str:
        """The name of its channel."""
        ...

    @property
    def target(self) -> str:
        """The safe label."""
        ...

    @property
    def person(self) -> str | None:
        """The id of who reads there."""
        ...

    @property
    def addressed_as(self) -> str:
        """Why this target."""
        ...


def is_gone(to: Addressed, channel: Channel) -> bool:
    """Whether a channel no longer has a target, or not as this person's address."""
    if to.person is not None:
        return channel.recipients.addresses.get(to.person) != to.target
    if to.addressed_as == OWNER:
        return not channel.reaches(to.target)
    return to.target not in channel.targets


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How the dispatcher uses one channel."""

    style: Style
    #: Seconds for one send.
    timeout: float
    #: Seconds after which an alert fails.
    max_age: float
    #: Least seconds between the starts of two sends.
    pace: float = 0.0
    #: Whether its messages carry the alert as JSON, too.
    payload: bool = False
    #: In which ordinary alerts wait.
    hours: Hours = ALWAYS
    #: The sources of which a digest without news says when they last delivered.
    sources: Sequence[str] = ()

    @property
    def shares(self) -> bool:
        """Whether alerts that waited together go in one message: a program reads each alone."""
        return not self.payload

    @property
    def groups(self) -> bool:
        """Whether ordinary alerts of a target may wait, to go in one message.

        None may be too old by then.
        """
        return self.shares and self.max_age >= 2 * WINDOW / SECOND


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """Every channel of one configuration with its policy; replaced as a whole."""

    by_name: Mapping[str, Channel]
    #: Of the same names.
    policies: Mapping[str, Policy]
    fallbacks: FallbackPolicy

    def has(self, to: Addressed) -> bool:
        """Whether the configuration still has whom an alert is for."""
        return to.channel in self.by_name and not is_gone(to, self.by_name[to.channel])

    def known_targets(self) -> Mapping[str, Sequence[str]]:
        """By channel, its targets; those of every person whom it can reach are among them."""
        return {
            name: list(dict.fromkeys([*channel.targets, *channel.recipients.addresses.values()]))
            for name, channel in self.by_name.items()
        }

    @property
    def ops(self) -> OpsTargets:
        """The targets of operations."""
        return self.fallbacks.ops

    @property
    def roster(self) -> Roster:
        """Whom each channel reaches for a case."""
        return self.fallbacks.roster
