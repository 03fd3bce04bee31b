"""Where operations read, and what a message to them is as alerts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from casebell.alerts import AlertKind, NewAlert
from casebell.clock import HOUR
from casebell.events import Micros
from casebell.ops_messages import Frequency, OpsMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class OpsTargets:
    """The targets of operations, as pairs of a channel and one of its targets."""

    targets: tuple[tuple[str, str], ...]

    @classmethod
    def on(cls, channels: Iterable[str], *, targets: Mapping[str, Sequence[str]]) -> Self:
        """Every target of these channels."""
        names = dict.fromkeys(channels)
        return cls(targets=tuple((name, target) for name in names for target in targets[name]))

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(dict.fromkeys(channel for channel, _ in self.targets))

    def alerts_for(
        self, message: OpsMessage, *, now: Micros, failed: tuple[str, str] | None = None
    ) -> list[NewAlert]:
        """A new alert for each target.

        Args:
            failed: a channel and target that could not be reached; it gets no alert.
        """
        return [
            NewAlert(
                kind=AlertKind.OPS,
                subject=subject_of(message, now=now),
                channel=channel,
                target=target,
                urgent=message.urgent,
                note=message,
            )
            for channel, target in self.targets
            if (channel, target) != failed
        ]


def subject_of(message: OpsMessage, *, now: Micros) -> str:
    """The subject, unique among the alerts of a target; that of an hourly message has the hour.

    An urgent one is another than the same that is not: that may wait for hours of its channel.
    """
    subject = f"{message.topic}:{message.key}"
    if message.frequency is Frequency.ONCE:
        return subject
    return f"{subject}:urgent:{now // HOUR}" if message.urgent else f"{subject}:{now // HOUR}"
