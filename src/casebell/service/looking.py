"""The record of looking: what the bearer of a token or an account is about to see.

It is written first: what cannot be put on record is not shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.engine import Store


async def record_bodies(store: Store, actor: Actor, events: Sequence[int], *, now: Micros) -> None:
    """That exact bodies are seen, an entry for each.

    Raises:
        StorageUnavailable: it cannot be put on record.
    """
    await _record(store, actor, "body.read", {f"event:{event}": {} for event in events}, now=now)


async def record_page(
    store: Store,
    actor: Actor,
    what: str,
    *,
    told: Mapping[str, Any],
    numbers: Sequence[int],
    now: Micros,
) -> None:
    """That a page of a list is seen; on an empty one there is nothing.

    Args:
        what: `held` or `journal`.
        told: its filter.
        numbers: those of its rows.

    Raises:
        StorageUnavailable: it cannot be put on record.
    """
    if numbers:
        data = {
            "filter": told,
            "rows": len(numbers),
            "first": min(numbers),
            "last": max(numbers),
        }
        await _record(store, actor, f"{what}.read", {what: data}, now=now)


async def _record(
    store: Store, actor: Actor, kind: str, seen: Mapping[str, Mapping[str, Any]], *, now: Micros
) -> None:
    """An entry for each subject; whoever has the shell could read the database itself."""
    if actor.watched and seen:
        entries = [
            journal.Entry.of(actor, at=now, kind=kind, subject=subject, data=data)
            for subject, data in seen.items()
        ]
        await store.transact(journal.append, entries)
