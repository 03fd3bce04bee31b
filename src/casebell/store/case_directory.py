"""What the firm says of its cases: read and written as a whole row.

Deliveries write the other columns of the same rows, in other transactions of the one writer.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.case_file.columns import Column, Facts
from casebell.events import Micros
from casebell.spelling import spelling
from casebell.store.schema import cases
from casebell.store.statements import Driver, Query, TableRow, among, columns_of, upsert
from casebell.store.walk import EXPORT_PAGE


class CaseSaid(TableRow):
    """The columns of `cases` that are the firm's."""

    receipt: str
    updated_at: Micros
    listed_at: Micros | None
    label: str = ""
    matter: str = ""
    owner: str = ""
    owner_key: str = ""
    owner_email: str = ""
    team: str = ""
    team_key: str = ""
    form: str = ""
    confidential: bool = False

    def fact(self, column: Column) -> str | bool:
        """What it says in a column of a list."""
        found: str | bool = getattr(self, column)
        # SQLite has numbers for truth.
        return bool(found) if column is Column.CONFIDENTIAL else found

    def with_facts(self, facts: Facts, *, now: Micros) -> "CaseSaid":
        """The row with these facts, named by the firm."""
        given = {str(column): fact for column, fact in facts.items()}
        keys = {
            f"{column}_key": spelling(str(facts[column]))
            for column in (Column.OWNER, Column.TEAM)
            if column in facts
        }
        listed_at = now if self.listed_at is None else self.listed_at
        return replace(self, **given, **keys, listed_at=listed_at)


_KNOWN = Query(
    CaseSaid,
    lambda backend: select(*columns_of(cases, CaseSaid)).where(among(cases.c.receipt, backend)),
)
_PUT = upsert(cases, CaseSaid)


async def find(connection: AsyncConnection, receipts: Collection[str]) -> Mapping[str, CaseSaid]:
    """Those of the cases that are there, by receipt number, whoever may see them."""
    found = await (await Driver.of(connection)).fetch(_KNOWN, among=receipts)
    return {one.receipt: one for one in found}


async def export(
    read: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
) -> AsyncGenerator[Row[Any], None]:
    """Every case that the firm has named, by receipt number; each piece is read by itself."""
    after = ""
    while True:
        statement = (
            select(*columns_of(cases, CaseSaid))
            .where(cases.c.listed_at.is_not(None), cases.c.receipt > after)
            .order_by(cases.c.receipt)
            .limit(EXPORT_PAGE)
        )
        async with read() as connection:
            rows = (await connection.execute(statement)).all()
        for row in rows:
            yield row
        if len(rows) < EXPORT_PAGE:
            return
        after = rows[-1].receipt


async def count(connection: AsyncConnection) -> int:
    """How many cases the firm has named."""
    statement = select(func.count()).where(cases.c.listed_at.is_not(None))
    return int((await connection.execute(statement)).scalar_one())


async def put(connection: AsyncConnection, rows: Sequence[CaseSaid]) -> None:
    """Write rows; what deliveries made of a case stays as it is."""
    await (await Driver.of(connection)).run(_PUT, rows)
