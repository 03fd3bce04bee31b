"""`casebell journal list`: what happened, by number, newest first."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from casebell.store import walk
from casebell.store.engine import Store
from casebell.store.journal import Entry, append
from cli.installation import HOSTILE, Installation


def add(installation: Installation, *entries: Entry) -> None:
    """Entries beside those of what was received."""

    async def write() -> None:
        async with Store(f"sqlite:///{installation.database}") as store:
            await store.transact(append, entries)

    asyncio.run(write())


def entry(at: int = 0, **fields: object) -> Entry:
    """One whose time nobody would expect."""
    given = {"kind": "test.done", "actor": "cli:jchan", "subject": "test:1", "data": {}, **fields}
    return Entry(at=at, **given)  # type: ignore[arg-type]


def test_a_table(installation: Installation) -> None:
    """A line for each, newest first, of which nothing acts on a terminal."""
    hostile = {"text": HOSTILE, "half": "\ud83d"}
    add(installation, entry(data=hostile, by="Jia Chan"))
    ran = installation("journal", "list", "--limit", "3")
    assert (ran.code, ran.err) == (0, "")
    heading, first, *rest = ran.out.splitlines()
    assert heading.split() == ["SEQ", "AT", "KIND", "ACTOR", "BY", "SUBJECT", "DATA"]
    assert len(rest) == 2
    assert "1969-12-31 19:00:00 EST  test.done" in first
    assert "cli:jchan" in first
    assert "Jia Chan" in first
    assert first.isprintable()
    (told,) = installation("journal", "list", "--limit", "1", "--json").lines()
    assert told["data"] == {**hostile, "by": "Jia Chan"}


def test_filters(installation: Installation) -> None:
    """Each by itself and together; none that matches is told as that."""
    every = installation("journal", "list", "--limit", "1000", "--json").lines()
    assert [one["seq"] for one in every] == list(range(len(every), 0, -1))
    cases: list[tuple[list[str], Callable[[Mapping[str, Any]], bool]]] = [
        (["--kind", "delivery.stored"], lambda one: one["kind"] == "delivery.stored"),
        (["--actor", "source:torch"], lambda one: one["actor"] == "source:torch"),
        (["--subject", "event:2"], lambda one: one["subject"] == "event:2"),
        (
            ["--actor", "source:parley", "--kind", "delivery.duplicate"],
            lambda one: one["kind"] == "delivery.duplicate",
        ),
    ]
    for options, holds in cases:
        found = installation("journal", "list", "--json", *options).lines()
        assert found == [one for one in every if holds(one)], options
        assert found, options
    ran = installation("journal", "list", "--kind", "delivery")
    assert (ran.code, ran.out) == (0, "No entry matches.\n")
    assert installation("journal", "list", "--since", "yesterday").code == 2


def test_it_looks_through_everything(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command goes on where a page ends, also behind a clock that was set back."""
    late = entry(at=4_000_000_000_000_000, subject="test:late")
    add(installation, late, *[entry(subject=f"test:{number}") for number in range(20)])
    monkeypatch.setattr(walk, "SCAN_LIMIT", 3)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    ran = installation("journal", "list", "--json", "--since", "2090-01-01", "--limit", "2")
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line)["subject"] for line in ran.out.splitlines()] == ["test:late"]
    old = installation("journal", "list", "--json", "--until", "1971-01-01", "--limit", "7")
    numbers = [19, 18, 17, 16, 15, 14, 13]
    assert [one["subject"] for one in old.lines()] == [f"test:{number}" for number in numbers]
