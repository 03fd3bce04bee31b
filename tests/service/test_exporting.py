"""Exports as the API and the command line get them: lines, turns, bounds, and their record."""

import asyncio
import csv
import gc
import hashlib
import io
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.actors import Actor, Right, Role
from casebell.errors import BadArgument, StorageUnavailable, TooManyExports
from casebell.service import exporting as module
from casebell.service.exporting import AT_ONCE, Exporting
from casebell.service.formats import Format, lines_of
from casebell.service.rights import RIGHTS
from casebell.store.engine import Store
from casebell.store.schema import journal
from contracts.actors import ADMIN, an_actor
from contracts.case_events import case_event
from contracts.exports import exported, exported_csv, exporting
from contracts.stores import failing_transactions, read_table, store_undecided
from waiting import until

AUDITOR = an_actor("token:audit", role=Role.AUDITOR)
#: Texts that a database, a spreadsheet or a terminal could stumble over.
STRANGE = {
    "control": "\x1b[2J\x85 and more",
    "long": "é" * 200_000,
    "right to left": "\u202egpj.exe\u200f",
    "formula": '=cmd|"/C calc"!A0;@SUM(1)',
    "number": "1" * 40,
}


@pytest.fixture
async def verbs(store: Store) -> Exporting:
    """Over a store with a few events."""
    await store_undecided(
        store, *(case_event(f"evt_{name}", text=text) for name, text in STRANGE.items())
    )
    return exporting(store)


async def entries(store: Store) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    """What the journal has of exports."""
    return [
        (row.kind, row.actor, row.subject, json.loads(row.data))
        for row in await read_table(store, journal)
        if row.kind.startswith("export.")
    ]


async def begin(
    verbs: Exporting, actor: Actor = AUDITOR, **given: Any
) -> AsyncGenerator[str, None]:
    """An export of which no line is taken yet."""
    return await verbs.export_events(actor=actor, **given)


async def test_it_is_on_record_before_the_first_line(store: Store, verbs: Exporting) -> None:
    """Who, with which filter; and at the end how much it was, before the last line is given."""
    auditor = an_actor("token:audit", role=Role.AUDITOR, by="Ana")
    lines = await begin(verbs, actor=auditor, text="formula name", since="2020-01-01")
    ((kind, actor, subject, data),) = await entries(store)
    assert (kind, actor) == ("export.started", "token:audit")
    assert data == {
        "by": "Ana",
        "of": "events",
        "filter": {
            "since": "2020-01-01T00:00:00.000000Z",
            "text_sha256": hashlib.sha256(b"formula name").hexdigest(),
        },
    }
    summary = json.loads(await anext(lines))["export"]
    _, (kind, actor, ended, data) = await entries(store)
    assert (kind, actor, ended) == ("export.ended", "token:audit", subject)
    empty = hashlib.sha256(b"").hexdigest()
    figures = {"of": "events", "rows": 0, "first": None, "last": None, "sha256": empty}
    assert data == {"by": "Ana", **figures}
    assert {name: summary[name] for name in figures} == figures
    assert summary["filter"] == {"since": "2020-01-01T00:00:00.000000Z", "text": "formula name"}
    assert [line async for line in lines] == []
    assert len(await entries(store)) == 2


@pytest.mark.parametrize("written", Format)
async def test_texts_come_through_unchanged(store: Store, verbs: Exporting, written: str) -> None:
    """Every line is UTF-8; the digest is of what was handed out, byte for byte."""
    lines = [line async for line in await begin(verbs, format=written)]
    encoded = [line.encode() for line in lines]
    *_, (_, _, _, ended) = await entries(store)
    assert ended["sha256"] == hashlib.sha256(b"".join(encoded[:-1])).hexdigest()
    if written == Format.JSONL:
        assert {one["text"] for one in map(json.loads, lines[:-1])} == set(STRANGE.values())
        assert all(line.endswith("\n") and line[:-1].isprintable() for line in lines)
    else:
        rows = await exported_csv(await begin(verbs, format=written))
        texts = [row["text"] for row in rows[:-1]]
        assert texts[:3] == list(STRANGE.values())[:3]
        assert rows[3]["apostrophes_in"] == "text"
        assert json.loads(rows[-1]["source"])["rows"] == len(STRANGE)


async def test_a_reader_that_leaves(store: Store, verbs: Exporting) -> None:
    """It is cut off on record with what it had by then, and makes room for another."""
    lines = await begin(verbs)
    await anext(lines)
    await lines.aclose()
    _, (kind, _, _, data) = await entries(store)
    assert (kind, data) == (
        "export.ended",
        {"of": "events", "rows": 1, "first": 1, "last": 1, "cut_off": True},
    )


async def test_one_that_nobody_reads(store: Store, verbs: Exporting) -> None:
    """Dropped without a line taken or closed, as when a connection is lost, it ends by itself."""
    for _ in range(AT_ONCE):
        await begin(verbs)
    gc.collect()

    async def ended() -> bool:
        return [kind for kind, *_ in await entries(store)].count("export.ended") == AT_ONCE

    await until(ended, "the end of both on record")
    await (await begin(verbs)).aclose()


async def test_a_reader_that_is_cancelled(store: Store, verbs: Exporting) -> None:
    """However it goes, its end is on record."""
    reached = asyncio.Event()

    async def read() -> None:
        async for _ in await begin(verbs):
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await reached.wait()
    task.cancel()
    await asyncio.wait([task])

    async def ended() -> bool:
        return (await entries(store))[-1][0] == "export.ended"

    await until(ended, "the end on record")


async def test_so_many_at_once(store: Store, verbs: Exporting) -> None:
    """One more is told to come back; a filter that is none is told as that."""
    under_way = [await begin(verbs) for _ in range(AT_ONCE)]
    for _ in range(2):
        with pytest.raises(TooManyExports) as caught:
            await begin(verbs)
        assert (caught.value.http_status, caught.value.exit_code) == (429, 3)
    with pytest.raises(BadArgument):
        await begin(verbs, source="parlay")
    assert len(await entries(store)) == AT_ONCE
    for lines in under_way:
        await lines.aclose()
    assert [line async for line in await begin(verbs)]


async def test_what_cannot_be_on_record_is_not_given(store: Store, verbs: Exporting) -> None:
    """Neither the first line nor, if the storage fails meanwhile, the last; there is room again."""
    for _ in range(AT_ONCE + 1):
        with failing_transactions(store), pytest.raises(StorageUnavailable):
            await begin(verbs)
    assert await entries(store) == []
    lines = await begin(verbs)
    got = [await anext(lines) for _ in STRANGE]
    assert [json.loads(line)["id"] for line in got] == [1, 2, 3, 4, 5]
    with failing_transactions(store), pytest.raises(StorageUnavailable):
        await anext(lines)
    assert [kind for kind, *_ in await entries(store)] == ["export.started"]


async def test_deliveries_have_turns(
    store: Store, verbs: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a few rows, and between a few long ones; also where nobody waits for the next."""
    monkeypatch.setattr(module, "ROWS_A_TURN", 2)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    lines = await begin(verbs)
    task = asyncio.create_task(others())
    before = [turns async for _ in lines]
    task.cancel()
    # The second text is long; the fourth and, at the end, the journal wait, too.
    assert before[1] > before[0]
    assert before[3] > before[2]


@pytest.mark.parametrize(
    "given",
    [
        {"format": "xml"},
        {"text": "\ud83d"},
        {"text": "a" * 2_001},
        {"source": "\0"},
        {"receipt": "A1"},
    ],
    ids=lambda given: str(given)[:20],
)
async def test_what_cannot_be_understood(
    store: Store, verbs: Exporting, given: dict[str, Any]
) -> None:
    """It is refused at once, and nothing is on record."""
    with pytest.raises(BadArgument):
        await begin(verbs, **given)
    assert await entries(store) == []


async def test_alerts_by_kind_and_target(store: Store, verbs: Exporting) -> None:
    """The filter as it was understood is in the last line."""
    given = {"kind": "case", "target": "general", "receipt": "ioe-0912345678"}
    found = await exported(store, "export_alerts", actor=AUDITOR, outstanding=True, **given)
    assert (found.rows, found.summary["of"]) == ([], "alerts")
    assert found.summary["filter"] == {**given, "receipt": "IOE0912345678", "outstanding": True}


def test_only_evidence_has_the_right() -> None:
    """Neither a viewer nor an operator exports."""
    for verb in ("export_events", "export_alerts", "record_export", "list_journal", "event_body"):
        assert RIGHTS[verb] is Right.EVIDENCE
    assert {role for role in Role if an_actor("a", role=role).may(Right.EVIDENCE)} == {
        Role.AUDITOR,
        ADMIN.role,
    }


@given(st.dictionaries(st.sampled_from("abc"), st.text(st.characters(exclude_categories=()))))
def test_the_last_row_of_a_table(filters: dict[str, str]) -> None:
    """Whatever was looked for, it is one line, as wide as the others, without a semicolon."""
    lines = lines_of(Format.CSV, ("id", "b", "c"))
    last = lines.last({"filter": filters, "rows": 3})
    assert last.count("\n") == 1
    assert ";" not in last
    (row,) = csv.reader(io.StringIO(last, newline=""), strict=True)
    mark, told, *rest = row
    assert (mark, rest) == ("# export", ["", ""])
    assert json.loads(told)["filter"] == json.loads(json.dumps(filters))
