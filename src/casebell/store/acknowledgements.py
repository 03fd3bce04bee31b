"""Who said that they have seen a change; it ends what would tell more people of it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, exists, func, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.alerts import AlertKind, AlertState, FailureReason
from casebell.events import Micros
from casebell.ops_messages import UNSEEN
from casebell.store import journal
from casebell.store.schema import RUNNING, WAITING, acknowledgements, alerts, escalations


async def acknowledge(
    connection: AsyncConnection,
    change_ids: Iterable[int],
    *,
    actor: Actor,
    note: str = "",
    now: Micros,
) -> list[int]:
    """Keep that an actor has seen changes; returns those of which that is new.

    The escalations of each end, and their reminders that wait are closed: nothing is outstanding of
    them. Reminders of a typed date stay: only an answer ends these. Who says the same of a change
    twice has said it once. The journal has no text of a note.

    Args:
        actor: who it was; its name says how, too: "link:jchan".
        note: for those who may see the case.
    """
    entries = []
    for change_id in change_ids:
        ended = await _end_escalations(connection, change_id)
        closed = await close_reminders(connection, change_id, now=now)
        if await _is_known(connection, change_id, actor=actor, note=note):
            continue
        await connection.execute(
            acknowledgements.insert().values(
                change_id=change_id,
                at=now,
                actor=actor.name,
                by=actor.by,
                person=actor.person,
                note=note,
            )
        )
        noted = {"note_sha256": journal.digest(note)} if note else {}
        entries.append(
            journal.Entry.of(
                actor,
                at=now,
                kind="change.acknowledged",
                subject=f"change:{change_id}",
                data={"person": actor.person, "ended": ended, "closed": closed, **noted},
            )
        )
    if entries:
        await journal.append(connection, entries)
    return [int(entry.subject.removeprefix("change:")) for entry in entries]


async def close_reminders(connection: AsyncConnection, change_id: int, *, now: Micros) -> list[int]:
    """Close the reminders that a change is unseen, as far as they wait and are not being sent.

    Returns:
        Their ids.
    """
    closed = await connection.execute(
        alerts.update()
        .where(
            WAITING,
            alerts.c.change_id == change_id,
            alerts.c.kind == AlertKind.REMINDER,
            alerts.c.subject.startswith(UNSEEN),
            alerts.c.state != AlertState.SENDING,
        )
        .values(
            state=AlertState.FAILED,
            reason=FailureReason.ACKNOWLEDGED,
            finished_at=now,
            dismissed_at=now,
        )
        .returning(alerts.c.id)
    )
    return sorted(closed.scalars())


async def send_reminders_again(
    connection: AsyncConnection, change_id: int, *, since: Micros, now: Micros
) -> list[int]:
    """Put the reminders back that were not sent because a change seemed to be answered.

    Those that it is unseen stay closed where somebody has acknowledged it.

    Args:
        since: when it was answered, by a word or a report that is taken back.

    Returns:
        Their ids.
    """
    seen = exists().where(acknowledgements.c.change_id == change_id)
    again = await connection.execute(
        alerts.update()
        .where(
            alerts.c.change_id == change_id,
            alerts.c.kind == AlertKind.REMINDER,
            alerts.c.state == AlertState.FAILED,
            alerts.c.reason == FailureReason.ACKNOWLEDGED,
            alerts.c.finished_at >= since,
            or_(~alerts.c.subject.startswith(UNSEEN), ~seen),
        )
        .values(
            state=AlertState.PENDING,
            reason=None,
            not_before=now,
            due_at=now,
            together=None,
            finished_at=None,
            dismissed_at=None,
        )
        .returning(alerts.c.id)
    )
    return sorted(again.scalars())


async def of_changes(
    connection: AsyncConnection, change_ids: Collection[int]
) -> Sequence[Row[Any]]:
    """Every acknowledgement of some changes, oldest first of each."""
    statement = select(acknowledgements).where(acknowledgements.c.change_id.in_(sorted(change_ids)))
    ordered = statement.order_by(acknowledgements.c.change_id, acknowledgements.c.id)
    return (await connection.execute(ordered)).all()


async def latest_of(
    connection: AsyncConnection, change_ids: Collection[int]
) -> dict[int, Row[Any]]:
    """By change, its latest acknowledgement."""
    latest = (
        select(func.max(acknowledgements.c.id))
        .where(acknowledgements.c.change_id.in_(sorted(change_ids)))
        .group_by(acknowledgements.c.change_id)
    )
    statement = select(acknowledgements).where(acknowledgements.c.id.in_(latest))
    return {row.change_id: row for row in await connection.execute(statement)}


async def _end_escalations(connection: AsyncConnection, change_id: int) -> list[str]:
    """End the escalations of a change that run; returns their names."""
    ended = await connection.execute(
        escalations.update()
        .where(RUNNING, escalations.c.change_id == change_id)
        .values(due_at=null(), ended="acknowledged")
        .returning(escalations.c.name)
    )
    return sorted(ended.scalars())


async def _is_known(
    connection: AsyncConnection, change_id: int, *, actor: Actor, note: str
) -> bool:
    """Whether the actor has said the same of the change before."""
    same = select(acknowledgements.c.id).where(
        acknowledgements.c.change_id == change_id,
        acknowledgements.c.actor == actor.name,
        acknowledgements.c.by.is_not_distinct_from(actor.by),
        acknowledgements.c.note == note,
    )
    return (await connection.execute(same.limit(1))).first() is not None
