"""What people say of the queue: a date that a notice sets, and that an answer went out.

Each goes on record, and each takes effect in the transaction that reads what was there before.
"""

from datetime import date
from typing import Any

from sqlalchemy import null
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.store import journal
from casebell.store.acknowledgements import send_reminders_again
from casebell.store.schema import escalations, queue


async def enter_due(
    connection: AsyncConnection,
    change_id: int,
    due: date,
    *,
    by: str,
    remind_at: Micros | None,
    was: str | None,
    now: Micros,
    actor: Actor,
) -> None:
    """Keep the date that somebody typed; it is unconfirmed from now on.

    Args:
        by: who it was: the id of a person, or the actor.
        remind_at: when people are reminded of it first.
        was: the date before.
    """
    await _set(
        connection,
        change_id,
        due=due.isoformat(),
        due_by=by,
        due_entered_at=now,
        due_confirmed_by=null(),
        due_confirmed_at=null(),
        remind_at=remind_at,
    )
    data = {"due": due.isoformat(), "was": was, "person": actor.person}
    await _record(connection, change_id, "due_entered", data, now=now, actor=actor)


async def confirm_due(
    connection: AsyncConnection, change_id: int, due: date, *, by: str, now: Micros, actor: Actor
) -> None:
    """Keep that a second person typed the same date, or confirmed it."""
    await _set(connection, change_id, due_confirmed_by=by, due_confirmed_at=now)
    data = {"due": due.isoformat(), "person": actor.person}
    await _record(connection, change_id, "due_confirmed", data, now=now, actor=actor)


async def clear_due(
    connection: AsyncConnection, change_id: int, *, was: str, now: Micros, actor: Actor
) -> None:
    """Forget a date; the journal has what it was."""
    names = ("due", "due_by", "due_entered_at", "due_confirmed_by", "due_confirmed_at")
    await _set(connection, change_id, **dict.fromkeys(names, null()), remind_at=null())
    data = {"was": was, "person": actor.person}
    await _record(connection, change_id, "due_cleared", data, now=now, actor=actor)


async def answer(connection: AsyncConnection, change_id: int, *, now: Micros, actor: Actor) -> None:
    """Keep that an answer went out, or that nothing remains to be done.

    Escalations are left as they are: a step that is due looks here, so that a wrong word that is
    taken back has ended nothing.
    """
    await _set(
        connection,
        change_id,
        answered_at=now,
        answered_by=actor.name,
        remind_at=null(),
    )
    data = {"person": actor.person}
    await _record(connection, change_id, "answered", data, now=now, actor=actor)


async def reopen(
    connection: AsyncConnection,
    change_id: int,
    *,
    remind_at: Micros | None,
    was: str,
    since: Micros,
    now: Micros,
    actor: Actor,
) -> None:
    """Take back that a change is answered; an escalation that this had ended goes on at once.

    So do the reminders that were not sent meanwhile.

    Args:
        remind_at: when people are reminded of its date next.
        was: by whom, or by which change, it was answered.
        since: when.
    """
    await _set(connection, change_id, answered_at=null(), answered_by=null(), remind_at=remind_at)
    resumed = await connection.execute(
        escalations.update()
        .where(escalations.c.change_id == change_id, escalations.c.ended == "answered")
        .values(due_at=now, ended=null())
        .returning(escalations.c.name)
    )
    sent_again = await send_reminders_again(connection, change_id, since=since, now=now)
    data = {
        "was": was,
        "person": actor.person,
        "resumed": sorted(resumed.scalars()),
        "sent_again": sent_again,
    }
    await _record(connection, change_id, "reopened", data, now=now, actor=actor)


async def _set(connection: AsyncConnection, change_id: int, **values: Any) -> None:
    await connection.execute(queue.update().where(queue.c.change_id == change_id).values(**values))


async def _record(
    connection: AsyncConnection,
    change_id: int,
    what: str,
    data: dict[str, Any],
    *,
    now: Micros,
    actor: Actor,
) -> None:
    entry = journal.Entry.of(
        actor, at=now, kind=f"change.{what}", subject=f"change:{change_id}", data=data
    )
    await journal.append(connection, [entry])
