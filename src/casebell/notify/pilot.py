"""Pilot mode: everything is decided as configured, and each message goes to one channel alone."""

from collections.abc import Mapping
from dataclasses import replace

from casebell.alerts import Line, Message, Part, SendResult
from casebell.errors import ConfigError, Problem
from casebell.notify.channel import Channel, Route
from casebell.people.roster import Recipients


class PilotedChannel:
    """A channel of which every message goes over the pilot, with its intended recipient on top.

    Args:
        of: the channel as configured; nothing is sent over it.
        over: the pilot, which has one target.
    """

    def __init__(self, of: Channel, *, over: Channel) -> None:
        self.of = of
        self.over = over

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.of.name

    @property
    def targets(self) -> tuple[str, ...]:
        """As configured."""
        return self.of.targets

    @property
    def routes(self) -> Mapping[str, Route]:
        """As configured."""
        return self.of.routes

    @property
    def recipients(self) -> Recipients:
        """As configured."""
        return self.of.recipients

    def reaches(self, target: str) -> bool:
        """As configured."""
        return self.of.reaches(target)

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send the message to the pilot's target; never raises for a failure."""
        (pilot,) = self.over.targets
        marked = _meant_for(message, target=target, channel=self.name)
        result = await self.over.send(target=pilot, message=marked)
        detail = f"pilot: over {self.over.name}; {result.detail}".rstrip("; ")
        return replace(result, diverted=True, detail=detail)

    async def close(self) -> None:
        """Start no more sends; one under way ends by itself."""
        await self.of.close()


def piloted(
    by_name: Mapping[str, Channel], pilot: str, *, before: Mapping[str, Channel]
) -> dict[str, Channel]:
    """The channels with their messages sent over the pilot.

    Args:
        before: the channels in force. One that would be the same stays, and with it its pause.

    Raises:
        ConfigError: the pilot has not exactly one target.
    """
    over = by_name[pilot]
    if len(over.targets) != 1:
        raise ConfigError(
            [
                Problem(
                    key="alerts.pilot",
                    message="is a channel with several targets, or with none of its own",
                    hint="Name one with a single recipient, such as the mailbox of IT.",
                )
            ]
        )
    found: dict[str, Channel] = {}
    for name, channel in by_name.items():
        known = before.get(name)
        same = isinstance(known, PilotedChannel) and (known.of, known.over) == (channel, over)
        found[name] = known if known and same else PilotedChannel(channel, over=over)
    return found


def as_configured(channel: Channel) -> Channel:
    """The channel without its pilot."""
    return channel.of if isinstance(channel, PilotedChannel) else channel


def _meant_for(message: Message, *, target: str, channel: str) -> Message:
    line = Line(f"Pilot: meant for {target} over {channel}.", part=Part.WARNING)
    return replace(
        message,
        title=f"Pilot: {message.title}",
        short_title=message.short_title and f"Pilot: {message.short_title}",
        body=f"{line.text}\n{message.body}",
        lines=(line, *message.lines) if message.lines else (),
    )
