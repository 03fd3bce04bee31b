"""Loads the configured channels."""

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from casebell.clock import Clock
from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_channel import AppriseChannel
from casebell.notify.channel import Channel, Channels, Policy
from casebell.notify.fallback import FallbackPolicy
from casebell.notify.pilot import as_configured, piloted
from casebell.notify.render import Disclose, Style
from casebell.notify.webhook_channel import WebhookChannel
from casebell.ops_targets import OpsTargets
from casebell.people.calendars import calendars_of
from casebell.people.hours import Hours
from casebell.people.roster import Roster
from casebell.settings import ChannelSettings, Settings
from casebell.settings.people import people_in

#: Keys of the policy; the others concern the service itself.
_OF_POLICY = {"disclose", "max_age", "fallback", "quiet_outside", "digest", "self_test"}


def load_channels(
    settings: Settings, *, clock: Clock, running: tuple[Settings, Channels] | None = None
) -> Channels:
    """Load every configured channel. May run in a thread; nothing is sent, and nothing changed.

    Args:
        running: the settings in force and their channels. A channel with the same service keeps
            its instance, and with it its pace and its threads.

    Raises:
        ConfigError: with the problems of all channels.
    """
    by_name: dict[str, Channel] = {}
    problems: list[Problem] = []
    for name, channel in settings.channels.items():
        try:
            by_name[name] = _load(channel, settings, clock=clock)
        except ConfigError as error:
            where = str(settings.path)
            problems += [replace(problem, where=where) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    before: Mapping[str, Channel] = {}
    if running is not None and running[0].alerts.pilot == settings.alerts.pilot:
        old, channels = running
        before = channels.by_name
        by_name |= {
            name: as_configured(before[name])
            for name in by_name
            if _same_service(name, old, settings)
        }
    if (pilot := settings.alerts.pilot) is not None:
        by_name = piloted(by_name, pilot, before=before)
    targets = {name: channel.targets for name, channel in by_name.items()}
    ops = OpsTargets.on(settings.ops.notify, targets=targets)
    roster = Roster(
        people=settings.people,
        channels={name: channel.recipients for name, channel in by_name.items()},
        ops=ops.targets,
    )
    policy = FallbackPolicy(
        roster=roster,
        fallbacks={
            name: channel.fallback
            for name, channel in settings.channels.items()
            if channel.fallback
        },
        ops=ops,
    )
    return Channels(by_name=by_name, policies=policies(settings), fallbacks=policy)


def _load(channel: ChannelSettings, settings: Settings, *, clock: Clock) -> Channel:
    if channel.webhook is not None:
        return WebhookChannel(channel, clock=clock)
    schemas = settings.alerts.schemas
    return AppriseChannel(channel, people=settings.people, schemas=schemas, clock=clock)


def policies(settings: Settings) -> dict[str, Policy]:
    """The policy of each configured channel."""
    pilot = settings.alerts.pilot
    calendars = calendars_of(settings.calendars)
    return {
        name: Policy(
            style=Style(
                disclose=_disclose(settings.channels[pilot or name]),
                timezone=ZoneInfo(settings.server.timezone),
                public_url=settings.people_url if settings.console.enabled else None,
            ),
            timeout=_longest_send(settings, channel),
            max_age=channel.max_age,
            pace=channel.pace,
            payload=channel.webhook is not None and pilot is None,
            hours=Hours.of(channel, calendars),
            sources=tuple(settings.sources),
        )
        for name, channel in settings.channels.items()
    }


def _disclose(channel: ChannelSettings) -> Disclose:
    # The receiver of a webhook gets the whole event beside the message.
    return channel.disclose if channel.webhook is None else "full"


def _longest_send(settings: Settings, channel: ChannelSettings) -> float:
    """Seconds for one send; in pilot mode it waits for those of all other channels."""
    if (pilot := settings.alerts.pilot) is None:
        return channel.timeout
    over = settings.channels[pilot]
    return len(settings.channels) * (over.timeout + over.pace)


def _same_service(name: str, old: Settings, new: Settings) -> bool:
    """Whether a channel's service is configured as before, whatever its policy."""
    before, after = old.channels.get(name), new.channels[name]
    same_people = old.people == new.people or not people_in(after)
    return before is not None and (
        same_people
        and before.model_dump(exclude=_OF_POLICY) == after.model_dump(exclude=_OF_POLICY)
    )
