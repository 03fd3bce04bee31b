"""The interfaces of a channel: its settings, and its use by the dispatcher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from casebell.alerts import Message, SendResult
from casebell.notify.escalate import EscalationPolicy
from casebell.notify.render import Style
from casebell.ops_targets import OpsTargets


class HiddenText(Protocol):
    """A string whose repr does not show it."""

    def get_secret_value(self) -> str:
        """The string."""
        ...


class ServiceSettings(Protocol):
    """The settings that a channel's services are loaded from."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def urls(self) -> Sequence[HiddenText]:
        """Service URLs, at least one."""
        ...

    @property
    def to(self) -> Sequence[str]:
        """Recipients, each a target; empty for services without recipients."""
        ...

    @property
    def insecure(self) -> bool:
        """Whether it may send plain text to another machine."""
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
        """Send one message to one target; never raises for a failure."""
        ...

    async def close(self) -> None:
        """Start no more sends; one under way ends by itself."""
        ...


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """Every channel of one configuration with its policy; replaced as a whole."""

    by_name: Mapping[str, Channel]
    #: Of the same names.
    policies: Mapping[str, Policy]
    escalation: EscalationPolicy

    @property
    def ops(self) -> OpsTargets:
        """The targets of operations."""
        return self.escalation.ops
