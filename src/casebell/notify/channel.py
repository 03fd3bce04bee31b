"""What every way of reaching people looks like: to the configuration, and to the dispatcher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from casebell.events import Message, SendResult
from casebell.notify.escalate import EscalationPolicy
from casebell.notify.render import Style
from casebell.store.ops import OpsTargets


class Secret(Protocol):
    """A string that hides itself."""

    def get_secret_value(self) -> str:
        """The string."""
        ...


class ChannelSettings(Protocol):
    """What the configuration says of a channel."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def urls(self) -> Sequence[Secret]:
        """Service URLs, at least one."""
        ...

    @property
    def to(self) -> Sequence[str]:
        """Recipients, one target each; empty for services that take none."""
        ...

    @property
    def insecure(self) -> bool:
        """Whether it may speak plain text to another machine."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds one send may take."""
        ...

    @property
    def pace(self) -> float:
        """Least seconds between the starts of two sends."""
        ...


class Channel(Protocol):
    """A named way to reach people, with one or more targets."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def targets(self) -> tuple[str, ...]:
        """Safe labels: a recipient as configured, or the name of a service; never a URL."""
        ...

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send one message to one target, and say what came of it; never raises for a failure."""
        ...

    async def close(self) -> None:
        """Take no more messages. A send under way is left to end by itself."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How one channel is treated."""

    style: Style
    #: Seconds for one send.
    timeout: float
    #: Seconds after which an alert is given up.
    max_age: float
    #: Least seconds between the starts of two sends.
    pace: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """Every channel of one configuration: what is sent over, and how. Replaced as a whole."""

    by_name: Mapping[str, Channel]
    #: Of the same names.
    policies: Mapping[str, Policy]
    escalation: EscalationPolicy

    @property
    def ops(self) -> OpsTargets:
        """Where operations read."""
        return self.escalation.ops
