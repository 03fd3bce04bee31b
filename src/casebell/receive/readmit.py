"""Checks refused deliveries again with today's secrets; accepts those that authenticate.

refused → authenticate → understand → append, or hold
               └ fails: stays refused
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import NotFound, RefusedDelivery, UnknownSource
from casebell.events import VerifiedDelivery
from casebell.receive.parts import Held, Taken, read_again, understand_parts, write_parts
from casebell.receive.signatures import Authenticator, Kept
from casebell.settings import Settings
from casebell.store import refused
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.rows import delivery_from_row


@dataclass(frozen=True, kw_only=True, slots=True)
class Readmission:
    """The result of checking one refusal again; an array has one for each of its events."""

    refused_id: int
    source: str
    #: `stored`, `duplicate`, `conflict`, `held`: it is accepted now. `refused`: it still does not
    #: authenticate. `readmitted`: it was accepted earlier. `not_kept`: it had nothing to check.
    status: str
    #: The code of the error, if it stays refused.
    error: str | None = None
    #: Ids of rows.
    event_id: int | None = None
    held_id: int | None = None
    appended: Appended | None = field(default=None, compare=False, repr=False)

    @property
    def is_in(self) -> bool:
        """Whether this check accepted it."""
        return self.event_id is not None or self.held_id is not None


async def choose(store: Store, ids: Sequence[int], *, source: str | None) -> list[int]:
    """The ids given, or those of all refusals that can be checked again, oldest first.

    Raises:
        NotFound: one of `ids` does not exist, or not any longer.
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
        actor: recorded in the journal.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        event_log: EventLog,
        clock: Clock,
        actor: Actor,
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
        """Check each again, oldest first, a batch in one transaction."""
        return await read_again(
            ids, self._readmit_batch, store=self._store, event_log=self._event_log
        )

    async def _readmit_batch(self, connection: Connection, ids: Sequence[int]) -> list[Readmission]:
        key = await refused.digest_key(connection)
        rows = await refused.read_some(connection, ids)
        return [one for row in rows for one in await self._readmit(connection, row, key)]

    async def _readmit(self, connection: Connection, row: Any, key: bytes) -> list[Readmission]:
        if row.readmitted_at is not None:
            return [Readmission(refused_id=row.id, source=row.source, status="readmitted")]
        if row.signature is None and row.secret_digest is None:
            return [Readmission(refused_id=row.id, source=row.source, status="not_kept")]
        try:
            verified = self._authenticate(row, key)
        except (RefusedDelivery, UnknownSource) as error:
            code = error.code
            return [Readmission(refused_id=row.id, source=row.source, status="refused", error=code)]
        parts = understand_parts(verified, self._settings.sources[row.source])
        taken = await write_parts(connection, list(parts.each), event_log=self._event_log)
        results = [_result(row, one) for one in taken]
        await refused.mark_readmitted(
            connection,
            row.id,
            now=self._clock.now(),
            actor=self._actor,
            event_id=next((one.event_id for one in results if one.event_id), None),
            held_id=next((one.held_id for one in results if one.held_id), None),
        )
        return results

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


def _result(row: Any, one: Taken) -> Readmission:
    if isinstance(one, Held):
        return Readmission(
            refused_id=row.id, source=row.source, status=one.status, held_id=one.held_id
        )
    return Readmission(
        refused_id=row.id,
        source=row.source,
        status=one.outcome,
        event_id=one.event_id,
        appended=one,
    )
