"""Changes and the cases they move: read before a decision, written with it."""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Case, CaseEvent, Status, Tag
from casebell.store.engine import Store
from casebell.store.rows import case_from_row, event_from_row, known_state
from casebell.store.schema import cases, events


@dataclass(frozen=True, kw_only=True, slots=True)
class Unrouted:
    """An event without a decision."""

    id: int
    event: CaseEvent
    #: The event under whose key this conflicting body came.
    revision_of: int | None


async def unrouted_ids(store: Store, *, limit: int, leave_out: Sequence[int] = ()) -> list[int]:
    """The oldest events without a decision, in order of arrival, but for those to leave out."""
    if store.is_sqlite:
        return await store.read_at_once(
            lambda bare: [row[0] for row in bare.execute(_WAITING, (json.dumps(leave_out), limit))]
        )
    statement = select(events.c.id).where(events.c.routed_at.is_(None))
    if leave_out:
        statement = statement.where(events.c.id.not_in(leave_out))
    async with store.read() as connection:
        found = await connection.execute(statement.order_by(events.c.id).limit(limit))
        return list(found.scalars())


_WAITING = (
    "SELECT id FROM events WHERE routed_at IS NULL "
    "AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?"
)


async def unrouted(store: Store, ids: Sequence[int]) -> tuple[list[Unrouted], dict[int, Exception]]:
    """Those of these events that still have no decision, in order of arrival.

    Beside them those that cannot be read, and why: a word of a later release, a damaged row.
    """
    if store.is_sqlite:
        rows = await store.read_at_once(
            lambda bare: table_rows(bare, events, "id", ids, "AND routed_at IS NULL ORDER BY id")
        )
    else:
        statement = select(events).where(events.c.id.in_(ids), events.c.routed_at.is_(None))
        async with store.read() as connection:
            rows = list(await connection.execute(statement.order_by(events.c.id)))
    found: list[Unrouted] = []
    broken: dict[int, Exception] = {}
    for row in rows:
        try:
            event = event_from_row(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            broken[row.id] = error
        else:
            found.append(Unrouted(id=row.id, event=event, revision_of=row.revision_of))
    return found, broken


def table_rows(
    bare: sqlite3.Connection, table: Table, column: str, among: Sequence[object], rest: str = ""
) -> list[Any]:
    """Rows of a table whose column has one of these values, with their columns as attributes."""
    statement, row = _rows_of(table, column, rest)
    return list(map(row._make, bare.execute(statement, (json.dumps(among),))))


@cache
def _rows_of(table: Table, column: str, rest: str) -> tuple[str, Any]:
    names = table.columns.keys()
    # One statement for any number of values; names of ours only.
    statement = (
        f"SELECT {', '.join(names)} FROM {table.name} "  # noqa: S608
        f"WHERE {column} IN (SELECT value FROM json_each(?)) {rest}"
    )
    return statement, namedtuple(table.name, names)


async def still_unrouted(connection: AsyncConnection, ids: Sequence[int]) -> set[int]:
    """Those that nobody has decided about since they were read: another server may have."""
    statement = select(events.c.id).where(events.c.id.in_(ids), events.c.routed_at.is_(None))
    return set((await connection.execute(statement)).scalars())


async def event_with_case(
    connection: AsyncConnection, event_id: int
) -> tuple[CaseEvent, Case, str | None]:
    """An event, what the firm told us of its receipt, and the case's current status.

    The case is empty where the firm told us nothing, the status None where nothing is known.

    Raises:
        LookupError: no event has this id.
    """
    row = (await connection.execute(select(events).where(events.c.id == event_id))).one_or_none()
    if row is None:
        raise LookupError
    event = event_from_row(row)
    case = (
        await connection.execute(select(cases).where(cases.c.receipt == event.receipt))
    ).one_or_none()
    if case is None:
        return event, Case(receipt=event.receipt), None
    return event, case_from_row(case), case.status


async def known_state_of(
    connection: AsyncConnection, event_id: int
) -> tuple[Status, frozenset[Tag]] | None:
    """Status and tags of an event, as far as this release knows the words; None without one."""
    statement = select(events.c.status, events.c.tags).where(events.c.id == event_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else known_state(row)
