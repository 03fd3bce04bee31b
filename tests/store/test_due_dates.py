"""When the next reminder of a typed date is due, on both backends."""

from datetime import date

from casebell.store.due_dates import set_reminder
from casebell.store.engine import Store
from casebell.store.schema import queue
from contracts.stores import read_table
from contracts.writing import writing

DUE = date(2026, 12, 24)


async def test_only_of_the_date_that_is_typed_now(store: Store) -> None:
    """A date that somebody else changed meanwhile, and an answered change, have no reminder."""
    row = {"receipt": "IOE0912345678", "since": 0, "deadline": True, "urgent": True}
    async with writing(store) as connection:
        await connection.execute(
            queue.insert(),
            [
                {**row, "change_id": 1, "due": "2026-12-24", "answered_at": None},
                {**row, "change_id": 2, "due": "2026-12-25", "answered_at": None},
                {**row, "change_id": 3, "due": "2026-12-24", "answered_at": 5},
            ],
        )
        said = [await set_reminder(connection, one, due=DUE, at=7) for one in (1, 2, 3, 4)]
    assert said == [True, False, False, False]
    assert {row.change_id: row.remind_at for row in await read_table(store, queue)} == {
        1: 7,
        2: None,
        3: None,
    }
    async with writing(store) as connection:
        assert await set_reminder(connection, 1, due=DUE, at=None)
