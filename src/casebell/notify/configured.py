"""What the configuration says of channels, as the dispatcher wants it."""

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from casebell.clock import Clock
from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_channel import load_channel
from casebell.notify.attempt import Policy
from casebell.notify.channel import Channel
from casebell.notify.escalate import Ladder
from casebell.notify.render import Style
from casebell.settings import Settings
from casebell.store.ops import OpsTargets

#: Keys that do not concern the service itself.
_OF_POLICY = frozenset({"disclose", "max_age", "fallback"})


def load_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Every configured channel, ready to send.

    Raises:
        ConfigError: with the problems of all of them.
    """
    loaded: dict[str, Channel] = {}
    problems: list[Problem] = []
    for name, channel in settings.channels.items():
        try:
            loaded[name] = load_channel(channel, schemas=settings.alerts.schemas, clock=clock)
        except ConfigError as error:
            where = str(settings.path)
            problems += [replace(problem, where=where) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return loaded


def policies(settings: Settings) -> dict[str, Policy]:
    """How each configured channel is treated."""
    return {
        name: Policy(
            style=Style(
                disclose=channel.disclose,
                timezone=ZoneInfo(settings.server.timezone),
                public_url=settings.server.public_url,
            ),
            timeout=channel.timeout,
            max_age=channel.max_age,
            pace=channel.pace,
        )
        for name, channel in settings.channels.items()
    }


def ladder(settings: Settings, channels: Mapping[str, Channel]) -> Ladder:
    """Who stands in for whom."""
    targets = {name: channel.targets for name, channel in channels.items()}
    return Ladder(
        targets=targets,
        fallbacks={
            name: channel.fallback
            for name, channel in settings.channels.items()
            if channel.fallback
        },
        ops=OpsTargets.on(settings.ops.notify, targets=targets),
    )


def same_service(name: str, old: Settings, new: Settings) -> bool:
    """Whether a channel sends exactly as it did; how its alerts are treated is its policy."""
    before, after = old.channels.get(name), new.channels[name]
    return before is not None and all(
        getattr(before, key) == getattr(after, key)
        for key in type(after).model_fields
        if key not in _OF_POLICY
    )
