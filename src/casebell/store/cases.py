"""Cases, and undecided events."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, ClassifiedEvent, Status, Tag, Undecided
from casebell.store.rows import (
    case_from_row,
    classified_from_row,
    event_from_row,
    known_state,
)
from casebell.store.schema import cases, events


async def undecided(
    connection: AsyncConnection, *, after: int, limit: int
) -> tuple[list[Undecided], dict[int, Exception]]:
    """The oldest undecided events whose id is higher than `after`.

    Also the ids of rows that cannot be read (a word of a later release, damage), with the errors.
    """
    statement = (
        select(events)
        .where(events.c.routed_at.is_(None), events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    found: list[Undecided] = []
    broken: dict[int, Exception] = {}
    for row in await connection.execute(statement):
        try:
            event = event_from_row(row)
        except Exception as error:  # noqa: BLE001 - of any kind: operations are told
            broken[row.id] = error
        else:
            found.append(Undecided(id=row.id, event=event, revision_of=row.revision_of))
    return found, broken


async def any_undecided(connection: AsyncConnection) -> bool:
    """Whether an event is undecided."""
    statement = select(events.c.id).where(events.c.routed_at.is_(None)).limit(1)
    return (await connection.execute(statement)).first() is not None


async def event_with_case(
    connection: AsyncConnection, event_id: int
) -> tuple[ClassifiedEvent, Case, str | None]:
    """An event, the firm's data of its receipt, and the case's current status.

    Without data the case is empty; without a known status that is None.

    Raises:
        LookupError: no event has this id.
    """
    row = (await connection.execute(select(events).where(events.c.id == event_id))).one_or_none()
    if row is None:
        raise LookupError
    event = classified_from_row(row)
    case = (
        await connection.execute(select(cases).where(cases.c.receipt == event.receipt))
    ).one_or_none()
    if case is None:
        return event, Case(receipt=event.receipt), None
    return event, case_from_row(case), case.status


async def known_state_of(
    connection: AsyncConnection, event_id: int
) -> tuple[Status, frozenset[Tag]] | None:
    """Status and tags of an event, without unknown words; None if the event does not exist."""
    statement = select(events.c.status, events.c.tags).where(events.c.id == event_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else known_state(row)
