"""The queue: the changes that ask for something, until they are answered."""

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
)

from casebell.alerts import Answers, Decided
from casebell.events import Micros
from casebell.store.rows import AnsweredRow, AskedRow
from casebell.store.schema import OPEN, queue
from casebell.store.statements import Write, insert

NEW = insert(queue, AskedRow)


def _of_before(rows: FromClause) -> ColumnElement[bool]:
    """What the same case was asked before a change, and is open."""
    return and_(
        rows.c.answered_at.is_(None),
        rows.c.receipt == bindparam("of_receipt"),
        rows.c.since <= bindparam("until"),
    )


_other = queue.alias()
#: How many of these have a deadline.
_owed = (
    select(func.count())
    .select_from(_other)
    .where(_of_before(_other), _other.c.deadline)
    .scalar_subquery()
)
#: Closes what a change of the same case answers. That an answer was received closes nothing where
#: it may be of one of several.
ANSWERED = Write(
    AnsweredRow,
    lambda _: (
        queue.update()
        .where(
            OPEN,
            _of_before(queue),
            or_(
                and_(queue.c.deadline, _owed < literal_column("2")),
                bindparam("everything", type_=queue.c.deadline.type),
            ),
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
