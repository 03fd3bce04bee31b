"""Releases held deliveries with today's configuration.

held → split → understand each → append, or hold the part
                  └ cannot: stays held
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import HeldDelivery
from casebell.events import Flag, HeldReason, HeldState, Origin, VerifiedDelivery
from casebell.receive.parts import Held, Taken, read_again, understand_parts, write_parts
from casebell.settings import Settings
from casebell.store import held
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.rows import decode_set, delivery_from_row

_MAP = "Map the source's fields under [sources.NAME.fields], reload, and release it again."
_DISCARD = "No setting makes it readable: show it to the sender, then `casebell held discard {id}`."
#: What can be done about a reason, where it is not the sender's fault alone.
_HINTS: Mapping[HeldReason, str] = {
    HeldReason.MISSING_RECEIPT: _MAP,
    HeldReason.INVALID_RECEIPT: _MAP,
    HeldReason.INVALID_FIELD: _MAP,
    HeldReason.MISSING_STATUS: _MAP,
    HeldReason.FORM_ENCODED: "Have the provider send JSON and repeat it, "
    "then `casebell held discard {id}`.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The result of releasing a held delivery; an array has one for each of its events."""

    held_id: int
    #: `stored`, `duplicate`, `conflict`: it is an event now. `held`: this part of it is a held
    #: delivery of its own now. `closed`: it is a provider's test. `still_held`: nothing changed.
    status: str
    #: Ids of rows.
    event_id: int | None = None
    part: int | None = None
    #: Why it stays held, and what can be done.
    problem: str = ""
    hint: str = ""
    appended: Appended | None = field(default=None, compare=False, repr=False)


async def choose(store: Store, ids: Sequence[int], *, reason: HeldReason | None) -> list[int]:
    """The ids given, or those of all that is held, oldest first."""
    if ids:
        return sorted(set(ids))
    async with store.read() as connection:
        return await held.waiting(connection, reason=reason)


class Releases:
    """Releases held deliveries.

    Their origin was verified when they were received, and the operator vouches for their age: what
    is held for the time of its signature is released.

    Args:
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
        self._event_log = event_log
        self._clock = clock
        self._actor = actor

    async def release(self, ids: Sequence[int]) -> list[Release]:
        """Release each, a batch in one transaction.

        Raises:
            NotFound, Refusal: there is no such held delivery, or it is closed; nothing of its batch
                changes.
        """
        return await read_again(
            ids, self._release_batch, store=self._store, event_log=self._event_log
        )

    async def _release_batch(self, connection: Connection, ids: Sequence[int]) -> list[Release]:
        return [one for held_id in ids for one in await self._release(connection, held_id)]

    async def _release(self, connection: Connection, held_id: int) -> list[Release]:
        row = await held.get_held(connection, held_id)
        source = self._settings.sources.get(row.source)
        if source is None:
            return [
                Release(
                    held_id=held_id,
                    status="still_held",
                    problem=f"Source {row.source} is no longer in the configuration.",
                    hint=f"Put [sources.{row.source}] back, or `casebell held discard {held_id}`.",
                )
            ]
        whole = understand_parts(_verified(row), source, by_hand=True)
        parts = list(whole.each)
        said = parts[0].said
        if not whole.is_array and isinstance(said, HeldDelivery):
            if said.reason is HeldReason.PROVIDER_TEST:
                await self._resolve(connection, held_id, state=HeldState.CLOSED)
                return [Release(held_id=held_id, status="closed")]
            return [_still_held(held_id, said)]
        taken = await write_parts(connection, parts, event_log=self._event_log)
        results = [_result(held_id, one) for one in taken]
        events = (one.event_id for one in results if one.event_id is not None)
        await self._resolve(
            connection, held_id, state=HeldState.RELEASED, event_id=next(events, None)
        )
        return results

    async def _resolve(
        self,
        connection: Connection,
        held_id: int,
        *,
        state: HeldState,
        event_id: int | None = None,
    ) -> None:
        now = self._clock.now()
        await held.resolve(
            connection, held_id, state=state, now=now, actor=self._actor, event_id=event_id
        )


def _verified(row: Any) -> VerifiedDelivery:
    return VerifiedDelivery(
        delivery=delivery_from_row(row, received_at=row.received_at),
        secret_label=row.secret_label,
        flags=decode_set(Flag, row.flags),
        origin=Origin(row.origin),
    )


def _still_held(held_id: int, why: HeldDelivery) -> Release:
    return Release(
        held_id=held_id,
        status="still_held",
        problem=why.message,
        hint=_HINTS.get(why.reason, _DISCARD).format(id=held_id),
    )


def _result(held_id: int, one: Taken) -> Release:
    if isinstance(one, Held):
        return Release(held_id=held_id, status="held", part=one.held_id)
    return Release(held_id=held_id, status=one.outcome, event_id=one.event_id, appended=one)
