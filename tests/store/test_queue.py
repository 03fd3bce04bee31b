"""The queue, as decisions write it, on both backends."""

from typing import Any

from sqlalchemy import select

from casebell.alerts import Answers, Asked
from casebell.events import Status
from casebell.store.engine import Store
from casebell.store.schema import queue
from contracts.case_events import case_event
from contracts.decisions import append_undecided, decide_later

RECEIPT = "IOE0912345678"
DEADLINE = Asked(deadline=True, urgent=True)
OTHER = Asked(deadline=False, urgent=False)


async def decided(store: Store, key: str, *, at: int, **fields: Any) -> int:
    """The number of the change that a new event of the case founds."""
    event = case_event(key=key, receipt=RECEIPT)
    (appended,) = await store.transact(append_undecided, batch=[event])
    return await decide_later(store, appended.event_id, at=at, now=at + 1, **fields)


async def rows(store: Store) -> dict[int, Any]:
    async with store.read() as connection:
        found = (await connection.execute(select(queue))).all()
    return {row.change_id: row for row in found}


async def test_what_asks_is_open_until_it_is_answered(store: Store) -> None:
    """By the receipt of its response where it has a deadline, by a decision in any case."""
    first = await decided(store, "rfe", at=10, asked=DEADLINE)
    second = await decided(store, "date", at=20, asked=OTHER)
    await decided(store, "response", at=30, status=Status.RFE_RECEIVED, answers=Answers.DEADLINES)
    found = await rows(store)
    assert (found[first].answered_at, found[second].answered_at) == (31, None)
    assert found[first].answered_by == f"change:{second + 1}"
    await decided(store, "approval", at=40, status=Status.APPROVED, answers=Answers.EVERYTHING)
    assert (await rows(store))[second].answered_at == 41


async def test_an_answer_from_before_answers_nothing(store: Store) -> None:
    """A second request that came first is open still, and its first answer stays."""
    asked = await decided(store, "rfe", at=50, asked=DEADLINE)
    await decided(store, "late", at=40, status=Status.RFE_RECEIVED, answers=Answers.DEADLINES)
    assert (await rows(store))[asked].answered_at is None
    await decided(store, "now", at=50, status=Status.RFE_RECEIVED, answers=Answers.DEADLINES)
    await decided(store, "end", at=60, status=Status.DENIED, answers=Answers.EVERYTHING)
    assert (await rows(store))[asked].answered_at == 51


async def test_one_receipt_answers_neither_of_two(store: Store) -> None:
    """With a request and an intent to deny open, nobody can tell which was answered."""
    request = await decided(store, "rfe", at=10, asked=DEADLINE)
    intent = await decided(store, "noid", at=20, asked=DEADLINE)
    await decided(store, "response", at=30, status=Status.RFE_RECEIVED, answers=Answers.DEADLINES)
    found = await rows(store)
    assert (found[request].answered_at, found[intent].answered_at) == (None, None)
