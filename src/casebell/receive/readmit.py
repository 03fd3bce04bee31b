"""Refused deliveries, checked again with today's secrets; those that authenticate go the usual way.

refused → readmit → understand → append, or hold
    └ does not authenticate: stays as it is
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casebell.clock import Clock
from casebell.errors import HeldDelivery, NotFound, RefusedDelivery, UnknownSource
from casebell.events import CaseEvent, VerifiedDelivery
from casebell.receive.signatures import Authenticator, Kept
from casebell.receive.understand import idempotency_key, understand
from casebell.settings import Settings
from casebell.store import held, refused
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.rows import delivery_from_row

#: Refusals read and written at a time: their bodies are in memory together.
PAGE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Readmission:
    """What came of one refusal."""

    refused_id: int
    source: str
    #: `stored`, `duplicate`, `conflict`, `held`: it is in. `refused`: it stays. `readmitted`:
    #: it was in already. `not_kept`: it brought nothing that could be checked again.
    status: str
    #: The code of the error, where it stays refused.
    error: str | None = None
    #: Our row.
    event_id: int | None = None
    held_id: int | None = None
    appended: Appended | None = field(default=None, compare=False, repr=False)

    @property
    def is_in(self) -> bool:
        """Whether this very check let it in."""
        return self.event_id is not None or self.held_id is not None


async def choose(store: Store, ids: Sequence[int], *, source: str | None) -> list[int]:
    """The refusals that are meant: those named, or all that can be checked again.

    Raises:
        NotFound: one of `ids` is not there, or no longer.
    """
    async with store.read() as connection:
        if not ids:
            return await refused.readmittable(connection, source=source)
        known = await refused.known(connection, ids)
    for one in ids:
        if one not in known:
            raise NotFound(
                f"There is no refused delivery {one}, or it is forgotten by now.",
                hint="`casebell refused list` shows those there are.",
            )
    return sorted(set(ids))


class Readmissions:
    """Checks refusals again.

    Args:
        settings: with today's secrets.
        actor: who is named in the journal.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        event_log: EventLog,
        clock: Clock,
        actor: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._authenticators: Mapping[str, Authenticator] = {
            name: Authenticator(source) for name, source in settings.sources.items()
        }
        self._event_log = event_log
        self._clock = clock
        self._actor = actor

    async def readmit(self, ids: Sequence[int]) -> list[Readmission]:
        """Check each again, oldest first, a page to a transaction."""
        results: list[Readmission] = []
        for first in range(0, len(ids), PAGE):
            page = await self._readmit_page(ids[first : first + PAGE])
            if appended := [one.appended for one in page if one.appended is not None]:
                self._event_log.committed(appended)
            results += page
        return results

    async def _readmit_page(self, ids: Sequence[int]) -> list[Readmission]:
        async def piece(connection: Connection) -> list[Readmission]:
            key = await refused.digest_key(connection)
            rows = await refused.read_some(connection, ids)
            return [await self._readmit(connection, row, key) for row in rows]

        return await self._store.transact(piece)

    async def _readmit(self, connection: Connection, row: Any, key: bytes) -> Readmission:
        if row.readmitted_at is not None:
            return Readmission(refused_id=row.id, source=row.source, status="readmitted")
        if row.body is None:
            return Readmission(refused_id=row.id, source=row.source, status="not_kept")
        try:
            verified = self._authenticate(row, key)
        except (RefusedDelivery, UnknownSource) as error:
            return Readmission(
                refused_id=row.id, source=row.source, status="refused", error=error.code
            )
        source = self._settings.sources[row.source]
        try:
            event = understand(verified, source)
        except HeldDelivery as why:
            result = await self._hold(connection, row.id, verified, why)
        else:
            result = await self._append(connection, row.id, event)
        await refused.mark_readmitted(
            connection,
            row.id,
            now=self._clock.now(),
            actor=self._actor,
            event_id=result.event_id,
            held_id=result.held_id,
        )
        return result

    def _authenticate(self, row: Any, key: bytes) -> VerifiedDelivery:
        authenticator = self._authenticators.get(row.source)
        if authenticator is None:
            raise UnknownSource
        delivery = delivery_from_row(row, received_at=row.at)
        digest = row.secret_digest
        kept = Kept(
            signature=row.signature,
            secret_digest=bytes.fromhex(digest) if digest else None,
            key=key,
        )
        return authenticator.readmit(delivery, kept)

    async def _append(
        self, connection: Connection, refused_id: int, event: CaseEvent
    ) -> Readmission:
        (appended,) = await self._event_log.append_now(connection, [event])
        return Readmission(
            refused_id=refused_id,
            source=event.source,
            status=appended.outcome,
            event_id=appended.event_id,
            appended=appended,
        )

    async def _hold(
        self, connection: Connection, refused_id: int, verified: VerifiedDelivery, why: HeldDelivery
    ) -> Readmission:
        held_id = await held.hold(
            connection,
            verified,
            reason=why.reason,
            detail=why.message,
            body_sha256=hashlib.sha256(verified.delivery.body).hexdigest(),
            idempotency_key=idempotency_key(verified.delivery),
        )
        return Readmission(
            refused_id=refused_id,
            source=verified.delivery.source,
            status="held",
            held_id=held_id,
        )
