"""What a link in a message opens: what that message said, and a way to say that it was seen.

Whoever has the link is taken for the person to whom it was sent, of this one change, and of nothing
else. Nothing is done by looking: mail scanners fetch every address, and run its scripts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from casebell.actors import Actor, Role
from casebell.clock import Clock, iso_or_none
from casebell.networks import network_of
from casebell.notify.composer import headline_in
from casebell.notify.headlines import CONFIDENTIAL, Headline
from casebell.notify.links import HIDDEN, PATH
from casebell.people.identity import People
from casebell.service.following_up import note_of
from casebell.service.limits import PAUSE, Limits
from casebell.service.lookups import Lookups
from casebell.store import acknowledgements, links, subjects
from casebell.store.digests import digest_of
from casebell.store.engine import Connection, Store

#: Unknown links of a network within a quarter of an hour; the next ones wait for their answer.
MAX_UNKNOWN: Final = 30
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class Standing(StrEnum):
    """Whether a link can be used, and why not."""

    OPEN = "open"
    #: There is none, or there was one long ago.
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    #: The configuration no longer has to whom it was sent.
    GONE = "gone"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What a link shows."""

    standing: Standing
    #: To whom it was sent: the name, or the id of somebody who is gone.
    person: str = ""
    #: What the message said; nothing of a link that cannot be used.
    title: str = ""
    lines: Sequence[str] = ()
    #: When somebody acknowledged by this link.
    acknowledged_at: str | None = None


_UNKNOWN = Opened(standing=Standing.UNKNOWN)


class SeenLinks:
    """Opens links, and acknowledges by them.

    Args:
        people: returns who can be told by name.
        pause: seconds that a stranger who tries too many waits.
    """

    def __init__(
        self, *, store: Store, people: Callable[[], People], clock: Clock, pause: float = PAUSE
    ) -> None:
        self._store = store
        self._people = people
        self._clock = clock
        self._rows: Lookups[Any] = Lookups(store, links.with_digests)
        #: Of this server alone: nobody guesses 128 bits, and only its work is bounded.
        self._limits = Limits(clock, pause=pause)

    async def open(self, token: str, *, address: str) -> Opened:
        """What a link shows; nothing is done.

        Args:
            token: what stands in its address.
            address: where the request came from.

        Raises:
            TooManyAttempts: too many from there were none.
            StorageUnavailable: it cannot be read now.
        """
        row = await self._found(token, address=address)
        if row is None:
            return _UNKNOWN
        standing = self._standing(row)
        if standing is not Standing.OPEN:
            return Opened(standing=standing, person=self._name(row))
        async with self._store.read() as connection:
            title, lines = await _said(connection, row)
        return Opened(
            standing=standing,
            person=self._name(row),
            title=title,
            lines=lines,
            acknowledged_at=iso_or_none(row.acknowledged_at),
        )

    async def acknowledge(self, token: str, *, note: str, address: str) -> Opened:
        """Say that the person to whom a link was sent has seen its change.

        Returns:
            What it shows then. Nothing is done by one that cannot be used.

        Raises:
            BadArgument: the note cannot be kept.
            TooManyAttempts, StorageUnavailable: as `open`.
        """
        said = note_of(note)
        if await self._found(token, address=address) is None:
            return _UNKNOWN
        now, digest = self._clock.now(), digest_of(token)

        async def write(connection: Connection) -> None:
            row = (await links.with_digests(connection, [digest])).get(digest)
            if row is None or self._standing(row) is not Standing.OPEN:
                return
            if row.acknowledged_at is not None:
                # Each link says it once: whoever has one cannot fill the record.
                return
            actor = Actor(name=f"link:{row.person}", role=Role.VIEWER, person=row.person)
            await acknowledgements.acknowledge(
                connection, [row.change_id], actor=actor, note=said, now=now
            )
            await links.use(connection, digest, now=now)

        await self._store.transact(write)
        return await self.open(token, address=address)

    async def close(self) -> None:
        """Wait until every lookup is answered."""
        await self._rows.close()

    async def _found(self, token: str, *, address: str) -> Any:
        """The row of a link; None where there is none. One that is right is never limited."""
        row = await self._rows.find(digest_of(token)) if _TOKEN.fullmatch(token) else None
        if row is None:
            await self._limits.refuse({f"link {network_of(address)}": MAX_UNKNOWN})
        return row

    def _standing(self, row: Any) -> Standing:
        if row.answered_at is not None:
            return Standing.ANSWERED
        if row.person not in self._people():
            return Standing.GONE
        return Standing.EXPIRED if row.expires_at <= self._clock.now() else Standing.OPEN

    def _name(self, row: Any) -> str:
        people = self._people()
        return people[row.person].name if row.person in people else str(row.person)


async def _said(connection: Connection, row: Any) -> tuple[str, Sequence[str]]:
    """What the message said, no more: of a case that is confidential by now, that it has news."""
    case = await subjects.case_of(connection, row.event_id or 0)
    if case is not None and case.confidential:
        return _words(CONFIDENTIAL)
    told = await links.told_by(connection, row.alert_id)
    if told is None:
        # It is being sent just now, or what it said could not be kept.
        return _words(await headline_in(connection, row.event_id or 0))
    return told.title, _without_the_link(told.body)


def _words(headline: Headline) -> tuple[str, Sequence[str]]:
    """The title and sentences that a plain message has."""
    return headline.subject, [line for line in (headline.sentence, headline.owed) if line]


def _without_the_link(body: str) -> Sequence[str]:
    """The lines of a message without the link that led here, and the words before it."""
    lines = body.split("\n")
    ours = {place for place, line in enumerate(lines) if line.endswith(f"{PATH}{HIDDEN}")}
    return [line for place, line in enumerate(lines) if place not in ours and place + 1 not in ours]
