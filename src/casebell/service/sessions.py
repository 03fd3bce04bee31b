"""Sessions: who is signed in, from the first page to the last.

A session is a row, so that it can be ended at once, on every server. The browser has 256 random
bits in its cookie, and the database their SHA-256 alone.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from casebell.actors import Actor, Role
from casebell.clock import MINUTE, SECOND, Clock
from casebell.errors import NotSignedIn
from casebell.events import Micros
from casebell.json_text import encode
from casebell.service.access_record import AccessRecord
from casebell.service.access_shapes import unusable
from casebell.service.lookups import Lookups
from casebell.settings.models import Console
from casebell.store import journal, sessions
from casebell.store.digests import digest_of
from casebell.store.engine import Store

#: Random bytes of a cookie.
COOKIE_BYTES = 32
#: What is still asked for must be given in so long.
UNFINISHED: Micros = 10 * MINUTE

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Asked(StrEnum):
    """What is still asked for before somebody is signed in."""

    NOTHING = ""
    #: A code of the second factor.
    CODE = "code"
    #: A second factor, which the role needs and the account does not have.
    ENROL = "enrol"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownAccount:
    """An account whose owner has proved to be that."""

    id: int
    actor: Actor
    #: Whether it has a second factor.
    second_factor: bool
    #: Since when it has the password that was given; None where none was.
    password_since: Micros | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session that goes on."""

    id: int
    account: int
    actor: Actor
    asked: Asked
    began_at: Micros
    ends_at: Micros
    #: What was last done, for the next page to say; a JSON object.
    told: Mapping[str, Any] | None


class Sessions:
    """Begins, finds and ends them; each request reads its row.

    Args:
        record: is told when each was last seen.
        settings: those of the console in force.
        randomness: returns that many random bytes.
    """

    def __init__(
        self,
        *,
        store: Store,
        record: AccessRecord,
        settings: Callable[[], Console],
        clock: Clock,
        randomness: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._store = store
        self._record = record
        self._settings = settings
        self._clock = clock
        self._randomness = randomness
        self._rows = Lookups(store, sessions.with_digests)

    async def close(self) -> None:
        """Wait until every request knows who asks."""
        await self._rows.close()

    async def begin(self, account: KnownAccount, *, how: str, address: str) -> str:
        """Begin a session of somebody who has proved who it is; what the cookie is to hold.

        Args:
            how: `password` or `oidc`; with a provider, the second factor is the provider's.
            address: where the request came from.

        Raises:
            NotSignedIn: the account has another password or second factor, or is disabled, by now.
            StorageUnavailable: it cannot be put on record.
        """
        asked, since = Asked.NOTHING, None
        if how == "password":
            asked, since = self._asked(account), account.password_since
        return await self._add(
            account.actor,
            account.id,
            asked,
            how=how,
            address=address,
            proved=None if since is None else (since, account.second_factor),
        )

    async def finish(self, session: Session, *, how: str, address: str) -> str:
        """Go on as somebody who has given what was asked for; what the cookie is to hold now.

        It is another session: whoever knew the cookie before knows nothing.

        Raises:
            NotSignedIn: the one before has ended meanwhile.
            StorageUnavailable: it cannot be put on record.
        """
        return await self._add(
            session.actor,
            session.account,
            Asked.NOTHING,
            how=how,
            address=address,
            replaces=session.id,
        )

    async def renew(self, session: Session) -> str:
        """Go on with the same session; what the cookie is to hold now.

        Whoever has a copy of the cookie before is signed out.

        Raises:
            NotSignedIn: it has ended meanwhile.
        """
        cookie = self._randomness(COOKIE_BYTES)
        await self._store.transact(sessions.renew, session.id, digest=digest_of(cookie))
        return cookie

    async def find(self, cookie: str) -> Session:
        """The session of a cookie.

        Raises:
            NotSignedIn: there is none that goes on.
            StorageUnavailable: the storage cannot be read now.
        """
        if not _COOKIE.fullmatch(cookie):
            raise NotSignedIn
        row = await self._rows.find(digest_of(cookie))
        now = self._clock.now()
        if row is None or unusable(row, now) or self._is_over(row, now):
            raise NotSignedIn
        if row.password_alone and not row.asked and self._needs_second_factor(Role(row.role)):
            # Its role is another by now, or roles need more. Signing in again leads to it.
            raise NotSignedIn
        self._record.seen(row.id, last=row.seen_at)
        return Session(
            id=row.id,
            account=row.account_id,
            actor=Actor(name=f"account:{row.name}", role=Role(row.role), person=row.person),
            asked=Asked(row.asked),
            began_at=row.began_at,
            ends_at=row.ends_at,
            told=None if row.told is None else json.loads(row.told),
        )

    async def end(self, session: Session) -> None:
        """End a session: its cookie is nobody's from now on."""
        actor = session.actor
        await self._store.transact(
            sessions.end, session.id, subject=actor.name, now=self._clock.now(), actor=actor
        )

    async def tell(self, session: Session, told: Mapping[str, Any]) -> None:
        """Keep what the next page is to say."""
        await self._store.transact(sessions.tell, session.id, encode(told))

    async def said(self, session: Session) -> None:
        """Note that it was said."""
        await self._store.transact(sessions.tell, session.id, None)

    async def _add(
        self,
        actor: Actor,
        account: int,
        asked: Asked,
        *,
        how: str,
        address: str,
        replaces: int | None = None,
        proved: tuple[Micros, bool] | None = None,
    ) -> str:
        cookie, now = self._randomness(COOKIE_BYTES), self._clock.now()
        lasts = round(self._settings().session * SECOND)
        began = journal.Entry.of(
            actor,
            at=now,
            kind="session.began",
            subject=actor.name,
            data={"how": how, "address": address},
        )
        await self._store.transact(
            sessions.add,
            digest=digest_of(cookie),
            account=account,
            asked=asked,
            ends_at=now + (min(lasts, UNFINISHED) if asked else lasts),
            # What is not finished opened nothing yet.
            entries=[] if asked else [began],
            replaces=replaces,
            proved=proved,
            now=now,
        )
        if not asked:
            self._record.signed_in(account)
        return cookie

    def _asked(self, account: KnownAccount) -> Asked:
        if account.second_factor:
            return Asked.CODE
        return Asked.ENROL if self._needs_second_factor(account.actor.role) else Asked.NOTHING

    def _needs_second_factor(self, role: Role) -> bool:
        return role in self._settings().second_factor

    def _is_over(self, row: sessions.SessionRow, now: Micros) -> bool:
        """Whether it has ended by its times; those in force count, if they are shorter."""
        settings = self._settings()
        ends_at = min(row.ends_at, row.began_at + round(settings.session * SECOND))
        return now >= ends_at or now - row.seen_at >= round(settings.idle * SECOND)
