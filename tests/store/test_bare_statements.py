"""What runs on the bare SQLite connection: each statement finds its rows by an index."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from casebell.store.cases import _WAITING, table_rows
from casebell.store.docket import Docket
from casebell.store.engine import Store
from casebell.store.event_log import append_events
from casebell.store.schema import events
from casebell.store.tables import SqliteTables
from contracts.case_events import case_event, same_json

STATEMENTS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "waiting": lambda bare: bare.execute(_WAITING, ("[4]", 256)).fetchall(),
    "events": lambda bare: table_rows(bare, events, "id", [1, 2], "AND routed_at IS NULL"),
    "docket": lambda bare: Docket.load_at_once(bare, ["IOE0912345678", "EAC9999103404"]),
    "one key": lambda bare: SqliteTables(bare).known([("parley", "a")]),
    "keys": lambda bare: SqliteTables(bare).known([("parley", "a"), ("torch", "b")]),
    "last": lambda bare: SqliteTables(bare).last(),
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_table_is_walked(sqlite_store: Store, name: str) -> None:
    """However many events there are, it looks at those that it asks for."""
    async with sqlite_store.write() as connection:
        await append_events(connection, [case_event()], same_content=same_json)

    def explain(bare: sqlite3.Connection) -> list[str]:
        run: list[str] = []
        bare.set_trace_callback(run.append)
        STATEMENTS[name](bare)
        bare.set_trace_callback(None)
        return [
            row[3] for statement in run for row in bare.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]

    plan = await sqlite_store.read_at_once(explain)
    assert plan
    walks = [line for line in plan if line.startswith("SCAN") and "json_each" not in line]
    # What waits is read off an index that holds nothing else.
    allowed = re.compile(r"SCAN (CONSTANT ROW|events USING (COVERING )?INDEX ix_events_unrouted)")
    assert [line for line in walks if not allowed.match(line)] == []
