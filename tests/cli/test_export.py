"""`casebell events export`: everything, once, oldest first, and never over anything."""

import asyncio
import csv
import io
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from casebell.store.engine import Store
from cli.installation import HOSTILE, Installation, casebell, run_on_terminal
from cli.test_events import FIELDS
from contracts.case_events import case_event
from contracts.decisions import append_undecided
from contracts.writing import writing
from e2e.server import PROCESS_TIMEOUT, environment

#: More than one page of the database, and more than a pipe holds.
MANY = 1_203


def add_many(installation: Installation) -> None:
    """Events beside those that were received."""

    async def add() -> None:
        async with (
            Store(f"sqlite:///{installation.database}") as store,
            writing(store) as connection,
        ):
            for start in range(0, MANY, 100):
                numbers = range(start, min(start + 100, MANY))
                events = [case_event(f"evt_many_{number}") for number in numbers]
                await append_undecided(connection, events)

    asyncio.run(add())


def test_json_lines(installation: Installation) -> None:
    """The default: an object a line, with the fields of docs/contract.md, oldest first."""
    ran = installation("events", "export")
    assert (ran.code, ran.err) == (0, "")
    assert [list(event) for event in ran.lines()] == [FIELDS] * 5
    assert ran.lines() == list(reversed(installation("events", "list", "--json").lines()))
    assert ran.out.replace("\n", "").isprintable()
    assert "Año, “sí”" in ran.out


def test_everything(installation: Installation) -> None:
    """It is no listing: there is no limit, and nothing is skipped or told twice."""
    add_many(installation)
    out = installation.directory / "all.jsonl"
    assert installation("events", "export", "--out", str(out)).code == 0
    with out.open(encoding="utf-8") as lines:
        numbers = [json.loads(line)["id"] for line in lines]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 5 + MANY


def test_alerts(installation: Installation) -> None:
    """Who was alerted: the same rows as in the list, oldest first, in both formats."""
    listed = installation("alerts", "list", "--json", "--channel", "team").lines()
    ran = installation("alerts", "export", "--channel", "team", "--since", "1h")
    assert (ran.code, ran.err, ran.lines()) == (0, "", listed[::-1])
    out = installation.directory / "alerts.csv"
    asked = ["--format", "csv", "--out", str(out), "--state", "failed"]
    assert installation("alerts", "export", *asked).code == 0
    (row,) = read_csv(out.read_bytes().decode("utf-8"))
    assert list(row) == [*listed[0], "apostrophes_in"]
    assert (row["event"], row["event_key"], row["channel"]) == ("2", "evt_rfe", "broken")
    assert installation("alerts", "export", "--until", "1h").out == ""
    ran = installation("alerts", "export", "--receipt", "A12", "--out", f"{out}.2")
    assert (ran.code, ran.out) == (2, "")
    assert not out.with_name("alerts.csv.2").exists()


def read_csv(text: str) -> list[dict[str, str]]:
    """Rows by the names in the first one."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv(installation: Installation) -> None:
    """The same fields as columns; text comes back as it was, line ends included."""
    out = installation.directory / "all.csv"
    assert installation("events", "export", "--format", "csv", "--out", str(out)).code == 0
    rows = read_csv(out.read_bytes().decode("utf-8"))
    assert list(rows[0]) == [*FIELDS, "apostrophes_in"]
    assert [row["apostrophes_in"] for row in rows] == ["", "", "", "", "text"]
    assert [row["key"] for row in rows] == [
        "evt_received", "evt_rfe", "obs_rfe", "evt_hostile", "evt_formula",
    ]  # fmt: skip
    assert rows[3]["text"] == HOSTILE
    assert rows[3]["tags"] == "adverse decision"
    assert json.loads(rows[3]["decision"])["outcome"] == "notified"
    assert rows[0]["deliveries"] == "2"


def test_an_event_that_waits_to_be_routed(installation: Installation) -> None:
    """Its status is null, and an empty cell: no word that a reader could take for a status."""
    installation.undecide(2)
    exported = installation("events", "export").lines()[1]
    assert (exported["id"], exported["status"], exported["tags"]) == (2, None, [])
    row = read_csv(installation("events", "export", "--format", "csv").out)[1]
    assert (row["id"], row["status"], row["tags"], row["decision"]) == ("2", "", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_a_spreadsheet_runs_nothing(installation: Installation, start: str) -> None:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""

    async def add() -> None:
        async with (
            Store(f"sqlite:///{installation.database}") as store,
            writing(store) as connection,
        ):
            dangerous = f"{start}cmd|' /C calc'!A0"
            event = case_event(
                dangerous, text=dangerous, type=dangerous, delivered_status=dangerous
            )
            await append_undecided(connection, [event])

    asyncio.run(add())
    row = read_csv(installation("events", "export", "--format", "csv").out)[-1]
    for field in ("key", "type", "delivered_status", "text"):
        assert row[field].startswith(f"'{start}cmd"), field
    assert all(not value.startswith(("=", "+", "-", "@")) for value in row.values())
    assert row["apostrophes_in"] == "key type delivered_status text"


def test_filters_are_those_of_the_list(installation: Installation) -> None:
    """The same options find the same events."""
    for options in (
        ("--tag", "deadline"),
        ("--source", "torch"),
        ("--since", "1h"),
        ("--text", "x"),
    ):
        listed = installation("events", "list", "--json", *options).lines()
        assert installation("events", "export", *options).lines() == list(reversed(listed))


def test_it_never_overwrites(installation: Installation) -> None:
    """A file that is there stays as it is, and so does what a link names."""
    there, link = installation.directory / "there", installation.directory / "link"
    there.write_text("mine")
    link.symlink_to(installation.directory / "nowhere")
    for out in (there, link, installation.directory):
        ran = installation("events", "export", "--out", str(out))
        assert (ran.code, ran.out) == (1, "")
        assert f"{out} exists already; nothing was written." in ran.err
    assert there.read_text() == "mine"
    assert not (installation.directory / "nowhere").exists()


def test_a_file_that_cannot_be_made(installation: Installation) -> None:
    """Told in a sentence."""
    ran = installation("events", "export", "--out", str(installation.directory / "no" / "file"))
    assert (ran.code, ran.out) == (1, "")
    assert "No such file or directory" in ran.err


def test_what_is_exported_is_the_owners(installation: Installation) -> None:
    """As private as the database it comes from."""
    out = installation.directory / "private"
    before = os.umask(0)
    try:
        installation("events", "export", "--out", str(out))
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_nothing_half_is_left(installation: Installation, bare: Installation) -> None:
    """Without a database no file is made; on a full disk what was written goes; exit code 3."""
    out = installation.directory / "out"
    assert bare("events", "export", "--out", str(out)).code == 3
    assert not out.exists()
    add_many(installation)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ran = casebell(
        "events", "export", "--out", str(out), "--config", str(installation.config),
        preexec_fn=small_files,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert ran.stderr == f"Error: {out} cannot be written: File too large.\n".encode()
    assert not out.exists()


def test_standard_output_that_is_full(installation: Installation) -> None:
    """The output's trouble is not told as the storage's."""
    with Path("/dev/full").open("wb") as full:
        ran = casebell(
            "events", "export", "--config", str(installation.config),
            stdout=full, stderr=subprocess.PIPE, capture_output=False,
        )  # fmt: skip
    assert ran.returncode == 3
    assert ran.stderr == b"Error: Standard output cannot be written: No space left on device.\n"


def test_a_reader_that_has_enough(installation: Installation) -> None:
    """`| head` ends it without a word."""
    add_many(installation)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "casebell",
            "events",
            "export",
            "--config",
            str(installation.config),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out:
        first: dict[str, Any] = json.loads(out.readline())
    assert first["key"] == "evt_received"
    with process.stderr as err:
        assert err.read() == b""
    assert process.wait(PROCESS_TIMEOUT) == 141


def test_progress_is_for_who_watches(installation: Installation) -> None:
    """On a terminal it counts, and says at the end how much was written; elsewhere not a byte."""
    add_many(installation)
    out = installation.directory / "watched"
    seen = run_on_terminal(
        "events", "export", "--out", str(out), "--config", str(installation.config)
    )
    assert f"1,000 of {5 + MANY:,} events" in seen
    assert seen.rstrip().endswith(f"Wrote {5 + MANY:,} events.")
    assert out.stat().st_size > 0
    # Counting by a text first would take as long as the export.
    more = ["--text", "", "--out", str(installation.directory / "by-text")]
    assert "\r1,000 events" in run_on_terminal(
        "events", "export", *more, "--config", str(installation.config)
    )
    ran = installation("events", "export", "--out", str(installation.directory / "unwatched"))
    assert (ran.out, ran.err) == ("", "")


def test_on_a_terminal_nothing_acts(installation: Installation) -> None:
    """Printed to a terminal, the CSV has no control characters and no progress between its rows."""
    seen = run_on_terminal(
        "events", "export", "--format", "csv", "--config", str(installation.config)
    )
    assert "[2J]0;ownedeviltxt.exe" in seen
    assert "\x1b" not in seen
    assert "Wrote" not in seen
    assert len(seen.splitlines()) == 6
