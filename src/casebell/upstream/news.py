"""What a look at a case found: which of what the API told is news, and how it is to be taken.

Pure functions. The rules: docs/decisions/0040-reconciliation.md.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from casebell.events import CaseEvent, Flag, Micros, Origin, TimeBasis
from casebell.store.reconciliations import KnownEvent, Tracked
from casebell.uscis.sentences import text_key

#: Words of status and category, and the text in one spelling: equal states say the same.
State: TypeAlias = tuple[str, str, str]


class Known(NamedTuple):
    """What is on record of a case."""

    row: Tracked
    #: The change that is its present one.
    present: int | None
    #: Of any source; not read where there is no need.
    events: Sequence[KnownEvent]


def state_of(one: CaseEvent | KnownEvent) -> State:
    """What an event says, as far as two that say the same agree."""
    word = (one.delivered_status or "").strip().casefold()
    category = (one.delivered_category or "").strip().casefold()
    return word, category, text_key(one.text)


def digest(told: CaseEvent, *, dated: bool) -> str:
    """The state that an API told, as it is kept: hex.

    Args:
        dated: its time counts. A second Request for Evidence may differ from the first in nothing
            else, and the history tells. Torch has none, and its time moves with every poll
            (docs/decisions/upstream.md, B7).
    """
    said = json.dumps([*state_of(told), told.occurred_at if dated else None])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def in_order(told: Sequence[CaseEvent], present: CaseEvent) -> list[CaseEvent]:
    """What an API told of a case, oldest first, its present state among it.

    Args:
        told: its history, newest first; it may be partial, or empty, or lack the present state.
    """
    ordered = _by_time(reversed(told))
    if not ordered:
        return [present]
    state = state_of(present)
    newest = ordered[-1]
    if state_of(newest) == state:
        return ordered
    if any(state_of(one) == state and one.occurred_at == present.occurred_at for one in ordered):
        return ordered
    # Partial history: some cases have no other (Parley's page, "Data freshness and semantics").
    return _by_time([*ordered, present])


def _by_time(told: Iterable[CaseEvent]) -> list[CaseEvent]:
    """Sorted by time; what has none stays behind the one before it."""
    times: list[tuple[Micros, int, CaseEvent]] = []
    latest: Micros = 0
    for number, one in enumerate(told):
        if one.occurred_at is not None:
            latest = one.occurred_at
        times.append((latest, number, one))
    return [one for _, _, one in sorted(times, key=lambda each: each[:2])]


def news_of(told: Sequence[CaseEvent], known: Known) -> list[CaseEvent]:
    """What of it is not known, oldest first, each with the flags of a first look where it is one.

    Args:
        told: oldest first, as `in_order` gives it.
    """
    new = list(_unknown(told, known))
    if known.row.first_told_at is not None:
        return new
    return [_flagged(one, known, is_last=one.key == told[-1].key) for one in new]


def _unknown(told: Sequence[CaseEvent], known: Known) -> Iterator[CaseEvent]:
    """What no event on record tells."""
    keys = {one.key for one in known.events}
    exact = {(one.occurred_at, *state_of(one)) for one in known.events}
    states = {state_of(one) for one in known.events}
    now = {
        state_of(one)
        for one in known.events
        if one.change_id is None or one.change_id == known.present
    }
    for number, one in enumerate(told):
        state, at, is_present = state_of(one), one.occurred_at, number == len(told) - 1
        if at is not None and (at, *state) in exact:
            continue
        if is_present and one.time_basis is not TimeBasis.OCCURRED:
            # When it was observed says nothing of when it became so
            # (docs/decisions/upstream.md, B7).
            if state in now:
                continue
            # Without a time it may have been so before, and something else between.
            new = one if one.key not in keys else _again(one, known)
        elif one.key not in keys and (at is not None or state not in states):
            new = one
        else:
            continue
        keys.add(new.key)
        yield new


def _again(one: CaseEvent, known: Known) -> CaseEvent:
    """What was told before, as an event of its own."""
    return replace(one, key=f"{one.key}\N{NO-BREAK SPACE}(after change {known.present})")


def _flagged(one: CaseEvent, known: Known, *, is_last: bool) -> CaseEvent:
    """An event of a first look: what was there already alerts nobody; a missed change does."""
    if not _was_there(one, known, is_last=is_last):
        return one
    newest = is_last and not any(event.origin == Origin.WEBHOOK for event in known.events)
    flag = Flag.BASELINE if newest else Flag.HISTORY
    return replace(one, flags=one.flags | {flag})


def _was_there(one: CaseEvent, known: Known, *, is_last: bool) -> bool:
    """Whether it happened before webhooks could have told of it.

    Since a case is registered they can; where others registered it, since their first event of it.
    """
    by_webhook = [event for event in known.events if event.origin == Origin.WEBHOOK]
    at = one.occurred_at
    if at is None:
        return not (by_webhook and is_last)
    limits = []
    if known.row.registered_at is not None:
        limits.append(at <= known.row.registered_at)
    if by_webhook:
        limits.append(at < min(_time_of(event) for event in by_webhook))
    return all(limits)


def _time_of(event: KnownEvent) -> Micros:
    return event.received_at if event.occurred_at is None else event.occurred_at
