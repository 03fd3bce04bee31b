"""Private calendars: the dates that people typed from notices, for the calendar of one person.

Whoever has the address reads it, without signing in: calendar programs cannot. So it is as secret
as a password. 128 random bits stand in it, and the database has their SHA-256 alone.
"""

import base64
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from typing_extensions import TypedDict

from casebell.actors import Actor, Role
from casebell.clock import MINUTE, Clock, iso, iso_or_none
from casebell.errors import FeedGone, NotThere, Refusal, StorageUnavailable
from casebell.events import Status, Tag
from casebell.people.identity import known
from casebell.service import Verb
from casebell.service.due_calendar import DueDate, due_calendar
from casebell.service.lookups import Lookups
from casebell.service.people_directory import person_named
from casebell.service.second_factor import own
from casebell.settings import Settings
from casebell.settings.models import PersonSettings
from casebell.shapes import described
from casebell.store import feeds, own_keys
from casebell.store.digests import digest_of
from casebell.store.engine import Connection, Store
from casebell.store.feeds import FeedRow

#: Random bytes in an address.
RANDOM_BYTES = 16
#: Where feeds are.
PATH = "/feeds/"
#: How an address ends: programs tell by it what they get.
ENDING = ".ics"

_TOKEN = re.compile(rf"([A-Za-z0-9_-]{{22}}){re.escape(ENDING)}", re.ASCII)


@described
class Feed(TypedDict):
    """What is known of a feed; without its address."""

    id: int
    person: str
    """The id of whose cases it shows."""
    created_at: str
    created_by: str
    last_read_at: str | None
    """To a minute."""
    revoked_at: str | None


@described
class NewFeed(TypedDict):
    """A feed, this once."""

    id: int
    person: str
    address: str
    """As far as it is known: without `server.public_url`, or `console.public_url`, a path."""


class Feeds:
    """The verbs, and what whoever has an address reads there.

    Args:
        settings: returns those in force.
        randomness: returns that many random bytes.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        clock: Clock,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._randomness = randomness
        self._lookups: Lookups[FeedRow] = Lookups(store, feeds.with_digests)

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "add_feed": self.add_feed,
            "list_feeds": self.list_feeds,
            "revoke_feed": self.revoke_feed,
            "add_own_feed": self.add_own_feed,
            "own_feeds": self.own_feeds,
            "revoke_own_feed": self.revoke_own_feed,
        }

    async def add_feed(self, *, person: str, actor: Actor) -> NewFeed:
        """Make a feed of somebody's cases; only this answer has its address.

        Args:
            person: an id, a name or an e-mail address.

        Raises:
            NotFound: it is nobody.
            Refusal: the person has too many.
        """
        return await self._add(person_named(person, self._settings().people), actor=actor)

    async def list_feeds(self, *, actor: Actor) -> list[Feed]:
        """All of them, the revoked ones too."""
        async with self._store.read() as connection:
            return list(map(_feed, await feeds.every(connection)))

    async def revoke_feed(self, *, number: int, actor: Actor) -> Feed:
        """Have a feed say nothing more.

        Raises:
            NotFound: there is none of this number.
            Refusal: it is revoked already.
        """
        return await self._revoke(number, of=None, actor=actor)

    async def add_own_feed(self, *, actor: Actor) -> NewFeed:
        """Make a feed of one's own cases; only this answer has its address.

        Raises:
            Refusal: the account is nobody's in the configuration, or the person has too many.
        """
        return await self._add(self._own(actor), actor=actor)

    async def own_feeds(self, *, actor: Actor) -> list[Feed]:
        """Those of one's own cases, without revoked ones; none where the account is nobody's."""
        own(actor)
        if actor.person is None:
            return []
        async with self._store.read() as connection:
            found = await feeds.every(connection, person=actor.person)
        return [_feed(row) for row in found if row.revoked_at is None]

    async def revoke_own_feed(self, *, number: int, actor: Actor) -> Feed:
        """Have a feed of one's own cases say nothing more; raises as `revoke_feed`."""
        own(actor)
        # "" is nobody's id.
        return await self._revoke(number, of=actor.person or "", actor=actor)

    async def find(self, name: str) -> FeedRow:
        """The feed of an address; strangers who ask at the same time share a read.

        Args:
            name: what stands behind `PATH` in the address.

        Raises:
            NotThere: it is no feed's.
            FeedGone: it is revoked, or its person is not in the configuration any more.
            StorageUnavailable: it cannot be read now.
        """
        found = _TOKEN.fullmatch(name)
        feed = await self._lookups.find(digest_of(found[1])) if found else None
        if feed is None:
            raise NotThere
        if feed.revoked_at is not None or feed.person not in self._settings().people:
            raise FeedGone
        return feed

    async def read(self, feed: FeedRow) -> bytes:
        """What a feed says now, as iCalendar.

        Raises:
            FeedGone: its person is not in the configuration any more.
            StorageUnavailable: it cannot be read now.
        """
        settings = self._settings()
        person = settings.people.get(feed.person)
        if person is None:
            raise FeedGone
        body = await self._body(settings, person)
        now = self._clock.now()
        if feed.last_read_at is None or now - feed.last_read_at >= MINUTE:
            # Whoever reads gets what there is, whether or not that can be noted.
            with suppress(StorageUnavailable):
                await self._store.transact(feeds.record_read, feed.id, now=now)
        return body

    async def close(self) -> None:
        """Wait until every lookup is answered."""
        await self._lookups.close()

    async def _body(self, settings: Settings, person: PersonSettings) -> bytes:
        reader = Actor(name="feed", role=Role.VIEWER, person=person.id)
        who = known(reader, settings.people)
        async with self._store.read() as connection:
            rows = await feeds.dates(connection, owners=who.owner_keys, teams=who.team_keys)
            key = await own_keys.existing_key(connection, own_keys.MESSAGES)
        if key is None:
            key = await self._store.transact(own_keys.own_key, own_keys.MESSAGES)
        dates = [_due_date(row) for row in rows]
        return due_calendar(person.name, dates, key=key, public_url=settings.people_url)

    def _own(self, actor: Actor) -> PersonSettings:
        own(actor)
        person = self._settings().people.get(actor.person or "")
        if person is None:
            raise Refusal(
                "Your account is that of nobody in the configuration, and has no cases of its own.",
                hint="An admin can say whose it is: `casebell accounts set NAME --person ID`.",
            )
        return person

    async def _add(self, person: PersonSettings, *, actor: Actor) -> NewFeed:
        random = self._randomness(RANDOM_BYTES)
        token = base64.urlsafe_b64encode(random).decode().rstrip("=")
        number = await self._store.transact(
            feeds.add,
            digest=digest_of(token),
            person=person.id,
            now=self._clock.now(),
            actor=actor,
        )
        base = self._settings().people_url or ""
        return {"id": number, "person": person.id, "address": f"{base}{PATH}{token}{ENDING}"}

    async def _revoke(self, number: int, *, of: str | None, actor: Actor) -> Feed:
        async def revoke(connection: Connection) -> Sequence[Any]:
            await feeds.revoke(connection, number, of=of, now=self._clock.now(), actor=actor)
            return await feeds.every(connection)

        rows = await self._store.transact(revoke)
        return next(_feed(row) for row in rows if row.id == number)


def _due_date(row: Any) -> DueDate:
    return DueDate(
        change=row.change_id,
        receipt=row.receipt,
        status=Status(row.status) if row.status in set(Status) else Status.OTHER,
        tags=frozenset(tag for tag in Tag if tag in row.tags.split()),
        deadline=row.deadline,
        due=row.due,
        confirmed=row.due_confirmed_at is not None,
        entered_at=max(row.due_entered_at or 0, row.due_confirmed_at or 0),
        event=row.event_id,
    )


def _feed(row: Any) -> Feed:
    return {
        "id": row.id,
        "person": row.person,
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
        "last_read_at": iso_or_none(row.last_read_at),
        "revoked_at": iso_or_none(row.revoked_at),
    }
