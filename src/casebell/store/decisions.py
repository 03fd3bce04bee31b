"""Changes with the decisions about them, and what these were made of: to decide them again.

They are read newest first, so many numbers at a time. Decisions have no index by their time, which
each delivery would pay for; but their numbers rise with it, unless a clock was set back.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import ColumnElement, case, exists, false, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Case, CaseEvent, Change, Flag, KeyBasis, Micros
from casebell.store import sight
from casebell.store.rows import case_from_row, change_from_row, event_from_row
from casebell.store.schema import cases, changes, events
from casebell.store.statements import highest

_revisions = events.alias()
#: Whether a key had come with other content before its event was decided. The flag alone does not
#: tell: an event that was decided long ago gets it, too.
_CONFLICT_BEFORE = case(
    (
        events.c.flags.contains(f" {Flag.CONFLICT} "),
        exists().where(
            _revisions.c.revision_of == events.c.id,
            _revisions.c.routed_at <= changes.c.decided_at,
        ),
    ),
    else_=false(),
)
_EVENTS = select(
    *(column for column in events.c if column is not events.c.body),
    literal(b"").label("body"),
    _CONFLICT_BEFORE.label("conflict_before"),
).join(changes, changes.c.event_id == events.c.id)


class DecidedChange(NamedTuple):
    """A change as it was decided."""

    change: Change
    #: The number of the event that founded it.
    event_id: int
    #: That event without its body, and with the flags that it had then.
    event: CaseEvent
    late: bool
    decided_at: Micros
    #: As it is stored.
    decision: Mapping[str, Any]
    #: What the firm says of the case today.
    case: Case


class Piece(NamedTuple):
    """Some changes, newest first."""

    #: Those that the actor may see and this release can read.
    changes: Sequence[DecidedChange]
    #: How many this release cannot read of those that the actor may see.
    unreadable: int
    #: Whether one of the piece was decided since the beginning of the span, seen or not.
    within: bool
    #: When the earliest of the piece was decided, in the span or not.
    earliest: Micros


async def latest(connection: AsyncConnection) -> int:
    """The number of the last change; 0 without any."""
    return int((await connection.execute(select(highest(changes.c.id)))).scalar_one())


async def piece(
    connection: AsyncConnection, *, newest: int, oldest: int, since: Micros, seen_by: Actor
) -> Piece:
    """The changes with these numbers that were decided since then, as far as an actor may see them.

    Args:
        newest, oldest: both count.
    """
    here = changes.c.id.between(oldest, newest)
    times = select(func.max(changes.c.decided_at), func.min(changes.c.decided_at)).where(here)
    last, first = (await connection.execute(times)).one()
    if last is None or last < since:
        return Piece(changes=(), unreadable=0, within=False, earliest=first or since)
    shown = sight.shown(sight.hidden_receipt(seen_by, changes.c.receipt))
    found, unreadable = await _changes(connection, [here, changes.c.decided_at >= since, *shown])
    return Piece(changes=found, unreadable=unreadable, within=True, earliest=first)


async def _changes(
    connection: AsyncConnection, meant: Sequence[ColumnElement[bool]]
) -> tuple[list[DecidedChange], int]:
    """The changes that are meant, and how many cannot be read."""
    statement = select(changes).where(*meant).order_by(changes.c.id.desc())
    rows = (await connection.execute(statement)).all()
    founding = _EVENTS.where(changes.c.id.in_([row.id for row in rows]))
    of_events = {row.id: row for row in await connection.execute(founding)}
    known = select(cases).where(cases.c.receipt.in_({row.receipt for row in rows}))
    of_cases = {row.receipt: row for row in await connection.execute(known)}
    found: list[DecidedChange] = []
    for row in rows:
        try:
            found.append(_decided(row, of_events[row.event_id], of_cases.get(row.receipt)))
        except (ValueError, KeyError):
            # A word of a later release, or damage.
            continue
    return found, len(rows) - len(found)


def _decided(change: Any, event: Any, of_case: Any) -> DecidedChange:
    return DecidedChange(
        change=change_from_row(change),
        event_id=event.id,
        event=_as_decided(event),
        late=change.late,
        decided_at=change.decided_at,
        decision=json.loads(change.decision),
        case=Case(receipt=change.receipt) if of_case is None else case_from_row(of_case),
    )


def _as_decided(row: Any) -> CaseEvent:
    """The event without the flag of a conflict that came later."""
    event = event_from_row(row)
    if row.conflict_before or event.key_basis is KeyBasis.REVISION:
        return event
    return replace(event, flags=event.flags - {Flag.CONFLICT})
