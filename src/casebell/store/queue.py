"""The queue: the changes that ask for something, until they are answered."""

from sqlalchemy import bindparam, null, or_

from casebell.alerts import Answers, Decided
from casebell.events import Micros
from casebell.store.rows import AnsweredRow, AskedRow
from casebell.store.schema import OPEN, queue
from casebell.store.statements import Write, insert

NEW = insert(queue, AskedRow)

#: Closes what a change of the same case answers.
ANSWERED = Write(
    AnsweredRow,
    lambda _: (
        queue.update()
        .where(
            OPEN,
            queue.c.receipt == bindparam("of_receipt"),
            queue.c.since <= bindparam("until"),
            or_(queue.c.deadline, bindparam("everything", type_=queue.c.deadline.type)),
        )
        .values(
            answered_at=bindparam("at"),
            answered_by=bindparam("by"),
            remind_at=null(),
        )
    ),
)


def asked_row(decided: Decided) -> AskedRow | None:
    """The row of a change that asks for something; None of any other."""
    if decided.asked is None:
        return None
    return AskedRow(
        change_id=decided.change.id,
        receipt=decided.change.receipt,
        since=decided.change.at,
        deadline=decided.asked.deadline,
        urgent=decided.asked.urgent,
    )


def answered_row(decided: Decided, *, now: Micros) -> AnsweredRow | None:
    """What a change answers of the queue; None of one that answers nothing."""
    if decided.answers is Answers.NOTHING:
        return None
    return AnsweredRow(
        of_receipt=decided.change.receipt,
        until=decided.change.at,
        everything=decided.answers is Answers.EVERYTHING,
        at=now,
        by=f"change:{decided.change.id}",
    )
