"""Who is away: a row for each person at most, until it is replaced or taken back."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.clock import iso
from casebell.events import Absence, Absences, Micros
from casebell.store import journal
from casebell.store.schema import absences
from casebell.store.statements import Driver, Query, TableRow, columns_of, upsert


class KnownAbsence(TableRow):
    """What each decision reads of a row of `absences`."""

    person: str
    until: Micros
    stand_in: str


class AbsenceRow(KnownAbsence):
    """A row of `absences`."""

    created_at: Micros
    created_by: str


#: Read with each batch of deliveries; few people are away at a time.
KNOWN = Query(KnownAbsence, lambda _: select(*columns_of(absences, KnownAbsence)))
_SET = upsert(absences, AbsenceRow)


def as_absences(rows: Sequence[KnownAbsence]) -> Absences:
    """By the id of who is away, those that ended among them."""
    return {row.person: Absence(until=row.until, stand_in=row.stand_in) for row in rows}


async def known(connection: AsyncConnection) -> Absences:
    """Every absence, those that ended among them."""
    return as_absences(await (await Driver.of(connection)).fetch(KNOWN))


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every row, by person."""
    return (await connection.execute(select(absences).order_by(absences.c.person))).all()


async def begin(
    connection: AsyncConnection, person: str, absence: Absence, *, now: Micros, actor: Actor
) -> None:
    """Say that somebody is away; what was said of them before is replaced."""
    row = AbsenceRow(
        person=person,
        until=absence.until,
        stand_in=absence.stand_in,
        created_at=now,
        created_by=actor.name,
    )
    await (await Driver.of(connection)).run(_SET, [row])
    data = {"until": iso(absence.until), "to": absence.stand_in}
    await _journal(connection, "away", person, data, now=now, actor=actor)


async def end(connection: AsyncConnection, person: str, *, now: Micros, actor: Actor) -> bool:
    """Say that somebody is back; False if nobody had said that they were away."""
    gone = await connection.execute(absences.delete().where(absences.c.person == person))
    if not gone.rowcount:
        return False
    await _journal(connection, "back", person, {}, now=now, actor=actor)
    return True


async def _journal(
    connection: AsyncConnection,
    what: str,
    person: str,
    data: Mapping[str, str],
    *,
    now: Micros,
    actor: Actor,
) -> None:
    entry = journal.Entry.of(
        actor, at=now, kind=f"person.{what}", subject=f"person:{person}", data=data
    )
    await journal.append(connection, [entry])
