"""Wordings that nobody has read yet, each kept once."""

from collections.abc import Sequence
from typing import Any

import pytest

from casebell.events import CaseEvent, Flag, Status, Tag
from casebell.store import wordings
from casebell.store.engine import Store
from casebell.store.event_log import append_events
from casebell.store.schema import wordings as wordings_table
from casebell.store.unit_of_work import UnitOfWork
from contracts.case_events import RECEIVED_AT, case_event, json_content
from contracts.decisions import make_decision
from contracts.stores import read_table
from contracts.writing import writing


async def stored(store: Store, *events: CaseEvent, **decided: Any) -> None:
    """Store new events, each decided as a change with a new wording."""

    def decide(unit: UnitOfWork) -> Sequence[Any]:
        made = []
        for one in unit.undecided:
            decision = make_decision(
                one,
                change=unit.next_change,
                status=Status.OTHER,
                **{"tags": frozenset(), "flags": frozenset({Flag.UNKNOWN_WORDING}), **decided},
            )
            unit.decide(decision, now=RECEIVED_AT)
            made.append(decision)
        return made

    async with writing(store) as connection:
        await append_events(connection, events, content_of=json_content, decide=decide)


async def kept(store: Store) -> list[tuple[str, int, int]]:
    """Text, first event and number of changes of each."""
    rows = await read_table(store, wordings_table)
    return sorted(((row.text, row.event_id, row.changes) for row in rows), key=lambda row: row[1])


def of_case(number: int, text: str) -> CaseEvent:
    """An event of a case of its own."""
    return case_event(f"evt_{number}", receipt=f"IOE09{number:08d}", text=text)


async def test_each_once_with_how_often_it_came(store: Store) -> None:
    """In one transaction and in several; particulars make no other wording of it."""
    first = "On May 2, 2026, the blue phase of IOE0900000001 began."
    await stored(store, of_case(1, first), of_case(2, "The Green Phase"))
    await stored(
        store,
        of_case(3, "On May 9, 2026, the blue phase of IOE0900000003 began."),
        of_case(4, "On June 9, 2026, the blue phase of IOE0900000004 began!"),
    )
    assert await kept(store) == [(first, 1, 3), ("The Green Phase", 2, 1)]


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": frozenset({Flag.LATE})},
        {"tags": frozenset({Tag.TEST})},
        # It reports a change that was told before.
        {"decision": None},
    ],
)
async def test_what_is_none(store: Store, fields: dict[str, Any]) -> None:
    """A wording that is known, one of a test receipt, and a second report."""
    await stored(store, of_case(1, "The Green Phase"))
    await stored(store, of_case(2, "The Blue Phase"), **fields)
    assert [text for text, *_ in await kept(store)] == ["The Green Phase"]


async def test_a_text_of_any_length(store: Store) -> None:
    """It is kept as far as anybody reads."""
    await stored(store, of_case(1, "Word by word, " * 2_000))
    ((text, _, _),) = await kept(store)
    assert len(text) == wordings.MAX_TEXT


async def test_what_is_told_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay, and what was not told."""
    monkeypatch.setattr(wordings, "KEPT", 2)
    texts = [f"The {color} Phase" for color in ("Red", "Green", "Blue", "Grey")]
    await stored(store, *(of_case(number, text) for number, text in enumerate(texts, 1)))
    async with writing(store) as connection:
        assert await wordings.count_unnotified(connection) == (4, 4)
        await wordings.mark_told(connection, first=2, last=4, now=RECEIVED_AT)
        assert await wordings.told_since(connection, RECEIVED_AT) == 2
        assert [row.text for row in await wordings.unnotified(connection, limit=9)] == texts[:1]
    assert [text for text, *_ in await kept(store)] == [texts[0], texts[2], texts[3]]
