"""What an alert tells of: an event and its case."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, ClassifiedEvent
from casebell.store.rows import KnownState, case_from_row, classified_from_row, known_state
from casebell.store.schema import cases, events


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


async def case_of(connection: AsyncConnection, event_id: int) -> Case | None:
    """The firm's data of the receipt of an event; None if there is no such event."""
    joined = events.outerjoin(cases, cases.c.receipt == events.c.receipt)
    statement = select(events.c.receipt.label("of"), cases).select_from(joined)
    row = (await connection.execute(statement.where(events.c.id == event_id))).one_or_none()
    if row is None:
        return None
    return Case(receipt=row.of) if row.receipt is None else case_from_row(row)


async def known_state_of(connection: AsyncConnection, event_id: int) -> KnownState | None:
    """What is known of an event; None if there is no such event."""
    statement = select(events.c.status, events.c.tags, events.c.flags, events.c.text).where(
        events.c.id == event_id
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else known_state(row)
