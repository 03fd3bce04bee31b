"""Cases with what a firm says of them, for tests of what is read."""

import itertools
from collections.abc import Mapping
from typing import Any

from casebell.events import Status
from casebell.spelling import spelling
from casebell.store.engine import Store
from casebell.store.schema import cases
from contracts.case_events import RECEIVED_AT, case_event
from contracts.decisions import decide_later
from contracts.filled import append
from contracts.writing import writing

#: A key for each event.
_EVENTS = itertools.count()


def receipt_of(number: int) -> str:
    """A receipt number."""
    return f"IOE{number:010d}"


async def change_case(
    store: Store, number: int, *, status: Status = Status.RFE_ISSUED, **fields: Any
) -> int:
    """An event that makes a new change of a case, its current one; the change's number."""
    sent = case_event(f"evt_{next(_EVENTS)}", receipt=receipt_of(number))
    (event_id,) = await append(store, sent)
    given = {"current": True, **fields}
    return await decide_later(store, event_id, status=status, now=RECEIVED_AT, **given)


def with_keys(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the firm says of a case, with owner and team as they are compared."""
    keys = {f"{name}_key": spelling(facts[name]) for name in ("owner", "team") if name in facts}
    return {**facts, **keys}


async def say_of_case(store: Store, number: int, **facts: Any) -> None:
    """Have the firm's own data of a case."""
    async with writing(store) as connection:
        mine = cases.c.receipt == receipt_of(number)
        await connection.execute(cases.update().where(mine).values(**with_keys(facts)))
