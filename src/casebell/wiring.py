"""What follows from one configuration: one value, built and checked beside the one in force.

A reload replaces it by reference, without an `await`: nothing ever sees a part of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from casebell.clock import Clock
from casebell.events import Content
from casebell.notify.channel import Channels
from casebell.notify.load import load_channels
from casebell.ops_targets import OpsTargets
from casebell.people.calendars import calendars_of
from casebell.people.identity import People
from casebell.receive.accept import SourceReceiver, source_receivers
from casebell.receive.content import content_of
from casebell.route.classification import Meanings
from casebell.route.coverage import gaps_of
from casebell.route.rulebook import Rulebook
from casebell.route.rules import compile_escalations, compile_rules
from casebell.settings import Settings, SourceSettings, Wordings
from casebell.settings.models import Console, Document, ServerSettings
from casebell.settings.upstream import SUBSCRIPTION, mark_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """Whatever is made of a configuration before it is used."""

    settings: Settings
    #: By name.
    sources: Mapping[str, SourceReceiver]
    channels: Channels
    rulebook: Rulebook
    #: By name, the sources of this configuration and of earlier ones: a delivery of a source that
    #: was removed may still be on its way.
    known_sources: Mapping[str, SourceSettings]
    #: Sentences on what works, but may be a mistake.
    warnings: tuple[str, ...]
    #: By section, SHA-256 in lower-case hex of what decides who is told, without secrets. Two
    #: servers that have all in common do the same.
    digests: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, *, clock: Clock, replaces: Self | None = None) -> Self:
        """Load and check everything; may run in a thread.

        Args:
            replaces: the wiring in force. A channel whose service is the same keeps its instance.

        Raises:
            ConfigError: a channel cannot be loaded, or a source cannot authenticate anybody.
        """
        running = (replaces.settings, replaces.channels) if replaces else None
        channels = load_channels(settings, clock=clock, running=running)
        known = replaces.known_sources if replaces else {}
        return cls(
            settings=settings,
            sources=source_receivers(settings.sources),
            channels=channels,
            rulebook=_rulebook(settings, channels),
            known_sources={**known, **settings.sources},
            warnings=(*settings.warnings, *map(str, gaps_of(settings))),
            digests=_digests(settings, channels),
        )


class InForce:
    """The wiring in force, which a reload replaces; every part asks here for what it works by."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def settings(self) -> Settings:
        """The settings."""
        return self.wiring.settings

    def server(self) -> ServerSettings:
        """The settings of the server: its bounds among them."""
        return self.wiring.settings.server

    def console(self) -> Console:
        """The settings of the pages for people."""
        return self.wiring.settings.console

    def timezone(self) -> str:
        """The time zone for people."""
        return self.wiring.settings.server.timezone

    def people(self) -> People:
        """Who can be told by name."""
        return self.wiring.settings.people

    def sources(self) -> Mapping[str, SourceReceiver]:
        """The sources, by name."""
        return self.wiring.sources

    def channels(self) -> Channels:
        """The channels."""
        return self.wiring.channels

    def ops(self) -> OpsTargets:
        """The targets of operations."""
        return self.wiring.channels.ops

    def rulebook(self) -> Rulebook:
        """The rules, with what they need to decide."""
        return self.wiring.rulebook

    def content_of(self, source: str, body: bytes) -> Content:
        """The content of a source's body, for comparison with another of the same key."""
        return content_of(body, self.wiring.known_sources[source])


def _rulebook(settings: Settings, channels: Channels) -> Rulebook:
    return Rulebook(
        meanings=Meanings(
            kinds={name: source.kind for name, source in settings.sources.items()},
            categories={name: source.categories for name, source in settings.sources.items()},
            test_receipts=settings.routing.test_receipts,
            wordings=Wordings(settings.wordings),
        ),
        rules=compile_rules(settings.rules),
        escalations=compile_escalations(
            settings.escalations, calendars=calendars_of(settings.calendars)
        ),
        roster=channels.roster,
        ops=channels.ops,
        coalesce=settings.routing.coalesce,
        repeat_within=settings.routing.repeat_within,
    )


def _digests(settings: Settings, channels: Channels) -> Mapping[str, str]:
    """A digest of each section that should be the same on every server of a database."""
    # Secrets are dumped as asterisks; of a channel's addresses its targets say enough.
    sections = settings.model_dump(
        mode="json", include=set(Document.model_fields) - {"server", "storage"}, warnings=False
    )
    sections["channels"] = [sections["channels"], sorted(channels.known_targets().items())]
    # Of secrets that were made here, other servers must have the same ones.
    sections["sources"] = [sections["sources"], _own_secrets(settings)]
    # Where the file is differs from machine to machine.
    return {
        name: hashlib.sha256(
            json.dumps(section).replace(str(settings.base_dir), "").encode()
        ).hexdigest()
        for name, section in sections.items()
    }


def _own_secrets(settings: Settings) -> Mapping[str, list[str]]:
    """By source, which secrets of our own subscriptions it has."""
    return {
        name: [
            mark_of(one.value.get_secret_value())
            for one in source.secrets
            if one.label.startswith(SUBSCRIPTION)
        ]
        for name, source in settings.sources.items()
    }
