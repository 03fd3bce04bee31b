"""Puts messages to operations into the outbox, as often as the topic allows."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros
from casebell.ops_messages import OpsMessage
from casebell.ops_targets import OpsTargets, subject_of
from casebell.store import outbox
from casebell.store.schema import alerts


async def notify(
    connection: AsyncConnection, message: OpsMessage, *, to: OpsTargets, now: Micros
) -> bool:
    """Put a message into the outbox; False if it is there already.

    Without targets every message counts as sent.
    """
    known = await known_subjects(connection, [subject_of(message, now=now)])
    await outbox.add(connection, to.alerts_for(message, now=now), now=now)
    return not known


async def known_subjects(connection: AsyncConnection, subjects: Iterable[str]) -> set[str]:
    """Those of the subjects that are in the outbox, sent or not."""
    statement = select(alerts.c.subject).distinct().where(alerts.c.subject.in_(list(subjects)))
    return set((await connection.execute(statement)).scalars())
