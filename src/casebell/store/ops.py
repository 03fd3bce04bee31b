"""Tells operations something, over every target that the configuration names for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import AlertKind, Micros
from casebell.store import outbox
from casebell.store.outbox import NewAlert
from casebell.store.schema import alerts


@dataclass(frozen=True, kw_only=True, slots=True)
class OpsTargets:
    """Where operations read, as pairs of a channel and one of its targets."""

    targets: tuple[tuple[str, str], ...]

    @classmethod
    def on(cls, channels: Iterable[str], *, targets: Mapping[str, Sequence[str]]) -> Self:
        """Every target of these channels."""
        return cls(
            targets=tuple(
                (name, target) for name in dict.fromkeys(channels) for target in targets[name]
            )
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(dict.fromkeys(channel for channel, _ in self.targets))

    def alerts_for(
        self, subject: str, note: tuple[str, ...], *, urgent: bool = False
    ) -> list[NewAlert]:
        """A new alert for each target."""
        return [
            NewAlert(
                kind=AlertKind.OPS,
                subject=subject,
                channel=channel,
                target=target,
                urgent=urgent,
                note=note,
            )
            for channel, target in self.targets
        ]

    async def notify(
        self,
        connection: AsyncConnection,
        subject: str,
        note: tuple[str, ...],
        *,
        urgent: bool = False,
        now: Micros,
    ) -> bool:
        """Put a message into the outbox; False where this subject was told already.

        With no targets every message counts as told: there is nothing to wait for.
        """
        new = self.alerts_for(subject, note, urgent=urgent)
        return not new or await outbox.add(connection, new, now=now) > 0


async def known_subjects(connection: AsyncConnection, subjects: Iterable[str]) -> set[str]:
    """Those of the subjects that operations have been told of."""
    statement = select(alerts.c.subject).distinct().where(alerts.c.subject.in_(list(subjects)))
    return set((await connection.execute(statement)).scalars())
