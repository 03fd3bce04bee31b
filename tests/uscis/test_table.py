"""The table itself: each row has its own text, and each pattern one that needs it."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from casebell.events import Status, Tag
from casebell.uscis.classify import classify_text
from casebell.uscis.sentences import plain_text, sentences, statements
from casebell.uscis.table import marked, pattern, source, table, word_lists
from uscis import test_false_reassurance, test_intents
from uscis.corpus import descriptions, rows, tags

TABLE: list[dict[str, Any]] = source()["row"]


@pytest.mark.parametrize("row", rows("wordings.tsv"), ids=lambda row: row["text"])
def test_every_wording_reads_exactly(row: dict[str, str]) -> None:
    """Status and the whole set of tags are as written down for each."""
    reading = classify_text(row["text"])
    assert (reading.status, reading.tags) == (Status(row["status"]), tags(row["tags"]))
    assert reading.known


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_every_row_of_the_table_decides_its_example(row: dict[str, str]) -> None:
    """No row is dead: each has a text that no earlier row takes."""
    assert classify_text(row["example"]).row == row["id"]


def test_row_names_are_unique() -> None:
    """A row's name explains a reading, so it names one row."""
    names = [row["id"] for row in TABLE]
    assert sorted(set(names)) == sorted(names)


def corpora() -> Iterator[str]:
    """Every text of the corpora whose reading a test compares."""
    yield from (row["title"] for name in ("titles", "sample") for row in rows(f"{name}.tsv"))
    yield from (row["text"] for name in ("misleading", "wordings") for row in rows(f"{name}.tsv"))
    yield from (text for _, text in itertools.islice(descriptions(), 0, None, 14))
    for row in rows("real_texts.tsv"):
        yield from (text for name, text in row.items() if name.startswith(("title_", "descript")))
    for name in ("heard", "ordinary"):
        yield from (row["sentence"] for row in rows(f"{name}.tsv"))
    yield from test_false_reassurance.BESIDE
    for row in (*rows("adverse.tsv"), *rows("verdicts.tsv")):
        yield row["sentence"].format(form="Form I-130", formulario="Formulario I-130")
    for frame, action in (
        *itertools.product(test_intents.ENGLISH, test_intents.ACTIONS),
        *itertools.product(test_intents.SPANISH, test_intents.ACCIONES),
        *itertools.product(test_intents.OTHERS, [""]),
    ):
        yield frame.format(action)
    yield from (row["example"] for row in TABLE)


def stated_in_corpora() -> set[str]:
    """Every statement of the corpora."""
    return {
        marked(f" {statement} ")
        for text in corpora()
        for line in sentences(plain_text(text))
        for statement, _ in statements(line)
    }


def test_every_pattern_is_needed() -> None:
    """What no text of the corpora needs is either not tested or not wanted."""
    stated = stated_in_corpora()
    read_by: dict[str, list[str]] = {}
    for seen in map(table().with_phrases_named, stated):
        if row := table().row_of(seen):
            read_by.setdefault(row.reading.row, []).append(seen)
    data = source()
    patterns = [(row["id"], one) for row in TABLE if not row.get("whole") for one in row["says"]]
    patterns += [(name, one) for name, says in data["phrases"].items() for one in says]
    words = word_lists(data)
    idle = [
        (name, one)
        for name, one in patterns
        if not any(map(pattern([one], words).search, read_by.get(name, stated)))
    ]
    assert idle == []


def alone(patterns: list[str], seen: set[str]) -> list[str]:
    """The patterns without which the same statements are found."""
    words = word_lists(source())
    finds = {one: set(filter(pattern([one], words).search, seen)) for one in patterns}
    return [
        one
        for one, found in finds.items()
        if found <= {text for other, more in finds.items() if other != one for text in more}
    ]


def test_every_pattern_beside_the_rows_is_needed() -> None:
    """Steps, what is beside the case, ordinary sentences: each has a statement of its own."""
    seen = set(map(table().with_phrases_named, stated_in_corpora()))
    calm = {
        text
        for text in seen
        for row in [table().row_of(text)]
        if row is None or not row.reading.tags & {Tag.ADVERSE, Tag.REJECTED, Tag.DEADLINE}
    }
    data = source()
    assert alone(data["step"]["says"], {table().beside.sub(" ", text) for text in calm}) == []
    unread = {text for text in calm if table().row_of(text) is None}
    assert alone(data["ordinary"]["says"], unread) == []
    words, beside = word_lists(data), data["step"]["beside"]
    quiet = {
        text for text in calm if table().step.search(text) and not table().tells_of_a_step(text)
    }
    idle = [
        one
        for one in beside
        for others in [pattern([other for other in beside if other != one], words)]
        if not any(table().step.search(others.sub(" ", text)) for text in quiet)
    ]
    assert idle == []
